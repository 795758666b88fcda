"""Generated people and predicates over every node of the representation, with values on purpose near the
edges: windows, month ends, daylight saving, ties, missing facts, scripts that fold oddly, huge numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from rules import ir
from rules.engine.person import PersonFacts
from rules.text import clean, fold
from rules.vocabulary import Type
from tests.rules.vocabulary import KINDS, PEOPLE_FIELDS

ZONE = "Europe/Berlin"
BERLIN = ZoneInfo(ZONE)
DAY = dt.timedelta(days=1)
US = dt.timedelta(microseconds=1)

AS_OF = (
    dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC),
    dt.datetime(2024, 2, 29, 23, 30, tzinfo=dt.UTC),  # 1 March in Berlin
    dt.datetime(2025, 3, 30, 1, tzinfo=dt.UTC),  # the very change to summer time
    dt.datetime(2025, 10, 26, 0, 30, tzinfo=dt.UTC),  # the first of two half past twos
    dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC),  # midnight of the new year in Berlin
    dt.datetime(2025, 5, 31, 12, 0, 0, 1, tzinfo=dt.UTC),  # a month end
)
TEXTS = (
    "DE",
    "de",
    "Straße",
    "STRASSE",
    "İstanbul",
    "ΣΑΣ",
    "σας",
    "Zoe\u0308",
    "Zo\u00eb",
    "a.b",
    "it's",
    "東京",
    "x y",
)
PATTERNS = ("^DE$", "(?i)stra(ß|ss)e", "Zo.$", "s.*y|^a", "[^a-z]", r"\.", "")
NUMBERS = (0, 1, -1, 1_000_000, 2_500_000, -3_000_000, 2**53 + 1, -(2**53) - 2, 2**63 - 1, -(2**63))
MONEY = (0, 1, 99, 100, 500_00, -250, 2**53 + 1, -(2**53) - 3, 2**63 - 1, -(2**63))
UNITS = st.sampled_from(list(ir.Unit))
COUNTS = st.sampled_from([1, 2, 3, 12, 30, 90])
FUNCTIONS = ir.AggregateFunction


def instants(as_of: dt.datetime) -> st.SearchStrategy[dt.datetime]:
    """Instants on, just before and just after the edges that periods have, and some in between."""
    local = as_of.astimezone(BERLIN)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    edges = [as_of - n * DAY for n in (0, 1, 2, 3, 7, 12, 30, 90, 365)]
    edges += [as_of + n * DAY for n in (1, 7, 30)] + [as_of - dt.timedelta(hours=n) for n in (1, 2, 3, 12)]
    edges += [(midnight + n * DAY).astimezone(dt.UTC) for n in (-7, -1, 0, 1)]
    edges += [
        dt.datetime(year, month, 1, tzinfo=BERLIN).astimezone(dt.UTC)
        for year in (2024, 2025, 2026)
        for month in (1, 3, 4)
    ]
    edges += [dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC), dt.datetime(1969, 7, 20, tzinfo=dt.UTC)]
    moves = st.sampled_from([dt.timedelta(0), US, -US, dt.timedelta(hours=1)])
    near = st.builds(lambda edge, move: edge + move, st.sampled_from(edges), moves)
    return near | st.builds(lambda s: as_of - dt.timedelta(seconds=s), st.integers(-(10**6), 4 * 10**7))


def dates(as_of: dt.datetime) -> st.SearchStrategy[dt.date]:
    """Days around today, month ends, leap days."""
    today = as_of.astimezone(BERLIN).date()
    near = st.sampled_from([today + n * DAY for n in (-90, -31, -30, -7, -3, -2, -1, 0, 1, 2, 3, 7, 30)])
    fixed = st.sampled_from(
        [dt.date(1988, 2, 29), dt.date(1990, 2, 28), dt.date(1985, 3, 1), dt.date(2024, 12, 31)]
    )
    return near | fixed | st.dates(dt.date(1930, 1, 1), dt.date(2030, 12, 31))


def physical(type_: Type, as_of: dt.datetime) -> st.SearchStrategy[object]:
    """A known value of a type, as stored; few different ones, so that people tie."""
    small_numbers, small_money = (
        st.integers(-2, 5).map(lambda n: n * 500_000),
        st.integers(-3, 6).map(lambda n: n * 50),
    )
    strategies: dict[Type, st.SearchStrategy[object]] = {
        Type.TEXT: st.sampled_from(TEXTS).map(clean),
        Type.NUMBER: small_numbers | st.sampled_from(NUMBERS),
        Type.MONEY: small_money | st.sampled_from(MONEY),
        Type.BOOLEAN: st.booleans(),
        Type.DATE: dates(as_of),
        Type.DATETIME: instants(as_of),
        Type.TEXTS: st.lists(st.sampled_from(TEXTS).map(clean), max_size=3),
    }
    return strategies[type_]


@st.composite
def facts(draw: st.DrawFn, fields: dict[str, Type], as_of: dt.datetime) -> dict[str, object]:
    """Values for the fields, about a fifth of them missing."""
    return {
        name: draw(physical(type_, as_of)) if draw(st.integers(0, 4)) else None
        for name, type_ in fields.items()
    }


FIELD_TYPES = {name: field.type for name, field in PEOPLE_FIELDS.items()}
KIND_TYPES = {
    kind: {n: f.type for n, f in KINDS[kind].fields.items()} for kind in ("purchase", "email_click")
}


@st.composite
def people(draw: st.DrawFn, as_of: dt.datetime) -> list[PersonFacts]:
    """A few people, numbered with gaps."""
    found = []
    for number in range(draw(st.integers(1, 9))):
        activity = {}
        for kind, types in KIND_TYPES.items():
            rows = []
            for _ in range(draw(st.sampled_from([0, 0, 1, 2, 4]))):
                rows.append({"at": draw(instants(as_of)), **draw(facts(types, as_of))})
            activity[kind] = rows
        found.append(
            PersonFacts(
                person=number * 3,
                facts=draw(facts(FIELD_TYPES, as_of)),
                activity=activity,
                suppressed=draw(st.booleans()),
                consented={"email": draw(st.sampled_from([None, True, False]))},
                lists=frozenset(draw(st.sampled_from([[], ["newsletter:spring"]]))),
            )
        )
    return found


class Nodes:
    """Strategies of nodes over one scope: the facts of a person, or of one activity inside a `where`."""

    def __init__(self, as_of: dt.datetime, types: dict[str, Type], *, activity: bool) -> None:
        self.as_of, self.types, self.activity = as_of, types, activity

    def literal(self, type_: Type) -> st.SearchStrategy[ir.Literal]:
        """A constant in the units of the representation."""
        values = physical(type_, self.as_of)
        if type_ is Type.TEXT:
            values = values.map(lambda text: fold(str(text)))
        if type_ in (Type.NUMBER, Type.MONEY):
            values = values | st.sampled_from([2**70, -(2**70)])
        return values.map(lambda value: ir.Literal(value, type_))  # type: ignore[arg-type]

    def fact(self, type_: Type) -> st.SearchStrategy[ir.Value]:
        """A field of the scope."""
        names = [name for name, found in self.types.items() if found is type_]
        return st.sampled_from(names).map(lambda name: ir.Fact(name, type_)) if names else st.nothing()

    def aggregate(self, type_: Type) -> st.SearchStrategy[ir.Value]:
        """An aggregate with a result of the type."""
        if self.activity:
            return st.nothing()
        choices: list[tuple[ir.AggregateFunction, str, str | None]] = []
        for kind, fields in KIND_TYPES.items():
            if type_ is Type.NUMBER:
                choices.append((FUNCTIONS.COUNT, kind, None))
                choices += [(FUNCTIONS.DISTINCT, kind, name) for name in fields]
            if type_ is Type.DATETIME:
                choices += [(FUNCTIONS.LAST_AT, kind, None), (FUNCTIONS.FIRST_AT, kind, None)]
            for name, found in fields.items():
                if type_ is Type.TEXTS and found is Type.TEXT:
                    choices.append((FUNCTIONS.LIST, kind, name))
                if found is not type_:
                    continue
                choices += [(FUNCTIONS.LATEST, kind, name), (FUNCTIONS.EARLIEST, kind, name)]
                if type_ in (Type.NUMBER, Type.MONEY):
                    choices += [(FUNCTIONS.SUM, kind, name), (FUNCTIONS.AVG, kind, name)]
                if type_ is not Type.BOOLEAN:
                    choices += [(FUNCTIONS.MIN, kind, name), (FUNCTIONS.MAX, kind, name)]
        if not choices:
            return st.nothing()

        def build(choice: tuple[ir.AggregateFunction, str, str | None]) -> st.SearchStrategy[ir.Value]:
            function, kind, field = choice
            inner = Nodes(self.as_of, KIND_TYPES[kind], activity=True).predicate(depth=1)
            return st.builds(
                lambda where, period: ir.Aggregate(function, kind, field, where, period, type_),
                st.none() | inner,
                self.period(aggregate=True),
            )

        return st.sampled_from(choices).flatmap(build)

    def period(self, *, aggregate: bool = False) -> st.SearchStrategy[ir.Period]:
        """Any period."""
        bound = st.none() | dates(self.as_of) | instants(self.as_of)
        calendar = st.builds(ir.Calendar, st.sampled_from(list(ir.CalendarUnit)), st.integers(-2, 1))
        periods = st.builds(ir.Last, COUNTS, UNITS) | st.builds(
            ir.Ago, st.integers(1, 3), st.integers(4, 30), UNITS
        )
        periods = periods | st.builds(ir.Between, bound, bound) | calendar
        return periods | (st.just(ir.Ever()) if aggregate else st.builds(ir.Next, COUNTS, UNITS))

    def number(self, depth: int) -> st.SearchStrategy[ir.Value]:
        """A NUMBER or MONEY value of any make."""
        plain = self.of(Type.NUMBER) | self.of(Type.MONEY)
        if depth == 0:
            return plain
        inner = self.number(depth - 1) | self.literal(Type.NUMBER)
        money = st.sampled_from([Type.NUMBER, Type.MONEY])
        return plain | st.builds(ir.Arithmetic, st.sampled_from(list(ir.Operator)), inner, inner, money)

    def of(self, type_: Type) -> st.SearchStrategy[ir.Value]:
        """A fact or aggregate of a type."""
        found = self.fact(type_) | self.aggregate(type_)
        if type_ is Type.NUMBER:
            found = found | st.builds(ir.DaysSince, self.moment())
        return found

    def moment(self) -> st.SearchStrategy[ir.Value]:
        """A DATE or DATETIME."""
        at = st.just(ir.Fact("at", Type.DATETIME)) if self.activity else st.nothing()
        return self.fact(Type.DATE) | self.fact(Type.DATETIME) | self.aggregate(Type.DATETIME) | at

    def comparison(self) -> st.SearchStrategy[ir.Predicate]:
        """Two sides of one type, or two numbers one of which is arithmetic."""
        operators = st.sampled_from(list(ir.Comparison))

        def sides(type_: Type) -> st.SearchStrategy[ir.Predicate]:
            value = self.of(type_)
            other = value | self.literal(type_)
            return st.builds(ir.Compare, operators, value, other) | st.builds(
                ir.Compare, operators, other, value
            )

        exact = st.sampled_from([Type.NUMBER, Type.MONEY]).flatmap(sides)
        texts = st.builds(
            ir.Compare,
            st.just(ir.Comparison.EQ),
            self.of(Type.TEXT),
            self.of(Type.TEXT) | self.literal(Type.TEXT),
        )
        number = self.number(2)
        mixed = st.builds(ir.Compare, operators, number, number | self.literal(Type.NUMBER))
        return exact | texts | mixed

    def leaf(self) -> st.SearchStrategy[ir.Predicate]:
        """A predicate without predicates in it."""
        texts, moments = self.of(Type.TEXT), self.moment()
        anything = texts | self.number(1) | moments | self.of(Type.BOOLEAN)
        folded = st.sampled_from([fold(text) for text in TEXTS] + ["s", "\u00eb", "stra", ""])
        options: Callable[[Type], st.SearchStrategy[ir.Predicate]] = lambda type_: st.builds(  # noqa: E731
            ir.InSet, self.of(type_), st.lists(self.literal(type_), min_size=1, max_size=3).map(tuple)
        )
        yearly = st.builds(ir.Next, COUNTS, UNITS) | st.builds(ir.Last, COUNTS, UNITS)
        yearly = yearly | st.builds(ir.Calendar, st.sampled_from(list(ir.CalendarUnit)), st.integers(-2, 2))
        leaves = [
            self.comparison(),
            st.sampled_from([Type.TEXT, Type.NUMBER, Type.MONEY]).flatmap(options),
            st.builds(ir.TextTest, st.sampled_from(list(ir.TextTestKind)), texts, folded),
            st.builds(ir.Matches, texts, st.sampled_from(PATTERNS)),
            st.builds(ir.IsKnown, anything),
            st.builds(ir.IsTrue, self.of(Type.BOOLEAN)),
            st.builds(ir.Constant, st.booleans()),
        ]
        if not (self.activity and "sku" not in self.types):
            leaves.append(st.builds(ir.InPeriod, moments, self.period()))
            leaves.append(st.builds(ir.Anniversary, moments, yearly))
        return st.one_of(leaves) if self.activity else st.one_of(*leaves, self.personal())

    def personal(self) -> st.SearchStrategy[ir.Predicate]:
        """What only makes sense of a person."""
        lists = self.of(Type.TEXTS)
        options = st.lists(st.sampled_from([fold(t) for t in TEXTS]), min_size=1, max_size=3).map(tuple)
        side, ppm = (
            st.sampled_from(list(ir.Side)),
            st.sampled_from([0, 1, 70_000, 100_000, 333_333, 500_000, 10**6]),
        )
        by = st.none() | self.fact(Type.TEXT) | self.fact(Type.BOOLEAN) | self.fact(Type.NUMBER)
        value = self.number(1) | self.moment()
        return st.one_of(
            st.builds(ir.ListTest, st.sampled_from(list(ir.ListTestKind)), lists, options),
            st.builds(ir.IsKnown, lists),
            st.builds(ir.RankShare, side, ppm, value, by),
            st.builds(ir.RankCount, side, st.integers(0, 6), value, by),
            st.builds(ir.Quintile, st.integers(1, 5), value, by),
            st.just(ir.InList("newsletter:spring")),
            st.just(ir.Suppressed()),
            st.just(ir.Consented("email")),
            st.builds(ir.RandomShare, ppm, st.sampled_from(["spring-test", "it's", "Ünï"])),
        )

    def predicate(self, depth: int, segments: tuple[str, ...] = ()) -> st.SearchStrategy[ir.Predicate]:
        """A predicate of limited depth, which may use the segments."""
        leaf = self.leaf()
        if segments:
            leaf = leaf | st.sampled_from(segments).map(ir.InSegment)
        if depth == 0:
            return leaf
        inner = self.predicate(depth - 1, segments)
        parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return leaf | st.builds(ir.Not, inner) | st.builds(ir.And, parts) | st.builds(ir.Or, parts)
