"""What runs measured of segments, on both databases."""

from __future__ import annotations

import datetime as dt

import pytest
from pyroaring import BitMap
from sqlalchemy import func, insert, select, text

from sync.store import RunState, SegmentVersion, Store
from sync.store.database import Database
from sync.store.kpi_tables import segment_kpis
from sync.store.kpis import Kpi
from sync.store.migrate import HEAD, revision_of, upgrade
from sync.store.tables import person_events
from sync.store.vacuum import Retention, vacuum
from tests.sync.store.conftest import NOW

SIZE, UNMEASURED = Kpi("size", 3.0, 3), Kpi("roi", None, 12, why="few_held")
CLV = Kpi("clv_mean", 2_000.5, 2, low=-1.25, high=4_002.0)


def ran(store: Store, days: int, members: dict[str, BitMap]) -> int:
    """A run so many days after NOW, with these members by the version `v`."""
    at = NOW + dt.timedelta(days=days)
    run = store.runs.claim("run", as_of=at, now=at)
    versions = [SegmentVersion(name, "v", "x", name) for name in members]
    store.segments.save(run.id, as_of=at, versions=versions, members=members)
    store.runs.finish(run, RunState.DONE, now=at, stats={})
    return run.id


def rows(store: Store) -> int:
    with store.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(segment_kpis)).scalar_one()


def test_what_was_measured_comes_back_as_it_was_oldest_first(store: Store) -> None:
    first, second = (ran(store, day, {"vip": BitMap([1])}) for day in (0, 1))
    store.kpis.save(second, {"vip": [SIZE]})
    store.kpis.save(first, {"vip": [SIZE, UNMEASURED], "all": [CLV]})
    found = store.kpis.series()
    assert list(found) == ["all", "vip"]
    assert [(one.run, one.as_of) for one in found["vip"]] == [(first, NOW), (second, NOW + dt.timedelta(1))]
    assert found["vip"][0].values == {"size": SIZE, "roi": UNMEASURED}
    assert found["all"][0].values == {"clv_mean": CLV}
    assert store.kpis.series(["vip"], since=NOW + dt.timedelta(hours=1)) == {"vip": found["vip"][1:]}
    assert store.kpis.series(["none"]) == {}
    assert (store.kpis.before(first), store.kpis.before(second)) == (None, (first, NOW))


def test_a_run_that_is_taken_up_again_replaces_what_it_measured(store: Store) -> None:
    run = ran(store, 0, {"vip": BitMap([1])})
    store.kpis.save(run, {"vip": [SIZE, CLV], "gone": [SIZE]})
    store.kpis.save(run, {"vip": [SIZE]})
    assert rows(store) == 1
    assert store.kpis.before(run) is None, "its own values are no earlier ones"


def test_who_was_in_at_an_instant_is_told_under_the_numbers_of_now(store: Store) -> None:
    first = ran(store, 0, {"vip": BitMap([1, 2]), "all": BitMap([1, 2, 3])})
    ran(store, 2, {"vip": BitMap([1, 2]), "all": BitMap([1, 2, 3])})
    third = ran(store, 4, {"vip": BitMap([1]), "all": BitMap([1, 3])})
    with store.database.writing() as connection:
        event = {"at": NOW, "kind": "merge", "person": 1, "other_person": 2, "reason": "r", "run_id": third}
        connection.execute(insert(person_events).values(event))
    assert store.kpis.left_at(NOW - dt.timedelta(seconds=1)) == {}
    for days in (0, 2, 3):
        found = store.kpis.left_at(NOW + dt.timedelta(days=days))
        assert {name: one.members for name, one in found.items()} == {
            "vip": BitMap([1]),
            "all": BitMap([1, 3]),
        }
    ran(store, 6, {"vip": BitMap([3]), "all": BitMap([1, 3])})
    assert store.kpis.left_at(NOW + dt.timedelta(days=5))["vip"].members == BitMap([1])
    assert store.kpis.left_at(NOW + dt.timedelta(days=9))["vip"].members == BitMap([3])
    assert store.kpis.left_by(first)["all"].members == BitMap([1, 3])


def test_what_was_measured_goes_with_the_history(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.store.vacuum._NEWEST", 1)
    old, young = (ran(store, day, {"vip": BitMap([1])}) for day in (-500, -100))
    for run in (old, young):
        store.kpis.save(run, {"vip": [SIZE, CLV], "all": [SIZE]})
    swept = vacuum(store, now=NOW, keep=Retention(history_days=400))
    assert swept.kpis == 3
    assert {name: [one.run for one in points] for name, points in store.kpis.series().items()} == {
        "all": [young], "vip": [young],
    }  # fmt: skip


def test_the_step_to_kpis_keeps_models_and_runs_and_then_takes_values(empty_url: str) -> None:
    database = Database(empty_url)
    at = "2026-02-01 08:00:00" if database.is_sqlite else "2026-02-01 08:00:00+00:00"
    told = {
        "runs": "SELECT id, state, trigger FROM runs",
        "model_versions": "SELECT model, version, state, settings FROM model_versions",
    }
    with database.writing() as connection:
        upgrade(connection, to="0013")
        connection.execute(
            text(
                "INSERT INTO runs (trigger, as_of, started_at, state, owner, lease_until, stats)"
                " VALUES ('run', :at, :at, 'done', '{}', 0, '{}')"
            ),
            {"at": at},
        )
        connection.execute(
            text("INSERT INTO model_versions VALUES ('rfm', 1, :at, 'fitted', 'abc', '{}')"), {"at": at}
        )
        before = {name: connection.execute(text(query)).all() for name, query in told.items()}
        upgrade(connection, to="0014")
        after = {name: connection.execute(text(query)).all() for name, query in told.items()}
        assert before == after
        assert all(before.values())
        connection.execute(
            text("INSERT INTO segment_kpis (run_id, segment, name, value) VALUES (1, 'vip', 'size', 2.5)")
        )
        upgrade(connection, to="head")
        assert revision_of(connection) == HEAD
        assert connection.execute(text("SELECT value FROM segment_kpis")).scalar() == 2.5
    database.close()
