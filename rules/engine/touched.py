"""Whom the passing of time alone may have changed: the edges that something crossed between two instants.

Nothing here is a guess. Of every node it is known what can change its truth for a person none of whose rows
changed: an activity that came into or left a window, a fact or an activity for which a condition with the
clock in it is another at the later instant. Nodes of which that is not known are `Unsettled`: whoever asks
them must ask everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rules import ir
from rules.engine.dialect import Dialect
from rules.engine.emit import Emitter, Scalar
from rules.engine.features import union
from rules.engine.parts import INSTANTS, Unsettled, moving, parts, steady
from rules.engine.periods import Clock, Range, length_us, resolve, slices, window
from rules.engine.points import earning
from rules.engine.walk import Rank
from rules.vocabulary import Type

_ENDLESS = 2**127
_MILLIONTH_US = 86_400
"""Microseconds of a millionth of a day."""


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


class Looking:
    """Between two instants. What conditions have in common is looked at once, and is one and the same."""

    def __init__(self, then: Clock, now: Clock, dialect: Dialect) -> None:
        self._finder = _Finder(then, now, dialect)
        self._found: dict[ir.Node, Edges] = {}
        self.still = then == now
        """Then nothing crosses anything."""

    def edges(self, condition: ir.Predicate, ranked: Collection[Rank] = ()) -> list[Edges]:
        """What may change the condition for a person of whom no row changed between the two instants, other
        than memberships, now and before, and than who is in these `ranked`. Unsettled if that is not known.
        """
        found = []
        for part in parts(condition):
            if not isinstance(part, Rank):
                found.append(self._of(part))
            elif part not in ranked:
                raise Unsettled("it compares people with people")
        return found

    def value_edges(self, value: ir.Value) -> list[Edges]:
        """What may change a value that no clock is in, of a person of whom no row changed. Unsettled as
        above."""
        found = []
        for part in steady(value):
            if isinstance(part, Rank):
                raise Unsettled("it compares people with people")
            found.append(self._of(part))
        return found

    def _of(self, part: ir.Node) -> Edges:
        found = self._found.get(part)
        if found is None:
            found = self._found[part] = self._finder.edges(part)
        return found


class _Finder:
    def __init__(self, then: Clock, now: Clock, dialect: Dialect) -> None:
        self.clocks, self.dialect, self.found = (then, now), dialect, Edges()

    def edges(self, part: ir.Node) -> Edges:
        """Looks at one of the parts that `parts` tells."""
        self.found = Edges()
        match part:
            case ir.Aggregate():
                self._aggregate(part)
            case ir.Earned():
                self._earned(part)
            case ir.Sequence():
                self._sequence(part)
            case ir.Restarted():
                self._restarted(part)
            case ir.Stopped(last, quiet):
                starts = [resolve(quiet, clock, Type.DATETIME).start for clock in self.clocks]
                before = [Range(0, 0) if start is None else Range(None, start) for start in starts]
                self._crossing(_kinds(last), *before)
            case ir.InPeriod(ir.Aggregate(function) as value, period) if function in INSTANTS:
                self._crossing(_kinds(value), *(resolve(period, c, Type.DATETIME) for c in self.clocks))
            case ir.InPeriod(ir.Fact(name, type_), period):
                then, now = (resolve(period, clock, type_) for clock in self.clocks)
                self._moving(part, Valued(name, tuple(crossing(then, now))))
            case _:
                self._moving(part)  # type: ignore[arg-type]
        return self.found

    # ── features ──

    def _aggregate(self, node: ir.Aggregate) -> None:
        then, now = (window(node.period, clock) for clock in self.clocks)
        records = isinstance(node, ir.RecordAggregate)
        for kind in _kinds(node):
            self._where(kind, node.where, union(then, now), records=records)
        self._crossing(_kinds(node), then, now)
        if records:  # whatever the period: a new state hides the one before
            self._crossing(_kinds(node), *(Range(None, clock.now + 1) for clock in self.clocks))
        if node.function is ir.AggregateFunction.SLICES and isinstance(node.period, ir.Last):
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

    def _moving(self, node: ir.Predicate, told: Valued | None = None) -> None:
        """Asks the condition at both instants: of the facts (`told`: for whom they differ), or of every row
        whose value it may be about."""
        feature = moving(node)
        if feature is None:
            then, now = (Emitter(self.dialect, c, alias="p").condition(node) for c in self.clocks)
            if then != now:
                self.found.facts[(then, now)] = told
            return
        limit = _days_limit(node, feature) if feature.function in INSTANTS else None
        if limit is not None:
            then_us, now_us = (clock.now for clock in self.clocks)
            first = then_us - (limit + 1) * _MILLIONTH_US + 1
            self._whoever(_kinds(feature), [Range(first, now_us - limit * _MILLIONTH_US + 1)])
            return
        for kind in _kinds(feature):
            then, now = (self._of_row(node, feature, clock) for clock in self.clocks)
            self._rows(kind, then, now, Range(None, self.clocks[1].now + 1))

    def _of_row(self, node: ir.Predicate, feature: ir.Aggregate, clock: Clock) -> str:
        """The condition, were the row `a` the one that the feature finds."""
        field_ = "at" if feature.function in INSTANTS else feature.field or ""
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
