"""When time alone will change whether somebody is in: the first instant, if nothing else happens.

Every leaf is looked at at its own edges only, and once for all segments that use it. Each turn that is told
was seen on both sides: a microsecond before, and at it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rules import ir
from rules.engine.edges import Edges, turned
from rules.engine.periods import Clock, instant_of, microseconds
from rules.engine.person import Context, Evaluator, PersonFacts
from rules.engine.scopes import PersonScope
from rules.engine.walk import has_ranks, kinds_in, segments_in

AHEAD = dt.timedelta(days=400)
MOST_ROWS = 300_000
"""So many rows of activity are looked at, again and again, for one person; then the view ends earlier."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The condition turns at `at`, because these leaves of it do."""

    at: dt.datetime
    leaves: tuple[ir.Predicate, ...]


@dataclass(frozen=True, slots=True)
class View:
    """What lies ahead. `turn` None: nothing up to `until`. `held`: ranks were held still for that."""

    turn: Turn | None
    until: dt.datetime
    held: bool


class Ahead:
    """Of one person. `conditions`: segment → condition, for segments inside segments."""

    def __init__(
        self,
        person: PersonFacts,
        context: Context,
        conditions: Mapping[str, ir.Predicate],
        *,
        horizon: dt.timedelta = AHEAD,
    ) -> None:
        self.person, self.context, self.conditions = person, context, conditions
        self.now, self.until = context.clock.now, microseconds(context.clock.as_of + horizon)
        self.scope = PersonScope(person, context, conditions)
        self.edges = Edges(person, context, self.until)
        self._lines: dict[ir.Predicate, _Line] = {}
        self._sizes: dict[ir.Predicate, int] = {}
        self._leaves: dict[ir.Predicate, Sequence[ir.Predicate]] = {}
        self._clocks = {self.now: context.clock}
        self._ones: dict[int, Evaluator] = {}  # by instant, for leaves with segments inside
        self._rows = 0

    def view(self, predicate: ir.Predicate) -> View:
        """The first turn of the condition."""
        lines = [self._line(leaf) for leaf in self.leaves_of(predicate)]
        at, before = self.now, self.true(predicate, self.now)
        held = any(line.held for line in lines)
        while True:
            coming = [turn for line in lines if (turn := line.after(at)) is not None]
            limit = min([self.until, *(line.seen for line in lines)])
            if not coming or min(coming) > limit:
                return View(None, instant_of(limit), held)
            at = min(coming)
            if self.true(predicate, at) is not before:
                turning = tuple(line.leaf for line in lines if line.after(at - 1) == at)
                return View(Turn(instant_of(at), turning), instant_of(at), held)

    def true(self, predicate: ir.Predicate, at: int) -> bool:
        """Whether the condition is true at an instant, put together from its leaves."""
        match predicate:
            case ir.And(parts):
                return all(self.true(part, at) for part in parts)
            case ir.Or(parts):
                return any(self.true(part, at) for part in parts)
            case ir.Not(part):
                return not self.true(part, at)
            case ir.InSegment(segment):
                return self.true(self.conditions[segment], at)
            case ir.HeldSegment(segment):
                return self._line(predicate).at(at) and self.true(self.conditions[segment], at)
            case ir.Lasting():
                return self._lasting(predicate, at)
        return self._line(predicate).at(at)

    def leaves_of(self, predicate: ir.Predicate) -> Sequence[ir.Predicate]:
        """What the condition is put together from, also inside the segments that it uses; each once."""
        found = self._leaves.get(predicate)
        if found is None:
            found = self._leaves[predicate] = tuple(dict.fromkeys(self.leaves(predicate)))
        return found

    def leaves(self, predicate: ir.Predicate) -> Iterator[ir.Predicate]:
        """The same, each as often as it stands there."""
        match predicate:
            case ir.And(parts) | ir.Or(parts):
                for part in parts:
                    yield from self.leaves(part)
            case ir.Not(part):
                yield from self.leaves(part)
            case ir.InSegment(segment):
                yield from self.leaves(self.conditions[segment])
            case ir.HeldSegment(segment):
                yield predicate
                yield from self.leaves(self.conditions[segment])
            case ir.Lasting(_, when, leave_when):
                yield from self.leaves(when)
                if leave_when is not None:
                    yield from self.leaves(leave_when)
                if self._entered(predicate) is not None and predicate.stay is not None:
                    yield _stay(predicate)
            case _:
                yield predicate

    def _entered(self, node: ir.Lasting) -> dt.datetime | None:
        if self.context.entered is None or self.person.suppressed:
            return None
        return self.context.entered(node.segment)

    def _lasting(self, node: ir.Lasting, at: int) -> bool:
        entered = self._entered(node)
        if entered is not None and node.stay is not None and self._line(_stay(node)).at(at):
            return True
        if node.leave_when is not None and self.true(node.leave_when, at):
            return False
        stays = entered is not None and node.leave_when is not None
        return stays or self.true(node.when, at)

    def _line(self, leaf: ir.Predicate) -> _Line:
        line = self._lines.get(leaf)
        if line is None:
            if isinstance(leaf, ir.Lasting):
                entered = self._entered(leaf)
                assert entered is not None  # noqa: S101 - only then it is a leaf
                assert leaf.stay is not None  # noqa: S101
                edges = [microseconds(entered + dt.timedelta(hours=leaf.stay))]
            else:
                edges = self.edges.of(leaf)
            line = self._lines[leaf] = _Line(self, leaf, edges)
        return line

    def edges_of(self, leaf: ir.Predicate) -> list[int]:
        """When the values of a leaf may change."""
        return self._line(leaf).edges

    def ask(self, leaf: ir.Predicate, at: int) -> bool | None:
        """The evaluator's answer; None: there is too much activity to look at it any more often."""
        if at > self.now and self._rows > MOST_ROWS:
            return None
        self._rows += self._rows_of(leaf)
        if not segments_in(leaf):
            if at == self.now:
                return self.scope.known(leaf)
            return self.scope.at(self.clock(at)).holds(leaf, self.person.facts)
        one = self._ones.get(at)
        if one is None:
            now = self.context  # of "in … for …" the time only
            context = Context(self.clock(at), now.ranks, _inside, now.entered, now.since)
            one = self._ones[at] = Evaluator(self.person, context)
        return one.holds(leaf, self.person.facts)

    def clock(self, at: int) -> Clock:
        """The clock of an instant, the same one for everybody who looks at it."""
        found = self._clocks.get(at)
        if found is None:
            found = self._clocks[at] = Clock(instant_of(at), self.context.clock.zone)
        return found

    def _rows_of(self, leaf: ir.Predicate) -> int:
        """How much activity is looked at for it."""
        if leaf not in self._sizes:
            self._sizes[leaf] = sum(len(self.person.activity.get(kind, ())) for kind in kinds_in(leaf))
        return self._sizes[leaf]


