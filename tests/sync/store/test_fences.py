"""Whoever was taken over writes nothing more, whatever it was doing; whoever is at work is not disturbed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from pyroaring import BitMap
from sqlalchemy import event, select, update

from sync.store import (
    BatchOutcome,
    Lease,
    LeaseLost,
    PersonEvent,
    PlannedBatch,
    Run,
    RunInProgress,
    RunState,
    SegmentVersion,
    Step,
    Stopped,
    Store,
    StoreError,
    Terms,
)
from sync.store.contacts import absorb_contacts
from sync.store.tables import metadata, runs, tasks
from sync.store.tidy import tidy
from sync.store.whole import overwrite
from tests.databases import postgres_url
from tests.sync.store.conftest import NOW
from tests.sync.store.records import MEMBERS, commit, page, read

PEOPLE = BitMap([1, 2, 3])


def end_lease(store: Store, table: object = runs) -> None:
    """As if nobody had renewed it for long."""
    with store.database.writing() as connection:
        connection.execute(update(table).values(lease_until=0))  # type: ignore[arg-type]


@pytest.fixture
def zombie(store: Store, run: Run) -> Store:
    """The store as the process of run 1 sees it, which has been taken over by run 2."""
    audience = store.ledger.audience("mc", "vip", "tag", name="VIP")
    store.plans.save(
        run_id=run.id,
        as_of=NOW,
        created_at=NOW,
        plan_hash="h",
        batches_=[PlannedBatch(audience.id, PEOPLE, BitMap())],
        summary={},
    )
    for one in ("a", "z"):  # two snapshots, of which one may go
        commit(store, MEMBERS, [{"external_id": one}], connection="mc")
        absorb_contacts(store, "mc", MEMBERS)
    commit(store, MEMBERS, [{"external_id": "b"}], connection="mc")
    view = store.guarded(store.runs.lease(run))
    end_lease(store)
    store.runs.claim("next", as_of=NOW, now=NOW)
    return view


def replace(store: Store) -> None:
    """A commit of the lake alone, without a transaction of ours before it."""
    lake = store.lake
    database = lake.connect()
    new = lake.write(database, "people", "SELECT 1::INTEGER AS person")
    database.close()
    lake.replace("people", added=[new])


WRITES: dict[str, Callable[[Store], object]] = {
    "a page": lambda s: s.inbox.commit_page("mc", MEMBERS.name, page(MEMBERS, [{"external_id": "c"}]), "9"),
    "a restart": lambda s: s.inbox.restart("mc", MEMBERS.name),
    "the end of a read": lambda s: s.inbox.read_completed("mc", MEMBERS.name, at=NOW, full=True),
    "pages taken in": lambda s: s.inbox.absorbed(s.inbox.waiting()),
    "a batch on its way": lambda s: s.plans.mark_sent([1]),
    "an outcome": lambda s: s.ledger.record([BatchOutcome(1, PEOPLE)], at=NOW),
    "a plan": lambda s: s.plans.save(
        run_id=1, as_of=NOW, created_at=NOW, plan_hash="z", batches_=[], summary={}
    ),
    "an approval": lambda s: s.plans.approve(1, at=NOW),
    "a membership": lambda s: s.segments.save(
        1, as_of=NOW, versions=[SegmentVersion("vip", "v", "", "VIP")], members={"vip": PEOPLE}
    ),
    "an audience": lambda s: s.ledger.ensured(1, remote_id="77"),
    "what we own": lambda s: s.ledger.adopt(1, PEOPLE),
    "a note": lambda s: s.notes.set("known", 1),
    "numbers": lambda s: s.numbers.reserve("person", 5),
    "an event": lambda s: s.person_events.add([PersonEvent(NOW, "merge", 1, 2, "")]),
    "tasks": lambda s: s.tasks.write(1, Step.PUSH, {"mc": {}}),
    "its step": lambda s: s.runs.reached(s.runs.get(1), Step.PUSH, stats={}),
    "its end": lambda s: s.runs.finish(s.runs.get(1), RunState.DONE, now=NOW, stats={}),
    "contacts of the lake": lambda s: absorb_contacts(s, "mc", MEMBERS),
    "a file of the lake": replace,
    "a column of the lake": lambda s: s.lake.ensure("contacts", {"mc.NEW": pa.string()}),
    "a table of the lake": lambda s: s.lake.ensure("activity", {}),
    "old snapshots": lambda s: tidy(s.lake, now=NOW, keep_days=-100_000),
}


def contents(store: Store) -> object:
    """Every row of every table, and what the lake consists of."""
    with store.database.reading() as connection:
        rows = {
            name: sorted(map(repr, connection.execute(select(table)).all()))
            for name, table in metadata.tables.items()
            if name != "counters"
        }
        # numbers are taken before they are used; whoever was taken over leaves gaps at most
    return rows, store.lake.snapshots(), store.lake.columns("contacts")


@pytest.mark.parametrize("what", WRITES)
def test_whoever_was_taken_over_cannot_commit(store: Store, zombie: Store, what: str) -> None:
    store.lake.ensure("people", {})
    before = contents(store)
    with pytest.raises(LeaseLost):
        WRITES[what](zombie)
    assert contents(store) == before
    assert store.numbers.next("person") == 1


@pytest.mark.parametrize("what", ["a page", "an outcome", "a membership", "contacts of the lake"])
def test_whoever_holds_the_lease_writes_as_if_there_were_none(store: Store, run: Run, what: str) -> None:
    audience = store.ledger.audience("mc", "vip", "tag", name="VIP")
    batch = PlannedBatch(audience.id, PEOPLE, BitMap())
    store.plans.save(run_id=run.id, as_of=NOW, created_at=NOW, plan_hash="h", batches_=[batch], summary={})
    commit(store, MEMBERS, [{"external_id": "a"}], connection="mc")
    before = contents(store)
    WRITES[what](store.guarded(store.runs.lease(run)))
    assert contents(store) != before


def test_a_lost_race_for_the_lake_is_told_as_a_lost_lease(store: Store, run: Run) -> None:
    """The zombie has read a snapshot; its successor commits the next one; then the zombie wakes."""
    store.lake.ensure("people", {})
    view = store.guarded(store.runs.lease(run))
    database = view.lake.connect()
    new = view.lake.write(database, "people", "SELECT 1::INTEGER AS person")
    database.close()
    loaded = view.lake.table("people")
    end_lease(store)
    store.runs.claim("next", as_of=NOW, now=NOW)
    replace(store)
    assert loaded is not None
    with pytest.raises(LeaseLost):
        view.lake.replace("people", added=[new])
    assert store.lake.rows("people") == 1


@pytest.mark.parametrize(
    ("asleep", "removes", "told"),
    [
        ("before it looks", True, LeaseLost),
        ("before it looks", False, LeaseLost),
        ("before it looks", True, StoreError),
        ("as it commits", True, LeaseLost),
        ("as it commits", False, LeaseLost),
        ("as it commits", True, StoreError),
        ("as it commits", False, StoreError),
    ],
)
def test_what_was_made_from_an_older_lake_is_never_put_on_top_of_a_newer_one(
    store: Store, run: Run, asleep: str, removes: bool, told: type[StoreError]
) -> None:
    """Another process commits at the worst moment. Rows would be there twice, or files be missed."""
    store.lake.ensure("people", {})
    replace(store)
    view = store.guarded(store.runs.lease(run)) if told is LeaseLost else store
    removed = [file.path for file in view.lake.files("people")] if removes else []
    with closing(view.lake.connect()) as database:
        added = [view.lake.write(database, "people", "SELECT 1::INTEGER AS person")]
    looks = 0

    def others(*called: object) -> None:
        nonlocal looks
        looks += "iceberg_tables" in str(called[2])
        if looks != (1 if asleep == "before it looks" else 2):
            return
        looks += 1
        if told is LeaseLost:
            end_lease(store)
            store.runs.claim("next", as_of=NOW, now=NOW)
        with Store.open(store.database.url.render_as_string(False), store.folder) as other:
            overwrite(other.lake, "people", pa.table({"person": pa.array([7, 8], pa.int32())}))

    event.listen(store.database.reader, "before_cursor_execute", others)
    with pytest.raises(told):
        view.lake.replace("people", removed=removed, added=added)
    event.remove(store.database.reader, "before_cursor_execute", others)
    assert [row["person"] for row in read(store, "people", order="person")] == [7, 8]


def test_a_task_that_was_taken_over_cannot_commit(store: Store, run: Run) -> None:
    store.tasks.write(run.id, Step.PULL, {"mc": {}})
    first = store.tasks.claim()
    assert first is not None
    view = store.guarded(store.tasks.lease(first))
    view.notes.set("alive", True)
    assert store.tasks.claim() is None, "it is being worked on"
    end_lease(store, tasks)
    second = store.tasks.claim()
    assert second is not None
    assert (second.id, second.fence) == (first.id, first.fence + 1)
    for late in (
        lambda: view.notes.set("alive", False),
        lambda: store.tasks.finish(first, {}),
        lambda: store.tasks.release(first),
        lambda: store.tasks.lease(first).renew(),
    ):
        with pytest.raises(LeaseLost):
            late()
    store.guarded(store.tasks.lease(second)).tasks.finish(second, {"rows": 3})
    (done,) = store.tasks.of(run.id)
    assert done.results == ({"rows": 3},)


def test_a_task_goes_on_when_another_process_takes_up_its_run_but_not_when_the_run_is_over(
    store: Store,
) -> None:
    store.runs.enqueue("nightly", now=NOW)
    run = store.runs.claim_next(now=NOW)
    assert run is not None
    store.tasks.write(run.id, Step.PULL, {"mc": {}})
    task = store.tasks.claim()
    assert task is not None
    view = store.guarded(store.tasks.lease(task))
    end_lease(store)
    again = store.runs.claim_next(now=NOW)
    assert again is not None
    assert (again.id, again.fence) == (run.id, run.fence + 1)
    view.notes.set("alive", True)
    store.runs.finish(again, RunState.DONE, now=NOW, stats={})
    with pytest.raises(LeaseLost):
        view.notes.set("alive", False)


def test_a_take_over_waits_for_what_is_being_written(tmp_path: Path) -> None:
    """PostgreSQL only: on SQLite the transaction under way keeps everybody out."""
    with Store.open(postgres_url(), tmp_path / "lake") as store:
        run = store.runs.claim("test", as_of=NOW, now=NOW)
        lease = store.runs.lease(run)
        with store.guarded(lease).database.writing():
            lease.renew()  # a heartbeat waits for nobody
            end_lease(store)
            with pytest.raises(RunInProgress, match="is writing"):
                store.runs.claim("next", as_of=NOW, now=NOW)
            assert store.runs.claim_next(now=NOW) is None
        assert store.runs.claim("next", as_of=NOW, now=NOW).id == run.id + 1


class Steady:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def steady(store: Store) -> Steady:
    clock = Steady()
    store.database.terms = Terms(lease_s=180, request_s=140, steady_s=clock)
    return clock


def lease_of(store: Store, run: Run) -> Lease:
    lease = store.runs.lease(run)
    lease.renew()
    return lease


def test_a_request_that_might_outlive_the_lease_renews_it_first(
    store: Store, steady: Steady, run: Run
) -> None:
    lease = lease_of(store, run)
    steady.now_s = 39
    lease.before_request()
    assert lease.remaining_s == pytest.approx(141)
    steady.now_s = 41
    lease.before_request()
    assert lease.remaining_s == pytest.approx(180)


def test_a_sleeper_that_was_taken_over_sends_no_request(store: Store, steady: Steady, run: Run) -> None:
    lease = lease_of(store, run)
    end_lease(store)
    store.runs.claim("next", as_of=NOW, now=NOW)
    lease.before_request()  # nobody can know yet; what it sends is still within the lease it had
    steady.now_s = 41
    with pytest.raises(LeaseLost):
        lease.before_request()
    assert lease.lost
    steady.now_s = 0
    with pytest.raises(LeaseLost):
        lease.before_request()


def test_the_lease_counts_from_when_its_renewal_was_sent(
    store: Store, steady: Steady, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = store.runs.lease(run)
    writing = type(store.database).writing

    def slow(database: object) -> object:
        steady.now_s += 100  # the database takes its time
        return writing(database)  # type: ignore[arg-type]

    monkeypatch.setattr(type(store.database), "writing", slow)
    lease.renew()
    assert lease.remaining_s == pytest.approx(80)


def test_who_is_asked_to_stop_begins_nothing_but_may_record_what_it_did(store: Store, run: Run) -> None:
    lease = store.runs.lease(run)
    view = store.guarded(lease)
    view.go_on()
    lease.stopping.set()
    with pytest.raises(Stopped):
        view.go_on()
    view.notes.set("done", 1)
    assert store.notes.get("done") == 1


def test_no_client_waits_longer_for_an_answer_than_a_lease_leaves_time_for() -> None:
    import inspect

    from connectors.hubspot import client as hubspot
    from connectors.klaviyo import client as klaviyo
    from connectors.mailchimp.client import PooledApiClient
    from connectors.salesforce import client as salesforce

    mailchimp = inspect.signature(PooledApiClient).parameters["timeout_s"].default
    waits = [hubspot.TIMEOUT_S, klaviyo.TIMEOUT_S, klaviyo.IMPORT_TIMEOUT_S, salesforce.TIMEOUT_S, mailchimp]
    terms = Terms()
    assert max(sum(one) for one in waits) + 5 <= terms.request_s
    assert terms.lease_s - terms.request_s > 3 * terms.heartbeat_s
