"""From predicates to bitmaps: one projection of booleans, then set operations.

SQL answers what is no And, Or or Not, in one column for all segments that ask it; And, Or and Not are done on
the packed bits of these columns, and where other segments are needed, on bitmaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

from rules import ir
from rules.engine.bits import Rows, bits_of
from rules.engine.emit import Emitter
from rules.engine.standing import Standing, lasts
from rules.engine.walk import uses_segments

if TYPE_CHECKING:
    import pyarrow as pa
    from pyroaring import BitMap

    from rules.engine.bits import Bits

Predicates: TypeAlias = tuple[ir.Predicate, ...]


class Memberships:
    """Collects the columns that all segments need, then makes the bitmaps."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self._conditions: dict[str, ir.Predicate] = {}  # segment → condition, in order of evaluation
        self._columns: dict[ir.Predicate, str] = {}
        self.kept: dict[str, BitMap] = {}  # of segments that last: members for whom `when` is not true

    def add(self, segment: str, condition: ir.Predicate) -> None:
        """Adds a segment; those it uses must have been added before."""
        self._conditions[segment] = condition
        self._collect(condition)

    def _collect(self, predicate: ir.Predicate) -> None:
        match predicate:
            case ir.Not(part):
                self._collect(part)
            case ir.And(parts) | ir.Or(parts):
                for part in parts:
                    self._collect(part)
            case ir.Lasting():
                for one in (predicate.when, predicate.leave_when, ir.Suppressed()):
                    if one is not None:
                        self._collect(one)
            case ir.InSegment() | ir.HeldSegment():
                pass
            case _:
                self._columns.setdefault(predicate, f"b{len(self._columns)}")

    def columns(self) -> str:
        """The columns to select of every person: its number and the booleans, NULL for false."""
        booleans = [f"{self.emitter.predicate(p)} AS {name}" for p, name in self._columns.items()]
        return ", ".join(["p.person AS person", *booleans])

    def collect(
        self,
        table: pa.Table,
        standing: Mapping[str, Standing],
        held: Mapping[ir.HeldSegment, BitMap],
        known: Mapping[str, BitMap],
        asked: Mapping[str, BitMap],
    ) -> dict[str, BitMap]:
        """The members of every segment added, from the rows of a selection of `columns`; `standing`: who was
        in them before, `held`: who was in others for so long, `known`: who is in others that they use, and
        who of those that a segment is not `asked` of is in it."""
        import numpy as np
        from pyroaring import BitMap

        rows = Rows(table["person"].to_numpy().astype(np.uint32))
        everyone = rows.everyone()
        answers = {predicate: bits_of(table[name]) for predicate, name in self._columns.items()}
        atoms: dict[ir.Predicate, BitMap] = {}
        members = dict(known)

        def bits(predicate: ir.Predicate) -> Bits:
            match predicate:
                case ir.Not(part):
                    return ~bits(part)
                case ir.And(parts):
                    return reduce(np.bitwise_and, map(bits, parts))
                case ir.Or(parts):
                    return reduce(np.bitwise_or, map(bits, parts))
            return answers[predicate]

        def resolve(predicate: ir.Predicate) -> BitMap:
            if predicate in atoms:
                return atoms[predicate]
            if not uses_segments(predicate):
                atoms[predicate] = rows.set_of(bits(predicate))
                return atoms[predicate]
            match predicate:
                case ir.InSegment(segment):
                    return members[segment]
                case ir.HeldSegment(segment):
                    return members[segment] & held.get(predicate, BitMap())
                case ir.Not(part):
                    return everyone - resolve(part)
                case ir.And():
                    return reduce(BitMap.__and__, (resolve(part) for part in _gathered(predicate)))
                case ir.Or():
                    return reduce(BitMap.__or__, (resolve(part) for part in _gathered(predicate)))
                case ir.Lasting(segment, when, leave_when):
                    enters = resolve(when)
                    leaves = None if leave_when is None else resolve(leave_when)
                    able = everyone - resolve(ir.Suppressed())
                    lasting = lasts(standing.get(segment), enters, leaves, able)
                    self.kept[segment] = lasting - enters
                    return lasting
            raise ValueError(f"{type(predicate).__name__} cannot contain a segment")

        for segment, condition in self._conditions.items():
            found = resolve(condition)
            if segment in asked:
                found = (found & asked[segment]) | (members[segment] - asked[segment])
            members[segment] = BitMap(found)
        return {segment: members[segment] for segment in self._conditions}


def _gathered(node: ir.And | ir.Or) -> Predicates:
    """The parts of a node, those that need no other segment gathered into one."""
    own = tuple(part for part in node.parts if not uses_segments(part))
    others = tuple(part for part in node.parts if uses_segments(part))
    return (*others, *own) if len(own) < 2 else (*others, type(node)(own))
