"""What sets a cluster apart from everybody, and a name of it in words.

Only features that the clusters were found by are told: a name by anything else would promise what the
clustering does not keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rules.models.clusters.scaling import Categories, Numbers, Scaling, scaled
from rules.models.columns import Floats, Ints
from rules.models.traits import Moments, Trait, level_trait, not_chance, number_trait, strongest_first

IN_NAME = 3


def traits(
    scaling: Scaling, cluster: Ints, numbers: Numbers, categories: Categories | None = None
) -> tuple[tuple[Trait, ...], ...]:
    """Per cluster what sets it apart, the strongest first. Told are differences of at least half a standard
    deviation, or a share half as large again, that enough people have and that are not chance."""
    matrix = scaled(scaling, numbers, categories)
    k = int(cluster.max()) + 1 if len(cluster) else 0
    found = [
        (at, trait)
        for at in range(k)
        for trait in (
            *_numbers(scaling, matrix, cluster == at, numbers),
            *_levels(scaling, cluster == at, categories or {}),
        )
    ]
    real = not_chance([trait.p for _, trait in found])
    told: list[list[Trait]] = [[] for _ in range(k)]
    for (at, trait), holds in zip(found, real, strict=True):
        if holds and trait.tells:
            told[at].append(trait)
    return tuple(strongest_first(some) for some in told)


def names(
    of: Sequence[Sequence[Trait]], called: Mapping[str, str] | None = None, *, taken: Sequence[str] = ()
) -> tuple[str, ...]:
    """A name per cluster from its three strongest traits; a number behind it where it would be one twice.

    A cluster that nothing sets apart is "like everybody".
    """
    known, made = set(taken), []
    for some in of:
        name = ", ".join(trait.words(called or {}) for trait in some[:IN_NAME]) or "like everybody"
        unique, number = name, 1
        while unique in known:
            number += 1
            unique = f"{name} {number}"
        known.add(unique)
        made.append(unique)
    return tuple(made)


def _numbers(scaling: Scaling, matrix: Floats, inside: np.ndarray, numbers: Numbers) -> list[Trait]:
    found: list[Trait] = []
    if not inside.any():
        return found
    for place, one in enumerate(scaling.numbers):
        values = matrix[:, place]
        raw = np.asarray(numbers[one.name], dtype=np.float64)
        if np.isnan(raw[inside]).all():
            continue  # to be taken for the middle tells nothing of them
        medians = float(np.nanmedian(raw[inside])), float(np.nanmedian(raw))
        trait = number_trait(one.name, _moments(values[inside]), _moments(values), medians=medians)
        found += [] if trait is None else [trait]
    return found


def _moments(values: np.ndarray) -> Moments:
    return Moments(len(values), float(values.mean()), float(values.var()))


def _levels(scaling: Scaling, inside: np.ndarray, categories: Categories) -> list[Trait]:
    found: list[Trait] = []
    for one in scaling.categories:
        levels = np.array(categories[one.name], dtype=object)
        for level in one.levels:
            has = levels == level
            trait = level_trait(
                one.name,
                level,
                both=int((has & inside).sum()),
                inside=int(inside.sum()),
                having=int(has.sum()),
                everybody=len(has),
            )
            found += [] if trait is None else [trait]
    return found
