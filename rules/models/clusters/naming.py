"""What sets a cluster apart from everybody, and a name of it in words.

Only features that the clusters were found by are told: a name by anything else would promise what the
clustering does not keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
    k = int(cluster.max()) + 1 if len(cluster) else 0
    found = [*_numbers(scaling, scaled(scaling, numbers, categories), cluster, k, numbers)]
    found += _levels(scaling, cluster, k, categories or {})
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


def _numbers(
    scaling: Scaling, matrix: Floats, cluster: Ints, k: int, numbers: Numbers
) -> Iterator[tuple[int, Trait]]:
    """By cluster; whatever is asked of everybody is asked once."""
    for place, one in enumerate(scaling.numbers):
        values, raw = matrix[:, place], np.asarray(numbers[one.name], dtype=np.float64)
        everybody, middle = _moments(values), float(np.nanmedian(raw))
        for at in range(k):
            inside = cluster == at
            theirs = raw[inside]
            if np.isnan(theirs).all():
                continue  # nobody is there, or to be taken for the middle tells nothing of them
            medians = float(np.nanmedian(theirs)), middle
            trait = number_trait(one.name, _moments(values[inside]), everybody, medians=medians)
            if trait is not None:
                yield at, trait


def _moments(values: np.ndarray) -> Moments:
    return Moments(len(values), float(values.mean()), float(values.var()))


def _levels(scaling: Scaling, cluster: Ints, k: int, categories: Categories) -> Iterator[tuple[int, Trait]]:
    sizes = np.bincount(cluster, minlength=k)
    for one in scaling.categories:
        levels = np.array(categories[one.name], dtype=object)
        for level in one.levels:
            has = levels == level
            having = np.bincount(cluster[has], minlength=k)
            for at in range(k):
                trait = level_trait(
                    one.name,
                    level,
                    both=int(having[at]),
                    inside=int(sizes[at]),
                    having=int(having.sum()),
                    everybody=len(has),
                )
                if trait is not None:
                    yield at, trait
