"""How much segments explain of the differences between people: in what they bought, or are worth.

Segments that explain next to nothing of what counts are too few, or cut along the wrong lines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
from pyroaring import BitMap

from rules.models.columns import Floats, Ints, Notice, Severity
from rules.models.worth.overlaps import LEAST_COMPARED, groups

LITTLE = 0.05
"""Of the variance: segments that explain less tell hardly anything of the outcome."""


def explained(members: Mapping[str, BitMap], outcomes: Mapping[str, Floats]) -> dict[str, float]:
    """Group → the share of the outcome's variance that lies between its segments (eta squared).

    Of groups of two and more segments that share nobody, with 200 outcomes or more together, which are not
    all the same. `outcomes`: of those members who have one.
    """
    found = {}
    for group, names in groups(list(members)).items():
        apart = len(BitMap.union(*(members[name] for name in names))) == sum(len(members[n]) for n in names)
        known = [outcomes[name] for name in names]
        if len(names) < 2 or not apart:
            continue
        part = np.repeat(np.arange(len(names)), [len(values) for values in known])
        between, within = _squares(part, np.concatenate(known))
        if len(part) >= LEAST_COMPARED and between + within:
            found[group] = between / (between + within)
    return found


def together(members: Mapping[str, BitMap], person: Ints, outcome: Floats) -> float | None:
    """The same of all segments at once: of the parts that people make who are in exactly the same ones.

    Parts are many, and each explains something by chance alone, which is taken off (epsilon squared, Kelley
    1935). None with fewer than 200 people, one part, or one outcome throughout. `person`: whose outcomes.
    """
    size = 1 + max(
        (int(person.max(initial=0)), *(some.max() for some in members.values() if some)), default=0
    )
    code = np.zeros(size, np.uint64)
    for name, some in members.items():
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        code[np.asarray(some.to_array(), np.int64)] ^= np.uint64(int.from_bytes(digest))
    parts, part = np.unique(code[person], return_inverse=True)
    if len(person) < max(LEAST_COMPARED, len(parts) + 1) or len(parts) < 2:
        return None
    between, within = _squares(part, outcome)
    if not between + within:
        return None
    by_chance = (len(parts) - 1) * within / (len(person) - len(parts))
    return max((between - by_chance) / (between + within), 0.0)


def told_explained(found: Mapping[str, float], at_once: float | None, outcome: str) -> Iterator[Notice]:
    """`seg.explains_little` of groups, and of all segments at once. `outcome`: in words."""
    for group, share in found.items():
        if share < LITTLE:
            yield _little(f"The segments of {group}", share, outcome, {"group": group, "eta_squared": share})
    if at_once is not None and at_once < LITTLE:
        yield _little("All segments together", at_once, outcome, {"epsilon_squared": at_once})


def _little(who: str, share: float, outcome: str, evidence: Mapping[str, float | int | str]) -> Notice:
    message = (
        f"{who} explain {share:.1%} of the differences in {outcome}, less than {LITTLE:.0%}: they may be too"
        " coarse for it; look what else tells people apart."
    )
    return Notice("seg.explains_little", Severity.NOTE, message, {**evidence, "outcome": outcome})


def _squares(part: Ints, values: Floats) -> tuple[float, float]:
    """The sum of squares between parts, and within them; exactly 0 where all is the same."""
    if not len(values) or (values == values[0]).all():
        return 0.0, 0.0
    counts = np.bincount(part)
    means = np.bincount(part, values) / np.maximum(counts, 1)
    between = float((counts * (means - values.mean()) ** 2).sum())
    return between, float(((values - means[part]) ** 2).sum())
