"""Generated values and periods as the language writes them."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

from rules import ir
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type
from tests.rules.vocabulary import DEAL_KINDS, KINDS, RECORDS, VOCABULARY

F = ir.AggregateFunction
T = TypeVar("T")
FOLDED = st.text(st.sampled_from("abcxyz0 .-'\"#éß[](),%"), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text and text.casefold() == text
)
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
MINUTES = st.datetimes(dt.datetime(1001, 1, 1), dt.datetime(8999, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001
UNITS, FIXED = tuple(ir.Unit), (ir.Unit.HOUR, ir.Unit.DAY, ir.Unit.WEEK)
OF_DATES = UNITS[1:]
"""A date has no hours."""
FUNCTIONS = (F.SUM, F.AVG, F.MIN, F.MAX, F.LATEST, F.EARLIEST, F.MOST_FREQUENT)


@cache
def _whole(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(least, most)


@cache
def _one_of(options: tuple[T, ...]) -> st.SearchStrategy[T]:
    return st.sampled_from(options)


class Values(ABC):
    """Draws values and periods about a person, or (`kind`) about one activity or record inside a `where`."""

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
        return type(self)(self.draw, kind).predicate(self.whole(0, 2)) if self.pick((False, True)) else None

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

    @abstractmethod
    def predicate(self, depth: int) -> ir.Predicate:
        """A condition of limited depth."""
