"""Copies of the lake's files in order of persons hold what the files hold, and may vanish or be torn."""

from __future__ import annotations

import datetime as dt
import random
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rules import ir
from rules.engine.periods import Range
from rules.engine.reading import read_person
from rules.engine.tables import Span, Tables
from rules.vocabulary import Type
from sync.store import Store
from sync.store.by_person import Copy, Indexed
from sync.store.copies import FOLDER
from sync.store.files import NewFile
from sync.store.loose import Loose
from sync.store.shapes import INSTANT
from sync.store.tidy import tidy
from sync.store.whole import amend, overwrite

ROWS, PEOPLE = 6_000, 300
START = 1_700_000_000_000_000
ASKED = np.array([3, 4, 77, 250, 299, 100_000], np.int32)


def purchases(count: int, seed: int) -> pa.Table:
    """In order of time; some of them are nobody's."""
    chance = random.Random(seed)
    persons = [chance.randrange(PEOPLE) if chance.random() < 0.9 else None for _ in range(count)]
    at = sorted(START + chance.randrange(500) * 1_000_000 for _ in range(count))
    return pa.table(
        {
            "person": pa.array(persons, pa.int32()),
            "kind": ["purchase"] * count,
            "event_id": [f"{seed}-{number}" for number in range(count)],
            "at": pa.array(at, INSTANT),
            "product": [chance.choice(["tea", "Köln", None]) for _ in range(count)],
        }
    )


@pytest.fixture
def store(lake_store: Store) -> Store:
    """People, a few of them changed since; purchases in a large file and a small one of fewer columns."""
    lake = lake_store.lake
    everybody = pa.table({"person": pa.array(range(ROWS), pa.int32()), "name": ["old"] * ROWS})
    overwrite(lake, "people", everybody)
    few = pa.table({"person": pa.array([4, 77], pa.int32()), "name": ["new"] * 2})
    amend(lake, "people", few, gone=[250])
    lake.ensure("activity", {"product": pa.string()})
    for rows in (purchases(ROWS, 1), purchases(50, 2).drop_columns("product")):
        with closing(lake.connect()) as database:
            database.register("given", rows)
            file = lake.write(database, "activity", "SELECT * FROM given", partition="purchase", order='"at"')
            lake.replace("activity", added=[NewFile(file.path, "purchase")])
    return lake_store


def kinds_of(found: Indexed) -> set[type]:
    """How the parts of it are read."""
    return {type(part.rows) for parts in found.parts.values() for part in parts}


def by_sql(store: Store, kind: str | None, found: Range) -> list[tuple[object, ...]]:
    """The rows that are asked for, as the lake's own relation has them."""
    relation = store.lake.relation("people" if kind is None else "activity", kind)
    names = "person, name" if kind is None else 'person, event_id, "at", product'
    bounds = f"person IN ({', '.join(map(str, ASKED))})"
    if found.start is not None:
        bounds += f' AND epoch_us("at") >= {found.start}'
    if found.end is not None:
        bounds += f' AND epoch_us("at") < {found.end}'
    with closing(store.lake.connect()) as database:
        rows = database.sql(f"SELECT {names} FROM {relation} WHERE {bounds}").to_arrow_table()
    return sorted(map(repr, rows.to_pylist()))  # type: ignore[arg-type]


@pytest.mark.parametrize("making", [False, True])
def test_the_rows_of_few_people_are_those_of_the_relation(store: Store, making: bool) -> None:
    found = store.lake.copies.indexed(["purchase"], {}, making=making)
    assert kinds_of(found) == ({Copy, Loose} if making else {Loose})
    for span in (Range(None, None), Range(START + 100_000_000, START + 300_000_000), Range(START * 2, None)):
        names = ["event_id", "at", "product"]
        told = found.rows("purchase", ASKED, Span(span), names)
        assert sorted(map(repr, told.to_pylist())) == by_sql(store, "purchase", span)
        whose = set(found.crossed("purchase", span).tolist())
        with closing(store.lake.connect()) as database:
            relation = store.lake.relation("activity", "purchase")
            bounds = f'epoch_us("at") >= {span.start or 0} AND epoch_us("at") < {span.end or 2**62}'
            query = f"SELECT DISTINCT person FROM {relation} WHERE person IS NOT NULL AND {bounds}"
            assert whose == {row[0] for row in database.sql(query).fetchall()}
    people = found.rows(None, ASKED, Span(), ["name"])
    assert sorted(map(repr, people.to_pylist())) == by_sql(store, None, Range(None, None))
    assert {row["person"]: row["name"] for row in people.to_pylist()}[4] == "new"


@pytest.mark.parametrize("making", [False, True])
def test_what_models_tell_stands_beside_the_row_of_each_person(store: Store, making: bool) -> None:
    """Of those whom no model has seen it is missing; rows that were amended since are the new ones."""
    lake, whose = store.lake, [int(person) for person in ASKED]
    told = {person: person * 10 for person in range(0, 20_001, 2)}
    table = pa.table({"person": pa.array(told, pa.int32()), "fit": pa.array(told.values(), pa.int64())})
    overwrite(lake, "facts", table)
    some = next(person for person in whose if person % 2 == 0)
    amend(lake, "facts", pa.table({"person": pa.array([some], pa.int32()), "fit": pa.array([7])}))
    found = lake.copies.indexed([], {"fit": pa.int64()}, making=making)
    rows = {row["person"]: row for row in found.rows(None, ASKED, Span(), ["name", "fit"]).to_pylist()}
    plain = lake.copies.indexed([], {}).rows(None, ASKED, Span(), ["name"]).to_pylist()
    told[some] = 7
    assert [{"person": p, "name": rows[p]["name"]} for p in rows] == plain
    assert {person: row["fit"] for person, row in rows.items()} == {p: told.get(p) for p in rows}
    assert None in {row["fit"] for row in rows.values()}
    alone = [row for person in whose for row in found.of(None, person)]
    assert {row["person"]: {name: row[name] for name in ("person", "name", "fit")} for row in alone} == rows
    assert "fit" in found.names(None)
    assert found.rows(None, ASKED, Span(), ["name"]).column_names == ["person", "name"]


