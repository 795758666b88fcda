"""Predicates over one person: comparisons, texts, dates, ranks, segments, lists, places, consent."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from rules.ir.nodes import Node
from rules.ir.periods import Calendar, Last, Next, Period, Unit
from rules.ir.values import Fact, Literal, RecordAggregate, Value

if TYPE_CHECKING:
    pass


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


class Compare(Node):
    """False if either side is missing. Both sides have the same type, except that NUMBER and MONEY sides
    with `Arithmetic` compare as doubles. AVG against a literal compares sum with value × count in
    integers. TEXT compares folded forms (EQ only). DATE with DATETIME: the language never builds it."""

    operator: Comparison
    left: Value
    right: Value


class InSet(Node):
    """The value equals one of `options` (literals of its type). False if missing."""

    value: Value
    options: tuple[Literal, ...]


class TextTestKind(StrEnum):
    """How a text is looked into; both sides folded."""

    CONTAINS = "contains"
    STARTS = "starts with"
    ENDS = "ends with"


class TextTest(Node):
    """Folded `value` contains / starts with / ends with folded `text`. False if missing."""

    kind: TextTestKind
    value: Value
    text: str


class Matches(Node):
    """RE2 *search* in the unfolded text, case-sensitive unless the pattern says (?i). False if missing."""

    value: Value
    pattern: str


class IsKnown(Node):
    """The value is not missing (for TEXTS: has at least one entry)."""

    value: Value


class IsTrue(Node):
    """A BOOLEAN value is known and true."""

    value: Value


class InPeriod(Node):
    """A DATE or DATETIME value lies in the period. False if missing. `Ever` does not occur."""

    value: Value
    period: Period


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


class RankShare(Node):
    """`in top p%`: the number of people (of the group) with a strictly greater value, times 1_000_000,
    is less than ppm × N, N the people with a known value (in the group). Bottom: strictly smaller.
    People whose value is missing, or whose group (`by`) is missing, are not ranked. All in integers.
    Doubles (Arithmetic) rank by their value."""

    side: Side
    ppm: int
    value: Value
    by: Fact | None


class RankCount(Node):
    """`in top n`: fewer than n people (of the group) have a strictly greater (smaller) value."""

    side: Side
    n: int
    value: Value
    by: Fact | None


class Quintile(Node):
    """In quintile q (1 lowest … 5 highest): with b = the number of people with a strictly smaller known
    value (in the group), q = b × 5 // N + 1. Equal values, equal quintile."""

    q: int
    value: Value
    by: Fact | None


class InSegment(Node):
    """Member of the segment (or "tiers/tier") in this very evaluation."""

    segment: str


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


class Placed(Node):
    """Both coordinates of the place are known and possible."""

    place: str
    latitude: Fact
    longitude: Fact


class InList(Node):
    """On a list read from a platform; `name` is the folded "connection:list name" in people.in_lists."""

    name: str


class Suppressed(Node):
    """Must not be marketed to: people.suppressed."""


class Consented(Node):
    """people.consented_<channel> is known and true. Only `email` so far."""

    channel: str


class AllRecords(Node):
    """There is a record, and every one fits: `of` (COUNT of all records) is at least 1 and equals `matching`
    (COUNT of those that fit). Of somebody without records it is false."""

    matching: RecordAggregate
    of: RecordAggregate


class RandomShare(Node):
    """int(first 8 hex digits of md5("SALT:PERSON")) × 1_000_000 < ppm × 2**32, person in decimal,
    salt the text as written. Stable for ever; independent between salts."""

    ppm: int
    salt: str
