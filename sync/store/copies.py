"""The copies of the lake's files in order of persons, or of contacts: made when they are missing, swept away
with the files.

They lie in a folder of their own, which may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sync.store.arranging import PERSON, arranged, copied, make, mapped, write
from sync.store.by_person import Copy, Indexed, Part
from sync.store.errors import no_space_is_told
from sync.store.files import NEWER, LakeFile
from sync.store.loose import Loose
from sync.store.shapes import NO_SNAPSHOT
from sync.store.whose import CONTACT, ContactPart, KeyedPart, Keys, Whose, keys_of

if TYPE_CHECKING:
    from sync.store.lake import Lake

Opened = TypeVar("Opened")
FOLDER = "by_person"
_SUFFIX, _KEYS = ".arrow", ".keys.arrow"
_LEAST = 5_000
"""Files of fewer rows are read as quickly as they are."""


_MOST_LOOSE = 20_000
"""So many links and contacts without a copy are put in order for a question; of more the engine is asked."""
_WHOSE = {"links": PERSON, "contacts": CONTACT}
"""Table → the column that its copies are in order of."""


class Copies:
    """Those of the tables `people`, `facts` and `activity`, and `links` and `contacts`, each opened once."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._open: dict[str, Copy] = {}
        self._keys: dict[str, Keys] = {}
        self._whose: tuple[object, Whose] | None = None

    def indexed(
        self,
        kinds: Iterable[str],
        facts: Mapping[str, pa.DataType],
        *,
        snapshots: Mapping[str, int] | None = None,
        making: bool = False,
    ) -> Indexed:
        """The rows of people with these facts, and of these kinds of activity, by person, now or in these
        snapshots. `making`: copies that are missing are made; without one, a file is read each time."""
        lake, parts = self._lake, dict[str | None, Sequence[Part]]()
        columns = {table: lake.columns(table) for table in ("people", "activity")}
        for kind in (None, *kinds):
            table = "people" if kind is None else "activity"
            parts[kind] = self._parts(table, kind, snapshots, making=making)
        told = self._parts("facts", None, snapshots, making=making) if facts else ()
        types = {kind: columns["people" if kind is None else "activity"] for kind in parts}
        return Indexed(parts, types, told, facts)

    def _parts(
        self, table: str, partition: str | None, snapshots: Mapping[str, int] | None, *, making: bool
    ) -> list[Part]:
        lake, of = self._lake, None if snapshots is None else snapshots[table]
        gone = _places(lake.positions(table, partition, snapshot=of))
        files = lake.files(table, partition, snapshot=of)
        return [Part(self._rows(file, making=making), gone.get(file.path)) for file in files]

    def make_whose(self) -> None:
        """Makes the copies of links and contacts that are missing."""
        for table, by in _WHOSE.items():
            for file in self._lake.files(table):
                rows = self._rows(file, by, making=True)
                if table == "links" and isinstance(rows, Copy):
                    self._keys_of(file, making=True)

    def whose(self) -> Whose | None:
        """The present links and contacts by person, key and number; None if too many of them have no copy.
        Kept while the lake is the same."""
        now = {table: of for table, of in self._lake.snapshots().items() if table in _WHOSE}
        state = now, self.made
        if self._whose is None or self._whose[0] != state:
            found = self._put_together(now)
            if found is None:
                return None
            self._whose = state, found
        return self._whose[1]

    @property
    def made(self) -> int:
        """Another number whenever a copy was made or went."""
        try:
            return (self._lake.folder / FOLDER).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _put_together(self, now: Mapping[str, int]) -> Whose | None:
        lake, parts = self._lake, dict[str, list[tuple[LakeFile, Copy | Loose]]]()
        for table, by in _WHOSE.items():
            files = lake.files(table, snapshot=now.get(table, NO_SNAPSHOT))
            parts[table] = [(file, self._rows(file, by, making=False)) for file in files]
        every = (rows for found in parts.values() for _, rows in found)
        if sum(rows.count for rows in every if isinstance(rows, Loose)) > _MOST_LOOSE:
            return None
        gone = {table: _places(lake.positions(table, snapshot=of)) for table, of in now.items()}
        links = []
        for file, rows in parts["links"]:
            loose = arranged(_read(file.path)) if isinstance(rows, Loose) else None
            keys = self._keys_of(file, making=False) if loose is None else Keys(keys_of(loose))
            if keys is None:
                return None
            copy = rows if isinstance(rows, Copy) else Copy(loose)
            links.append(KeyedPart(copy, keys, gone["links"].get(file.path)))
        contacts = [
            ContactPart(
                rows if isinstance(rows, Copy) else Copy(arranged(_read(file.path), CONTACT), CONTACT),
                gone["contacts"].get(file.path),
            )
            for file, rows in parts["contacts"]
        ]
        return Whose(links, contacts, lake.columns("contacts"))

    def _keys_of(self, file: LakeFile, *, making: bool) -> Keys | None:
        """Beside the copy of a file of links."""
        place = self._lake.folder / FOLDER / f"{Path(file.path).stem}{_KEYS}"
        if str(place) not in self._keys:
            table = _opened(place, mapped)
            if table is None and making:
                with no_space_is_told(self._lake.folder):
                    write(keys_of(arranged(_read(file.path))), place)
                table = _opened(place, mapped)
            if table is None:
                return None
            self._keys[str(place)] = Keys(table)
        return self._keys[str(place)]

    def sweep(self) -> None:
        """Removes the copies of files that are there no more. Call it only while holding the run's lease."""
        there = {path.stem for path in self._lake.folder.glob("*/*/data/*.parquet")}
        for copy in (self._lake.folder / FOLDER).glob("*"):
            if copy.name.partition(".")[0] not in there:  # one that is being made has more after its name
                copy.unlink(missing_ok=True)
                self._open.pop(str(copy), None)
                self._keys.pop(str(copy), None)

    def _rows(self, file: LakeFile, by: str = PERSON, *, making: bool) -> Copy | Loose:
        name = Path(file.path).stem
        if file.rows < _LEAST or name.startswith(NEWER):
            return Loose(file.path, file.rows)
        place = self._lake.folder / FOLDER / f"{name}{_SUFFIX}"
        found = self._open.get(str(place)) or _opened(place, partial(Copy.open, by=by))
        if found is not None and not {*copied(file.columns)} <= {*found.columns}:
            found = None  # made by a segsync that left something out
        if found is None and making:
            with no_space_is_told(self._lake.folder):
                make(file.path, place, by)
            found = _opened(place, partial(Copy.open, by=by))
        if found is None:
            return Loose(file.path, file.rows)
        self._open[str(place)] = found
        return found


def _read(path: str) -> pa.Table:
    return pq.ParquetFile(path).read()


def _opened(place: Path, how: Callable[[Path], Opened]) -> Opened | None:
    try:
        return how(place)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowInvalid):  # torn by a crash
        place.unlink(missing_ok=True)
        return None


def _places(positions: Sequence[LakeFile]) -> dict[str, NDArray[np.int64]]:
    """File → the places in it whose rows are no more."""
    if not positions:
        return {}
    tables = [pq.read_table(one.path, columns=["file_path", "pos"]) for one in positions]
    named = pa.concat_tables(tables).combine_chunks()
    paths = named["file_path"].chunk(0).dictionary_encode() if len(named) else None
    if paths is None:
        return {}
    which, places = paths.indices.to_numpy(), named["pos"].to_numpy()
    return {path: places[which == number] for number, path in enumerate(paths.dictionary.to_pylist())}
