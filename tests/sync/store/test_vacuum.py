"""What is old goes, what anybody may still ask for stays; on both databases."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyroaring import BitMap
from sqlalchemy import func, insert, select

from sync.store import Store, tables
from sync.store.tidy import HOLDING
from sync.store.vacuum import Retention, Swept, vacuum
from sync.store.whole import overwrite
from tests.databases import sqlite_url

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
KEEP = Retention(lake_days=7, plans_days=90, history_days=400, rejected_days=30)


def ago(days: int) -> dt.datetime:
    return NOW - dt.timedelta(days=days)


def fill(store: Store, ages: list[int]) -> None:
    """A run of each age (days) with a plan, a sent and settled batch, a brake, a task, a membership."""
    with store.database.writing() as connection:
        audience = {"connection": "n", "segment": "s", "kind": "tag", "name": "s", "state": "active"}
        empty = {"actual": BitMap(), "readded": BitMap(), "include_suppressed": False}
        connection.execute(insert(tables.audiences).values(**audience, **empty, owned=BitMap([1])))
        for number, days in enumerate(ages, start=1):
            at = ago(days)
            run = {"trigger": "run", "as_of": at, "started_at": at, "state": "done", "owner": {}}
            connection.execute(insert(tables.runs).values(**run, lease_until=0, stats={}))
            plan = {"run_id": number, "as_of": at, "state": "applied", "plan_hash": "h"}
            connection.execute(insert(tables.plans).values(**plan, created_at=at, summary={}))
            sets = {"adds": BitMap([1]), "removes": BitMap(), "done_adds": BitMap([1])}
            batch = {"plan_id": number, "audience_id": 1, "sequence": 1, "held": False, "state": "done"}
            connection.execute(insert(tables.batches).values(**batch, **sets, done_removes=BitMap(), calls=1))
            brake = {"plan_id": number, "kind": "removals", "message": "m", "data": {}}
            connection.execute(insert(tables.brakes).values(brake))
            task = {"run_id": number, "step": "push", "connection": "n", "state": "done", "owner": {}}
            more = {"lease_until": 0, "fence": 1, "work": {}, "results": []}
            connection.execute(insert(tables.tasks).values(**task, **more))
            member = {"segment": "s", "run_id": number, "last_run": number, "version": "v", "size": 1}
            connection.execute(insert(tables.memberships).values(**member, members=BitMap([1]), as_of=at))
            rejected = {"connection": "n", "stream": "c", "where_": f"row {number}", "reason": "r"}
            seen = {"first_seen_run": number, "last_seen_run": number}
            connection.execute(insert(tables.rejected_rows).values(**rejected, **seen))


def ids(store: Store, table: str, column: str = "id") -> set[int]:
    with store.database.reading() as connection:
        return set(connection.execute(select(tables.metadata.tables[table].c[column])).scalars())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest two plans and runs stay in any case, instead of twenty: a test's store is small."""
    monkeypatch.setattr("sync.store.vacuum._NEWEST", 2)


@pytest.mark.usefixtures("few")
def test_each_kind_of_the_past_is_kept_as_long_as_the_config_says(store: Store) -> None:
    fill(store, [500, 300, 80, 20, 1])
    swept = vacuum(store, now=NOW, keep=KEEP)
    assert ids(store, "plans") == ids(store, "batches", "plan_id") == {3, 4, 5}
    assert ids(store, "brakes", "plan_id") == ids(store, "tasks", "run_id") == {3, 4, 5}
    assert ids(store, "memberships", "run_id") == {2, 3, 4, 5}
    assert ids(store, "runs") == {2, 3, 4, 5}
    assert ids(store, "rejected_rows", "last_seen_run") == {4, 5}
    assert swept == Swept(plans=2, batches=2, memberships=1, rejected=3, tasks=2, runs=1)
    assert vacuum(store, now=NOW, keep=KEEP) == Swept(), "a second time there is nothing left to do"


