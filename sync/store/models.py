"""The models that were fitted: versions that never change, and the last attempt that came to nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, insert, select

from sync.store.database import Database
from sync.store.tables import model_versions


class ModelState(StrEnum):
    """FITTED: in use. NO_BETTER: the naive guess does as well, so it is used only by force. REFUSED: there
    are too few data, or they tell nothing; there are no parameters."""

    FITTED = "fitted"
    NO_BETTER = "no_better"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """`document`: parameters, data, baseline, notices and more, as `sync.models` writes them."""

    model: str
    version: int
    fitted_at: dt.datetime
    state: ModelState
    settings: str
    document: Mapping[str, Any]


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
            row |= {"state": new.state.value, "document": dict(new.document)}
            database.execute(insert(model_versions).values(row))

    def versions(self, model: str | None = None) -> list[ModelVersion]:
        """All there were, the newest of each model first."""
        table = model_versions.c
        query = select(model_versions).order_by(table.model, table.version.desc())
        if model is not None:
            query = query.where(table.model == model)
        with self._database.reading() as database:
            return [
                ModelVersion(
                    row.model, row.version, row.fitted_at, ModelState(row.state), row.settings, row.document
                )
                for row in database.execute(query)
            ]
