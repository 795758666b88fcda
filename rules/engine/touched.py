"""Whom the passing of time alone may have changed: the edges that something crossed between two instants.

Nothing here is a guess. Of every node it is known what can change its truth for a person none of whose rows
changed: an activity that came into or left a window, a fact or an activity for which a condition with the
clock in it is another at the later instant. Nodes of which that is not known are `Unsettled`: whoever asks
them must ask everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from rules import ir
from rules.engine.dialect import Dialect
from rules.engine.emit import Emitter, Scalar
from rules.engine.features import union
from rules.engine.periods import Clock, Range, length_us, resolve, slices, window
from rules.engine.points import earning
from rules.engine.walk import Rank
from rules.vocabulary import Type

_FUNCTION = ir.AggregateFunction
_SELECTING = (
    _FUNCTION.LATEST,
    _FUNCTION.EARLIEST,
    _FUNCTION.MIN,
    _FUNCTION.MAX,
    _FUNCTION.MOST_FREQUENT,
)
"""What these find is the field of one of the rows they look at."""
_INSTANTS = (_FUNCTION.LAST_AT, _FUNCTION.FIRST_AT)
"""What these find is the instant of one of the rows."""
_WINDOWED = {
    *_SELECTING,
    *_INSTANTS,
    _FUNCTION.COUNT,
    _FUNCTION.SUM,
    _FUNCTION.AVG,
    _FUNCTION.DISTINCT,
    _FUNCTION.LIST,
    _FUNCTION.SLICES,
}
"""Only what lies in the window decides what these find (and, of the last, in which slice of it)."""
_NOT_KNOWN = "it has a condition of which only asking everybody is certain"
_ENDLESS = 2**127
_MILLIONTH_US = 86_400
"""Microseconds of a millionth of a day."""


class Unsettled(Exception):
    """It is not known whom time may change. The text says why, in words for people."""


@dataclass(frozen=True, slots=True)
class Valued:
    """A date or an instant of people that lies in one of these ranges."""

    field: str
    ranges: tuple[Range, ...]


@dataclass(slots=True)
class Edges:
    """What to look for, gathered over many conditions; equal edges are looked for once."""

    ranges: dict[str, list[Range]] = field(default_factory=dict)
    """Kind → instants of activity: whoever has any there."""
    rows: dict[tuple[str, str, str], Range] = field(default_factory=dict)
    """Kind, condition on a row `a` then and now → among which rows: whoever has one where the two differ."""
    facts: dict[tuple[str, str], Valued | None] = field(default_factory=dict)
    """A condition on a person `p`, then and now: for whom they differ. Where it can be said
    so, they are those who have such a value."""

    def merge(self, other: Edges) -> None:
        """Adds all that the other looks for."""
        for kind, ranges in other.ranges.items():
            self.ranges.setdefault(kind, []).extend(ranges)
        for key, found in other.rows.items():
            self.rows[key] = union(self.rows[key], found) if key in self.rows else found
        self.facts |= other.facts


def edges(
    condition: ir.Predicate,
    then: Clock,
    now: Clock,
    dialect: Dialect,
    *,
    ranked: Collection[Rank] = (),
    seen: dict[ir.Aggregate, Edges] | None = None,
) -> Edges:
    """What may change the condition for a person of whom no row changed between the two instants, other than
    memberships, now and before, and than who is in these `ranked`. Unsettled if that is not known.
    `seen`: what was found of aggregates in other conditions, between the same two; more is added."""
    finder = _Finder(then, now, dialect, ranked, seen)
    finder.predicate(condition)
    return finder.found


def value_edges(value: ir.Value, then: Clock, now: Clock, dialect: Dialect) -> Edges:
    """What may change a value that no clock is in, of a person of whom no row changed. Unsettled as above."""
    finder = _Finder(then, now, dialect, ())
    finder.steady(value)
    return finder.found


class _Finder:
    def __init__(
        self,
        then: Clock,
        now: Clock,
        dialect: Dialect,
        ranked: Collection[Rank],
        seen: dict[ir.Aggregate, Edges] | None = None,
    ) -> None:
        self.clocks, self.dialect, self.found, self.ranked = (then, now), dialect, Edges(), ranked
        self._seen = {} if seen is None else seen

    # ── predicates ──

    def predicate(self, node: ir.Predicate) -> None:
        """Looks at one predicate about people."""
        match node:
            case ir.And(parts) | ir.Or(parts):
                for part in parts:
                    self.predicate(part)
            case ir.Not(part):
                self.predicate(part)
            case (
                ir.Constant()
                | ir.InSegment()
                | ir.HeldSegment()
                | ir.InList()
                | ir.Suppressed()
                | ir.Consented()
                | ir.RandomShare()
                | ir.Near()
                | ir.Placed()
            ):
                pass
            case ir.Lasting(_, when, leave_when):
                self.predicate(when)
                if leave_when is not None:
                    self.predicate(leave_when)
            case ir.IsKnown(ir.DaysSince(value)):
                self.steady(value)
            case ir.Compare(_, left, right):
                self._test(node, (left, right))
            case (
                ir.InSet(value)
                | ir.TextTest(_, value)
                | ir.Matches(value)
                | ir.IsKnown(value)
                | ir.IsTrue(value)
                | ir.ListTest(_, value)
            ):
                self._test(node, (value,))
            case ir.InPeriod(value, period):
                self._in_period(node, value, period)
            case ir.Anniversary(value):
                self._moving(node, (value,))
            case ir.AllRecords(matching, of):
                self._aggregate(matching)
                self._aggregate(of)
            case ir.Sequence():
                self._sequence(node)
            case ir.Restarted():
                self._restarted(node)
            case ir.Stopped(last, quiet):
                self._aggregate(last)
                starts = [resolve(quiet, clock, Type.DATETIME).start for clock in self.clocks]
                before = [Range(0, 0) if start is None else Range(None, start) for start in starts]
                self._crossing(_kinds(last), *before)
            case ir.RankShare() | ir.RankCount() | ir.Quintile():
                if node not in self.ranked:
                    raise Unsettled("it compares people with people")
            case _:
                raise Unsettled(_NOT_KNOWN)

    def _test(self, node: ir.Predicate, values: Sequence[ir.Value]) -> None:
        if any(map(_moves, values)):
            self._moving(node, values)
        else:
            for value in values:
                self.steady(value)

    # ── values that no clock is in ──

    def steady(self, value: ir.Value) -> None:
        """Looks at a value that no clock is in; Unsettled if there is one."""
        match value:
            case ir.Literal() | ir.Fact():
                pass
            case ir.Aggregate():
                self._aggregate(value)
            case ir.Arithmetic(_, left, right):
                self.steady(left)
                self.steady(right)
            case ir.Score(_, parts):
                for part in parts:
                    if isinstance(part, ir.Earned):
                        self._earned(part)
                    else:
                        self.predicate(part.condition)
            case _:
                raise Unsettled(_NOT_KNOWN)

    def _aggregate(self, node: ir.Aggregate) -> None:
        seen = self._seen.get(node)
        if seen is None:
            before, self.found = self.found, Edges()
            self._look_at(node)
            seen, self.found = self.found, before
            self._seen[node] = seen
        self.found.merge(seen)

    def _look_at(self, node: ir.Aggregate) -> None:
        if node.function not in _WINDOWED:
            raise Unsettled(_NOT_KNOWN)
        then, now = (window(node.period, clock) for clock in self.clocks)
        records = isinstance(node, ir.RecordAggregate)
        for kind in _kinds(node):
            self._where(kind, node.where, union(then, now), records=records)
        self._crossing(_kinds(node), then, now)
        if records:  # whatever the period: a new state hides the one before
            self._crossing(_kinds(node), *(Range(None, clock.now + 1) for clock in self.clocks))
        if node.function is _FUNCTION.SLICES and isinstance(node.period, ir.Last):
            for before, after in zip(*(slices(node.period, clock) for clock in self.clocks), strict=True):
                self._crossing(_kinds(node), before, after)

    def _earned(self, part: ir.Earned) -> None:
        then, now = (earning(part, clock) for clock in self.clocks)
        self._where(part.kind, part.where, union(then, now))
        if part.half_life is not None and self.clocks[0].today != self.clocks[1].today:
            self._whoever([part.kind], [union(then, now)])  # all points fade at midnight
        else:
            self._crossing([part.kind], then, now)

    # ── activity in order ──

    def _sequence(self, node: ir.Sequence) -> None:
        then, now = (window(node.period, clock) for clock in self.clocks)
        for step in node.steps:
            self._where(step.kind, step.where, union(then, now))
            self._crossing([step.kind], then, now)
        if node.unless is None:
            return
        unless = node.unless
        following = [
            Range(found.start, clock.now + 1) for found, clock in zip((then, now), self.clocks, strict=True)
        ]
        self._where(unless.kind, unless.where, union(*following))
        self._crossing([unless.kind], *following)
        if unless.within is not None:  # the time in which it may still follow is over
            gap = length_us(unless.within)
            over = [Range(None, clock.now - gap + 1) for clock in self.clocks]
            self._crossing([node.steps[-1].kind], *over)

    def _restarted(self, node: ir.Restarted) -> None:
        then, now = (window(node.period, clock) for clock in self.clocks)
        self._where(node.kind, node.where, Range(None, union(then, now).end))
        self._crossing([node.kind], then, now)
        self._crossing([node.kind], Range(None, then.end), Range(None, now.end))

    # ── conditions with a clock in them ──

    def _in_period(self, node: ir.InPeriod, value: ir.Value, period: ir.Period) -> None:
        if isinstance(value, ir.Aggregate) and value.function in _INSTANTS:
            self._aggregate(value)
            self._crossing(_kinds(value), *(resolve(period, clock, Type.DATETIME) for clock in self.clocks))
        else:
            told = None
            if isinstance(value, ir.Fact):
                then, now = (resolve(period, clock, value.type) for clock in self.clocks)
                told = Valued(value.name, tuple(crossing(then, now)))
            self._moving(node, (value,), told)

    def _moving(self, node: ir.Predicate, values: Sequence[ir.Value], told: Valued | None = None) -> None:
        """Asks the condition at both instants: of the facts (`told`: for whom they differ), or of every row
        whose value it may be about."""
        leaves = [leaf for value in values for leaf in _leaves(value)]
        features = {leaf for leaf in leaves if not isinstance(leaf, ir.Fact | ir.Literal)}
        if not features:
            then, now = (Emitter(self.dialect, c, alias="p").condition(node) for c in self.clocks)
            if then != now:
                self.found.facts[(then, now)] = told
            return
        feature = next(iter(features))
        alone = len(features) == 1 and not any(isinstance(leaf, ir.Fact) for leaf in leaves)
        if not alone or not isinstance(feature, ir.Aggregate):
            raise Unsettled("it sets something that changes with time against something else")
        self._aggregate(feature)
        if feature.function in _INSTANTS:
            limit = _days_limit(node, feature)
            if limit is not None:
                then_us, now_us = (clock.now for clock in self.clocks)
                first = then_us - (limit + 1) * _MILLIONTH_US + 1
                self._whoever(_kinds(feature), [Range(first, now_us - limit * _MILLIONTH_US + 1)])
                return
        elif feature.function not in _SELECTING or isinstance(feature, ir.RecordAggregate):
            raise Unsettled("it sets what was computed over activity against the clock")
        for kind in _kinds(feature):
            then, now = (self._of_row(node, feature, clock) for clock in self.clocks)
            self._rows(kind, then, now, Range(None, self.clocks[1].now + 1))

    def _of_row(self, node: ir.Predicate, feature: ir.Aggregate, clock: Clock) -> str:
        """The condition, were the row `a` the one that the feature finds."""
        field_ = "at" if feature.function in _INSTANTS else feature.field or ""
        own: Scalar = Emitter(self.dialect, clock, alias="a").fact(field_, feature.type)
        return Emitter(self.dialect, clock, alias="a", features={feature: own}).condition(node)

    def _where(self, kind: str, where: ir.Predicate | None, found: Range, *, records: bool = False) -> None:
        """Rows for which the condition on them changes."""
        if where is None:
            return
        then, now = (Emitter(self.dialect, c, alias="a").condition(where) for c in self.clocks)
        if records and then != now:
            raise Unsettled("it asks related records for something that changes with time")
        self._rows(kind, then, now, found)

    # ── what is found ──

    def _rows(self, kind: str, then: str, now: str, found: Range) -> None:
        if then != now:
            self.found.merge(Edges(rows={(kind, then, now): found}))

    def _crossing(self, kinds: Sequence[str], then: Range, now: Range) -> None:
        """Activity that lies in one of the ranges and not in the other."""
        self._whoever(kinds, crossing(then, now))

    def _whoever(self, kinds: Sequence[str], ranges: Sequence[Range]) -> None:
        for kind in kinds:
            self.found.ranges.setdefault(kind, []).extend(ranges)


def _kinds(node: ir.Aggregate) -> Sequence[str]:
    return node.states if isinstance(node, ir.RecordAggregate) else (node.kind,)


def _moves(value: ir.Value) -> bool:
    """Whether the clock is in a value, other than in the windows and conditions of features."""
    if isinstance(value, ir.Arithmetic):
        return _moves(value.left) or _moves(value.right)
    return isinstance(value, ir.DaysSince)


def _leaves(value: ir.Value) -> Iterator[ir.Value]:
    match value:
        case ir.DaysSince(inner):
            yield from _leaves(inner)
        case ir.Arithmetic(_, left, right):
            yield from _leaves(left)
            yield from _leaves(right)
        case _:
            yield value


def _days_limit(node: ir.Predicate, feature: ir.Aggregate) -> int | None:
    """n (millionths) if the condition compares the days since the feature with n, and nothing else."""
    since = ir.DaysSince(feature)
    match node:
        case ir.Compare(_, left, ir.Literal(int(limit), Type.NUMBER)) if left == since:
            return limit
        case ir.Compare(_, ir.Literal(int(limit), Type.NUMBER), right) if right == since:
            return limit
    return None


# ── ranges ──


def crossing(a: Range, b: Range) -> list[Range]:
    """What lies in exactly one of two ranges."""
    (a0, a1), (b0, b1) = _ends(a), _ends(b)
    if a0 >= a1 or b0 >= b1 or a1 <= b0 or b1 <= a0:
        pieces = [(a0, a1), (b0, b1)]
    else:
        pieces = [(min(a0, b0), max(a0, b0)), (min(a1, b1), max(a1, b1))]
    return [_range(start, end) for start, end in pieces if start < end]


def _ends(found: Range) -> tuple[int, int]:
    return (
        -_ENDLESS if found.start is None else found.start,
        _ENDLESS if found.end is None else found.end,
    )


def _range(start: int, end: int) -> Range:
    return Range(None if start == -_ENDLESS else start, None if end == _ENDLESS else end)
