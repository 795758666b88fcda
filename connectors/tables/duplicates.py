"""Remembers which keys a read has seen, in 12 bytes each, and finds those that come again.

Texts are compared by a 64-bit hash: at 10 million keys, one false alarm is expected in 400,000 reads.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.tables.columns import column_engine

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

SLOTS = 1 << 26
"""Bytes of the coarse table that tells most new keys from known ones without a search."""
MANY = 200_000
"""Fewer known keys than these are searched without the coarse table."""
RUNS = 4


class SeenKeys:
    """The keys of one read of one file."""

    def __init__(self) -> None:
        self._runs: list[tuple[Hashes, npt.NDArray[np.uint32]]] = []
        self._slots: npt.NDArray[np.bool_] | None = None
        self._highest = -1

    def repeats(self, keys: pa.Array, places: Places) -> dict[int, int]:
        """Row → place of the first row with the same key, for each row whose key came before.

        `keys` are texts or integers without nulls; `places` are the rows' lines, below 2^32.
        """
        if not len(keys):
            return {}
        hashes, ordered = _hashes(keys)
        order = np.arange(len(hashes)) if ordered else np.argsort(hashes, kind="stable")
        sorted_hashes = hashes if ordered else hashes[order]
        sorted_places = places[order].astype(np.uint32)
        again = (np.flatnonzero(sorted_hashes[1:] == sorted_hashes[:-1]) + 1).tolist()
        found: dict[int, int] = {}
        for position in again:
            first = int(np.searchsorted(sorted_hashes, sorted_hashes[position]))
            found[int(order[position])] = int(sorted_places[first])
        if not self._runs or not int(sorted_hashes[0]) > self._highest:
            for position, place in self._earlier(sorted_hashes):
                found[int(order[position])] = place
        if found:
            fresh = np.ones(len(order), bool)
            fresh[list(found)] = False
            keep = fresh[order]
            sorted_hashes, sorted_places = sorted_hashes[keep], sorted_places[keep]
        self._add(sorted_hashes, sorted_places)
        return found

    def _earlier(self, hashes: Hashes) -> list[tuple[int, int]]:
        """Positions in `hashes` that are known, and where they were seen first."""
        if not self._runs:
            return []
        if self._slots is None and sum(len(known) for known, _ in self._runs) > MANY:
            self._slots = np.zeros(SLOTS, bool)
            for known, _ in self._runs:
                self._slots[known % np.uint64(SLOTS)] = True
        candidates = np.arange(len(hashes))
        if self._slots is not None:
            candidates = np.flatnonzero(self._slots[hashes % np.uint64(SLOTS)])
        found: list[tuple[int, int]] = []
        for known, places in self._runs:
            at = np.minimum(np.searchsorted(known, hashes[candidates]), len(known) - 1)
            same = known[at] == hashes[candidates]
            found += [(int(p), int(places[a])) for p, a in zip(candidates[same], at[same], strict=True)]
        return found

    def _add(self, hashes: Hashes, places: npt.NDArray[np.uint32]) -> None:
        if not len(hashes):
            return
        self._highest = max(self._highest, int(hashes[-1]))
        if self._slots is not None:
            self._slots[hashes % np.uint64(SLOTS)] = True
        self._runs.append((hashes, places))
        # Like sizes are merged, so that there are few runs and each key is moved a few times only.
        while len(self._runs) > RUNS or (
            len(self._runs) > 1 and len(self._runs[-1][0]) * 2 > len(self._runs[-2][0])
        ):
            (first, first_places), (second, second_places) = self._runs[-2:]
            merged, merged_places = (
                np.concatenate([first, second]),
                np.concatenate([first_places, second_places]),
            )
            if int(first[-1]) > int(second[0]):
                order = np.argsort(merged, kind="stable")
                merged, merged_places = merged[order], merged_places[order]
            self._runs[-2:] = [(merged, merged_places)]


def _hashes(keys: pa.Array) -> tuple[Hashes, bool]:
    """A number per key, and whether the numbers never fall. Integers stand for themselves."""
    if pa.types.is_integer(keys.type):
        numbers = keys.cast(pa.int64()).to_numpy().view(np.uint64)
        return numbers, bool((numbers[1:] >= numbers[:-1]).all())
    with column_engine() as engine:
        hashed = engine.from_arrow(pa.table({"key": keys})).project("hash(key) as hash").fetchnumpy()["hash"]
    return np.asarray(hashed, dtype=np.uint64), False
