"""The clusters of a store kept up to date: found when that is due, people assigned by every run.

Between two fits nobody moves but by what they do, and only once that is clear: see
`rules.models.clusters.identity.settle`. The fact that rules read holds the names of accepted clusters alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rules.models.clusters.identity import NOBODY, Moves, settle
from rules.models.columns import Ints
from rules.ruleset import CLUSTER, Clustering
from rules.vocabulary import Vocabulary
from sync.clusters import words
from sync.clusters.document import frozen
from sync.clusters.fitting import Before, find
from sync.clusters.people import People, read_people
from sync.clusters.standing import Decisions, as_model, decisions, in_use, newest
from sync.config.settings import RulesSettings
from sync.facts import of_clusterings
from sync.models.columns import folded, put_columns
from sync.models.model import version_of
from sync.models.standing import by_model, due
from sync.progress import SILENT, Progress
from sync.store import Store
from sync.store.models import ModelState, ModelVersion
from sync.store.shapes import quoted

if TYPE_CHECKING:
    import duckdb

_PARTS = 100
"""The work of looking for clusters is told in so many units."""
_NONE = 0
"""Stands for no cluster in the lake; ids count from 1."""


@dataclass(slots=True)
class Kept:
    """`fitted`: what was found anew, refusals included. `used`: by which versions people are assigned;
    `moves`: how many moved, and how many were held back."""

    fitted: list[ModelVersion] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)
    moves: dict[str, dict[str, int]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "in_use": self.used,
            "fitted": {one.model: {"version": one.version, "state": one.state.value} for one in self.fitted},
            "moves": self.moves,
        }


def keep(
    store: Store,
    clusterings: Mapping[str, Clustering],
    vocabulary: Vocabulary,
    *,
    as_of: dt.datetime,
    settings: RulesSettings,
    asked: Collection[str] = (),
    progress: Progress = SILENT,
) -> Kept:
    """Find what is due or `asked` for, and put everybody's cluster into the lake. Call it only under a lease.

    Asked again at the same instant, as by a run that is taken up again, nobody is confirmed by it.
    """
    kept = Kept()
    if not clusterings:
        return kept
    stored = by_model(store)
    columns: dict[str, pa.Array] = {}
    with closing(store.lake.connect()) as database:
        query = f"SELECT person FROM {store.lake.relation('people')} ORDER BY person"
        everybody = database.sql(query).to_arrow_table()["person"].to_numpy()
        for id_, clustering in clusterings.items():
            one = _One(store, clustering, stored.get(clustering.fact, []), vocabulary, as_of, settings)
            looked = one.look(database, everybody, asked=id_ in asked, progress=progress)
            columns |= looked.columns
            kept.notices += looked.notices
            if looked.fitted is not None:
                kept.fitted.append(looked.fitted)
            if looked.using is not None and looked.moves is not None:
                kept.used[id_] = looked.using.version
                kept.moves[id_] = {"moved": looked.moves.moved, "held": looked.moves.held}
        table = pa.table({"person": pa.array(everybody, pa.int32()), **columns})
        put_columns(store.lake, database, table, of=of_clusterings)
    return kept


@dataclass(frozen=True, slots=True)
class _State:
    """Of everybody in the lake: the id of their cluster, and of the one that waits to be confirmed."""

    cluster: Ints
    waits: Ints


@dataclass(frozen=True, slots=True)
class _Looked:
    columns: dict[str, pa.Array]
    notices: list[str]
    fitted: ModelVersion | None = None
    using: ModelVersion | None = None
    moves: Moves | None = None


@dataclass(frozen=True, slots=True)
class _One:
    """One clustering while a run looks at it."""

    store: Store
    clustering: Clustering
    versions: list[ModelVersion]
    vocabulary: Vocabulary
    as_of: dt.datetime
    settings: RulesSettings

    def look(
        self,
        database: duckdb.DuckDBPyConnection,
        everybody: Ints,
        *,
        asked: bool,
        progress: Progress,
    ) -> _Looked:
        """Find the clusters if that is due, and say who is in which."""
        was = self._stored(database, everybody)
        before = in_use(self.clustering, self.versions)
        model = as_model(self.clustering)
        why = "it was asked for" if asked else due(model, self.versions, as_of=self.as_of)
        decided = decisions(self.store, self.clustering.id)
        if before is None and why is None:
            return _Looked(self._columns(was, decided), [words.refused(self.clustering, self.versions)])
        people = self._people()
        fitted = None if why is None else self._found(people, why, decided, progress)
        anew = fitted is not None and fitted.state is not ModelState.REFUSED
        using = fitted if anew else before
        if using is None:
            assert fitted is not None  # noqa: S101 - there is a reason to fit, or a version
            self.store.models.add(fitted)
            return _Looked(self._columns(was, decided), [words.refused(self.clustering, [fitted])], fitted)
        now, moves = self._assigned(using, people, everybody, was, anew=anew)
        notices = (
            [] if anew else words.churned(self.clustering, moves, people=int((was.cluster != _NONE).sum()))
        )
        if fitted is not None:
            if anew:
                using = fitted = self._with_changes(fitted, before, was, now)
                notices.append(words.made(self.clustering, fitted))
            else:
                notices.append(words.refused(self.clustering, [fitted], before))
            self.store.models.add(fitted)
        notices += words.waiting(self.clustering, using, decided)
        return _Looked(self._columns(now, decided), notices, fitted, using, moves)

    # ── people ───────────────────────────────────────────────────────────────────────────────────────

    def _stored(self, database: duckdb.DuckDBPyConnection, everybody: Ints) -> _State:
        """Who is where since the run before."""
        lake, names = self.store.lake, self._state_columns()
        there = lake.columns("facts")
        nobody = np.full(len(everybody), _NONE, dtype=np.int64)
        if not all(name in there for name in names):
            return _State(nobody, nobody)
        cluster, waits = (f"coalesce({quoted(name)}, {_NONE})::BIGINT" for name in names)
        table = database.sql(
            f"SELECT person, {cluster} AS cluster, {waits} AS waits FROM {lake.relation('facts')}"
        ).to_arrow_table()
        person = table["person"].to_numpy()
        row = np.searchsorted(everybody, person)
        known = row < len(everybody)
        known[known] = everybody[row[known]] == person[known]
        found = []
        for name in ("cluster", "waits"):
            column = nobody.copy()
            column[row[known]] = table[name].to_numpy()[known]
            found.append(column)
        return _State(*found)

    def _people(self) -> People:
        return read_people(
            self.store, self.clustering, self.vocabulary, as_of=self.as_of, settings=self.settings
        )

    def _assigned(
        self, using: ModelVersion, people: People, everybody: Ints, was: _State, *, anew: bool
    ) -> tuple[_State, Moves]:
        """Everybody's cluster now. Whoever's cluster is gone, and who is new, goes to the nearest."""
        by = frozen(using.document["parameters"])
        rows = np.searchsorted(everybody, people.person)
        ids = np.array(by.ids, dtype=np.int64)
        waits = np.full(len(rows), NOBODY, dtype=np.int64)
        if not anew and self._new_instant():
            waits = _places(was.waits[rows], ids)
        moves = settle(by.matrix(people), by.centres, was=_places(was.cluster[rows], ids), waited=waits)
        cluster, waiting = (np.full(len(everybody), _NONE, dtype=np.int64) for _ in range(2))
        cluster[rows] = ids[moves.cluster]
        waiting[rows] = np.where(moves.waits == NOBODY, _NONE, ids[moves.waits])
        return _State(cluster, waiting), moves

    def _new_instant(self) -> bool:
        """Whether people were not assigned at this very instant before: nothing is confirmed by itself."""
        key, now = f"clusters_at:{self.clustering.id}", self.as_of.isoformat()
        if self.store.notes.get(key) == now:
            return False
        self.store.notes.set(key, now)
        return True

    # ── a fit ────────────────────────────────────────────────────────────────────────────────────────

    def _found(self, people: People, why: str, decided: Decisions, progress: Progress) -> ModelVersion:
        """What a fit comes to, as a version that is not stored yet."""
        clustering, done = self.clustering, 0
        progress.step(f"clusters {clustering.id}", _PARTS)

        def told(share: float) -> None:
            nonlocal done
            progress.advance(int(share * _PARTS) - done)
            done = int(share * _PARTS)

        last, before = newest(self.versions), in_use(clustering, self.versions)
        parameters = None if last is None else last.document["parameters"]
        known = None
        if before is not None:
            named = {one["id"]: one["name"] for one in before.document["parameters"]["clusters"]}
            known = Before(frozen(before.document["parameters"]), {**named, **decided.accepted})
        fit = find(
            clustering,
            people,
            before=known,
            next_id=1 if parameters is None else parameters["next_id"],
            told=told,
        )
        return version_of(clustering.fact, as_model(clustering), fit, self.versions, why, self.as_of)

    def _with_changes(
        self, fitted: ModelVersion, before: ModelVersion | None, was: _State, now: _State
    ) -> ModelVersion:
        """With how many of those who had a cluster are in another one because of the fit."""
        if before is None:
            return fitted
        both = (was.cluster != _NONE) & (now.cluster != _NONE)
        changed = int((was.cluster != now.cluster)[both].sum())
        told = {"changed": changed, "of": int(both.sum()), "before": before.version}
        return replace(fitted, document={**fitted.document, **told})

    # ── the lake ─────────────────────────────────────────────────────────────────────────────────────

    def _state_columns(self) -> tuple[str, str]:
        return f"{self.clustering.fact}__id", f"{self.clustering.fact}__waits"

    def _columns(self, now: _State, decided: Decisions) -> dict[str, pa.Array]:
        names = np.full(int(max(now.cluster.max(initial=0), *decided.accepted, 0)) + 1, None, dtype=object)
        for number, name in decided.accepted.items():
            names[number] = name
        texts = pa.array(names[now.cluster], pa.string())
        told = {self.clustering.fact: texts, f"{self.clustering.fact}__ci": folded(texts)}
        alone = self.vocabulary.fields.get(CLUSTER)
        if alone is not None and alone.model == self.clustering.fact:
            told |= {CLUSTER: texts, f"{CLUSTER}__ci": told[f"{self.clustering.fact}__ci"]}
        for name, column in zip(self._state_columns(), (now.cluster, now.waits), strict=True):
            told[name] = pa.array(column, pa.int32(), mask=column == _NONE)
        return told


def _places(ids: Ints, of: Ints) -> Ints:
    """The place of each id among those `of`; NOBODY for one that is not there."""
    found = np.full(int(max(ids.max(initial=0), of.max(initial=0))) + 1, NOBODY, dtype=np.int64)
    found[of] = np.arange(len(of))
    return found[ids]
