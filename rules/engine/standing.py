"""Who was in a segment before: given to an evaluation by the run, which alone reads history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from rules import ir
from rules.engine.walk import nodes

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


@dataclass(frozen=True, slots=True)
class Memory:
    """What an evaluation was told of before: of every segment that lasts who was in, and by the key of every
    `ir.HeldSegment` who was held."""

    standing: Mapping[str, Standing] = field(default_factory=dict)
    held: Mapping[str, BitMap] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        conditions: Iterable[ir.Predicate],
        standing: Mapping[str, Standing],
        held: Mapping[ir.HeldSegment, BitMap],
    ) -> Self:
        """For these conditions. Of what nothing was told, nobody was in."""
        from pyroaring import BitMap

        lasting, spans = dict[str, Standing](), dict[str, BitMap]()
        for node in _remembering(conditions):
            if isinstance(node, ir.Lasting):
                lasting[node.segment] = standing.get(node.segment) or Standing(BitMap(), BitMap())
            else:
                spans[node.key] = held.get(node) or BitMap()
        return cls(lasting, spans)

    def moved(self, condition: ir.Predicate, before: Memory) -> BitMap | None:
        """Of whom what the condition remembers is not what it was; None: that is not known."""
        from pyroaring import BitMap

        found = BitMap()
        for node in _remembering([condition]):
            if isinstance(node, ir.Lasting):
                then, now = before.standing.get(node.segment), self.standing.get(node.segment)
                if then is None or now is None:
                    return None
                found |= (then.members ^ now.members) | (then.held ^ now.held)
            else:
                if node.key not in before.held or node.key not in self.held:
                    return None
                found |= before.held[node.key] ^ self.held[node.key]
        return found


def _remembering(conditions: Iterable[ir.Predicate]) -> list[ir.Lasting | ir.HeldSegment]:
    return [node for condition in conditions for node in _remembers(condition)]


@lru_cache(maxsize=10_000)
def _remembers(condition: ir.Predicate) -> tuple[ir.Lasting | ir.HeldSegment, ...]:
    found = nodes([condition], inside_aggregates=False)
    return tuple(node for node in found if isinstance(node, ir.Lasting | ir.HeldSegment))
