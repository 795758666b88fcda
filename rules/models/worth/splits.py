"""Whether a giant segment is really several kinds of people who respond differently, and what to say of it.

Kinds are found by what was known on a day, and compared by what people did after it: by whatever made the
kinds they would always differ. A split is worth a word if its parts are natural groups and respond
differently; it is proposed, never made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from rules.models.columns import Floats, Ints
from rules.models.traits import FALSE_SHARE, RATIO
from rules.models.worth.ranks import chances

MOST_PARTS = 3
POINTS = 0.10
"""Shares that lie so far apart differ enough to tell of, whatever their ratio."""
_IN = {2: "two", 3: "three"}


@dataclass(frozen=True, slots=True)
class Part:
    """`people` of those looked at. `name`: what sets it apart within the segment. `rule`: who of the segment
    is in it, in the rule language; `fidelity`: how well that hits the part (0 to 1)."""

    name: str
    people: int
    rule: str
    fidelity: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What people did after the day, a number each: 0 or 1 of what is a `share`, else minor units."""

    words: str
    share: bool
    values: Floats


@dataclass(frozen=True, slots=True)
class Response:
    """One outcome by part. `means`: shares from 0 to 1, or minor units. `p`: of the two parts whose
    difference chance explains least, among those that differ by enough to tell of; after Benjamini and
    Hochberg (1995). None: no two do."""

    words: str
    share: bool
    means: tuple[float, ...]
    p: float | None

    @property
    def differs(self) -> bool:
        """By enough, and by more than chance."""
        return self.p is not None and self.p <= FALSE_SHARE

    def value(self, part: int, currency: str) -> str:
        """Of one part: `12.0%`, or `3.40 EUR`."""
        mean = self.means[part]
        return f"{mean:.1%}" if self.share else f"{mean / 100:,.2f} {currency}"

    def text(self, currency: str) -> str:
        """Of all: `ordered 12.0% against 3.1%`."""
        told = (self.value(part, currency) for part in range(len(self.means)))
        return f"{self.words} {' against '.join(told)}"


@dataclass(frozen=True, slots=True)
class Split:
    """What was found of one segment. `until`: what was known by the end of this day made the parts, what
    people did in the `days` after it was compared. `people` of it were looked at, `by` these features.
    `stability`: of the part that holds worst (Jaccard); `cloud`: what it has to pass. `why_not`: it was not
    judged, because."""

    segment: str
    until: dt.date
    days: int
    people: int = 0
    by: tuple[str, ...] = ()
    stability: float | None = None
    cloud: float | None = None
    natural: bool = False
    parts: tuple[Part, ...] = ()
    responses: tuple[Response, ...] = ()
    why_not: str = ""

    @property
    def proposed(self) -> bool:
        """Whether its parts are natural groups that respond differently."""
        return self.natural and not self.why_not and any(one.differs for one in self.responses)

    def rule(self, part: Part) -> str:
        """For a part, to be adopted as it stands."""
        rule = f"({part.rule})" if " or " in part.rule else part.rule
        return f'in segment "{self.segment}" and {rule}'

    def advice(self, currency: str) -> str:
        """What to do about the segment, in sentences."""
        if self.why_not:
            return f"No split is proposed: {self.why_not}."
        if not self.natural:
            return (
                f"No natural split was found (by {', '.join(self.by)}): its people differ by degrees."
                " Split it only where you treat people differently anyway."
            )
        found = f"A split in {_IN[len(self.parts)]} is stable ({self.stability:.3f}, where people without any"
        found += f" structure reach {self.cloud:.3f})"
        after = f"in the {self.days} days after {self.until}"
        if not self.proposed:
            alike = ", ".join(one.text(currency) for one in self.responses) or "none of them did anything"
            return f"{found}, but its parts did alike {after} ({alike}): leave it whole."
        differ = ", ".join(one.text(currency) for one in self.responses if one.differs)
        who = "; ".join(one.name for one in self.parts)
        return (
            f"{found}, and its parts did differently {after}: {differ}. What separates them: {who}. Consider"
            " a segment for each, by rules such as those that `segsync evaluate` shows for them."
        )


def responses(asked: Sequence[tuple[Ints, Sequence[Outcome]]]) -> list[tuple[Response, ...]]:
    """Of each split how its parts did. `asked`: the part of each person (from 0, none empty), and outcomes of
    the same people. Differences are judged by the ranks of Mann and Whitney (1947), all of them together.
    """
    from scipy.stats import false_discovery_control  # a second to load, which every run would wait for

    chance: dict[tuple[int, int, int, int], float] = {}
    means: dict[tuple[int, int], tuple[float, ...]] = {}
    for split, (part, outcomes) in enumerate(asked):
        for which, one in enumerate(outcomes):
            by_part = [one.values[part == at] for at in range(_count(part))]
            means[split, which] = tuple(float(values.mean()) for values in by_part)
            table = chances(by_part)
            for a, b in combinations(range(len(by_part)), 2):
                chance[split, which, a, b] = float(table[a, b])
    adjusted = false_discovery_control(list(chance.values()), method="bh") if chance else ()
    least: dict[tuple[int, int], float] = {}
    for (split, which, a, b), p in zip(chance, map(float, adjusted), strict=True):
        mean = means[split, which]
        if _much(mean[a], mean[b], share=asked[split][1][which].share):
            least[split, which] = min(p, least.get((split, which), 1.0))
    return [
        tuple(
            Response(one.words, one.share, means[split, which], least.get((split, which)))
            for which, one in enumerate(outcomes)
        )
        for split, (_, outcomes) in enumerate(asked)
    ]


def _count(part: Ints) -> int:
    return int(part.max()) + 1 if len(part) else 0


def _much(one: float, other: float, *, share: bool) -> bool:
    """Half as much again, or ten points of a share: among many people any difference is more than chance."""
    low, high = sorted((one, other))
    return high > low and (high >= RATIO * low or (share and high - low >= POINTS))
