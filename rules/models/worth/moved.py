"""Whether the shares that segments have of people moved: chi-square, and by how much: Cramér's V.

The test (Pearson 1900) tells whether chance would do as much to samples drawn apart; of the same people at
two times, most of whom stayed where they were, chance does less, so that the test is a careful one. With many
people it calls any move significant: V (Cramér 1946, 0 to 1, whatever the number of people) tells its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rules.models.columns import Floats, Notice, Severity
from rules.models.worth.psi import LEAST

SMALL = 0.10
"""Of two rows (then, now) V is Cohen's w, which is a small effect from here on (Cohen 1988, chapter 7)."""
CHANCE = 0.05
_LEAST_EXPECTED = 5
"""In each cell, or chi-square is not to be trusted (Cochran 1954)."""


@dataclass(frozen=True, slots=True)
class Moved:
    """People in each of `parts`, which share nobody, then and now. `p`: after Benjamini and Hochberg (1995)
    over all that was asked together. None of it is said (0, 1) where there are too few."""

    parts: tuple[str, ...]
    then: tuple[int, ...]
    now: tuple[int, ...]
    chi_square: float = 0.0
    freedom: int = 0
    p: float = 1.0
    v: float = 0.0
    too_small: bool = True

    @property
    def alarm(self) -> bool:
        """Whether they moved: by more than chance and by more than little."""
        return not self.too_small and self.p < CHANCE and self.v >= SMALL

    @property
    def most(self) -> tuple[str, float, float]:
        """The part whose share moved most, and its share then and now."""
        before, after = (np.array(some) / max(1, sum(some)) for some in (self.then, self.now))
        place = int(np.argmax(np.abs(after - before)))
        return self.parts[place], float(before[place]), float(after[place])


def moved(of: Mapping[str, tuple[Sequence[str], Sequence[int], Sequence[int]]]) -> dict[str, Moved]:
    """Name → parts, and how many people were in each then, and are now; parts that nobody was in are none."""
    found = {name: _one(*counts) for name, counts in of.items()}
    asked = [name for name, one in found.items() if not one.too_small]
    if asked:
        from scipy.stats import false_discovery_control  # a second to load, which every run would wait for

        adjusted = false_discovery_control([found[name].p for name in asked], method="bh")
        found |= {name: replace(found[name], p=float(p)) for name, p in zip(asked, adjusted, strict=True)}
    return found


def told_moved(found: Mapping[str, Moved]) -> Iterator[Notice]:
    """`drift.shares`, of those that moved."""
    for name, one in found.items():
        if one.alarm:
            part, before, after = one.most
            message = (
                f"{name}: shares moved (chi-square {one.chi_square:.1f}, {one.freedom} df, p {one.p:.2g};"
                f" Cramér's V {one.v:.2f}, limit {SMALL:.2f}), that of {part} most: {before:.1%} then,"
                f" {after:.1%} now. Look at what changed (a source, a season, a campaign), and whether limits"
                " in rules still fit."
            )
            evidence: dict[str, float | int | str] = {
                "of": name,
                "chi_square": one.chi_square,
                "freedom": one.freedom,
                "p": one.p,
                "v": one.v,
                "n": sum(one.then),
                "m": sum(one.now),
            }
            yield Notice("drift.shares", Severity.WARNING, message, evidence)


def _one(parts: Sequence[str], then: Sequence[int], now: Sequence[int]) -> Moved:
    there = [place for place in range(len(parts)) if then[place] or now[place]]
    table: Floats = np.array([[some[place] for place in there] for some in (then, now)], dtype=np.float64)
    found = Moved(
        tuple(parts[place] for place in there),
        tuple(then[place] for place in there),
        tuple(now[place] for place in there),
    )
    if len(there) < 2 or table.sum(axis=1).min() < LEAST:
        return found
    from scipy.stats import chi2_contingency  # as above

    tested = chi2_contingency(table, correction=False)
    if tested.expected_freq.min() < _LEAST_EXPECTED:
        return found
    return replace(
        found,
        chi_square=float(tested.statistic),
        freedom=int(tested.dof),
        p=float(tested.pvalue),
        v=float(np.sqrt(tested.statistic / table.sum())),  # of two rows: the lesser side less one is 1
        too_small=False,
    )
