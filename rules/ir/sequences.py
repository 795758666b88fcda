"""Activity in order: all over one person; `where` is a predicate over the activity's own fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.ir.nodes import Node
from rules.ir.periods import Last, Period, Unit
from rules.ir.values import Aggregate

if TYPE_CHECKING:
    from rules.ir.logic import Predicate


class Within(Node):
    """At most n·unit apart; the unit is HOUR, DAY or WEEK, of a fixed length."""

    n: int
    unit: Unit


class Step(Node):
    """Activity of the kind that fits `where`, *later* than the step before, and at most `within` later (None:
    any time later; the first step has None). Equal instants are not later, so no activity is two steps."""

    kind: str
    where: Predicate | None
    within: Within | None


class Unless(Node):
    """No activity of the kind that fits `where` is later than the last step and at most `within` later, and
    `within` after that step has passed at as_of: step + within <= as_of. None: none is later up to as_of.
    The period of the sequence does not bound this activity."""

    kind: str
    where: Predicate | None
    within: Within | None


class Sequence(Node):
    """There is one activity for every step, each in the period, each as its step demands of the one before,
    and after the last one what `unless` demands. One step or more; with one, `unless` is not None."""

    steps: tuple[Step, ...]
    unless: Unless | None
    period: Period


class Stopped(Node):
    """There is such activity, but none in `quiet`: `last` (a LAST_AT over ever) is known and not in `quiet`,
    so at <= as_of − n·unit."""

    last: Aggregate
    quiet: Last


class Restarted(Node):
    """There is an activity in the period, and an earlier one (at any time), and the latest earlier one is at
    least `pause` before it. Equal instants are not earlier."""

    kind: str
    where: Predicate | None
    pause: Within
    period: Period
