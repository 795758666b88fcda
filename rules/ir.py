"""The representation of rules: typed, immutable, hashed by content. No engine, no text positions.

The language (`rules.language`) produces it, the engines (`rules.engine`) read it; DuckDB and the plain
Python evaluator give every node the same meaning, which the docstrings here fix. Everything is
*two-valued*: a predicate is true or false, never unknown; `Not` is the plain complement.

Units: NUMBER literals are integer millionths, MONEY literals integer minor units, DATE `datetime.date`,
DATETIME aware UTC `datetime`; TEXT literals are folded (`rules.text.fold`) except in `Matches`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from rules.vocabulary import Type

VERSION = 1
"""Part of every hash; raised when the meaning of a node changes."""


class Node:
    """Base of all nodes; `key` is the content hash under which equal nodes are computed once."""

    __slots__ = ()

    @property
    def key(self) -> str:
        """16 hex digits; equal for equal nodes, in any process."""
        return _key(self)


@lru_cache(maxsize=20_000)
def _key(node: Node) -> str:
    return hashlib.sha256(json.dumps([VERSION, dump(node)], sort_keys=True).encode()).hexdigest()[:16]


_FIELDS: dict[type[Node], tuple[str, ...]] = {}


def _names(node: Node) -> tuple[str, ...]:
    """The names of its fields: asking the dataclass each time is most of walking a tree."""
    found = _FIELDS.get(type(node))
    if found is None:
        found = tuple(field.name for field in dataclasses.fields(node))  # type: ignore[arg-type]
        _FIELDS[type(node)] = found
    return found


def children(node: Node) -> Iterator[Node]:
    """The nodes directly inside `node`, in order; periods are nodes too."""
    for name in _names(node):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (part for part in value if isinstance(part, Node))


def dump(value: object) -> object:
    """The node as JSON-ready lists and scalars: `["Class", field, …]`. Stable over versions of Python."""
    if isinstance(value, Node):
        return [type(value).__name__, *(dump(getattr(value, name)) for name in _names(value))]
    if isinstance(value, tuple):
        return [dump(v) for v in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return value


# ── periods: symbolic here, resolved to half-open ranges by rules.engine.periods with as_of and zone ──


class Unit(StrEnum):
    """`HOUR`, `DAY`, `WEEK` are 1, 24, 168 hours; `MONTH`, `YEAR` are calendar months, clamped."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class CalendarUnit(StrEnum):
    """Calendar periods in the business zone; weeks start on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Ever(Node):
    """Every instant up to and including as_of."""


@dataclass(frozen=True, slots=True)
class Last(Node):
    """Instants: as_of − n·unit < x <= as_of. Dates: today − n·unit < x <= today."""

    n: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Next(Node):
    """Instants: as_of <= x < as_of + n·unit. Dates: today <= x < today + n·unit. Facts only."""

    n: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Ago(Node):
    """`between n and m days ago` (n < m): as_of − m·unit < x <= as_of − n·unit; dates likewise by today."""

    n: int
    m: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Between(Node):
    """From `start` (inclusive, None: open) to `end` (exclusive, None: open).

    The language has turned `since D`, `before D`, `after D`, `on D`, `from D to D` (both days inclusive)
    into this; a date bound means midnight in the business zone when the value is an instant.
    """

    start: dt.date | dt.datetime | None
    end: dt.date | dt.datetime | None


@dataclass(frozen=True, slots=True)
class Calendar(Node):
    """The whole calendar unit `shift` units from now: this = 0, last = −1, next = +1. Today: DAY, 0."""

    unit: CalendarUnit
    shift: int


Period: TypeAlias = Ever | Last | Next | Ago | Between | Calendar

# ── values ──


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant in the units of the module's docstring."""

    value: str | int | bool | dt.date | dt.datetime
    type: Type


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class DaysSince(Node):
    """NUMBER of days from `value` to as_of. For a DATETIME: elapsed time, floor to millionths of a day
    (elapsed microseconds // 86_400, in integers, floor also for negative); for a DATE: whole calendar
    days between it and today in the business zone. Negative in the future."""

    value: Value


