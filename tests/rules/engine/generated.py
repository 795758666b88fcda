"""Generated people and predicates over every node of the representation, with values on purpose near the
edges: windows, month ends, daylight saving, ties, missing facts, scripts that fold oddly, huge numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from rules import ir
from rules.engine.person import PersonFacts
from rules.engine.sphere import distance
from rules.text import clean, fold
from rules.vocabulary import Type
from tests.rules.vocabulary import DEAL_KINDS, KINDS, PEOPLE_FIELDS, RECORDS

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
NORTHS = (0, 48_140_000, 48_140_001, -48_140_000, 89_999_999, 90_000_000, -90_000_000, 1)
EASTS = (0, 11_580_000, 11_580_001, 179_999_999, 180_000_000, -180_000_000, -11_580_000, -1)
"""Coordinates in millionths of degrees, also of the poles and the date line."""
COUNTS = (1, 2, 3, 12, 30, 90)
PARTS = (*(fold(text) for text in TEXTS), "s", "\u00eb", "stra", "")
SHARES = (0, 1, 70_000, 100_000, 333_333, 500_000, 1_000_000)
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


FIELD_TYPES = {name: field.type for name, field in PEOPLE_FIELDS.items()}
KIND_TYPES = {
    kind: {n: f.type for n, f in KINDS[kind].fields.items()} for kind in ("purchase", "email_click")
}
DEAL_TYPES = {name: field.type for name, field in RECORDS["deal"].fields.items()}
T = TypeVar("T")


@cache
def _one_of(options: tuple[T, ...], _types: tuple[type, ...]) -> st.SearchStrategy[T]:
    return st.sampled_from(options)


@cache
def _physical(type_: Type, as_of: dt.datetime) -> st.SearchStrategy[object]:
    return physical(type_, as_of)


def over(
    function: ir.AggregateFunction,
    kind: str,
    field: str | None,
    where: ir.Predicate | None,
    period: ir.Period,
    type_: Type,
) -> ir.Aggregate:
    """A function over activity, or over deals."""
    if kind == "deal":
        return ir.RecordAggregate(function, kind, field, where, period, type_, "deal", DEAL_KINDS)
    return ir.Aggregate(function, kind, field, where, period, type_)


class Generator:
    """Draws people and nodes. Draws one by one: combining strategies into deep trees is far slower."""

    def __init__(self, draw: st.DrawFn, as_of: dt.datetime) -> None:
        self.draw, self.as_of = draw, as_of

    def pick(self, options: Sequence[T]) -> T:
        """One of the options; the simplest first."""
        return self.draw(
            _one_of(tuple(options), tuple(map(type, options)))
        )  # 0 and False are equal, but not the same

    def chance(self, one_in: int) -> bool:
        """True in one of so many draws."""
        return self.pick(range(one_in)) == one_in - 1

    # ── people ──

    def facts(self, fields: dict[str, Type]) -> dict[str, object]:
        """Values for the fields, about a fifth of them missing."""
        found = {
            name: None if self.chance(5) else self.draw(_physical(type_, self.as_of))
            for name, type_ in fields.items()
        }
        for name, points in (("latitude", NORTHS), ("shop.longitude", EASTS)):
            if name in found and not self.chance(4):
                found[name] = self.pick(points)
        return found

    def people(self) -> list[PersonFacts]:
        """A few people, numbered with gaps."""
        return [self.person(number * 3) for number in range(self.pick((1, 3, 6, 8)))]

    def person(self, number: int) -> PersonFacts:
        """One person with some activity."""
        activity = {
            kind: [
                {"at": self.draw(_physical(Type.DATETIME, self.as_of)), **self.facts(types)}
                for _ in range(self.pick((0, 1, 2, 4)))
            ]
            for kind, types in KIND_TYPES.items()
        }
        activity |= {kind: [self.deal() for _ in range(self.pick((0, 1, 2)))] for kind in DEAL_KINDS}
        return PersonFacts(
            person=number,
            facts=self.facts(FIELD_TYPES),
            activity=activity,
            suppressed=self.pick((False, True)),
            consented={"email": self.pick((None, True, False))},
            lists=frozenset(self.pick(((), ("newsletter:spring",)))),
        )

    def deal(self) -> dict[str, object]:
        """One state of one of two deals, often at the same instant as others; or of none."""
        at = self.as_of - self.pick((0, 1, 1, 30, -1)) * DAY
        return {**self.facts(DEAL_TYPES), "at": at, "deal": self.pick(("d-1", "D-1", "d-1", None))}


class Nodes(Generator):
    """Draws nodes over one scope: the facts of a person, or (`kind`) of one activity inside a `where`."""

    def __init__(self, draw: st.DrawFn, as_of: dt.datetime, *, kind: str | None = None) -> None:
        super().__init__(draw, as_of)
        self.kind = kind
        self.scoring = False  # inside a score, where there are neither ranks nor segments
        own = DEAL_TYPES if kind == "deal" else KIND_TYPES.get(kind or "", {})
        self.types = FIELD_TYPES if kind is None else {**own, "at": Type.DATETIME}

    # ── values ──

    def literal(self, type_: Type) -> ir.Literal:
        """A constant in the units of the representation."""
        value = self.draw(_physical(type_, self.as_of))
        if type_ in (Type.NUMBER, Type.MONEY) and self.chance(12):
            value = self.pick((2**70, -(2**70), 2**130))
        return ir.Literal(fold(value) if isinstance(value, str) else value, type_)  # type: ignore[arg-type]

    def has(self, type_: Type) -> bool:
        """Whether the scope has a field of the type."""
        return type_ in self.types.values()

    def fact(self, type_: Type) -> ir.Fact:
        """A field of the scope."""
        return ir.Fact(self.pick([name for name, found in self.types.items() if found is type_]), type_)

    def aggregate(self, type_: Type, *, records: bool = True) -> ir.Aggregate:
        """An aggregate with a result of the type, over activity or (unless not `records`) over deals."""
        kind = self.pick((*KIND_TYPES, "deal") if records else tuple(KIND_TYPES))
        if type_ is Type.BOOLEAN or (type_ is Type.MONEY and kind != "deal"):
            kind = "purchase"
        fields = DEAL_TYPES if kind == "deal" else KIND_TYPES[kind]
        choices: list[tuple[ir.AggregateFunction, str | None]] = []
        if type_ is Type.NUMBER:
            choices = [(FUNCTIONS.COUNT, None), *((FUNCTIONS.DISTINCT, name) for name in fields)]
        if type_ is Type.DATETIME:
            choices = [(FUNCTIONS.LAST_AT, None), (FUNCTIONS.FIRST_AT, None)]
        for name, found in fields.items():
            if type_ is Type.TEXTS and found is Type.TEXT:
                choices.append((FUNCTIONS.LIST, name))
            if found is type_:
                choices += [(FUNCTIONS.LATEST, name), (FUNCTIONS.EARLIEST, name)]
                choices += [(FUNCTIONS.MOST_FREQUENT, name)]
                if type_ in (Type.NUMBER, Type.MONEY):
                    choices += [(FUNCTIONS.SUM, name), (FUNCTIONS.AVG, name)] * 2
                if type_ is not Type.BOOLEAN:
                    choices += [(FUNCTIONS.MIN, name), (FUNCTIONS.MAX, name)]
        function, field = self.pick(choices)
        where = Nodes(self.draw, self.as_of, kind=kind).predicate(1) if self.chance(2) else None
        return over(function, kind, field, where, self.period(aggregate=True), type_)

    def period(self, *, aggregate: bool = False) -> ir.Period:
        """Any period."""
        match self.pick(("last", "ago", "between", "calendar", "other")):
            case "last":
                return ir.Last(self.pick(COUNTS), self.pick(list(ir.Unit)))
            case "ago":
                return ir.Ago(self.pick((1, 2)), self.pick((3, 7, 30)), self.pick(list(ir.Unit)))
            case "between":
                return ir.Between(self.bound(), self.bound())
            case "calendar":
                return ir.Calendar(self.pick(list(ir.CalendarUnit)), self.pick((0, -1, 1, -2)))
        return ir.Ever() if aggregate else ir.Next(self.pick(COUNTS), self.pick(list(ir.Unit)))

    def bound(self) -> dt.date | dt.datetime | None:
        """A written bound."""
        type_ = self.pick((None, Type.DATE, Type.DATETIME))
        return None if type_ is None else self.draw(_physical(type_, self.as_of))  # type: ignore[return-value]

    def value(self, type_: Type) -> ir.Value:
        """A fact or aggregate of a type."""
        if self.kind is None and type_ is not Type.DATE and (self.chance(2) or not self.has(type_)):
            return self.aggregate(type_)
        if not self.has(type_) or (type_ is Type.NUMBER and self.chance(4)):
            return ir.DaysSince(self.moment())
        return self.fact(type_)

    def moment(self) -> ir.Value:
        """A DATE or DATETIME."""
        return self.value(self.pick([type_ for type_ in (Type.DATETIME, Type.DATE) if self.has(type_)]))

    def number(self, depth: int) -> ir.Value:
        """A NUMBER or MONEY value of any make."""
        if depth and self.chance(2):
            left, right = self.number(depth - 1), self.number(depth - 1)
            return ir.Arithmetic(
                self.pick(list(ir.Operator)), left, right, self.pick((Type.NUMBER, Type.MONEY))
            )
        if self.kind is None and not self.scoring and self.chance(5):
            return self.score()
        type_ = Type.MONEY if self.has(Type.MONEY) and self.chance(2) else Type.NUMBER
        return self.literal(type_) if depth == 0 and self.chance(4) else self.value(type_)

    def score(self) -> ir.Score:
        """A score of one to three parts."""
        parts = tuple(self.pick((self.earned, self.granted))() for _ in range(self.pick((1, 2, 3))))
        return ir.Score("engagement", parts, self.pick((None, 0, -1_000_000)), self.pick((None, 7_500_000)))

    def earned(self) -> ir.Earned:
        """Points for activity, perhaps fading, perhaps so many a day."""
        counted = self.aggregate(Type.NUMBER, records=False)  # `check` refuses records there
        points = self.pick((5_000_000, 1, -3_000_000, 1_500_001, 100_000_000_000))
        per_day, half_life = self.pick((None, 1, 2)), self.pick((None, 1, 7, 30, 365))
        return ir.Earned(counted.kind, counted.where, counted.period, points, per_day, half_life)

    def granted(self) -> ir.Granted:
        """Points for a condition about the person alone."""
        self.scoring = True
        condition = self.predicate(1)
        self.scoring = False
        return ir.Granted(condition, self.pick((2_500_000, -1_000_000)))

    # ── predicates ──

    def predicate(self, depth: int, segments: tuple[str, ...] = ()) -> ir.Predicate:
        """A predicate of limited depth, which may use the segments."""
        shape = self.pick(("leaf", "not", "and", "or")) if depth else "leaf"
        if shape == "leaf":
            if segments and self.chance(6):
                return ir.HeldSegment(self.pick(segments), self.pick(COUNTS), self.pick(list(ir.Unit)))
            return ir.InSegment(self.pick(segments)) if segments and self.chance(4) else self.leaf()
        if shape == "not":
            return ir.Not(self.predicate(depth - 1, segments))
        parts = tuple(self.predicate(depth - 1, segments) for _ in range(self.pick((2, 3))))
        return ir.And(parts) if shape == "and" else ir.Or(parts)

    def leaf(self) -> ir.Predicate:
        """A predicate without predicates in it."""
        leaves = [
            self.comparison,
            self.comparison,
            self.one_of,
            self.text,
            self.known,
            self.in_period,
            self.yearly,
        ]
        if self.kind is None:
            ranked = [] if self.scoring else [self.ranked, self.ranked]
            leaves += [*ranked, self.listed, self.personal, self.related, self.sequence, self.regularity]
            leaves.append(self.near)
        return self.pick(leaves)()

    def comparison(self) -> ir.Predicate:
        """Two sides of one type, or two numbers one of which is arithmetic."""
        operator = self.pick(list(ir.Comparison))
        if self.chance(3):
            return ir.Compare(operator, self.number(2), self.number(2))
        if self.chance(3):
            other = self.value(Type.TEXT) if self.chance(2) else self.literal(Type.TEXT)
            return ir.Compare(ir.Comparison.EQ, self.value(Type.TEXT), other)
        type_ = Type.MONEY if self.has(Type.MONEY) and self.chance(2) else Type.NUMBER
        sides = [self.value(type_), self.value(type_) if self.chance(3) else self.literal(type_)]
        return ir.Compare(operator, *(reversed(sides) if self.chance(3) else sides))

    def one_of(self) -> ir.Predicate:
        """One of several constants."""
        type_ = self.pick((Type.TEXT, Type.NUMBER, Type.MONEY) if self.has(Type.MONEY) else (Type.TEXT,))
        options = tuple(self.literal(type_) for _ in range(self.pick((1, 2, 3))))
        value = self.number(1) if type_ is not Type.TEXT else self.value(Type.TEXT)
        return ir.InSet(
            value,
            tuple(
                ir.Literal(o.value, value.type if hasattr(value, "type") else Type.NUMBER) for o in options
            ),
        )

    def text(self) -> ir.Predicate:
        """Looking into a text."""
        value = self.value(Type.TEXT)
        if self.chance(3):
            return ir.Matches(value, self.pick(PATTERNS))
        return ir.TextTest(self.pick(list(ir.TextTestKind)), value, self.pick(PARTS))

    def known(self) -> ir.Predicate:
        """What is known at all."""
        if self.has(Type.BOOLEAN) and self.chance(3):
            return ir.IsTrue(self.value(Type.BOOLEAN))
        if self.chance(6):
            return ir.Constant(self.pick((True, False)))
        return ir.IsKnown(self.pick((self.moment, lambda: self.number(1), lambda: self.value(Type.TEXT)))())

    def in_period(self) -> ir.Predicate:
        """A date in a period."""
        return ir.InPeriod(self.moment(), self.period())

    def yearly(self) -> ir.Predicate:
        """An anniversary."""
        if self.chance(2):
            return ir.Anniversary(
                self.moment(), ir.Calendar(self.pick(list(ir.CalendarUnit)), self.pick((0, -1, 1)))
            )
        make = self.pick((ir.Next, ir.Last))
        return ir.Anniversary(self.moment(), make(self.pick(COUNTS), self.pick(list(ir.Unit))))

    def ranked(self) -> ir.Predicate:
        """People compared with people."""
        value = self.moment() if self.chance(4) else self.number(1)
        by = (
            self.fact(self.pick((Type.TEXT, Type.BOOLEAN, Type.NUMBER, Type.DATE)))
            if self.chance(2)
            else None
        )
        side = self.pick(list(ir.Side))
        match self.pick(("share", "count", "quintile")):
            case "share":
                return ir.RankShare(side, self.pick(SHARES), value, by)
            case "count":
                return ir.RankCount(side, self.pick((0, 1, 2, 5, 99)), value, by)
        return ir.Quintile(self.pick((1, 2, 3, 4, 5)), value, by)

    def activity(self) -> tuple[str, ir.Predicate | None]:
        """A kind and perhaps a condition on it."""
        kind = self.pick(tuple(KIND_TYPES))
        return kind, Nodes(self.draw, self.as_of, kind=kind).predicate(0) if self.chance(4) else None

    def within(self) -> ir.Within:
        """A gap, often just as long as two of the generated instants are apart."""
        return ir.Within(
            self.pick((1, 2, 5, 12, 30, 90)), self.pick((ir.Unit.DAY, ir.Unit.HOUR, ir.Unit.WEEK))
        )

    def sequence(self) -> ir.Predicate:
        """Activity in order."""
        period = self.period(aggregate=True) if self.chance(2) else ir.Ever()
        gaps = [None, *(self.pick((self.within, lambda: None))() for _ in range(self.pick((0, 1, 2, 3))))]
        steps = tuple(ir.Step(*self.activity(), gap) for gap in gaps)
        unless = ir.Unless(*self.activity(), None if self.chance(3) else self.within())
        return ir.Sequence(steps, unless if len(steps) == 1 or self.chance(3) else None, period)

    def regularity(self) -> ir.Predicate:
        """Slices, and what stopped or restarted."""
        if self.chance(2):
            period = self.period(aggregate=True) if self.chance(2) else ir.Ever()
            return ir.Restarted(*self.activity(), self.within(), period)
        last = ir.Last(self.pick(COUNTS), self.pick(list(ir.Unit)))
        kind, where = self.activity()
        if self.chance(2):
            at = ir.Aggregate(FUNCTIONS.LAST_AT, kind, None, where, ir.Ever(), Type.DATETIME)
            return ir.Stopped(at, last)
        slices = ir.Aggregate(FUNCTIONS.SLICES, kind, None, where, last, Type.NUMBER)
        return ir.Compare(ir.Comparison.GE, slices, ir.Literal(self.pick((1, 2, 3)) * 1_000_000, Type.NUMBER))

    def listed(self) -> ir.Predicate:
        """A list of texts."""
        value = self.value(Type.TEXTS)
        if self.chance(4):
            return ir.IsKnown(value)
        options = tuple(self.pick(PARTS) for _ in range(self.pick((1, 2, 3))))
        return ir.ListTest(self.pick(list(ir.ListTestKind)), value, options)

    def related(self) -> ir.Predicate:
        """All deals that a person has."""
        where, period = Nodes(self.draw, self.as_of, kind="deal").predicate(1), self.period(aggregate=True)
        matching, of = (over(FUNCTIONS.COUNT, "deal", None, w, period, Type.NUMBER) for w in (where, None))
        assert isinstance(matching, ir.RecordAggregate)
        assert isinstance(of, ir.RecordAggregate)
        return ir.AllRecords(matching, of)

    def near(self) -> ir.Predicate:
        """A place near a point, often as far as some other point is, to the millionth."""
        facts = ir.Fact("latitude", Type.NUMBER), ir.Fact("shop.longitude", Type.NUMBER)
        if self.chance(6):
            return ir.Placed("location", *facts)
        north, east = self.pick(NORTHS), self.pick(EASTS)
        unit = self.pick(list(ir.DistanceUnit))
        probe = ir.Near("location", *facts, 1, unit, north, east)
        exact = round(distance(probe, self.pick(NORTHS), self.pick(EASTS)) * 1_000_000)
        far = self.pick((exact, exact + 1, max(exact - 1, 1), 1, 50_000_000, 20_015_114_000, 10**12))
        return ir.Near("location", *facts, max(far, 1), unit, north, east)

    def personal(self) -> ir.Predicate:
        """What only makes sense of a person."""
        lot = ir.RandomShare(self.pick(SHARES), self.pick(("spring-test", "it's", "Ünï")))
        return self.pick((ir.Suppressed(), ir.Consented("email"), ir.InList("newsletter:spring"), lot))
