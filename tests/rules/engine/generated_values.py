"""Generated values of every make: constants, facts, aggregates, arithmetic, scores; and periods."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod

from hypothesis import strategies as st

from rules import ir
from rules.text import fold
from rules.vocabulary import Type
from tests.rules.engine.generated_people import (
    COUNTS,
    DEAL_TYPES,
    FIELD_TYPES,
    FUNCTIONS,
    KIND_TYPES,
    Generator,
    value_of,
)
from tests.rules.vocabulary import DEAL_KINDS


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


class Values(Generator, ABC):
    """Draws values over one scope: the facts of a person, or (`kind`) of one activity inside a `where`."""

    def __init__(self, draw: st.DrawFn, as_of: dt.datetime, *, kind: str | None = None) -> None:
        super().__init__(draw, as_of)
        self.kind = kind
        self.scoring = False  # inside a score, where there are neither ranks nor segments
        own = DEAL_TYPES if kind == "deal" else KIND_TYPES.get(kind or "", {})
        self.types = FIELD_TYPES if kind is None else {**own, "at": Type.DATETIME}

    # ── values ──

    def literal(self, type_: Type) -> ir.Literal:
        """A constant in the units of the representation."""
        value = self.draw(value_of(type_, self.as_of))
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
        where = self.inside(kind).predicate(1) if self.chance(2) else None
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
        return None if type_ is None else self.draw(value_of(type_, self.as_of))  # type: ignore[return-value]

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

    @abstractmethod
    def predicate(self, depth: int, segments: tuple[str, ...] = ()) -> ir.Predicate:
        """A predicate of limited depth over the scope, which may use the segments."""

    def inside(self, kind: str) -> Values:
        """The same over the fields of one activity or record."""
        return type(self)(self.draw, self.as_of, kind=kind)
