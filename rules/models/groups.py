"""Names for RFM scores, by a table: the first that fits. The one to begin with is `rfm_groups.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SCORES = 5
PROSPECTS = "Prospects"
"""Who never bought."""


@dataclass(frozen=True, slots=True)
class Group:
    """A name for the people whose scores lie within bounds, both included."""

    name: str
    recency: tuple[int, int] = (1, SCORES)
    frequency: tuple[int, int] = (1, SCORES)
    money: tuple[int, int] = (1, SCORES)

    def fits(self, recency: int, frequency: int, money: int) -> bool:
        """Whether the scores lie within the bounds."""
        bounds = ((self.recency, recency), (self.frequency, frequency), (self.money, money))
        return all(low <= at <= high for (low, high), at in bounds)


def uncovered(groups: Sequence[Group]) -> list[tuple[int, int, int]]:
    """The combinations of recency, frequency and money that no group fits."""
    return [each for each in combinations() if not any(group.fits(*each) for group in groups)]


def combinations() -> list[tuple[int, int, int]]:
    """All that scores can be together."""
    each = range(1, SCORES + 1)
    return [(r, f, m) for r in each for f in each for m in each]


@cache
def standard() -> tuple[Group, ...]:
    """The table that ships."""
    path = Path(__file__).with_name("rfm_groups.toml")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["group"]
    return tuple(
        Group(table["name"], *(_bounds(table.get(key)) for key in ("recency", "frequency", "money")))
        for table in tables
    )


def _bounds(written: object) -> tuple[int, int]:
    match written:
        case None:
            return 1, SCORES
        case [int(low), int(high)]:
            return low, high
        case int(score):
            return score, score
    raise ValueError(f"rfm_groups.toml: {written!r} is neither a score nor two")
