"""The copies of the lake's files in order of persons: made when they are missing, swept away with the files.

They lie in a folder of their own, which may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sync.store.by_person import Copy, Indexed, Loose, Part, copied, make
from sync.store.errors import no_space_is_told
from sync.store.files import NEWER, LakeFile

if TYPE_CHECKING:
    from sync.store.lake import Lake

FOLDER = "by_person"
_SUFFIX = ".arrow"
_LEAST = 5_000
"""Files of fewer rows are read as quickly as they are."""


class Copies:
    """Those of the tables `people` and `activity`, each opened once."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._open: dict[str, Copy] = {}

    def indexed(self, kinds: Iterable[str], *, making: bool = False) -> Indexed:
        """The present rows of people and of these kinds of activity by person. `making`: copies that are
        missing are made; without one, a file is read each time."""
        lake, parts = self._lake, dict[str | None, Sequence[Part]]()
        columns = {table: lake.columns(table) for table in ("people", "activity")}
        for kind in (None, *kinds):
            table = "people" if kind is None else "activity"
            gone = _places(lake.positions(table, kind))
            files = lake.files(table, kind)
            parts[kind] = [Part(self._rows(file, making=making), gone.get(file.path)) for file in files]
        return Indexed(parts, {kind: columns["people" if kind is None else "activity"] for kind in parts})

    def sweep(self) -> None:
        """Removes the copies of files that are there no more. Call it only while holding the run's lease."""
        there = {path.stem for path in self._lake.folder.glob("*/*/data/*.parquet")}
        for copy in (self._lake.folder / FOLDER).glob("*"):
            if copy.name.partition(".")[0] not in there:  # one that is being made has more after its name
                copy.unlink(missing_ok=True)
                self._open.pop(str(copy), None)

    def _rows(self, file: LakeFile, *, making: bool) -> Copy | Loose:
        name = Path(file.path).stem
        if file.rows < _LEAST or name.startswith(NEWER):
            return Loose(file.path, file.rows)
        place = self._lake.folder / FOLDER / f"{name}{_SUFFIX}"
        found = self._open.get(str(place)) or _opened(place)
        if found is not None and not {*copied(file.columns)} <= {*found.columns}:
            found = None  # made by a segsync that left something out
        if found is None and making:
            with no_space_is_told(self._lake.folder):
                make(file.path, place)
            found = _opened(place)
        if found is None:
            return Loose(file.path, file.rows)
        self._open[str(place)] = found
        return found


def _opened(place: Path) -> Copy | None:
    try:
        return Copy.open(place)
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
