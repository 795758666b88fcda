"""Who a cluster is after a refit, and whether a person really has changed sides.

The number of a cluster means nothing: a refit numbers anew. An id goes on only where centre and members do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from rules.models.clusters.centres import distances
from rules.models.columns import Floats, Ints, same_length

NEARER = 0.10
"""A new cluster must be so much nearer than the old one, or nearest in two runs in a row."""
SAME_MEMBERS = 0.5
NOBODY = -1
"""Stands for no cluster: of somebody new, or where nothing waits."""


@dataclass(frozen=True, slots=True)
class Matched:
    """`ids` of the new clusters in their order; `retired` go to no one, and are never given again."""

    ids: tuple[int, ...]
    kept: tuple[int, ...]
    retired: tuple[int, ...]


def match(
    old: Floats, old_ids: tuple[int, ...], new: Floats, *, before: Ints, after: Ints, next_id: int
) -> Matched:
    """Ids for the new centres. `before` and `after`: per person the place of the cluster, old and new.

    Pairs with the least sum of distances (Kuhn 1955). A pair keeps the id if its distance is below half of
    that from the old centre to the nearest other old one, and its members' Jaccard is 0.5 or more; else
    the id is retired and the new cluster gets the next one from `next_id`.
    """
    same_length(before=before, after=after)
    apart = distances(new, old)
    partner = _pairs(apart)
    between = distances(old, old)
    np.fill_diagonal(between, np.inf)
    ids, kept = [], []
    for place in range(len(new)):
        mate = partner.get(place)
        if mate is not None and _same(
            apart[place, mate], between[mate].min(), before == mate, after == place
        ):
            ids.append(old_ids[mate])
            kept.append(old_ids[mate])
        else:
            ids.append(next_id)
            next_id += 1
    return Matched(tuple(ids), tuple(kept), tuple(one for one in old_ids if one not in kept))


def partners(these: Floats, others: Floats) -> list[int]:
    """For each of these centres the place of its own one among as many others: the least sum of distances."""
    partner = _pairs(distances(these, others))
    return [partner[place] for place in range(len(these))]


def _pairs(apart: Floats) -> dict[int, int]:
    rows, columns = linear_sum_assignment(apart)
    return dict(zip(rows.tolist(), columns.tolist(), strict=True))


def _same(distance: float, nearest_other: float, were: np.ndarray, are: np.ndarray) -> bool:
    either = int((were | are).sum())
    return bool(distance < nearest_other / 2 and either and (were & are).sum() / either >= SAME_MEMBERS)


@dataclass(frozen=True, slots=True)
class Moves:
    """Per person: `cluster`, and what `waits` for a second run to say the same (NOBODY: nothing)."""

    cluster: Ints
    waits: Ints
    moved: int
    held: int


def settle(matrix: Floats, centres: Floats, *, was: Ints, waited: Ints, nearer: float = NEARER) -> Moves:
    """Who moves now. `was` and `waited`: places of clusters of the run before, NOBODY for somebody new.

    Somebody new goes to the nearest. Others move if the nearest is at least `nearer` nearer than theirs, or
    if it already was the nearest in the run before.
    """
    same_length(matrix=matrix[:, 0], was=was, waited=waited)
    apart = distances(matrix, centres)
    nearest = apart.argmin(axis=1)
    people = np.arange(len(matrix))
    new = was == NOBODY
    theirs = apart[people, np.where(new, nearest, was)]
    wants = ~new & (nearest != was)
    moves = wants & ((apart[people, nearest] <= (1 - nearer) * theirs) | (nearest == waited))
    stays = wants & ~moves
    return Moves(
        cluster=np.where(new | moves, nearest, was),
        waits=np.where(stays, nearest, NOBODY),
        moved=int(moves.sum()),
        held=int(stays.sum()),
    )
