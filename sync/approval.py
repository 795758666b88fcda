"""What of a shown plan goes out now: only rows that were shown, held ones only if a person let them go. Pure.

Between the showing and the sending the world changes. A row that is due now and was not shown is never sent;
a row that was shown and is not due any more is skipped. Too many of either, and the plan is stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pyroaring import BitMap

from sync.plan import AudiencePlan, Plan, arranged


class Only(StrEnum):
    """One half of what is held."""

    ADDS = "adds"
    REMOVES = "removes"


@dataclass(frozen=True, slots=True)
class Selection:
    """What a person decides on; None: all of it. Opt-outs belong to a connection and to no segment."""

    segment: str | None = None
    connection: str | None = None
    only: Only | None = None

    @property
    def whole(self) -> bool:
        """Everything that is held."""
        return self == Selection()

    def picks(self, segment: str, connection: str, half: Only) -> bool:
        """Whether these rows are meant."""
        return (
            self.segment in (None, segment)
            and self.connection in (None, connection)
            and self.only in (None, half)
        )

    def picks_opt_outs(self, connection: str) -> bool:
        """Whether the opt-outs to be recorded there are meant."""
        return self.segment is None and self.only is None and self.connection in (None, connection)

    def __str__(self) -> str:
        parts = [f"the {self.only.value}" if self.only else "", f"of {self.segment}" if self.segment else ""]
        parts.append(f"on {self.connection}" if self.connection else "")
        return " ".join(part for part in parts if part) or "the whole plan"


@dataclass(frozen=True, slots=True)
class Rows:
    """Adds and removals of one audience."""

    adds: BitMap = field(default_factory=BitMap)
    removes: BitMap = field(default_factory=BitMap)

    def __or__(self, other: Rows) -> Rows:
        return Rows(self.adds | other.adds, self.removes | other.removes)

    def __len__(self) -> int:
        return len(self.adds) + len(self.removes)


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown of one audience and is not done: to go at once, waiting, and turned down by a person."""

    open: Rows = field(default_factory=Rows)
    held: Rows = field(default_factory=Rows)
    rejected: Rows = field(default_factory=Rows)


@dataclass(frozen=True, slots=True)
class Going:
    """The plan that goes out, and how far the world has moved. `shown`: rows that could have gone."""

    plan: Plan
    unshown: int = 0  # due now, and nobody saw them
    vanished: int = 0  # shown, not due any more, and not because it is done
    shown: int = 0

    @property
    def changed(self) -> int:
        """Rows that differ from what was shown; none of them is sent."""
        return self.unshown + self.vanished


def going(
    now: Plan, shown: Mapping[int, Shown], released: Selection | None = None, *, trusted: bool = False
) -> Going:
    """`now`: the plan as it would be made now; `shown`: audience → its rows. `released`: what may go.

    `trusted`: a person let go what was shown as open, so no brake that trips again holds it.
    """
    parts: list[AudiencePlan] = []
    unshown = vanished = total = 0
    for part in now.audiences:
        source = part.source
        seen = shown.get(source.audience, Shown())
        waiting = seen.open | seen.held
        due = Rows(part.adds | part.held_adds, part.removes | part.held_removes)
        known = waiting | seen.rejected
        unshown += len(due.adds - known.adds) + len(due.removes - known.removes)
        vanished += len(waiting.adds - due.adds - source.actual)
        vanished += len((waiting.removes - due.removes) & source.actual)
        total += len(waiting)
        free = due if trusted else Rows(part.adds, part.removes)
        adds = _half(Only.ADDS, part, due.adds, seen.open.adds, seen.held.adds, free.adds, released)
        removes = _half(
            Only.REMOVES, part, due.removes, seen.open.removes, seen.held.removes, free.removes, released
        )
        parts.append(
            replace(part, adds=adds[0], held_adds=adds[1], removes=removes[0], held_removes=removes[1])
        )
    return Going(arranged(now, parts), unshown=unshown, vanished=vanished, shown=total)


def _half(
    half: Only,
    part: AudiencePlan,
    due: BitMap,
    shown_open: BitMap,
    shown_held: BitMap,
    open_now: BitMap,
    released: Selection | None,
) -> tuple[BitMap, BitMap]:
    """(goes, waits). Without a release a brake that trips only now holds what was shown as open, too."""
    all_shown = due & (shown_open | shown_held)
    if released is not None and released.picks(part.source.segment, part.source.connection, half):
        return all_shown, BitMap()
    goes = due & shown_open & open_now
    return goes, all_shown - goes
