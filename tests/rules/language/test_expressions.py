"""Every form of the language and the representation it stands for; names of many makes."""

from __future__ import annotations

import pytest

from rules import ir
from rules.language import compile_expression
from rules.vocabulary import Type
from tests.rules.language.form_nodes import VIP, D, F, agg, gt, money, number
from tests.rules.language.forms import FORMS
from tests.rules.vocabulary import VOCABULARY


@pytest.mark.parametrize(("expression", "expected"), FORMS.items(), ids=FORMS.keys())
def test_each_form_stands_for_its_node(expression: str, expected: ir.Predicate) -> None:
    assert compile_expression(expression, VOCABULARY) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("birthday since 2000-02-01", "birthday after 2000-01-31"),
        ("birthday on 2000-01-31", "birthday = 2000-01-31"),
        ("did purchase last 30 days", "purchase within last 30 days"),
        ('country = "DE"', ' country="de" # the same'),
        ("purchase", "count(purchase) >= 1"),
        ("5 < score", "score > 5"),
    ],
)
def test_two_ways_of_writing_one_condition_have_one_key(one: str, other: str) -> None:
    first, second = compile_expression(one, VOCABULARY), compile_expression(other, VOCABULARY)
    assert isinstance(first, ir.Node)
    assert isinstance(second, ir.Node)
    assert first.key == second.key


def test_words_of_the_language_may_be_names_of_facts() -> None:
    """A fact may be called `first` or `count`: words are keywords only where the grammar wants them."""
    from rules.vocabulary import Field, Vocabulary

    names = [
        "first",
        "last",
        "count",
        "days",
        "random",
        "top",
        "segment",
        "by",
        "on",
        "known",
        "list",
        "then",
        "stopped",
    ]
    vocabulary = Vocabulary({name: Field(name, Type.NUMBER) for name in names}, {})
    for name in names:
        expected = gt(ir.Fact(name, Type.NUMBER), number(1))
        assert compile_expression(f"{name} > 1", vocabulary) == expected
        assert compile_expression(f"not {name} > 1 and 1 < {name}", vocabulary) == ir.And(
            (ir.Not(expected), expected)
        )


def test_a_known_fact_may_be_called_like_the_first_word_of_a_form() -> None:
    from rules.vocabulary import Field, Vocabulary

    vocabulary = Vocabulary({"stopped": Field("stopped", Type.DATE), "most": Field("most", Type.BOOLEAN)}, {})
    stopped = ir.InPeriod(ir.Fact("stopped", Type.DATE), ir.Last(3, D))
    most = ir.IsTrue(ir.Fact("most", Type.BOOLEAN))
    assert compile_expression("stopped last 3 days and most", vocabulary) == ir.And((stopped, most))


def test_a_name_in_backquotes_may_be_a_reserved_word_or_have_spaces() -> None:
    from rules.vocabulary import Field, Vocabulary

    vocabulary = Vocabulary({name: Field(name, Type.BOOLEAN) for name in ("and", "my field", "a-b")}, {})
    expected = ir.And(tuple(ir.IsTrue(ir.Fact(name, Type.BOOLEAN)) for name in ("and", "my field", "a-b")))
    assert compile_expression("`and` and `my field` and `a-b`", vocabulary) == expected


def test_the_longest_known_name_with_dashes_wins_over_a_subtraction() -> None:
    from rules.vocabulary import Field, Vocabulary

    names = ("a", "b", "a-b", "shop-eu.total", "shop-eu.total-net")
    vocabulary = Vocabulary({name: Field(name, Type.NUMBER) for name in names}, {})

    def fact(name: str) -> ir.Fact:
        return ir.Fact(name, Type.NUMBER)

    minus = ir.Operator.SUBTRACT
    assert compile_expression("a-b > 1", vocabulary) == gt(fact("a-b"), number(1))
    assert compile_expression("a - b > 1", vocabulary) == gt(
        ir.Arithmetic(minus, fact("a"), fact("b"), Type.NUMBER), number(1)
    )
    assert compile_expression("b-a > 1", vocabulary) == gt(
        ir.Arithmetic(minus, fact("b"), fact("a"), Type.NUMBER), number(1)
    )
    assert compile_expression("shop-eu.total-net > 1", vocabulary) == gt(fact("shop-eu.total-net"), number(1))
    assert compile_expression("shop-eu.total-b > 1", vocabulary) == gt(
        ir.Arithmetic(minus, fact("shop-eu.total"), fact("b"), Type.NUMBER), number(1)
    )


def test_fields_are_inlined_with_their_own_meaning() -> None:
    fields = {"spend": "sum(purchase.amount)", "rich": "spend > 100 or vip", "big-spend": "spend * 2"}
    spend = agg(F.SUM, field="amount", type=Type.MONEY)
    assert compile_expression("spend > 5", VOCABULARY, fields=fields) == gt(spend, money(500))
    assert compile_expression("rich and suppressed", VOCABULARY, fields=fields) == ir.And(
        (ir.Or((gt(spend, money(10_000)), ir.IsTrue(VIP))), ir.Suppressed())
    )
    assert compile_expression("big-spend > 5", VOCABULARY, fields=fields) == gt(
        ir.Arithmetic(ir.Operator.MULTIPLY, spend, number(2), Type.MONEY), money(500)
    )
