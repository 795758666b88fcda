"""And, or, not, a segment's memory; and what a predicate may be."""

from __future__ import annotations

from typing import TypeAlias

from rules.ir.nodes import Node
from rules.ir.predicates import (
    AllRecords,
    Anniversary,
    Compare,
    Consented,
    Constant,
    HeldSegment,
    InList,
    InPeriod,
    InSegment,
    InSet,
    IsKnown,
    IsTrue,
    ListTest,
    Matches,
    Near,
    Placed,
    Quintile,
    RandomShare,
    RankCount,
    RankShare,
    Suppressed,
    TextTest,
)
from rules.ir.sequences import Restarted, Sequence, Stopped


class And(Node):
    """All of `parts` (two or more)."""

    parts: tuple[Predicate, ...]


class Or(Node):
    """Any of `parts` (two or more)."""

    parts: tuple[Predicate, ...]


class Not(Node):
    """Everyone who is not in `part`."""

    part: Predicate


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
