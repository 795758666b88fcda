"""Where the clusters in use lie today, against where they were found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from rules.models.clusters.shifts import Shift, shifts
from rules.ruleset import Clustering
from rules.vocabulary import Vocabulary
from sync.clusters.document import frozen
from sync.clusters.people import read_people
from sync.clusters.standing import decisions, settled
from sync.models.standing import by_model
from sync.run.workspace import Workspace
from sync.store.shapes import quoted

if TYPE_CHECKING:
    import duckdb

_NOWHERE = -1


def centres_moved(
    workspace: Workspace,
    clusterings: Mapping[str, Clustering],
    vocabulary: Vocabulary,
    database: duckdb.DuckDBPyConnection,
    *,
    as_of: dt.datetime,
) -> Iterator[Shift]:
    """Of each cluster by each column; of clusterings by which the last run assigned people."""
    store = workspace.store
    stored = by_model(store) if clusterings else {}
    for id_, clustering in clusterings.items():
        using, column = settled(clustering, stored.get(clustering.fact, [])), f"{clustering.fact}__id"
        if using is None or column not in store.lake.columns("facts"):
            continue
        by = frozen(using.document["parameters"])
        people = read_people(store, clustering, vocabulary, as_of=as_of, settings=workspace.settings.rules)
        table = database.sql(
            f"""SELECT person::BIGINT AS person, {quoted(column)}::BIGINT AS cluster
            FROM {store.lake.relation("facts")} WHERE {quoted(column)} IS NOT NULL ORDER BY person"""
        ).to_arrow_table()
        _, here, there = np.intersect1d(people.person, table["person"].to_numpy(), return_indices=True)
        places = {number: place for place, number in enumerate(by.ids)}
        cluster = np.full(len(people.person), _NOWHERE, dtype=np.int64)
        cluster[here] = [places.get(int(one), _NOWHERE) for one in table["cluster"].to_numpy()[there]]
        accepted = decisions(store, id_).accepted
        told = using.document["parameters"]["clusters"]
        stability = {one["id"]: float(one["stability"]) for one in told}
        named = {one["id"]: one["name"] for one in told}
        named |= dict(accepted)
        found = shifts(by.matrix(people), cluster, by.centres)
        for place, number in enumerate(by.ids):
            size = int((cluster == place).sum())
            for name, shift in zip(by.scaling.columns, found[place], strict=True):
                yield Shift(id_, number, named[number], size, name, float(shift), stability[number])
