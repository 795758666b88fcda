"""Who was in a segment before: given to an evaluation by the run, which alone reads history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyroaring import BitMap


@dataclass(frozen=True, slots=True)
class Standing:
    """The members by the last evaluation under the same `when`, and those of them who entered less than
    `stay` before this one."""

    members: BitMap
    held: BitMap


def lasts(before: Standing | None, enters: BitMap, leaves: BitMap | None, able: BitMap) -> BitMap:
    """The members now, as `ir.Lasting` says. `leaves` None: there is no `leave_when`; `able`: who may stay
    on without `when` being true."""
    was = able & before.members if before is not None else able - able
    held = was & before.held if before is not None else was
    return held | (enters if leaves is None else (enters | was) - leaves)
