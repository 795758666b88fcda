"""The models that were fitted: versions that never change, and the last attempt that came to nothing.

A version is data, JSON with a checksum; nothing that is read here is ever executed. What was edited by hand,
cut off or written by a newer segsync is not used: whoever asks for its document is told so.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from sqlalchemy import Row, Text, cast, delete, insert, select

from rules.ruleset import CLUSTER
from sync.errors import UserError
from sync.store.database import Database
from sync.store.tables import model_versions

FORMAT = 1
"""Of documents; those of a higher one are not read."""
_FORMAT, _SEAL = "format", "checksum"


class ModelState(StrEnum):
    """FITTED: in use. NO_BETTER: the naive guess does as well, so it is used only by force. REFUSED: there
    are too few data, or they tell nothing; there are no parameters."""

    FITTED = "fitted"
    NO_BETTER = "no_better"
    REFUSED = "refused"


class Unreadable(Mapping[str, Any]):
    """Stands for a document that cannot be used: whoever looks into it gets a UserError that says `why`."""

    def __init__(self, why: str) -> None:
        self.why = why

    def _refuse(self) -> NoReturn:
        raise UserError(self.why)

    def __getitem__(self, key: str) -> Any:
        self._refuse()

    def __iter__(self) -> Iterator[str]:
        self._refuse()

    def __len__(self) -> int:
        self._refuse()


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """`document`: parameters, data, baseline, notices and more, as `sync.models` writes them; `Unreadable`
    where it cannot be used."""

    model: str
    version: int
    fitted_at: dt.datetime
    state: ModelState
    settings: str
    document: Mapping[str, Any]

    @property
    def unreadable(self) -> str | None:
        """Why its document cannot be used; None: it can."""
        return self.document.why if isinstance(self.document, Unreadable) else None


class Models:
    """Versions by model, counted from 1."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: ModelVersion) -> None:
        """Keep it. The same version that was refused before is replaced."""
        table = model_versions.c
        row = {name: getattr(new, name) for name in ("model", "version", "fitted_at", "settings")}
        with self._database.writing() as database:
            database.execute(
                delete(model_versions).where(
                    table.model == new.model,
                    table.version == new.version,
                    table.state == ModelState.REFUSED.value,
                )
            )
            row |= {"state": new.state.value, "document": _sealed(new)}
            database.execute(insert(model_versions).values(row))

    def versions(self, model: str | None = None) -> list[ModelVersion]:
        """All there were, the newest of each model first."""
        table = model_versions.c
        text = cast(table.document, Text).label("text")
        columns = table.model, table.version, table.fitted_at, table.state, table.settings
        query = select(*columns, text).order_by(table.model, table.version.desc())
        if model is not None:
            query = query.where(table.model == model)
        with self._database.reading() as database:
            return [_read(row) for row in database.execute(query)]


def _sealed(new: ModelVersion) -> dict[str, Any]:
    document = json.loads(json.dumps({**new.document, _FORMAT: FORMAT}))  # as it will be read
    return {**document, _SEAL: _checksum(new.model, new.version, new.state.value, document)}


def _checksum(model: str, version: int, state: str, document: Mapping[str, Any]) -> str:
    """16 hex digits of all that a version says."""
    content = json.dumps([model, version, state, document], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _read(row: Row[Any]) -> ModelVersion:
    found = _document(row)
    known = row.state in tuple(ModelState)
    state = ModelState(row.state) if known else ModelState.FITTED
    if isinstance(found, str):
        mend = f"`segsync models fit {row.model}` makes it anew"
        if row.model.partition(".")[0] == CLUSTER:  # ids of clusters go on from those there were
            mend = "only a backup of the database brings it back"
        what = f"model {row.model}, version {row.version}"
        told = Unreadable(f"{what}, {found}: {mend}")
        return ModelVersion(row.model, row.version, row.fitted_at, state, row.settings, told)
    return ModelVersion(row.model, row.version, row.fitted_at, state, row.settings, found)


def _document(row: Row[Any]) -> dict[str, Any] | str:
    """Without what belongs to the storing of it; or what is wrong with it."""
    broken = "is not what was stored (edited by hand, or cut off)"
    try:
        document = json.loads(row.text)
    except ValueError:
        return broken
    if not isinstance(document, dict):
        return broken
    made_by = document.get(_FORMAT, 0)
    if isinstance(made_by, int) and made_by > FORMAT:
        return "was made by a newer segsync, which this one cannot read (install that again, or do without)"
    seal = document.pop(_SEAL, None)
    sealed = seal == _checksum(row.model, row.version, row.state, document)
    if not sealed and (seal is not None or made_by != 0):
        return broken
    document.pop(_FORMAT, None)
    return document
