"""Runs as a queue: a slot once, in order, resumed by anybody, one at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pyroaring import BitMap
from sqlalchemy import Engine, event, text, update

from sync.store import (
    NotShared,
    PlannedBatch,
    PlanState,
    Run,
    RunInProgress,
    RunState,
    Scope,
    SegmentVersion,
    Step,
    Store,
    TaskState,
)
from sync.store.errors import DatabaseGone
from sync.store.sole import worker
from sync.store.tables import runs, tasks
from sync.store.tasks import CLAIMING
from tests.databases import postgres_url, sqlite_url
from tests.sync.store.conftest import NOW

SLOT = NOW - dt.timedelta(minutes=5)
LATER = NOW + dt.timedelta(minutes=1)


def die(store: Store) -> None:
    """As if every process had been killed and its lease had run out."""
    with store.database.writing() as connection:
        connection.execute(update(runs).values(lease_until=0))
        connection.execute(update(tasks).values(lease_until=0))


def claimed(store: Store, now: dt.datetime = LATER) -> Run:
    run = store.runs.claim_next(now=now)
    assert run is not None
    return run


def test_a_slot_runs_once_however_many_ask_for_it(store: Store) -> None:
    scope = Scope.of(sources=["b", "a"], push=False)
    first = store.runs.enqueue("schedule", now=NOW, schedule="nightly", slot=SLOT, scope=scope)
    assert first is not None
    assert store.runs.enqueue("schedule", now=NOW, schedule="nightly", slot=SLOT) is None
    assert store.runs.enqueue("schedule", now=NOW, schedule="hourly", slot=SLOT) is not None
    assert store.runs.enqueue("console", now=NOW) is not None
    assert store.runs.enqueue("console", now=NOW) is not None  # without a slot there is nothing to be twice
    run = claimed(store)
    assert (run.id, run.schedule, run.slot, run.as_of) == (first.id, "nightly", SLOT, LATER)
    assert run.scope == Scope(("a", "b"), None, False)
    assert store.runs.claim_next(now=LATER) is None, "one at a time"
    store.runs.finish(run, RunState.DONE, now=LATER, stats={})
    assert claimed(store).schedule == "hourly"


def test_a_queued_run_whose_process_died_is_resumed_as_it_was(store: Store) -> None:
    store.runs.enqueue("schedule", now=NOW)
    store.runs.enqueue("schedule", now=NOW)
    run = claimed(store, NOW)
    store.runs.reached(run, Step.PUSH, stats={"people": 7})
    die(store)
    again = claimed(store)
    assert (again.id, again.fence, again.as_of, again.started_at) == (run.id, 2, NOW, NOW)
    assert (again.step, again.stats) == (Step.PUSH, {"people": 7})


def test_a_run_that_was_let_go_is_resumed_at_once(store: Store) -> None:
    store.runs.enqueue("schedule", now=NOW)
    run = claimed(store)
    store.runs.release(run, now=LATER, stats={})
    assert claimed(store).fence == 2


def test_a_person_s_run_is_never_resumed(store: Store) -> None:
    run = store.runs.claim("run", as_of=NOW, now=NOW)
    die(store)
    assert store.runs.claim_next(now=LATER) is None
    assert store.runs.get(run.id).state is RunState.INTERRUPTED
    let_go = store.runs.claim("run", as_of=NOW, now=NOW)
    store.runs.release(let_go, now=LATER, stats={})
    assert store.runs.get(let_go.id).state is RunState.INTERRUPTED
    assert store.runs.running() is None


def test_a_person_s_run_supersedes_a_dead_one_but_no_living_one(store: Store) -> None:
    store.runs.enqueue("schedule", now=NOW)
    run = claimed(store)
    with pytest.raises(RunInProgress):
        store.runs.claim("run", as_of=NOW, now=NOW)
    die(store)
    store.runs.claim("run", as_of=NOW, now=NOW)
    assert store.runs.get(run.id).state is RunState.SUPERSEDED
    assert store.runs.claim_next(now=LATER) is None


def test_ids_tell_the_order_in_which_runs_started(store: Store) -> None:
    """Memberships go by it: a run that waited while a later one was done must not count as the older one."""
    waiting = store.runs.enqueue("schedule", now=NOW, schedule="nightly", slot=SLOT)
    assert waiting is not None
    overtaking = store.runs.claim("run", as_of=NOW, now=NOW)
    versions = [SegmentVersion("vip", "v", "", "VIP")]
    store.segments.save(overtaking.id, as_of=NOW, versions=versions, members={"vip": BitMap([1])})
    store.runs.finish(overtaking, RunState.DONE, now=NOW, stats={})
    run = claimed(store)
    assert run.id > overtaking.id
    assert run.slot == SLOT
    store.segments.save(run.id, as_of=LATER, versions=versions, members={"vip": BitMap([1, 2])})
    assert store.segments.latest()["vip"].members == BitMap([1, 2])
    assert store.runs.enqueue("schedule", now=NOW, schedule="nightly", slot=SLOT) is None


def test_a_connection_is_worked_on_by_one_at_a_time_also_across_runs(store: Store) -> None:
    store.runs.enqueue("schedule", now=NOW)
    run = claimed(store)
    store.tasks.write(run.id, Step.PULL, {"mc": {}, "shop": {}})
    first, second = store.tasks.claim(), store.tasks.claim()
    assert first is not None
    assert second is not None
    assert {first.connection, second.connection} == {"mc", "shop"}
    store.tasks.finish(second, {})
    with store.database.writing() as connection:  # the run's process is dead, the worker on mc is not
        connection.execute(update(runs).values(lease_until=0))
    other = store.runs.claim("run", as_of=NOW, now=NOW)
    store.tasks.write(other.id, Step.PULL, {"mc": {}, "shop": {}})
    free = store.tasks.claim(run_id=other.id)
    assert free is not None
    assert free.connection == "shop"
    assert store.tasks.claim(run_id=other.id) is None, "mc is still being read for the other run"
    store.tasks.release(first)
    now_free = store.tasks.claim(run_id=other.id)
    assert now_free is not None
    assert now_free.connection == "mc"


def test_a_dead_worker_s_task_of_an_older_run_blocks_nobody(store: Store) -> None:
    run = store.runs.claim("run", as_of=NOW, now=NOW)
    store.tasks.write(run.id, Step.PULL, {"mc": {}})
    assert store.tasks.claim() is not None
    die(store)
    other = store.runs.claim("run", as_of=NOW, now=NOW)
    store.tasks.write(other.id, Step.PULL, {"mc": {}})
    task = store.tasks.claim()
    assert task is not None
    assert task.run_id == other.id
    assert [one.state for one in store.tasks.of(run.id)] == [TaskState.LOST]


def test_a_task_done_stays_done_until_there_is_other_work(store: Store) -> None:
    run = store.runs.claim("run", as_of=NOW, now=NOW)
    for _ in range(2):
        store.tasks.write(run.id, Step.PUSH, {"mc": {"plan": 1}})
        task = store.tasks.claim()
        if task is not None:
            store.tasks.finish(task, {"adds": 3})
    assert [one.results for one in store.tasks.of(run.id)] == [({"adds": 3},)]
    store.tasks.write(run.id, Step.PUSH, {"mc": {"plan": 2}})
    again = store.tasks.claim()
    assert again is not None
    store.tasks.finish(again, {"adds": 1})
    assert [one.results for one in store.tasks.of(run.id)] == [({"adds": 3}, {"adds": 1})]


def test_a_task_finished_while_another_looks_for_work_is_not_done_again(tmp_path: Path) -> None:
    """The other has read that it is being worked on; before it asks by whom, it is done."""
    with Store.open(postgres_url(), tmp_path / "lake") as store:
        run = store.runs.claim("run", as_of=NOW, now=NOW)
        store.tasks.write(run.id, Step.PULL, {"mc": {}})
        mine = store.tasks.claim()
        assert mine is not None
        finished = []

        def finish(*about: object) -> None:
            if "tasks.connection = " in str(about[2]) and not finished:
                finished.append(True)
                store.tasks.finish(mine, {"rows": 1})

        event.listen(Engine, "before_cursor_execute", finish)
        try:
            assert store.tasks.claim() is None
        finally:
            event.remove(Engine, "before_cursor_execute", finish)
        assert finished
        assert [(one.state, len(one.results)) for one in store.tasks.of(run.id)] == [(TaskState.DONE, 1)]


@contextmanager
def stopped_while_it_claims(url: str, lake: Path) -> Iterator[None]:
    """Another worker, which was stopped (by a debugger, or its machine) in the middle of claiming a task."""
    with Store.open(url, lake) as other, suppress(DatabaseGone), other.database.writing() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CLAIMING})
        yield


def test_a_worker_stopped_while_it_claims_is_thrown_out_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.store.database.LONGEST_IDLE_MS", 300)
    url = postgres_url()
    with Store.open(url, tmp_path / "lake") as store, stopped_while_it_claims(url, tmp_path / "lake"):
        assert store.tasks.claim() is None


def test_whoever_waits_too_long_for_another_is_told_and_may_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.store.database.PATIENCE_MS", 200)
    url = postgres_url()
    with Store.open(url, tmp_path / "lake") as store:
        with (
            stopped_while_it_claims(url, tmp_path / "lake"),
            pytest.raises(DatabaseGone, match="another process holds what we wait for"),
        ):
            store.tasks.claim()
        assert store.tasks.claim() is None


def test_what_a_process_cannot_do_is_left_to_others(store: Store) -> None:
    run = store.runs.claim("run", as_of=NOW, now=NOW)
    store.tasks.write(run.id, Step.PULL, {"mc": {}})
    task = store.tasks.claim()
    assert task is not None
    store.tasks.release(task)
    assert store.tasks.claim(without={task.id}) is None
    assert store.tasks.claim() is not None


def test_a_plan_of_a_scope_supersedes_only_its_own_kind(store: Store, run: Run) -> None:
    def save(scope: str) -> int:
        batch = PlannedBatch(audience.id, BitMap([1]), BitMap())
        made = store.plans.save(
            run_id=run.id,
            as_of=NOW,
            created_at=NOW,
            plan_hash="h",
            batches_=[batch],
            summary={},
            scope=scope,
        )
        return made.id

    audience = store.ledger.audience("mc", "vip", "tag", name="VIP")
    vip, other = Scope.of(segments=["vip"]).key, Scope.of(segments=["vip", "new"]).key
    assert Scope().key == ""
    assert vip != other
    plans = [save(""), save(vip), save(other), save(vip)]
    states = [store.plans.get(one).state for one in plans]
    assert states == [PlanState.OPEN, PlanState.SUPERSEDED, PlanState.OPEN, PlanState.OPEN]
    newest = save("")
    assert {store.plans.get(one).state for one in plans} == {PlanState.SUPERSEDED}
    assert store.plans.get(newest).state is PlanState.OPEN


@pytest.mark.parametrize(
    "scope", [Scope(), Scope.of(sources=[]), Scope.of(segments=["b", "a", "a"], sources=["x"], push=False)]
)
def test_a_scope_survives_its_journey_through_the_database(store: Store, scope: Scope) -> None:
    queued = store.runs.enqueue("schedule", now=NOW, scope=scope)
    assert queued is not None
    assert queued.scope == scope


def test_sqlite_takes_one_worker_and_says_what_to_do(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    with Store.open(url, tmp_path / "lake") as one, Store.open(url, tmp_path / "lake") as two:
        with (
            worker(one),
            pytest.raises(NotShared, match="use PostgreSQL"),
            worker(two),
        ):
            pass
        with worker(two):
            pass


def test_workers_on_postgresql_must_share_the_lake(tmp_path: Path) -> None:
    url = postgres_url()
    with (
        Store.open(url, tmp_path / "lake") as one,
        Store.open(url, tmp_path / "lake") as two,
        Store.open(url, tmp_path / "elsewhere") as apart,
        worker(one),
        worker(two),
        pytest.raises(NotShared, match="is not the lake's folder"),
        worker(apart),
    ):
        pass
