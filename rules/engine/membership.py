"""From predicates to bitmaps: one projection of booleans, then set operations.

SQL answers what is no And, Or or Not, in one column for all segments that ask it; where a number is held
against constants, it gives the number, once. And, Or and Not are done on packed bits, and where other
segments are needed, on bitmaps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

from rules import ir
from rules.engine.bits import Rows, bits_of
from rules.engine.emit import Emitter
from rules.engine.intervals import Interval, Numbers, interval_of
from rules.engine.standing import Standing, lasts
from rules.engine.walk import Rank, uses_segments

if TYPE_CHECKING:
    import pyarrow as pa
    from pyroaring import BitMap

    from rules.engine.bits import Bits

Predicates: TypeAlias = tuple[ir.Predicate, ...]


class Memberships:
    """Collects the columns that all segments need, then makes the bitmaps."""

    def __init__(self, emitter: Emitter, comparisons: Callable[[Rank], ir.Predicate | None]) -> None:
        """`comparisons`: a rank of known thresholds as comparisons of its value, where it can be said so."""
        self.emitter, self.comparisons = emitter, comparisons
        self._conditions: dict[str, ir.Predicate] = {}  # segment → condition, in order of evaluation
        self._columns: dict[str, str] = {}  # SQL → its name
        self._leaves: dict[ir.Predicate, Interval | str] = {}  # str: SQL of the predicate itself
        self._same: dict[ir.Predicate, ir.Predicate] = {}
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
            case ir.RankShare() | ir.RankCount() | ir.Quintile() if found := self.comparisons(predicate):
                self._same[predicate] = found
                self._collect(found)
            case _ if predicate not in self._leaves:
                leaf = interval_of(predicate, self.emitter) or self.emitter.predicate(predicate)
                self._leaves[predicate] = leaf
                self._column(leaf if isinstance(leaf, str) else leaf.number)

    def _column(self, sql: str) -> str:
        """The name under which it is selected."""
        return self._columns.setdefault(sql, f"b{len(self._columns)}")

    def columns(self) -> str:
        """The columns to select of every person: its number, the numbers asked about, and booleans."""
        return ", ".join(["p.person AS person", *(f"{sql} AS {name}" for sql, name in self._columns.items())])

    def _answers(self, table: pa.Table) -> dict[ir.Predicate, Bits]:
        """The rows for which each leaf is true. The numbers of one column at a time are at hand: at a number
        for each of many people they are what takes memory."""
        answers: dict[ir.Predicate, Bits] = {}
        compared: dict[str, list[tuple[ir.Predicate, Interval]]] = {}
        for predicate, leaf in self._leaves.items():
            if isinstance(leaf, str):
                answers[predicate] = bits_of(table[self._column(leaf)])
            else:
                compared.setdefault(self._column(leaf.number), []).append((predicate, leaf))
        for name, leaves in compared.items():
            numbers = Numbers(table[name])
            answers |= {predicate: numbers.within(interval) for predicate, interval in leaves}
        return answers

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
        answers = self._answers(table)
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
            if predicate in self._same:
                return bits(self._same[predicate])
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
