"""Generated rules as the language writes them: every node that an expression can stand for.

`and` does not stand directly inside `and`, nor `not` inside `not`.
Drawn one by one, like `engine/generated.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

from rules import ir
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type
from tests.rules.vocabulary import DEAL_KINDS, KINDS, RECORDS, VOCABULARY

F = ir.AggregateFunction
T = TypeVar("T")
Make = Callable[[], ir.Predicate]
FOLDED = st.text(st.sampled_from("abcxyz0 .-'\"#éß[](),%"), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text and text.casefold() == text
)
PATTERNS = ("^a|b$", "(?i)stra(ß|ss)e", r"\.\d+", 'say "hi"', "it's #1")
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
MINUTES = st.datetimes(dt.datetime(1001, 1, 1), dt.datetime(8999, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001
SEGMENTS = ("vip", "tiers/one", 'say "hi"')
ORDERED = ("purchase", "email_click", "cart_add")
"""Kinds of activity; records have no place in an order."""
UNITS, FIXED = tuple(ir.Unit), (ir.Unit.HOUR, ir.Unit.DAY, ir.Unit.WEEK)
OF_DATES = UNITS[1:]
"""A date has no hours."""
SPOT = (ir.Fact("latitude", Type.NUMBER), ir.Fact("shop.longitude", Type.NUMBER))
FUNCTIONS = (F.SUM, F.AVG, F.MIN, F.MAX, F.LATEST, F.EARLIEST, F.MOST_FREQUENT)


@cache
def _whole(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(least, most)


@cache
def _one_of(options: tuple[T, ...]) -> st.SearchStrategy[T]:
    return st.sampled_from(options)


class Written:
    """Draws conditions about a person, or (`kind`) about one activity or record inside a `where`."""

    def __init__(self, draw: st.DrawFn, kind: str | None = None, *, alone: bool = False) -> None:
        self.draw, self.kind = draw, kind
        self.alone = alone  # inside a score, where there are neither segments nor ranks

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return self.draw(_one_of(tuple(options)))

    def whole(self, least: int, most: int) -> int:
        """A whole number."""
        return self.draw(_whole(least, most))

    def texts(self) -> tuple[str, ...]:
        """Different folded texts."""
        return tuple(dict.fromkeys(self.draw(FOLDED) for _ in range(self.whole(1, 3))))

    # ── values ──

    def names(self, type_: Type, kind: str | None = None) -> list[str]:
        """The fields of a type: of a person, of an activity or of a record."""
        kind = kind or self.kind
        fields = VOCABULARY.fields if kind is None else {**KINDS, **RECORDS}[kind].fields
        return [name for name, field in fields.items() if field.type is type_]

    def fact(self, *types: Type) -> ir.Fact:
        """A field of one of the types."""
        type_ = self.pick([each for each in types if self.names(each)])
        return ir.Fact(self.pick(self.names(type_)), type_)

    def literal(self, type_: Type, least: int = -1000) -> ir.Literal:
        """An amount with all the decimals there are, or a folded text."""
        if type_ is Type.TEXT:
            return ir.Literal(self.draw(FOLDED), type_)
        scale = MONEY_SCALE if type_ is Type.MONEY else NUMBER_SCALE
        return ir.Literal(self.whole(least * scale, 1000 * scale), type_)

    def aggregate(self, functions: Sequence[ir.AggregateFunction], type_: Type) -> ir.Aggregate:
        """A function over activity or records that gives this type."""
        function = self.pick(functions)
        bare = function in (F.COUNT, F.LAST_AT, F.FIRST_AT)
        of = Type.TEXT if function in (F.LIST, F.DISTINCT) else type_
        fields = {kind: self.names(of, kind) for kind in ("purchase", "email_click", "deal")}
        kind = self.pick([each for each, names in fields.items() if bare or names])
        period = ir.Ever() if function in (F.LAST_AT, F.FIRST_AT) else self.period()
        return self.over(function, kind, None if bare else self.pick(fields[kind]), period, type_)

    def over(
        self, function: ir.AggregateFunction, kind: str, field: str | None, period: ir.Period, type_: Type
    ) -> ir.Aggregate:
        """A function over what fits a condition, or over all."""
        where = self.where(kind)
        if kind == "deal":
            return ir.RecordAggregate(function, kind, field, where, period, type_, "deal", DEAL_KINDS)
        return ir.Aggregate(function, kind, field, where, period, type_)

    def where(self, kind: str) -> ir.Predicate | None:
        """Perhaps a condition on the fields of one activity or record."""
        return Written(self.draw, kind).predicate(self.whole(0, 2)) if self.pick((False, True)) else None

    def numeric(self) -> list[Type]:
        """The types of amounts that there are in the scope."""
        days = [Type.NUMBER] if self.names(Type.DATE) else []
        return [type_ for type_ in (Type.NUMBER, Type.MONEY) if self.names(type_)] or days

    def amount(self, type_: Type, depth: int = 2) -> ir.Value:
        """NUMBER or MONEY, of a person perhaps with functions; with arithmetic."""
        plus, times = (ir.Operator.ADD, ir.Operator.SUBTRACT), (ir.Operator.MULTIPLY, ir.Operator.DIVIDE)
        match self.pick(("fact", "function", "days", "plus", "times", "share")):
            case "plus" if depth:
                left, right = self.amount(type_, depth - 1), self.amount(type_, depth - 1)
                return ir.Arithmetic(self.pick(plus), left, right, type_)
            case "times" if depth:
                left = self.amount(type_, depth - 1)
                right = self.pick((self.literal, *([self.amount] if Type.NUMBER in self.numeric() else [])))
                return ir.Arithmetic(self.pick(times), left, right(Type.NUMBER, 1), type_)
            case "share" if depth and type_ is Type.NUMBER and self.names(Type.MONEY):
                left, right = self.amount(Type.MONEY, 0), self.amount(Type.MONEY, 0)
                return ir.Arithmetic(ir.Operator.DIVIDE, left, right, type_)
            case "days" if type_ is Type.NUMBER and self.names(Type.DATE):
                return ir.DaysSince(self.date())
            case "function" if self.kind is None:
                counted = (F.COUNT, F.DISTINCT) if type_ is Type.NUMBER else ()
                return self.aggregate((*FUNCTIONS, *counted), type_)
        return self.fact(type_) if self.names(type_) else ir.DaysSince(self.date())

    def text(self) -> ir.Value:
        """A text, of a person perhaps that of an activity."""
        if self.kind is None and self.pick((False, True)):
            return self.aggregate((F.LATEST, F.EARLIEST, F.MOST_FREQUENT), Type.TEXT)
        return self.fact(Type.TEXT)

    def date(self) -> ir.Value:
        """A date or an instant, of a person perhaps that of the first or the last activity."""
        if self.kind is None and self.pick((False, True)):
            return self.aggregate((F.FIRST_AT, F.LAST_AT), Type.DATETIME)
        return self.fact(Type.DATE, Type.DATETIME)

    # ── periods ──

    def period(self, of: Type | None = None) -> ir.Period:
        """A window of activity, or one in which a DATE or DATETIME may lie, which may be ahead."""
        n, unit = self.whole(1, 50), self.pick(OF_DATES if of is Type.DATE else UNITS)
        match self.pick(("ever", "last", "ago", "calendar", "since", "before", "from")):
            case "last":
                return ir.Last(n, unit)
            case "ago":
                start = self.whole(0, 40)
                return ir.Ago(start, start + n, unit)
            case "calendar":
                return self.calendar((-1, 0, 1) if of else (-1, 0))
            case "since":
                return ir.Between(self.draw(DAYS), None)
            case "before":
                return ir.Between(None, self.draw(DAYS if of is Type.DATE else MINUTES))
            case "from":
                start_day = self.draw(DAYS)
                return ir.Between(start_day, start_day + dt.timedelta(days=n))
        return ir.Next(n, unit) if of else ir.Ever()

    def calendar(self, shifts: Sequence[int]) -> ir.Calendar:
        """A unit of the calendar."""
        return ir.Calendar(self.pick(tuple(ir.CalendarUnit)), self.pick(shifts))

    def within(self) -> ir.Within:
        """A gap between two activities."""
        return ir.Within(self.whole(1, 90), self.pick(FIXED))

    # ── conditions ──

    def predicate(self, depth: int) -> ir.Predicate:
        """A condition of limited depth."""
        shape = self.pick(("leaf", "not", "and", "or")) if depth else "leaf"
        if shape == "leaf":
            return self.pick(self.leaves())()
        part = self.predicate(depth - 1)
        if shape == "not":
            return part if isinstance(part, ir.Not) else ir.Not(part)
        kind = ir.And if shape == "and" else ir.Or
        parts = (part, *(self.predicate(depth - 1) for _ in range(self.whole(1, 2))))
        flat = [each for one in parts for each in (one.parts if isinstance(one, kind) else (one,))]
        return kind(tuple(flat))

    def leaves(self) -> Sequence[Make]:
        """What the scope allows."""
        scope: list[Make] = [self.compared, self.one_of, self.looked_into, self.known]
        if self.names(Type.DATE):
            scope.append(self.dated)
        if self.kind is None:
            scope += [self.yearly, self.listed, self.sequence, self.pausing, self.regular]
            scope += [self.related, self.near]
        return scope if self.alone or self.kind else [*scope, self.ranked, self.grouped, self.grouped]

    def compared(self) -> ir.Predicate:
        """Two sides of one type."""
        type_, order = self.pick((Type.TEXT, *self.numeric())), self.pick(tuple(ir.Comparison))
        constant = self.pick((True, True, False))
        if type_ is Type.TEXT:
            return ir.Compare(ir.Comparison.EQ, self.text(), self.literal(type_) if constant else self.text())
        return ir.Compare(order, self.amount(type_), self.literal(type_) if constant else self.amount(type_))

    def one_of(self) -> ir.Predicate:
        """One of several constants."""
        if self.names(Type.MONEY) and self.pick((False, True)):
            found = {self.whole(0, 10**6) for _ in range(self.whole(1, 3))}
            options = tuple(ir.Literal(each, Type.MONEY) for each in found)
            return ir.InSet(self.fact(Type.MONEY), options)
        return ir.InSet(self.text(), tuple(ir.Literal(each, Type.TEXT) for each in self.texts()))

    def looked_into(self) -> ir.Predicate:
        """Looking into a text."""
        if self.pick((False, True)):
            return ir.Matches(self.text(), self.pick(PATTERNS))
        return ir.TextTest(self.pick(tuple(ir.TextTestKind)), self.text(), self.draw(FOLDED))

    def known(self) -> ir.Predicate:
        """What is known, what is true."""
        if self.names(Type.BOOLEAN) and self.pick((False, True)):
            return ir.IsTrue(self.fact(Type.BOOLEAN))
        if self.pick((False, True)):
            return ir.Constant(self.pick((False, True)))
        amounts = [lambda: self.amount(Type.NUMBER)] if Type.NUMBER in self.numeric() else []
        return ir.IsKnown(self.pick((self.text, *amounts))())

    def dated(self) -> ir.Predicate:
        """A date in a period."""
        value = self.date()
        of_day = isinstance(value, ir.Fact) and value.type is Type.DATE
        return ir.InPeriod(value, self.period(Type.DATE if of_day else Type.DATETIME))

    def yearly(self) -> ir.Predicate:
        """An anniversary."""
        n, unit = self.whole(1, 90), self.pick(OF_DATES)
        periods = (ir.Next(n, unit), ir.Last(n, unit), self.calendar((-1, 0, 1)))
        return ir.Anniversary(self.fact(Type.DATE, Type.DATETIME), self.pick(periods))

    def listed(self) -> ir.Predicate:
        """A list of texts, also that of all values of a field."""
        value = self.pick((lambda: self.fact(Type.TEXTS), lambda: self.aggregate((F.LIST,), Type.TEXTS)))()
        if self.pick((False, True)):
            return ir.IsKnown(value)
        return ir.ListTest(self.pick(tuple(ir.ListTestKind)), value, self.texts())

    def ranked(self) -> ir.Predicate:
        """People compared with people, with or without groups."""
        value = self.amount(self.pick((Type.NUMBER, Type.MONEY)))
        by = self.fact(Type.TEXT, Type.NUMBER, Type.BOOLEAN) if self.pick((False, True)) else None
        side = self.pick(tuple(ir.Side))
        match self.pick(("share", "count", "quintile")):
            case "share":
                return ir.RankShare(side, self.whole(1, 1_000_000), value, by)
            case "count":
                return ir.RankCount(side, self.whole(1, 5000), value, by)
        return ir.Quintile(self.whole(1, 5), value, by)

    def grouped(self) -> ir.Predicate:
        """Segments, since when they hold, lists, clusters, consent and chance."""
        match self.pick(("segment", "held", "list", "cluster", "random", "suppressed", "consent")):
            case "segment":
                return ir.InSegment(self.pick(SEGMENTS))
            case "held":
                return ir.HeldSegment(self.pick(SEGMENTS), self.whole(1, 400), self.pick(UNITS))
            case "cluster":
                cluster = ir.Fact("cluster", Type.TEXT)
                return ir.Compare(ir.Comparison.EQ, cluster, self.literal(Type.TEXT))
            case "random":
                return ir.RandomShare(self.whole(1, 1_000_000), self.pick(("Spring Test", *self.texts())))
            case "suppressed":
                return ir.Suppressed()
            case "consent":
                return ir.Consented("email")
        return ir.InList("newsletter:spring")

    def near(self) -> ir.Predicate:
        """A place, known or near a point."""
        if self.pick((False, True)):
            return ir.Placed("location", *SPOT)
        north, east = self.whole(-90_000_000, 90_000_000), self.whole(-180_000_000, 180_000_000)
        far, unit = self.whole(1, 10**9), self.pick(tuple(ir.DistanceUnit))
        return ir.Near("location", *SPOT, far, unit, north, east)

    def related(self) -> ir.Predicate:
        """One deal or more, or all of them."""
        period = self.period()
        matching = self.over(F.COUNT, "deal", None, period, Type.NUMBER)
        assert isinstance(matching, ir.RecordAggregate)
        if matching.where is None or self.pick((False, True)):
            return ir.Compare(ir.Comparison.GE, matching, ir.Literal(NUMBER_SCALE, Type.NUMBER))
        of = ir.RecordAggregate(F.COUNT, "deal", None, None, period, Type.NUMBER, "deal", DEAL_KINDS)
        return ir.AllRecords(matching, of)

    # ── in order ──

    def sequence(self) -> ir.Predicate:
        """Activity in order, and what must not follow."""
        gaps = [None, *(self.pick((self.within, lambda: None))() for _ in range(self.whole(0, 4)))]
        steps = tuple(ir.Step(*self.activity(), gap) for gap in gaps)
        unless = ir.Unless(*self.activity(), self.pick((self.within, lambda: None))())
        return ir.Sequence(
            steps, unless if len(steps) == 1 or self.pick((False, True)) else None, self.period()
        )

    def activity(self) -> tuple[str, ir.Predicate | None]:
        """A kind and perhaps a condition on it."""
        kind = self.pick(ORDERED)
        return kind, self.where(kind)

    def pausing(self) -> ir.Predicate:
        """What has stopped or restarted."""
        kind = self.pick(ORDERED)
        if self.pick((False, True)):
            return ir.Restarted(kind, self.where(kind), self.within(), self.period())
        last = self.over(F.LAST_AT, kind, None, ir.Ever(), Type.DATETIME)
        return ir.Stopped(last, ir.Last(self.whole(1, 100), self.pick(UNITS)))

    def regular(self) -> ir.Predicate:
        """What happened in some of the last slices."""
        least = self.whole(1, 40)
        period = ir.Last(least + self.whole(0, 60), self.pick(UNITS))
        slices = self.over(F.SLICES, self.pick(ORDERED), None, period, Type.NUMBER)
        return ir.Compare(ir.Comparison.GE, slices, ir.Literal(least * NUMBER_SCALE, Type.NUMBER))


@st.composite
def predicates(draw: st.DrawFn) -> ir.Predicate:
    """Any condition."""
    written = Written(draw)
    return written.predicate(written.whole(0, 2))
