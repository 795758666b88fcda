"""Values: constants, facts of a person, aggregates over their activity or records, scores."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from rules.ir.nodes import Node
from rules.ir.periods import Period
from rules.vocabulary import Type

if TYPE_CHECKING:
    from rules.ir.logic import Predicate


class Literal(Node):
    """A constant in the units of the module's docstring."""

    value: str | int | bool | dt.date | dt.datetime
    type: Type


class Fact(Node):
    """A column of `people`; inside `where` of an aggregate, a column of the activity. May be missing."""

    name: str
    type: Type


class AggregateFunction(StrEnum):
    """COUNT, SUM are 0 over nothing; the rest is missing over nothing. Missing field values are skipped.

    DISTINCT counts different (folded) known values (missing over no matching activity). LATEST,
    EARLIEST: the field of the latest/earliest activity *for which the field is known*; at equal times the
    greater (folded) value wins for LATEST, the lesser for EARLIEST. LAST_AT, FIRST_AT: the instant of
    the latest/earliest activity. LIST: the set of (folded) known values, type TEXTS. MOST_FREQUENT: the
    known value that occurs most often (texts counted by their folded form); of several the least wins, and
    a text is shown as its least unfolded form. SLICES: the period is `Last(n, unit)`, cut into n slices at
    as_of − k·unit (each as_of − (k+1)·unit < at <= as_of − k·unit, months clamped like the period itself);
    NUMBER of slices with at least one activity, 0 over nothing.
    """

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    DISTINCT = "distinct"
    LIST = "list"
    LATEST = "latest"
    EARLIEST = "earliest"
    LAST_AT = "last_at"
    FIRST_AT = "first_at"
    MOST_FREQUENT = "most frequent"
    SLICES = "slices"


class Aggregate(Node):
    """A function over one kind of activity of a person. `where` is a predicate over the activity's own
    fields (`Fact`s name activity columns). Activity after as_of never counts. `type` is that of the
    result: COUNT and DISTINCT NUMBER (in millionths: 3 events = 3_000_000), LAST_AT DATETIME, …"""

    function: AggregateFunction
    kind: str
    field: str | None
    where: Predicate | None
    period: Period
    type: Type


class RecordAggregate(Aggregate):
    """The same function over a person's related records (`kind` is their name): over the *present state* of
    each.

    The rows of `states` (kinds of activity) up to and including as_of, of one person and one connection, with
    the same known value in the field `identity` are one record; its present state is the latest of them. At
    equal times the kind later in `states` is the later one, then the greater event id. A row whose
    `identity` is missing belongs to no record. Only then `where` and `period` choose among the present
    states: a record whose present state does not fit does not count, whatever it was before. LAST_AT and
    FIRST_AT are the instants of present states."""

    identity: str
    states: tuple[str, ...]


class DaysSince(Node):
    """NUMBER of days from `value` to as_of. For a DATETIME: elapsed time, floor to millionths of a day
    (elapsed microseconds // 86_400, in integers, floor also for negative); for a DATE: whole calendar
    days between it and today in the business zone. Negative in the future."""

    value: Value
    type: ClassVar[Type] = Type.NUMBER


class Operator(StrEnum):
    """Arithmetic on NUMBER and MONEY."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"


class Arithmetic(Node):
    """IEEE double arithmetic on major units: a NUMBER enters as int / 1e6, MONEY as int / 100, each one
    division; then one operation per node in the order written. Missing if an operand is missing, if
    the divisor is 0, or if the result is not finite. Sum/avg/count inputs are exact integers first."""

    operator: Operator
    left: Value
    right: Value
    type: Type


class Earned(Node):
    """Points of a score for one kind of activity, whole millionths: the sum over the business days d of
    min(n(d), at_most_per_day) × weight(today − d), a sum of integers in which no order matters.

    n(d): the activities of that day of the business zone which lie in the period (never after as_of) and are
    as `where` says. weight(age in days, never below 0): `points`; with a half-life of h days
    points × 2^(−age/h), rounded half to even to whole millionths (`rules.engine.points.weights`)."""

    kind: str
    where: Predicate | None
    period: Period
    points: int
    at_most_per_day: int | None
    half_life: int | None  # days


class Granted(Node):
    """Points of a score, whole millionths, for as long as a condition is true of the person; else 0. The
    condition holds no rank and no segment. It does not fade."""

    condition: Predicate
    points: int


class Score(Node):
    """NUMBER: the sum of the parts, held between `at_least` and `at_most` (millionths; None: what 64 bits
    hold). Never missing; 0 for whoever did nothing, unless the bounds say otherwise."""

    name: str
    parts: tuple[Earned | Granted, ...]
    at_least: int | None
    at_most: int | None
    type: ClassVar[Type] = Type.NUMBER


Value: TypeAlias = Literal | Fact | Aggregate | DaysSince | Arithmetic | Score
ScorePart: TypeAlias = Earned | Granted
