"""Where rules are asked: on DuckDB in this process, or on Apache Spark, over the same files of the lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Self
from weakref import WeakKeyDictionary

import pyarrow as pa

from rules import ir
from rules.engine import Tables
from rules.engine.dialect import Dialect
from rules.engine.duckdb_dialect import DuckDB
from rules.engine.session import Derived, DuckDBSession, Session
from rules.engine.spark.session import SparkEvaluation
from rules.engine.spark.starting import SparkFailed, SparkUnusable, failures, start
from rules.engine.walk import kinds
from rules.ruleset import RuleSet
from rules.text import fold
from rules.vocabulary import Type, Vocabulary
from sync.config.settings import RulesSettings
from sync.errors import UserError
from sync.facts import ClusterNames
from sync.store import Store
from sync.store.lake import Lake
from sync.store.shapes import NO_SNAPSHOT, PHYSICAL

READ = ("people", "activity", "facts")
"""Tables of the lake that rules are asked over."""
MOST_LOOSE = 100_000
"""So many rows are searched through for one person sooner than the engine is asked."""


@contextmanager
def opened(
    store: Store,
    rules: RuleSet,
    vocabulary: Vocabulary,
    settings: RulesSettings,
    *,
    snapshots: Mapping[str, int] | None = None,
    beside: Iterable[ir.Node] = (),
    clusters: Mapping[str, ClusterNames] | None = None,
) -> Iterator[tuple[Session, Tables]]:
    """A session in which to ask these rules, and the lake's relations there; `snapshots`: as they were then,
    by table (see READ). `beside`: what is asked beside the rules. `clusters`: facts that are not read as the
    lake has them. UserError if Spark does not do its part."""
    if settings.spark is None:
        with closing(store.lake.connect()) as database:
            yield DuckDBSession(database), tables(store, vocabulary, snapshots=snapshots, clusters=clusters)
        return
    try:
        spark = start(settings.spark.master, settings.spark.settings)
        with failures():
            session = SparkEvaluation(spark)
            used = kinds([*(one.when for one in rules.segments.values()), *beside]) & set(vocabulary.kinds)
            told = _Told.of(store.lake, vocabulary, clusters or {}, session.dialect)
            yield session, _on_spark(session, store, sorted(used), told, snapshots or store.lake.snapshots())
    except (SparkUnusable, SparkFailed) as error:
        raise UserError(f"the rules could not be asked: {error}; nothing was changed anywhere") from error


def tables(
    store: Store,
    vocabulary: Vocabulary,
    *,
    snapshots: Mapping[str, int] | None = None,
    making: bool | None = None,
    clusters: Mapping[str, ClusterNames] | None = None,
) -> Tables:
    """The lake's relations as the rules read them on DuckDB; `snapshots`: as they were then.
    `making`: by person too, from the copies that there are (False), or making those that are missing.
    `clusters`: as in `opened`."""
    lake, facts = store.lake, modelled(vocabulary)
    people, activity, told = (None if snapshots is None else snapshots[name] for name in READ)
    columns = _Told.of(lake, vocabulary, clusters or {}, DuckDB())
    return Tables(
        people=columns.beside(
            lake.relation("people", snapshot=people), lake.relation("facts", snapshot=told)
        ),
        activity={kind: lake.relation("activity", kind, snapshot=activity) for kind in vocabulary.kinds},
        by_person=None if making is None else lake.copies.indexed(vocabulary.kinds, facts, making=making),
    )


def modelled(vocabulary: Vocabulary) -> dict[str, pa.DataType]:
    """The columns of the lake's table `facts` that rules may read, with their types."""
    found: dict[str, pa.DataType] = {}
    for name, one in vocabulary.fields.items():
        if one.model is not None:
            found[name] = PHYSICAL[one.type]
            if one.type is Type.TEXT:
                found[f"{name}__ci"] = PHYSICAL[one.type]
    return found