class Operator(StrEnum):
    """Arithmetic on NUMBER and MONEY."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """IEEE double arithmetic on major units: a NUMBER enters as int / 1e6, MONEY as int / 100, each one
    division; then one operation per node in the order written. Missing if an operand is missing, if
    the divisor is 0, or if the result is not finite. Sum/avg/count inputs are exact integers first."""

    operator: Operator
    left: Value
    right: Value
    type: Type


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Granted(Node):
    """Points of a score, whole millionths, for as long as a condition is true of the person; else 0. The
    condition holds no rank and no segment. It does not fade."""

    condition: Predicate
    points: int


@dataclass(frozen=True, slots=True)
class Score(Node):
    """NUMBER: the sum of the parts, held between `at_least` and `at_most` (millionths; None: what 64 bits
    hold). Never missing; 0 for whoever did nothing, unless the bounds say otherwise."""

    name: str
    parts: tuple[Earned | Granted, ...]
    at_least: int | None
    at_most: int | None

    @property
    def type(self) -> Type:
        """A score is a number."""
        return Type.NUMBER


Value: TypeAlias = Literal | Fact | Aggregate | DaysSince | Arithmetic | Score
ScorePart: TypeAlias = Earned | Granted

# ── predicates ──


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """True for everyone or for no one."""

    value: bool


class Comparison(StrEnum):
    """`!=` does not exist here: the language writes Not(Compare(EQ)), which is true for missing facts."""

    EQ = "="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """False if either side is missing. Both sides have the same type, except that NUMBER and MONEY sides
    with `Arithmetic` compare as doubles. AVG against a literal compares sum with value × count in
    integers. TEXT compares folded forms (EQ only). DATE with DATETIME: the language never builds it."""

    operator: Comparison
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class InSet(Node):
    """The value equals one of `options` (literals of its type). False if missing."""

    value: Value
    options: tuple[Literal, ...]


class TextTestKind(StrEnum):
    """How a text is looked into; both sides folded."""

    CONTAINS = "contains"
    STARTS = "starts with"
    ENDS = "ends with"


@dataclass(frozen=True, slots=True)
class TextTest(Node):
    """Folded `value` contains / starts with / ends with folded `text`. False if missing."""

    kind: TextTestKind
    value: Value
    text: str


@dataclass(frozen=True, slots=True)
class Matches(Node):
    """RE2 *search* in the unfolded text, case-sensitive unless the pattern says (?i). False if missing."""

    value: Value
    pattern: str


@dataclass(frozen=True, slots=True)
class IsKnown(Node):
    """The value is not missing (for TEXTS: has at least one entry)."""

    value: Value


@dataclass(frozen=True, slots=True)
class IsTrue(Node):
    """A BOOLEAN value is known and true."""

    value: Value


@dataclass(frozen=True, slots=True)
class InPeriod(Node):
    """A DATE or DATETIME value lies in the period. False if missing. `Ever` does not occur."""

    value: Value
    period: Period


@dataclass(frozen=True, slots=True)
class Anniversary(Node):
    """The yearly return of a DATE (or of a DATETIME's day in the business zone) falls in the period, in
    whole days: Next n days = today <= a < today + n; Last n days = today − n < a <= today; Calendar as
    written. 29 February returns on 28 February in other years. False if missing."""

    value: Value
    period: Next | Last | Calendar


class ListTestKind(StrEnum):
    """`has "x"` is ANY with one option."""

    ANY = "any"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class ListTest(Node):
    """A TEXTS value contains any / all of the folded `options`; a missing list contains nothing.
    `has none of` is Not(ANY)."""

    kind: ListTestKind
    value: Value
    options: tuple[str, ...]


class Side(StrEnum):
    """From which end of the ranking."""

    TOP = "top"
    BOTTOM = "bottom"


@dataclass(frozen=True, slots=True)
class RankShare(Node):
    """`in top p%`: the number of people (of the group) with a strictly greater value, times 1_000_000,
    is less than ppm × N, N the people with a known value (in the group). Bottom: strictly smaller.
    People whose value is missing, or whose group (`by`) is missing, are not ranked. All in integers.
    Doubles (Arithmetic) rank by their value."""

    side: Side
    ppm: int
    value: Value
    by: Fact | None


@dataclass(frozen=True, slots=True)
class RankCount(Node):
    """`in top n`: fewer than n people (of the group) have a strictly greater (smaller) value."""

    side: Side
    n: int
    value: Value
    by: Fact | None


@dataclass(frozen=True, slots=True)
class Quintile(Node):
    """In quintile q (1 lowest … 5 highest): with b = the number of people with a strictly smaller known
    value (in the group), q = b × 5 // N + 1. Equal values, equal quintile."""

    q: int
    value: Value
    by: Fact | None


@dataclass(frozen=True, slots=True)
class InSegment(Node):
    """Member of the segment (or "tiers/tier") in this very evaluation."""

    segment: str


@dataclass(frozen=True, slots=True)
class HeldSegment(Node):
    """Member of the segment in this very evaluation, and without a break in every stored run since the edge
    as_of − n·unit: in the membership in force at the edge (that of the latest run at or before it), and in
    those of all later runs before as_of, under whichever wording of the rule. Without a run at or
    before the edge nobody is."""

    segment: str
    n: int
    unit: Unit


class DistanceUnit(StrEnum):
    """A kilometre, or an international mile of 1609.344 m."""

    KM = "km"
    MILES = "miles"


@dataclass(frozen=True, slots=True)
class Near(Node):
    """The place lies at most `distance` (millionths of the unit) from a point (millionths of degrees), along
    the surface of a sphere of radius 6 371 008.8 m. False if a coordinate is missing or impossible.

    The haversine, in IEEE doubles, one operation at a time in the order of `rules.engine.sphere`, which uses
    no trigonometry of any engine."""

    place: str
    latitude: Fact
    longitude: Fact
    distance: int
    unit: DistanceUnit
    north: int
    east: int


@dataclass(frozen=True, slots=True)
class Placed(Node):
    """Both coordinates of the place are known and possible."""

    place: str
    latitude: Fact
    longitude: Fact


@dataclass(frozen=True, slots=True)
class InList(Node):
    """On a list read from a platform; `name` is the folded "connection:list name" in people.in_lists."""

    name: str


@dataclass(frozen=True, slots=True)
class Suppressed(Node):
    """Must not be marketed to: people.suppressed."""


@dataclass(frozen=True, slots=True)
class Consented(Node):
    """people.consented_<channel> is known and true. Only `email` so far."""

    channel: str


@dataclass(frozen=True, slots=True)
class AllRecords(Node):
    """There is a record, and every one fits: `of` (COUNT of all records) is at least 1 and equals `matching`
    (COUNT of those that fit). Of somebody without records it is false."""

    matching: RecordAggregate
    of: RecordAggregate


@dataclass(frozen=True, slots=True)
class RandomShare(Node):
    """int(first 8 hex digits of md5("SALT:PERSON")) × 1_000_000 < ppm × 2**32, person in decimal,
    salt the text as written. Stable for ever; independent between salts."""

    ppm: int
    salt: str


# ── activity in order: all over one person; `where` is a predicate over the activity's own fields ──


@dataclass(frozen=True, slots=True)
class Within(Node):
    """At most n·unit apart; the unit is HOUR, DAY or WEEK, of a fixed length."""

    n: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Step(Node):
    """Activity of the kind that fits `where`, *later* than the step before, and at most `within` later (None:
    any time later; the first step has None). Equal instants are not later, so no activity is two steps."""

    kind: str
    where: Predicate | None
    within: Within | None


@dataclass(frozen=True, slots=True)
class Unless(Node):
    """No activity of the kind that fits `where` is later than the last step and at most `within` later, and
    `within` after that step has passed at as_of: step + within <= as_of. None: none is later up to as_of.
    The period of the sequence does not bound this activity."""

    kind: str
    where: Predicate | None
    within: Within | None


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    """There is one activity for every step, each in the period, each as its step demands of the one before,
    and after the last one what `unless` demands. One step or more; with one, `unless` is not None."""

    steps: tuple[Step, ...]
    unless: Unless | None
    period: Period


@dataclass(frozen=True, slots=True)
class Stopped(Node):
    """There is such activity, but none in `quiet`: `last` (a LAST_AT over ever) is known and not in `quiet`,
    so at <= as_of − n·unit."""

    last: Aggregate
    quiet: Last


@dataclass(frozen=True, slots=True)
class Restarted(Node):
    """There is an activity in the period, and an earlier one (at any time), and the latest earlier one is at
    least `pause` before it. Equal instants are not earlier."""

    kind: str
    where: Predicate | None
    pause: Within
    period: Period


@dataclass(frozen=True, slots=True)
class And(Node):
    """All of `parts` (two or more)."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Any of `parts` (two or more)."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Everyone who is not in `part`."""

    part: Predicate


@dataclass(frozen=True, slots=True)
class Lasting(Node):
    """A segment's condition with a memory. Stands only as the whole condition of the segment it names.

    A person *was* in if the evaluation is told so (`rules.engine.standing`: a member by the last one, under
    the same `when`) and if the person is not suppressed now: suppression ends what only lasts.
    True of whoever was in and entered less than `stay` hours ago (as_of < entered + stay). Of the others,
    with `leave_when`: for whom that is false, and who was in or for whom `when` is true; without: for whom
    `when` is true. So where both are true, `leave_when` wins, and nobody goes in and out by turns."""

    segment: str
    when: Predicate
    leave_when: Predicate | None
    stay: int | None  # hours


Predicate: TypeAlias = (
    Constant
    | Compare
    | InSet
    | TextTest
    | Matches
    | IsKnown
    | IsTrue
    | InPeriod
    | Anniversary
    | ListTest
    | RankShare
    | RankCount
    | Quintile
    | InSegment
    | HeldSegment
    | Near
    | Placed
    | InList
    | Suppressed
    | Consented
    | AllRecords
    | RandomShare
    | Sequence
    | Stopped
    | Restarted
    | And
    | Or
    | Not
    | Lasting
)