def _inside(segment: str) -> bool:
    """Segments inside are looked into by their own leaves."""
    return bool(segment)


def _stay(node: ir.Lasting) -> ir.Lasting:
    """A leaf for the time that a member stays whatever happens: never true by itself."""
    return ir.Lasting(node.segment, ir.Constant(False), ir.Constant(True), node.stay)


class _Line:
    """One leaf over time: when it turns, found as far as asked."""

    def __init__(self, ahead: Ahead, leaf: ir.Predicate, edges: list[int]) -> None:
        self.ahead, self.leaf = ahead, leaf
        self.edges = edges
        self.held = has_ranks(leaf)
        first = ahead.ask(leaf, ahead.now)
        assert first is not None  # noqa: S101 - now is always looked at
        self.first = self.last = first
        self.turns: list[int] = []
        self.looked = 0  # edges looked at
        self.place = ahead.now  # up to where
        self.seen = ahead.until  # how far it can be looked at

    def at(self, at: int) -> bool:
        """The answer at an instant."""
        while self.place < at and self._looks_on(at):
            pass
        return self.first ^ (sum(turn <= at for turn in self.turns) % 2 == 1)

    def after(self, at: int) -> int | None:
        """The next turn after an instant."""
        while self._looks_on(at):
            pass
        for turn in self.turns:
            if turn > at:
                return turn
        return None

    def _looks_on(self, at: int) -> bool:
        """Look at the next edge, unless a turn after the instant is known or there are no more."""
        if self.looked == len(self.edges) or (self.turns and self.turns[-1] > at):
            return False
        edge = self.edges[self.looked]
        answer = self.ahead.ask(self.leaf, edge)
        if answer is None:
            self.seen, self.looked = self.place, len(self.edges)
            return False
        if answer is not self.last:
            self.turns.append(self._exactly(edge))
            self.last = answer
        self.looked += 1
        self.place = edge
        return True

    def _exactly(self, edge: int) -> int:
        """The turn at this edge, or before it if an edge had been missed."""
        if edge - 1 <= self.place or self.ahead.ask(self.leaf, edge - 1) is self.last:
            return edge
        return turned(lambda at: self.ahead.ask(self.leaf, at), self.place, edge)
