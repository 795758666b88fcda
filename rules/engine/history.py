"""Sequences and breaks of one person, in plain Python: step by step, as `rules.ir` says it.

It also tells which activity it was, for explanations.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rules import ir
from rules.engine.periods import Clock, Range, length_us, window


class Instants(Protocol):
    """The activity of the person."""

    def __call__(self, kind: str, where: ir.Predicate | None, found: Range) -> list[int]:
        """When what fits happened in the range, in order, in microseconds."""
        ...


@dataclass(frozen=True, slots=True)
class Trace:
    """Whether there is such a sequence, and the latest one, or the latest of the most steps there were."""

    holds: bool
    steps: tuple[int | None, ...]  # when each step happened; None: it did not
    followed: int | None = None  # the first activity after the last step that must not be
    open_until: int | None = None  # until when it may still come; None: the time has passed


def trace(node: ir.Sequence, instants: Instants, clock: Clock) -> Trace:
    """Looks for the sequence."""
    found = window(node.period, clock)
    possible: list[list[int]] = []  # of each step, every instant at which it can be that step
    for step in node.steps:
        candidates = instants(step.kind, step.where, found)
        if possible:
            before = possible[-1]
            candidates = [at for at in candidates if _follows(at, before, step.within)]
        possible.append(candidates)
    ends = possible[-1]
    after = _After(node.unless, instants, Range(found.start, clock.now + 1), clock)
    fitting = [at for at in ends if after.holds(at)]
    chosen = _latest(node.steps, possible, fitting or ends)
    last = chosen[-1]
    if fitting or last is None:
        return Trace(bool(fitting), chosen)
    return Trace(False, chosen, after.first(last), after.open_until(last))


def _follows(at: int, before: Sequence[int], gap: ir.Within | None) -> bool:
    """Whether one of the instants (in order) is earlier, within the gap: the latest earlier is closest."""
    earlier = bisect_left(before, at)
    return earlier > 0 and (gap is None or at - before[earlier - 1] <= length_us(gap))


def _latest(
    steps: Sequence[ir.Step], possible: list[list[int]], ends: Sequence[int]
) -> tuple[int | None, ...]:
    """Walks back from the latest end: the latest possible instant before it is always within the gap."""
    chosen: list[int | None] = [None] * len(steps)
    at: int | None = None
    for number in reversed(range(len(steps))):
        candidates = ends if number == len(steps) - 1 else possible[number]
        before = len(candidates) if at is None else bisect_left(candidates, at)
        if before:
            at = chosen[number] = candidates[before - 1]
    return tuple(chosen)


class _After:
    """What must not follow."""

    def __init__(self, unless: ir.Unless | None, instants: Instants, found: Range, clock: Clock) -> None:
        self.clock = clock
        self.gap = None if unless is None or unless.within is None else length_us(unless.within)
        self.instants = [] if unless is None else instants(unless.kind, unless.where, found)

    def first(self, at: int) -> int | None:
        """The first that follows in time."""
        place = bisect_right(self.instants, at)
        if place == len(self.instants):
            return None
        following = self.instants[place]
        return following if self.gap is None or following <= at + self.gap else None

    def open_until(self, at: int) -> int | None:
        """Until when it may still follow."""
        return None if self.gap is None or at + self.gap <= self.clock.now else at + self.gap

    def holds(self, at: int) -> bool:
        """Whether nothing followed, and nothing can any more."""
        return self.first(at) is None and self.open_until(at) is None


def comeback(node: ir.Restarted, instants: Instants, clock: Clock) -> tuple[int, int] | None:
    """The latest return: (the activity before the pause, the one after it)."""
    found = window(node.period, clock)
    every = instants(node.kind, node.where, Range(None, clock.now + 1))
    for at in reversed(every):
        earlier = bisect_left(every, at)
        if at in found and earlier and at - every[earlier - 1] >= length_us(node.pause):
            return every[earlier - 1], at
    return None
