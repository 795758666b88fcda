"""How far the people of a cluster lie from where it was found, and whether it was ever to be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rules.models.columns import Floats, Ints, Notice, Severity

FAR = 0.5
"""From here on a feature tells a cluster apart (see `naming`), so that its name may not fit any more."""
UNSTABLE = 0.6
"""A cluster that comes back with less (Jaccard, see `choice`) is not to be trusted (Hennig 2007; manual of
his R package fpc)."""
LEAST = 30
"""With fewer people a mean is off by so much by chance: by at most .18 of them, one sd of it, with 30."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Of one cluster by one column of the matrix. `shift` in sd, above 0 where people have more of it now;
    `stability` is the cluster's, as it was found."""

    clustering: str
    cluster: int
    name: str
    people: int
    feature: str
    shift: float
    stability: float

    @property
    def too_small(self) -> bool:
        """Whether there are too few to tell."""
        return self.people < LEAST

    @property
    def alarm(self) -> bool:
        """Whether the centre moved."""
        return not self.too_small and abs(self.shift) >= FAR


def shifts(matrix: Floats, cluster: Ints, centres: Floats) -> Floats:
    """(clusters, columns): today's mean of its people less its centre, over the sd of everybody today.

    `matrix`: people as they were scaled when the centres were found. `cluster`: the place of each one's
    centre, -1 for none. 0 for a cluster without people, and by a column in which all are alike.
    """
    spread = matrix.std(axis=0) if len(matrix) else np.zeros(centres.shape[1])
    found = np.zeros(centres.shape)
    for place, centre in enumerate(centres):
        mine = matrix[cluster == place]
        if len(mine):
            apart = mine.mean(axis=0) - centre
            found[place] = np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)
    return found


def told_shifts(found: Sequence[Shift]) -> Iterator[Notice]:
    """`drift.centre`, of the clusters that moved: each by the column in which it moved farthest."""
    farthest: dict[tuple[str, int], Shift] = {}
    for one in sorted(found, key=lambda each: -abs(each.shift)):
        if one.alarm:
            farthest.setdefault((one.clustering, one.cluster), one)
    for one in farthest.values():
        side = "above" if one.shift > 0 else "below"
        message = (
            f"{one.name} ({one.clustering}): its people are {abs(one.shift):.2f} sd {side} where the cluster"
            f" was found, by {one.feature} (limit {FAR:.2f}): its name may not fit any more;"
            f" `segsync clusters fit {one.clustering}` finds clusters anew."
        )
        evidence: dict[str, float | int | str] = {
            "clustering": one.clustering,
            "cluster": one.cluster,
            "feature": one.feature,
            "shift": one.shift,
            "people": one.people,
        }
        yield Notice("drift.centre", Severity.WARNING, message, evidence)


def told_clusters(found: Sequence[Shift]) -> Iterator[Notice]:
    """`seg.unstable`, once for each cluster that other people of the same kind would not give."""
    for one in {(each.clustering, each.cluster): each for each in found}.values():
        if one.stability < UNSTABLE:
            message = (
                f"{one.name} ({one.clustering}) has a stability of {one.stability:.2f} (Jaccard), under"
                f" {UNSTABLE:.2f}: other people of the same kind would be divided otherwise. Ask for fewer"
                " clusters, or by other values, before anything rests on it."
            )
            evidence: dict[str, float | int | str] = {
                "clustering": one.clustering,
                "cluster": one.cluster,
                "stability": one.stability,
            }
            yield Notice("seg.unstable", Severity.WARNING, message, evidence)