@dataclass(frozen=True, slots=True)
class _Told:
    """What is read of the lake's table `facts`: `stored` columns with their types, from which `selected` ones
    come, as SQL."""

    stored: Mapping[str, pa.DataType]
    selected: tuple[str, ...]

    @classmethod
    def of(
        cls, lake: Lake, vocabulary: Vocabulary, clusters: Mapping[str, ClusterNames], dialect: Dialect
    ) -> Self:
        """Every fact that rules may read; of what is not stored yet, nothing is known of anybody."""
        there = lake.columns("facts")
        stored: dict[str, pa.DataType] = {}
        selected = []
        for fact in modelled(vocabulary):
            name, folded, _ = fact.partition("__ci")
            known = clusters.get(name)
            column = fact if known is None else known.column
            if column not in there:
                found = dialect.missing(vocabulary.fields[name].type)
            elif known is None:
                found = dialect.name(column)
            else:
                names = {id_: fold(one) if folded else one for id_, one in known.names.items()}
                found = _called(dialect.name(column), names, dialect)
            if column in there:
                stored[column] = there[column]
            selected.append(f"{found} AS {dialect.name(fact)}")
        return cls(stored, tuple(selected))

    def beside(self, people: str, told: str) -> str:
        """People with what models tell of them; of who was not scored yet, nothing."""
        if not self.selected:
            return people
        columns = ", ".join(self.selected)
        return f"(SELECT * FROM {people} LEFT JOIN (SELECT person, {columns} FROM {told}) USING (person))"


def _called(column: str, names: Mapping[int, str], dialect: Dialect) -> str:
    """The name that belongs to an id."""
    cases = " ".join(f"WHEN {id_} THEN {dialect.text(name)}" for id_, name in sorted(names.items()))
    return f"CASE {column} {cases} END" if cases else dialect.missing(Type.TEXT)


def by_person(store: Store, vocabulary: Vocabulary) -> Tables:
    """The relations for looking at one person: from copies in order of persons, if nearly all rows have
    them; to read whole files for a few rows would take longer than to ask the engine."""
    lake, facts, now = store.lake, modelled(vocabulary), store.lake.snapshots()
    read = {name: now.get(name, NO_SNAPSHOT) for name in READ}
    state = read, lake.copies.made, tuple(vocabulary.kinds), tuple(facts.items())
    known = _BY_PERSON.get(lake)
    if known is not None and known[0] == state:
        return known[1]
    found = tables(store, vocabulary, snapshots=read)
    kept = lake.copies.indexed(vocabulary.kinds, facts, snapshots=read)
    if kept.loose <= MOST_LOOSE:
        found = replace(found, by_person=kept)
    _BY_PERSON[lake] = state, found
    return found


_BY_PERSON: WeakKeyDictionary[Lake, tuple[object, Tables]] = WeakKeyDictionary()
"""What `by_person` found last in each open lake, and what it was of."""


def _on_spark(
    session: SparkEvaluation,
    store: Store,
    used: list[str],
    told: _Told,
    snapshots: Mapping[str, int],
) -> Tables:
    """The same on Spark. Rows and positions are of one snapshot, whatever others commit meanwhile."""
    lake = store.lake
    columns = {name: lake.columns(name) for name in READ} | {"facts": {"person": pa.int32(), **told.stored}}

    def relation(name: str, table: str, partition: str | None) -> str:
        of = snapshots.get(table, NO_SNAPSHOT)
        rows = lake.files(table, partition, snapshot=of)
        gone = lake.positions(table, partition, snapshot=of)
        return session.parquet(
            name, [file.path for file in rows], columns[table], [file.path for file in gone]
        )

    people = relation("lake_people", "people", None)
    if told.selected:
        select = f"SELECT * FROM {told.beside(people, relation('lake_facts', 'facts', None))}"
        people = "lake_people_with_facts"
        session.make(Derived(people, select, reused=False))
    return Tables(
        people=people,
        activity={kind: relation(f"lake_kind_{n}", "activity", kind) for n, kind in enumerate(used)},
    )
