"""What binds tighter, against Python's own reading of the same text."""

from __future__ import annotations

import operator
import re
from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rules import ir
from rules.language import compile_expression
from rules.vocabulary import NUMBER_SCALE, Field, Type, Vocabulary
from tests.thorough import examples

FLAGS = ("a", "b", "c", "d")
NUMBERS = ("p", "q", "r")
VOCABULARY = Vocabulary(
    {
        **{name: Field(name, Type.BOOLEAN) for name in FLAGS},
        **{name: Field(name, Type.NUMBER) for name in NUMBERS},
    },
    {},
)
CALCULATE = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
COMPARE = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def holds(node: ir.Predicate, facts: dict[str, object]) -> bool:
    match node:
        case ir.And(parts):
            return all(holds(part, facts) for part in parts)
        case ir.Or(parts):
            return any(holds(part, facts) for part in parts)
        case ir.Not(part):
            return not holds(part, facts)
        case ir.IsTrue(ir.Fact(name)):
            return facts[name] is True
        case ir.Constant(value):
            return value
        case ir.Compare(how, left, right):
            return COMPARE[how](number(left, facts), number(right, facts))
    raise AssertionError(node)


def number(node: ir.Value, facts: dict[str, object]) -> Fraction:
    match node:
        case ir.Literal(int() as value):
            return Fraction(value, NUMBER_SCALE)
        case ir.Fact(name):
            return facts[name]  # type: ignore[return-value]
        case ir.Arithmetic(how, left, right):
            return CALCULATE[how](number(left, facts), number(right, facts))
    raise AssertionError(node)


def conditions() -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from((*FLAGS, "True", "False")),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
            inner.map("not {}".format),
            inner.map("({})".format),
        ),
        max_leaves=12,
    )


def amounts() -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from((*NUMBERS, "2", "0.5", "10")),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", " - "]), inner).map("".join),
            inner.map("({})".format),
            inner.map("-({})".format),
        ),
        max_leaves=10,
    )


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(conditions(), st.lists(st.booleans(), min_size=4, max_size=4))
def test_not_binds_tighter_than_and_and_tighter_than_or(text: str, values: list[bool]) -> None:
    facts = dict(zip(FLAGS, values, strict=True))
    node = compile_expression(text, VOCABULARY)
    assert not isinstance(node, tuple), node
    assert holds(node, facts) is eval(text, {}, dict(facts))


@settings(max_examples=examples(500), deadline=None, derandomize=True)
@given(amounts(), st.lists(st.integers(-5, 5).filter(bool), min_size=3, max_size=3))
def test_arithmetic_is_read_as_in_school(text: str, values: list[int]) -> None:
    facts: dict[str, object] = dict(zip(NUMBERS, map(Fraction, values), strict=True))
    exact = re.sub(r"\d+(\.\d+)?", lambda found: f"Fraction('{found.group()}')", text)
    try:
        expected = eval(exact, {"Fraction": Fraction}, dict(facts))
    except ZeroDivisionError:
        assume(False)
    node = compile_expression(f"{text} > p", VOCABULARY)
    assert not isinstance(node, tuple), node
    assert isinstance(node, ir.Compare)
    left, right = (node.left, node.right) if node.operator is ir.Comparison.GT else (node.right, node.left)
    assert number(left, facts) == expected
    assert right == ir.Fact("p", Type.NUMBER)


@settings(max_examples=examples(100), deadline=None, derandomize=True)
@given(conditions(), conditions())
def test_a_negated_comparison_is_the_complement(one: str, other: str) -> None:
    for values in ([True, False, True, False], [False, False, True, True]):
        facts: dict[str, object] = dict(zip(FLAGS, values, strict=True))
        plain = compile_expression(f"({one}) or ({other})", VOCABULARY)
        negated = compile_expression(f"not ({one}) and not ({other})", VOCABULARY)
        assert not isinstance(plain, tuple)
        assert not isinstance(negated, tuple)
        assert holds(plain, facts) is not holds(negated, facts)
