"""The slow, obvious evaluator: one person, plain Python, straight from the definitions in `rules.ir`.

It serves `explain`, the cases in rule files, and the differential tests; it shares nothing with the SQL
emitter but the resolution of periods. Nothing here is meant to be fast.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Protocol

from rules import ir
from rules.engine import sphere
from rules.engine.activity import Kept, Known, Row, Seen, comparable, compared, numbers, ordinal
from rules.engine.history import comeback, trace
from rules.engine.periods import (
    Clock,
    date_of,
    edge_of,
    local_day,
    microseconds,
    resolve,
    returning,
    window,
)
from rules.engine.points import bounds, weights
from rules.engine.walk import Rank
from rules.text import fold
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type

if TYPE_CHECKING:
    import duckdb

_MADE, _LITERAL, _AGGREGATE, _FACT = ir.Arithmetic, ir.Literal, ir.Aggregate, ir.Fact
_TESTS = frozenset((ir.TextTest, ir.Matches, ir.IsKnown, ir.IsTrue, ir.InPeriod, ir.Anniversary, ir.ListTest))
SCALES = {Type.NUMBER: NUMBER_SCALE, Type.MONEY: MONEY_SCALE}


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """All that is known of one person."""

    person: int
    facts: Row = field(default_factory=dict)
    activity: Mapping[str, Sequence[Row]] = field(default_factory=dict)  # kind → rows, in any order
    suppressed: bool = False
    consented: Mapping[str, bool | None] = field(default_factory=dict)  # channel → known state
    lists: frozenset[str] = frozenset()  # folded "connection:list name"
    kept: dict[str, Kept] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What was found of the activity, by kind, for whoever asks again."""


class Ranks(Protocol):
    """Knows the other people."""

    def holds(self, rank: Rank, value: Known, group: object) -> bool:
        """Whether somebody with this known value (and folded group, None: everyone) is in."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What an evaluation needs beside the person."""

    clock: Clock
    ranks: Ranks | None = None
    in_segment: Callable[[str], bool] | None = None  # whether this person is in another segment
    entered: Callable[[str], dt.datetime | None] | None = None  # since when in a segment that lasts
    since: Callable[[str], dt.datetime | None] | None = None
    """Since which stored run this person was in a segment without a break until the last; None: was not."""
    held: Callable[[ir.HeldSegment], bool] | None = None
    """Whether for so long, by those runs, where that is known and not since when."""


def holds(predicate: ir.Predicate, person: PersonFacts, context: Context) -> bool:
    """Whether the predicate is true of the person."""
    return Evaluator(person, context).holds(predicate, person.facts)


def fits(predicate: ir.Predicate, row: Row, context: Context) -> bool:
    """Whether a predicate over the fields of an activity is true of this one."""
    return Evaluator(PersonFacts(0), context).holds(predicate, row)


def counted(
    node: ir.Step | ir.Unless | ir.Restarted, person: PersonFacts, context: Context
) -> list[tuple[str, Row]]:
    """The activity that counts for a step of a sequence or for a return, with its kind."""
    one = Evaluator(person, context)
    period = node.period if isinstance(node, ir.Restarted) else ir.Ever()
    return [(node.kind, row) for row in one.fitting(node.kind, node.where, window(period, one.clock))]


def observed(value: ir.Value | ir.ScorePart, person: PersonFacts, context: Context) -> Known | None:
    """The value of a fact or aggregate; None is missing. Averages are fractions in the units of their
    type, arithmetic is a double in major units, texts are unfolded."""
    return Evaluator(person, context).value(value, person.facts)


def rank_value(rank: Rank, person: PersonFacts, context: Context) -> tuple[Known, object] | None:
    """(value, folded group) under which the person is ranked; None: not ranked."""
    return Evaluator(person, context).ranked(rank, person.facts)


class Lasts(Enum):
    """Why somebody is in a segment with `leave_when` or `stay`, or that nobody keeps them there."""

    HELD = "entered less than `stay` ago"
    ENTERS = "`when` is true"
    STAYS = "was in, and `leave_when` is not true"
    NOT = "not in"


