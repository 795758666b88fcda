"""Ranks among everybody, straight from their definition."""

from __future__ import annotations

from collections.abc import Sequence

from rules import ir
from rules.engine.activity import Known
from rules.engine.person import Context, PersonFacts, rank_value
from rules.engine.walk import Rank


class Population:
    """Everyone's values, sorted, straight from the definition of a rank."""

    def __init__(self, wanted: Sequence[Rank], people: Sequence[PersonFacts], context: Context) -> None:
        self._values: dict[tuple[Rank, object], list[Known]] = {}
        for rank in wanted:
            for person in people:
                ranked = rank_value(rank, person, context)
                if ranked is not None:
                    self._values.setdefault((rank, ranked[1]), []).append(ranked[0])

    def holds(self, rank: Rank, value: Known, group: object) -> bool:
        """Counts who is above or below; nothing else."""
        values = self._values[rank, group]
        above = sum(other > value for other in values)  # type: ignore[operator]
        below = sum(other < value for other in values)  # type: ignore[operator]
        match rank:
            case ir.RankShare(side, ppm):
                beyond = above if side is ir.Side.TOP else below
                return beyond * 1_000_000 < ppm * len(values)
            case ir.RankCount(side, n):
                return (above if side is ir.Side.TOP else below) < n
            case ir.Quintile(q):
                return below * 5 // len(values) + 1 == q
