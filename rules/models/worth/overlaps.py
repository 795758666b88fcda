"""Which segments are too many or too few: twins, contained ones, tiny and giant ones, siblings that do alike.

Limits are conventions, and said with each finding; whoever knows the segments decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from pyroaring import BitMap

from rules.models.columns import Floats, Notice, Severity
from rules.models.worth.ranks import chances

TWINS, CONTAINED = 0.8, 0.95
GIANT, MANY_IN_NONE = 0.5, 0.2
LEAST_COMPARED = 200
"""Siblings with fewer people tell nothing of each other: no difference would only mean too few."""
ALIKE = 0.05
MANY, TOO_MANY = 7, 10
"""Segments a person is in, on average."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """`containment`: how much of the smaller one lies in the larger one."""

    smaller: str
    larger: str
    both: int
    jaccard: float
    containment: float


@dataclass(frozen=True, slots=True)
class Alike:
    """Two siblings, what each comes to per person, and how likely so small a difference is by chance alone,
    after Benjamini and Hochberg (1995)."""

    one: str
    other: str
    means: tuple[float, float]
    p: float


def overlaps(members: Mapping[str, BitMap]) -> list[Overlap]:
    """Twins (Jaccard of 80 % and more) and what lies within another (95 % and more of it), the likest first.

    Of each two a part of the smaller one is looked at first: most miss too many there to be either.
    """
    found = []
    by_size = sorted((len(some), name) for name, some in members.items() if some)
    for at, (size, small) in enumerate(by_size):
        some = members[small]
        parts = [(part, size - len(part)) for part in (some[: size // 16 + 1], some[: size // 5 + 1], some)]
        for larger, large in by_size[at + 1 :]:
            other = members[large]
            for part, beyond in parts:
                both = beyond + part.intersection_cardinality(other)
                if both / size < CONTAINED and both / (size + larger - both) < TWINS:
                    break  # this is the most that it can be, and both quotients rise with it
            else:
                found.append(Overlap(small, large, both, both / (size + larger - both), both / size))
    return sorted(found, key=lambda one: (-one.jaccard, -one.containment, one.smaller, one.larger))


def told_overlaps(found: Sequence[Overlap]) -> Iterator[Notice]:
    """`seg.duplicate` for twins, and for what lies within another."""
    for one in found:
        evidence: dict[str, float | int | str] = {
            "smaller": one.smaller,
            "larger": one.larger,
            "both": one.both,
            "jaccard": one.jaccard,
            "containment": one.containment,
        }
        if one.jaccard >= TWINS:
            message = (
                f"{one.smaller} and {one.larger} share {one.jaccard:.0%} of their people (Jaccard):"
                " keep one of them, or say in the rules how they differ."
            )
            yield Notice("seg.duplicate", Severity.WARNING, message, evidence)
        elif one.containment >= CONTAINED:
            message = (
                f"{one.smaller} and {one.larger} share {one.containment:.0%} of {one.smaller}: it lies within"
                f" {one.larger}. Fine if that is meant; else let {one.larger} leave its people out."
            )
            yield Notice("seg.duplicate", Severity.NOTE, message, evidence)


def giants(members: Mapping[str, BitMap], everybody: BitMap) -> list[str]:
    """Segments of more than half of all people, the largest first."""
    people = len(everybody)
    found = [name for name, some in members.items() if people and len(some) / people > GIANT]
    return sorted(found, key=lambda name: (-len(members[name]), name))


def told_sizes(
    members: Mapping[str, BitMap],
    everybody: BitMap,
    *,
    smallest: int,
    advice: Mapping[str, str] | None = None,
) -> Iterator[Notice]:
    """`seg.too_small`, `seg.giant`, and `seg.unassigned` where many are in none. `advice`: giant → what is
    known of a split of it, in sentences."""
    people, large = len(everybody), set(giants(members, everybody))
    for name, some in members.items():
        size = len(some)
        evidence: dict[str, float | int | str] = {"segment": name, "size": size, "people": people}
        if size < smallest:
            noun = "person" if size == 1 else "people"
            message = (
                f"{name} has {size:,} {noun}, fewer than {smallest:,}: too few to judge or to treat apart;"
                " widen its rule or let a sibling take its people."
            )
            yield Notice("seg.too_small", Severity.WARNING, message, {**evidence, "smallest": smallest})
        if name in large:
            known = (advice or {}).get(name) or (
                "Look whether a split (by value, recency or interest) makes parts that answer differently."
            )
            message = f"{name} has {size / people:.0%} of all people. {known}"
            yield Notice("seg.giant", Severity.WARNING, message, evidence)
    none = people - len(everybody & BitMap.union(BitMap(), *members.values()))
    if people and none / people > MANY_IN_NONE:
        message = (
            f"{none:,} people ({none / people:.0%}) are in no segment: look at what they have in common"
            " and write a rule for them, or one for the rest."
        )
        yield Notice("seg.unassigned", Severity.WARNING, message, {"unassigned": none, "people": people})


def told_many(each: float) -> Iterator[Notice]:
    """`seg.many_each`. `each`: how many segments a person is in, on average."""
    if each > MANY:
        limit = TOO_MANY if each > TOO_MANY else MANY
        message = (
            f"A person is in {each:.1f} segments on average, more than {limit}: campaigns will meet in the"
            " same people. Retire segments that no campaign uses, and look at those that share their people."
        )
        severity = Severity.WARNING if each > TOO_MANY else Severity.NOTE
        yield Notice("seg.many_each", severity, message, {"segments_a_person": each})


def siblings(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of segments of one group: `rfm/loyal` and `rfm/at-risk`."""
    return sorted(pair for group in groups(names).values() for pair in combinations(group, 2))


def alike(outcomes: Mapping[str, Floats]) -> list[Alike]:
    """Siblings whose outcomes (one number per member) cannot be told apart, by the ranks of Mann and Whitney
    (1947); segments with fewer than 200 people are not asked."""
    asked = [name for name, values in outcomes.items() if len(values) >= LEAST_COMPARED]
    found = {}
    for names in groups(asked).values():
        table = chances([outcomes[name] for name in names])
        for (i, a), (j, b) in combinations(enumerate(names), 2):
            found[a, b] = float(table[i, j])
    if not found:
        return []
    from scipy.stats import false_discovery_control  # a second to load, which every run would wait for

    pairs = sorted(found)
    adjusted = false_discovery_control([found[pair] for pair in pairs], method="bh")
    means = {name: float(outcomes[name].mean()) for name in asked}
    return [
        Alike(a, b, (means[a], means[b]), float(p))
        for (a, b), p in zip(pairs, adjusted, strict=True)
        if p > ALIKE
    ]


def told_alike(found: Sequence[Alike], outcome: str) -> Iterator[Notice]:
    """`seg.no_difference`. `outcome`: what was compared, in words."""
    for one in found:
        message = (
            f"{one.one} and {one.other} cannot be told apart by {outcome} (p {one.p:.2f}): unless they are"
            " treated differently for another reason, one segment would do."
        )
        evidence: dict[str, float | int | str] = {
            "one": one.one,
            "other": one.other,
            "mean_one": one.means[0],
            "mean_other": one.means[1],
            "p": one.p,
        }
        yield Notice("seg.no_difference", Severity.WARNING, message, evidence)


def groups(names: Sequence[str]) -> dict[str, list[str]]:
    """Group → its segments, both in the order of the alphabet."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        if "/" in name:
            groups.setdefault(name.rsplit("/", 1)[0], []).append(name)
    return groups
