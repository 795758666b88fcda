"""The people whom a clustering looks at, with the values it compares them by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rules import ir
from rules.engine.values import values
from rules.models.columns import Floats, Ints
from rules.ruleset import Clustering, RuleSet
from rules.vocabulary import Vocabulary
from sync.config.settings import RulesSettings
from sync.engines import opened
from sync.store import Store


@dataclass(frozen=True, slots=True)
class People:
    """Ascending by `person`; a value for each feature and person: NaN or None where it is missing."""

    person: Ints
    numbers: Mapping[str, Floats]
    categories: Mapping[str, Sequence[str | None]]


def read_people(
    store: Store,
    clustering: Clustering,
    vocabulary: Vocabulary,
    *,
    as_of: dt.datetime,
    settings: RulesSettings,
) -> People:
    """Out of the lake, as of an instant."""
    wanted = {one.name: one.value for one in clustering.features}
    roots: list[ir.Node] = [*wanted.values(), clustering.when]
    with opened(store, RuleSet(), vocabulary, settings, beside=roots) as (session, there):
        table = values(session, wanted, there, when=clustering.when, as_of=as_of, zone=vocabulary.zone)
    return people_of(clustering, table)


def people_of(clustering: Clustering, table: pa.Table) -> People:
    """Of a table of values. What is compared by its logarithm counts as 0 where it is below."""
    numbers: dict[str, Floats] = {}
    categories: dict[str, Sequence[str | None]] = {}
    for feature in clustering.features:
        column = table[feature.name]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            categories[feature.name] = _levels(column)
            continue
        values = column.cast(pa.float64()).to_numpy()  # null becomes NaN
        numbers[feature.name] = np.maximum(values, 0.0) if feature.logged else values
    return People(table["person"].to_numpy().astype(np.int64), numbers, categories)


def _levels(column: pa.ChunkedArray) -> Sequence[str | None]:
    """One text object a level, however many people have it."""
    coded = column.combine_chunks().dictionary_encode()
    names = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    found: Sequence[str | None] = names[coded.indices.fill_null(len(names) - 1).to_numpy()]
    return found