@pytest.mark.usefixtures("few")
def test_what_is_open_held_or_unsettled_stays_however_old(store: Store) -> None:
    fill(store, [900, 900, 900, 900, 900, 900])
    with store.database.writing() as connection:
        for plan, state in ((1, "open"), (2, "held")):
            connection.execute(tables.plans.update().where(tables.plans.c.id == plan).values(state=state))
        sent = tables.batches.update().where(tables.batches.c.plan_id == 3)
        connection.execute(sent.values(state="sent"))
        connection.execute(tables.runs.update().where(tables.runs.c.id == 4).values(state="running"))
    vacuum(store, now=NOW, keep=KEEP)
    assert ids(store, "plans") == {1, 2, 3, 5, 6}  # the newest two are 5 and 6
    assert ids(store, "batches", "plan_id") == {1, 2, 3, 5, 6}
    assert {1, 2, 3, 4} <= ids(store, "runs")
    assert 4 in ids(store, "tasks", "run_id")


@pytest.mark.usefixtures("few")
def test_ownership_newest_memberships_wordings_and_the_consent_log_are_for_ever(store: Store) -> None:
    fill(store, [3000, 2900, 2800, 2700])
    with store.database.writing() as connection:
        version = {"segment": "s", "version": "v", "source": "x", "name": "s"}
        connection.execute(insert(tables.segment_versions).values(**version, first_run=1, last_run=1))
        told = {"plan_id": 1, "connection": "n", "contact": 1, "person": 1, "source": "m"}
        more = {"source_contact": 2, "held": False, "state": "done", "at": ago(3000)}
        connection.execute(insert(tables.opt_outs).values(**told, **more))
        refused = {"audience_id": 1, "person": 9, "action": "add", "code": "c", "reason": "r", "tries": 1}
        connection.execute(insert(tables.refusals).values(**refused, first_at=ago(1), last_at=ago(1)))
    kept = ("audiences", "refusals", "opt_outs", "segment_versions", "person_events", "notes", "counters")

    def told_of(name: str) -> list[tuple[object, ...]]:
        with store.database.reading() as connection:
            return [tuple(row) for row in connection.execute(select(tables.metadata.tables[name]))]

    before = {name: told_of(name) for name in kept}
    newest = store.segments.latest()
    vacuum(store, now=NOW, keep=KEEP)
    assert {name: told_of(name) for name in kept} == before
    assert store.segments.latest() == newest
    assert 1 in ids(store, "plans"), "an opt-out names it"


def test_old_states_of_the_lake_and_files_of_nobody_go(lake_store: Store) -> None:
    lake = lake_store.lake
    for size in (10, 20, 30):
        rows = pa.table({"person": pa.array(range(size), pa.int32())})
        overwrite(lake, "people", rows)
    stray = lake.folder / "lake" / "people" / "data" / "stray.parquet"
    stray.write_bytes(b"x")
    held = lake.folder / HOLDING / "killed"
    held.mkdir(parents=True)
    for path in [*lake.folder.rglob("*.*"), held]:
        os.utime(path, (0, 0))
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=8)
    assert vacuum(lake_store, now=later, keep=KEEP).files >= 3
    assert not stray.exists()
    assert not held.exists()
    assert lake.rows("people") == 30
    table = lake.table("people")
    assert table is not None
    assert len(table.metadata.snapshots) == 1
    assert len(list(stray.parent.iterdir())) == 1


def test_a_sqlite_file_gets_smaller(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    path = Path(url.removeprefix("sqlite:///"))
    with Store.open(url, tmp_path / "lake") as store:
        for number in range(40):
            store.notes.set(f"big {number}", "x" * 100_000)
        with store.database.writing() as connection:
            connection.execute(tables.notes.delete())
            assert connection.execute(select(func.count()).select_from(tables.notes)).scalar() == 0
        vacuum(store, now=NOW, keep=KEEP)
    assert path.stat().st_size < 1_000_000