def test_first_and_last_are_enough_where_nothing_between_is_asked_for(store: Store) -> None:
    found = store.lake.copies.indexed(["purchase"], {}, making=True)
    some = found.rows("purchase", ASKED, Span(Range(None, None), ends=True), ["at"]).to_pandas()
    every = found.rows("purchase", ASKED, Span(), ["at"]).to_pandas()
    assert len(some) < len(every)
    for one in ("min", "max"):
        assert some.groupby("person")["at"].agg(one).equals(every.groupby("person")["at"].agg(one))


def test_copies_may_vanish_be_torn_and_go_with_their_files(store: Store) -> None:
    lake = store.lake
    folder: Path = lake.folder / FOLDER
    lake.copies.indexed(["purchase"], {}, making=True)
    made = sorted(folder.iterdir())
    assert len(made) == 2
    made[0].write_bytes(b"torn")
    made[1].unlink()
    with Store.open(str(store.database.url), lake.folder) as again:
        found = again.lake.copies.indexed(["purchase"], {}, making=True)
        told = found.rows("purchase", ASKED, Span(), ["event_id", "at", "product"])
        assert sorted(map(repr, told.to_pylist())) == by_sql(store, "purchase", Range(None, None))
        assert sorted(folder.iterdir()) == made
        removed = [file.path for file in again.lake.files("activity", "purchase")]
        again.lake.replace("activity", removed=removed)
        tidy(again.lake, now=dt.datetime.now(dt.UTC) + dt.timedelta(days=30))
        assert len(list(folder.iterdir())) == 1


def test_a_persons_facts_are_those_of_the_lake_whatever_they_are_called(lake_store: Store) -> None:
    """Names that activity has for what nobody asks for are fields of people like any other."""
    lake = lake_store.lake
    fields = {name: [f"{name} {n}" for n in range(ROWS)] for name in ("email", "kind", "external_id")}
    overwrite(lake, "people", pa.table({"person": pa.array(range(ROWS), pa.int32()), **fields}))
    found = lake.copies.indexed([], {}, making=True)
    assert kinds_of(found) == {Copy}
    (row,) = found.rows(None, np.array([77], np.int32), Span(), [*fields]).to_pylist()
    assert row == {"person": 77, **{name: values[77] for name, values in fields.items()}}


@pytest.mark.parametrize("making", [False, True])
def test_dates_and_instants_of_people_in_a_range_are_those_of_the_relation(
    lake_store: Store, making: bool
) -> None:
    lake, random = lake_store.lake, np.random.default_rng(3)
    instants, missing = random.integers(START, START + 10**9, ROWS), random.random(ROWS) < 0.2
    fields = {
        "joined": pa.array(instants, pa.timestamp("us", "UTC"), mask=missing),
        "born": pa.array(random.integers(-100, 100, ROWS).astype(np.int32), pa.date32(), mask=missing),
    }
    overwrite(lake, "people", pa.table({"person": pa.array(range(ROWS), pa.int32()), **fields}))
    found = lake.copies.indexed([], {}, making=making)
    assert kinds_of(found) == {Copy if making else Loose}
    numbers = {"joined": 'epoch_us("joined")', "born": "born - DATE '1970-01-01'"}
    for name, edges in (("joined", [START + 10**8, START + 4 * 10**8]), ("born", [-3, 40])):
        for span in (Range(*edges), Range(None, edges[0]), Range(edges[1], None), Range(None, None)):
            bounds = "TRUE" if span.start is None else f"{numbers[name]} >= {span.start}"
            bounds += "" if span.end is None else f" AND {numbers[name]} < {span.end}"
            query = f"SELECT person FROM {lake.relation('people')} WHERE {name} IS NOT NULL AND {bounds}"
            with closing(lake.connect()) as database:
                expected = {row[0] for row in database.sql(query).fetchall()}
            assert set(found.valued(name, span).tolist()) == expected
            assert expected


def test_one_person_is_the_same_by_copies_as_by_the_relations(store: Store) -> None:
    made = store.lake.copies.indexed(["purchase"], {}, making=True)
    plain = Tables(store.lake.relation("people"), {"purchase": store.lake.relation("activity", "purchase")})
    bought = ir.Aggregate(ir.AggregateFunction.COUNT, "purchase", None, None, ir.Ever(), Type.NUMBER)
    with closing(store.lake.connect()) as database:
        for person in (4, 77, 250, 299, 100_000):
            one, other = (
                read_person(database, tables, person=person, conditions=[ir.IsKnown(bought)])
                for tables in (plain, replace(plain, by_person=made))
            )
            if one is None or other is None:
                assert one is other is None
                continue
            assert one.facts == other.facts
            rows = [
                sorted((row["event_id"], row["at"], row["product"]) for row in found.activity["purchase"])
                for found in (one, other)
            ]
            assert rows[0] == rows[1]
            assert rows[0]
    assert (one, made.loose) == (None, 50 + 2)