class Evaluator(Seen):
    """All that can be asked of one person in one context."""

    def __init__(
        self, person: PersonFacts, context: Context, conditions: Mapping[str, ir.Predicate] | None = None
    ) -> None:
        """`conditions`: segment → condition; then whether the person is in others is worked out when asked,
        whatever the context says."""
        super().__init__(person.activity, person.kept, context.clock)
        self.person, self.context, self.conditions = person, context, conditions
        self._inside: dict[str, bool] = {}

    # ── predicates; `row` is the person's facts, or one activity inside a `where` ──

    def holds(self, node: ir.Predicate, row: Row) -> bool:
        kind = type(node)
        if kind is ir.Compare:
            return self._compare(node.operator, node.left, node.right, row)  # type: ignore[union-attr]
        if kind in _TESTS:
            known = self.value(node.value, row)  # type: ignore[union-attr, arg-type]
            return known is not None and self.known_holds(node, known)  # type: ignore[arg-type]
        match node:
            case ir.And(parts) | ir.Or(parts):
                decides = kind is ir.Or
                for part in parts:
                    if self.holds(part, row) is decides:
                        return decides
                return not decides
            case ir.Not(part):
                return not self.holds(part, row)
            case ir.InSet(value, options):
                return any(self._compare(ir.Comparison.EQ, value, option, row) for option in options)
            case ir.Constant(value):
                return value
            case ir.Suppressed():
                return self.person.suppressed
            case ir.Consented(channel):
                return self.person.consented.get(channel) is True
            case ir.InList(name):
                return name in self.person.lists
            case ir.InSegment(segment):
                return self._in_segment(segment)
            case ir.AllRecords(matching, of):
                return self.value(of, row) == self.value(matching, row) != 0
            case ir.Lasting():
                return self.lasting(node, row) is not Lasts.NOT
            case ir.HeldSegment(segment):
                return self._held(node) and self._in_segment(segment)
            case ir.Near() | ir.Placed():
                north, east = (self.value(fact, row) for fact in (node.latitude, node.longitude))
                if not isinstance(north, int) or not isinstance(east, int):
                    return False
                if isinstance(node, ir.Placed):
                    return sphere.possible(north, east)
                return sphere.near(node, north, east)
            case ir.RandomShare(ppm, salt):
                digits = hashlib.md5(f"{salt}:{self.person.person}".encode()).hexdigest()[:8]  # noqa: S324
                return int(digits, 16) * 1_000_000 < ppm * 2**32
            case ir.RankShare() | ir.RankCount() | ir.Quintile():
                assert self.context.ranks is not None, "needs the other people"  # noqa: S101
                ranked = self.ranked(node, row)
                return ranked is not None and self.context.ranks.holds(node, *ranked)
            case ir.Sequence():
                return trace(node, self.instants, self.clock).holds
            case ir.Restarted():
                return comeback(node, self.instants, self.clock) is not None
            case ir.Stopped(last, quiet):
                at = self.value(last, row)
                return at is not None and ordinal(at) not in resolve(quiet, self.clock, Type.DATETIME)
        raise AssertionError(f"no predicate: {node!r}")

    def lasting(self, node: ir.Lasting, row: Row) -> Lasts:
        """Whether the person is in a segment that lasts, and because of what."""
        entered = None if self.context.entered is None else self.context.entered(node.segment)
        if self.person.suppressed:
            entered = None
        stay = dt.timedelta(hours=node.stay or 0)
        if entered is not None and self.clock.as_of < entered + stay:
            return Lasts.HELD
        if node.leave_when is not None and self.holds(node.leave_when, row):
            return Lasts.NOT
        if self.holds(node.when, row):
            return Lasts.ENTERS
        return Lasts.STAYS if entered is not None and node.leave_when is not None else Lasts.NOT

    def known_holds(
        self,
        node: ir.TextTest | ir.Matches | ir.IsKnown | ir.IsTrue | ir.InPeriod | ir.Anniversary | ir.ListTest,
        value: Known,
    ) -> bool:
        """Predicates over one value that is not missing."""
        match node:
            case ir.IsKnown():
                return not isinstance(value, list | tuple | frozenset) or len(value) > 0
            case ir.IsTrue():
                return value is True
            case ir.TextTest(kind, _, text):
                folded = fold(str(value))
                if kind is ir.TextTestKind.CONTAINS:
                    return text in folded
                starts = kind is ir.TextTestKind.STARTS
                return folded.startswith(text) if starts else folded.endswith(text)
            case ir.Matches(_, pattern):
                return _re2_search(pattern, str(value))
            case ir.InPeriod(_, period):
                type_ = Type.DATETIME if isinstance(value, dt.datetime) else Type.DATE
                return ordinal(value) in resolve(period, self.clock, type_)
            case ir.Anniversary(_, period):
                date = date_of(self._day(value))
                return date.month * 100 + date.day in returning(period, self.clock)
            case ir.ListTest(kind, _, options):
                entries = {fold(entry) for entry in value}  # type: ignore[union-attr]
                found = [option in entries for option in options]
                return all(found) if kind is ir.ListTestKind.ALL else any(found)

    def _compare(self, operator: ir.Comparison, left: ir.Value, right: ir.Value, row: Row) -> bool:
        a = self.value(left, row)
        if a is None:
            return False
        b = right.value if type(right) is _LITERAL else self.value(right, row)
        if b is None:
            return False
        x: object = a
        y: object = b
        if type(a) is str and type(b) is str:
            x, y = fold(a), fold(b)
        elif left.type is not right.type or type(left) is _MADE or type(right) is _MADE:
            x, y = self._double(left, row), self._double(right, row)
            if x is None or y is None:
                return False
        return compared(operator, x, y)

    def _in_segment(self, segment: str) -> bool:
        if self.conditions is None:
            assert self.context.in_segment is not None, "needs the other segments"  # noqa: S101
            return self.context.in_segment(segment)
        if segment not in self._inside:
            self._inside[segment] = self.holds(self.conditions[segment], self.person.facts)
        return self._inside[segment]

    def _held(self, node: ir.HeldSegment) -> bool:
        if self.context.held is not None:
            return self.context.held(node)
        since = self.context.since(node.segment) if self.context.since else None
        edge = edge_of(node, self.clock)
        return since is not None and edge is not None and since <= edge

    def ranked(self, rank: Rank, row: Row) -> tuple[Known, object] | None:
        value = self.value(rank.value, row)
        if isinstance(rank.value, ir.Aggregate) and rank.value.function is ir.AggregateFunction.AVG:
            value = self._double(rank.value, row)  # averages rank as doubles in major units
        return self.ranked_by(rank, value, None if rank.by is None else self.value(rank.by, row))

    def ranked_by(self, rank: Rank, value: Known | None, group: Known | None) -> tuple[Known, object] | None:
        """Under what somebody with this value, and of this group, is ranked; None: not ranked."""
        if isinstance(value, dt.date):
            value = ordinal(value)
        if rank.by is None or value is None:
            return None if value is None else (value, None)
        return None if group is None else (value, comparable(group))

    # ── values ──

    def value(self, node: ir.Value | ir.ScorePart, row: Row) -> Known | None:
        kind = type(node)
        if kind is _AGGREGATE:  # what is asked for most
            return self.came_to(node)  # type: ignore[arg-type]
        if kind is _FACT:
            return row.get(node.name)  # type: ignore[union-attr, return-value]
        match node:
            case ir.Aggregate():
                return self.came_to(node)
            case ir.Literal(value):
                return value
            case ir.Fact(name):
                return row.get(name)  # type: ignore[return-value]
            case ir.DaysSince(inner):
                then = self.value(inner, row)
                return None if then is None else self.days_since(then)
            case ir.Arithmetic():
                return self._arithmetic(node, row)
            case ir.Score(_, parts):
                low, high = bounds(node)
                return min(max(sum(self._points(part) for part in parts), low), high)
            case ir.Earned() | ir.Granted():
                return self._points(node)

    def days_since(self, then: Known) -> int:
        """How many (millionths) ago a date or an instant is."""
        if isinstance(then, dt.datetime):
            return (self.clock.now - microseconds(then)) // 86_400
        return (self.clock.today - ordinal(then)) * NUMBER_SCALE

    def _points(self, part: ir.ScorePart) -> int:
        if isinstance(part, ir.Granted):
            return part.points if self.holds(part.condition, self.person.facts) else 0
        days_ = Counter(self._day(row["at"]) for row in self.rows(part))  # type: ignore[arg-type]
        total = 0
        for day, count in days_.items():
            worth = weights(part.points, part.half_life) if part.half_life else None
            age = max(0, self.clock.today - day)
            each = part.points if worth is None else worth[age] if age < len(worth) else 0
            total += each * (count if part.at_most_per_day is None else min(count, part.at_most_per_day))
        return total

    def _arithmetic(self, node: ir.Arithmetic, row: Row) -> float | None:
        return calculated(node.operator, self._double(node.left, row), self._double(node.right, row))

    def _double(self, node: ir.Value, row: Row) -> float | None:
        """A number in major units."""
        if isinstance(node, ir.Aggregate) and node.function is ir.AggregateFunction.AVG:
            known = numbers(node, self.rows(node))
            if not known:
                return None
            return float(sum(known)) / float(len(known) * SCALES[node.type])
        value = self.value(node, row)
        if value is None or isinstance(node, ir.Arithmetic):
            return value  # type: ignore[return-value]
        return float(value) / float(SCALES[node.type])  # type: ignore[arg-type]

    def _day(self, value: Known) -> int:
        """The day of a date, or of an instant in the business zone."""
        found = ordinal(value)
        return local_day(found, self.clock.zone) if isinstance(value, dt.datetime) else found


def calculated(operator: ir.Operator, left: float | None, right: float | None) -> float | None:
    """As `ir.Arithmetic` says, of numbers in major units."""
    if left is None or right is None:
        return None
    match operator:
        case ir.Operator.ADD:
            result = left + right
        case ir.Operator.SUBTRACT:
            result = left - right
        case ir.Operator.MULTIPLY:
            result = left * right
        case ir.Operator.DIVIDE:
            if right == 0:
                return None
            result = left / right
    return result if math.isfinite(result) else None


@cache
def _re2() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect()


def _re2_search(pattern: str, text: str) -> bool:
    """One meaning of patterns everywhere, and no catastrophic backtracking: RE2, as DuckDB carries it."""
    found = _re2().cursor().execute("SELECT regexp_matches($1, $2)", [text, pattern]).fetchone()
    return found is not None and found[0] is True
