"""Whose contacts and match keys are, from copies of the lake's `links` and `contacts`: looking one person up
reads nobody else's rows.

Beside the rows of a file of links, in order of their persons, stand all keys in it in order, with their rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rules.engine.tables import Span
from sync.store.by_person import Copy, filled
from sync.store.shapes import SHAPES

CONTACT = "contact"
_KEY, _ROW = "key", "row"
_LISTS = ("keys", "former_keys")
_HOLDER = {name: SHAPES["links"][name] for name in ("person", *_LISTS)}
_LINK = {name: SHAPES["links"][name] for name in (CONTACT, "connection", "external_id", *_LISTS)}


class Keys:
    """The keys of a file of links, present and former, in order."""

    def __init__(self, table: pa.Table) -> None:
        """`table`: as `keys_of` makes it."""
        self._keys = table[_KEY].combine_chunks() if table[_KEY].num_chunks != 1 else table[_KEY].chunk(0)
        self._rows = table[_ROW].to_numpy()

    def rows(self, key: str) -> NDArray[np.int64]:
        """In which rows of the copy the key stands; twice, if it is a key and a former key there."""
        low = self._place(key, after=False)
        high = self._place(key, after=True)
        found: NDArray[np.int64] = self._rows[low:high].astype(np.int64)
        return found

    def _place(self, key: str, *, after: bool) -> int:
        low, high = 0, len(self._keys)
        while low < high:
            middle = (low + high) // 2
            here = self._keys[middle].as_py()  # texts are in the same order in Arrow as here
            low, high = (middle + 1, high) if here < key or (after and here == key) else (low, middle)
        return low


def keys_of(rows: pa.Table) -> pa.Table:
    """The keys of links that were `arranged`."""
    keys, places = [], []
    for name in (one for one in _LISTS if one in rows.column_names):
        lists = rows[name].combine_chunks()
        keys.append(pc.list_flatten(lists).cast(pa.large_string()))
        places.append(pc.list_parent_indices(lists).cast(pa.int32()))
    table = pa.table({_KEY: pa.chunked_array(keys), _ROW: pa.chunked_array(places)}).combine_chunks()
    return table.take(pc.sort_indices(table, sort_keys=[(_KEY, "ascending")])).combine_chunks()


@dataclass(frozen=True, slots=True)
class KeyedPart:
    """The links of a file, by person and by key, and the places in the file whose rows are no more."""

    rows: Copy
    keys: Keys
    gone: NDArray[np.int64] | None = None

    def holding(self, key: str) -> NDArray[np.int64]:
        """In which rows of the copy that are not gone the key stands."""
        rows = self.keys.rows(key)
        return rows if self.gone is None else rows[~np.isin(self.rows.lake_places[rows], self.gone)]


@dataclass(frozen=True, slots=True)
class ContactPart:
    """The contacts of a file, and the places in it whose rows are no more."""

    rows: Copy
    gone: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Whose:
    """All present links and contacts, as `sync.identify.explain.Links` asks for them."""

    links: Sequence[KeyedPart]
    contacts: Sequence[ContactPart]
    columns: Mapping[str, pa.DataType]  # of contacts

    def of(self, person: int) -> list[dict[str, Any]]:
        """The links of a person."""
        whom = np.array([person], np.int32)
        return [row for part in self.links for row in part.rows.alone(whom, _LINK, part.gone)]

    def holders(self, keys: Collection[str]) -> dict[str, int]:
        """How often each of the keys stands in all links, as a key or as a former key."""
        return {key: sum(len(part.holding(key)) for part in self.links) for key in keys}

    def persons(self, key: str) -> list[int]:
        """Whoever has the key now, in order."""
        return sorted(
            {
                row["person"]
                for part in self.links
                for place in part.holding(key).tolist()
                for row in part.rows.between(place, place + 1, _HOLDER)
                if key in (row["keys"] or ())
            }
        )

    def contacts_of(self, contacts: Collection[int]) -> pa.Table:
        """The rows of these contacts."""
        fields = pa.schema(list(self.columns.items()))
        whom = np.array(sorted(contacts), np.int32)
        found = [part.rows.take(whom, Span(), self.columns, part.gone) for part in self.contacts]
        return pa.concat_tables([fields.empty_table(), *(filled(one, fields) for one in found if len(one))])
