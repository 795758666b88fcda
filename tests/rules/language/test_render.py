"""Rules as text: in the admin's units, and read back as the same rule."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import ir
from rules.language import compile_expression, render
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type
from tests.rules.language.test_expressions import FORMS
from tests.rules.vocabulary import VOCABULARY
from tests.thorough import examples

SHOWN = {
    "sum(purchase.amount, last 365 days) >= 500": "sum(purchase.amount, last 365 days) >= 500",
    "ltv > 499.9": "ltv > 499.90",
    "score > 2.50": "score > 2.5",
    "never purchase": "not count(purchase) >= 1",
    "purchase where gift last 1 month": "count(purchase where gift, last 1 month) >= 1",
    'country not in ["DE"]': 'country not in ["de"]',
    "birthday after 2000-01-31": "birthday since 2000-02-01",
    "(vip or suppressed) and vip": "(vip or suppressed) and vip",
    "score in top 0.5% by country": "score in top 0.5% by country",
    "(score - 1) * 2 > 3": "(score - 1) * 2 > 3",
    "score - (1 - score) > 3": "score - (1 - score) > 3",
    "days since (purchase where gift) > 3": "days since (purchase where (gift)) > 3",
}


@pytest.mark.means("the admin writes `500` or `499.90`.")
@pytest.mark.parametrize(("expression", "shown"), SHOWN.items())
def test_a_rule_is_shown_in_the_units_of_the_admin(expression: str, shown: str) -> None:
    node = compile_expression(expression, VOCABULARY)
    assert not isinstance(node, tuple), node
    assert render(node) == shown


@pytest.mark.parametrize("expression", FORMS)
def test_each_form_reads_back_from_its_text(expression: str) -> None:
    node = compile_expression(expression, VOCABULARY)
    assert not isinstance(node, tuple)
    assert compile_expression(render(node), VOCABULARY) == node


# ── generated rules ──

FOLDED = st.text(st.sampled_from("abcxyz0 .-'\"#éß[](),%"), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text and text.casefold() == text
)
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
MINUTES = st.datetimes(timezones=st.just(dt.UTC)).filter(lambda each: 1000 < each.year < 9000)


def facts(type_: Type) -> st.SearchStrategy[ir.Value]:
    names = [field for field in VOCABULARY.fields.values() if field.type is type_]
    return st.sampled_from([ir.Fact(field.name, type_) for field in names])


def periods() -> st.SearchStrategy[ir.Period]:
    n, units = st.integers(1, 50), st.sampled_from(ir.Unit)
    return st.one_of(
        st.just(ir.Ever()),
        st.builds(ir.Last, n, units),
        st.builds(lambda n, m, unit: ir.Ago(n, n + m, unit), st.integers(0, 40), n, units),
        st.builds(ir.Calendar, st.sampled_from(ir.CalendarUnit), st.sampled_from([-1, 0])),
        st.builds(lambda day: ir.Between(day, None), DAYS),
        st.builds(lambda day: ir.Between(None, day), MINUTES),
        st.builds(lambda day, n: ir.Between(day, day + dt.timedelta(days=n)), DAYS, n),
    )


def where() -> st.SearchStrategy[ir.Predicate | None]:
    category = ir.Fact("category", Type.TEXT)
    simple: st.SearchStrategy[ir.Predicate] = st.one_of(
        st.just(ir.IsTrue(ir.Fact("gift", Type.BOOLEAN))),
        st.builds(lambda text: ir.Compare(ir.Comparison.EQ, category, ir.Literal(text, Type.TEXT)), FOLDED),
        st.just(ir.IsKnown(category)),
    )
    return st.one_of(st.none(), simple, st.tuples(simple, simple).map(ir.And))


def amounts(type_: Type) -> st.SearchStrategy[ir.Value]:
    field = "amount" if type_ is Type.MONEY else "quantity"
    functions = st.sampled_from(
        [ir.AggregateFunction.SUM, ir.AggregateFunction.AVG, ir.AggregateFunction.MAX]
    )
    aggregates = st.builds(
        ir.Aggregate, functions, st.just("purchase"), st.just(field), where(), periods(), st.just(type_)
    )
    base = st.one_of(facts(type_), aggregates)
    if type_ is Type.NUMBER:
        first = ir.AggregateFunction.FIRST_AT
        moments = st.builds(
            ir.Aggregate,
            st.just(first),
            st.just("purchase"),
            st.none(),
            where(),
            st.just(ir.Ever()),
            st.just(Type.DATETIME),
        )
        base = st.one_of(base, moments.map(ir.DaysSince))
    operators = st.sampled_from([ir.Operator.ADD, ir.Operator.SUBTRACT])
    return st.recursive(
        base, lambda inner: st.builds(ir.Arithmetic, operators, inner, inner, st.just(type_)), max_leaves=4
    )


def literals(type_: Type) -> st.SearchStrategy[ir.Literal]:
    scale = MONEY_SCALE if type_ is Type.MONEY else NUMBER_SCALE
    return st.integers(-1000 * scale, 1000 * scale).map(lambda value: ir.Literal(value, type_))


def leaves() -> st.SearchStrategy[ir.Predicate]:
    texts = facts(Type.TEXT)
    orders = st.sampled_from(ir.Comparison)
    numeric = [
        st.builds(ir.Compare, orders, amounts(type_), literals(type_)) for type_ in (Type.NUMBER, Type.MONEY)
    ]
    return st.one_of(
        *numeric,
        st.builds(ir.InSet, texts, st.lists(FOLDED, min_size=1, unique=True).map(_texts)),
        st.builds(ir.TextTest, st.sampled_from(ir.TextTestKind), texts, FOLDED),
        st.builds(ir.IsKnown, texts),
        st.builds(ir.IsTrue, facts(Type.BOOLEAN)),
        st.builds(ir.InPeriod, facts(Type.DATETIME), periods().filter(lambda each: each != ir.Ever())),
        st.builds(
            ir.Anniversary, facts(Type.DATE), st.builds(ir.Next, st.integers(1, 90), st.just(ir.Unit.DAY))
        ),
        st.builds(
            ir.ListTest,
            st.sampled_from(ir.ListTestKind),
            facts(Type.TEXTS),
            st.lists(FOLDED, min_size=1, unique=True).map(tuple),
        ),
        st.builds(
            ir.RankShare,
            st.sampled_from(ir.Side),
            st.integers(1, 1_000_000),
            amounts(Type.MONEY),
            texts | st.none(),
        ),
        st.builds(ir.RandomShare, st.integers(1, 1_000_000), FOLDED),
        sequences(),
        st.builds(ir.Restarted, KINDS, where(), withins(), periods()),
        st.just(ir.Suppressed()),
        st.builds(ir.InSegment, st.sampled_from(["vip", "tiers/one"])),
    )


KINDS = st.just("purchase")


def withins() -> st.SearchStrategy[ir.Within]:
    return st.builds(
        ir.Within, st.integers(1, 90), st.sampled_from([ir.Unit.HOUR, ir.Unit.DAY, ir.Unit.WEEK])
    )


def sequences() -> st.SearchStrategy[ir.Predicate]:
    gap = st.none() | withins()
    unless = st.builds(ir.Unless, KINDS, where(), gap)
    first = st.builds(ir.Step, KINDS, where(), st.none())
    steps = st.lists(st.builds(ir.Step, KINDS, where(), gap), min_size=1, max_size=4)

    def made(
        first: ir.Step, later: list[ir.Step], unless: ir.Unless | None, period: ir.Period
    ) -> ir.Sequence:
        return ir.Sequence((first, *later), unless, period)

    chained = st.builds(made, first, steps, st.none() | unless, periods())
    return chained | st.builds(made, first, st.just([]), unless, periods())


def _texts(values: list[str]) -> tuple[ir.Literal, ...]:
    return tuple(ir.Literal(value, Type.TEXT) for value in values)


def predicates() -> st.SearchStrategy[ir.Predicate]:
    """Rules as the language writes them: `and` not directly inside `and`, no double `not`."""

    def joined(kind: type[ir.And] | type[ir.Or], inner: st.SearchStrategy[ir.Predicate]):
        parts = st.lists(inner.filter(lambda part: not isinstance(part, kind)), min_size=2, max_size=3)
        return parts.map(lambda found: kind(tuple(found)))

    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            joined(ir.And, inner),
            joined(ir.Or, inner),
            inner.filter(lambda part: not isinstance(part, ir.Not)).map(ir.Not),
        ),
        max_leaves=6,
    )


@settings(max_examples=examples(400), deadline=None, derandomize=True)
@given(predicates())
def test_any_rule_reads_back_from_its_text(node: ir.Predicate) -> None:
    assert compile_expression(render(node), VOCABULARY) == node
