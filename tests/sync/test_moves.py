"""People merge or fall apart, and the process dies at any commit of it: what was ours is still ours."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyroaring import BitMap

import sync.persons
from sync.identify import LINKS_SCHEMA
from sync.store import PlannedBatch, Store
from sync.store.moves import Moves, finish_moves, note_moves
from sync.store.plans import StoredBatch
from sync.store.whole import overwrite
from tests.databases import postgres_url, sqlite_url
from tests.scenarios.commits import AROUND, COMMIT, die_at_commits
from tests.sync.store.records import AT, commit, read
from tests.sync.test_persons import MEMBERS, ORDERS, absorbed

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.sync.test_moves"])
SHARED = "shared@x.example"
"""Three contacts may hold it and are one person; a fourth makes it nobody's, and they fall apart."""


class Town:
    """One person of three contacts, whom we put into two audiences on news: once nobody answered."""

    def __init__(self, url: str, store: Store, every: int) -> None:
        self.url, self.store, self.every, self.day = url, store, every, 0
        run = store.runs.claim("test", as_of=AT, now=AT)
        for connection, contacts in (("shop", ("s1", "s2")), ("news", ("n1",))):
            rows = [{"external_id": one, "mail": SHARED} for one in contacts]
            commit(store, MEMBERS, rows, connection=connection)
        order = {"event_id": "o1", "external_id": "n1", "product": "Tea"}
        commit(store, ORDERS, [order], connection="news")
        absorbed(store)
        person = BitMap([self.person_of("n1")])
        self.answered, self.unanswered = (
            store.ledger.audience("news", segment, "tag", name=segment).id for segment in ("tea", "cup")
        )
        store.ledger.observed(self.answered, actual=person, remote_mark=None)
        store.ledger.adopt(self.answered, person)
        plan = store.plans.save(
            run_id=run.id,
            as_of=AT,
            created_at=AT,
            plan_hash="h",
            batches_=[PlannedBatch(self.unanswered, person, BitMap())],
            summary={},
        )
        self.plan = plan.id
        store.plans.mark_sent([self._batch().id])

    def _batch(self) -> StoredBatch:
        (batch,) = self.store.plans.batches(self.plan)
        return batch

    def person_of(self, contact: str) -> int:
        rows = {row["external_id"]: row["person"] for row in read(self.store, "links", order="contact")}
        return int(str(rows[contact]))

    def arrive(self, *, apart: bool) -> None:
        """The contact that makes one too many comes, or goes."""
        self.day += 1
        row = {"external_id": "s3", "mail": SHARED, "deleted": not apart}
        changed_at = AT + dt.timedelta(days=self.day)
        commit(self.store, MEMBERS, [{**row, "changed_at": changed_at}], connection="shop")

    def absorb_and_die(self, point: str) -> bool:
        """In a process of its own; whether it died."""
        child = FORKS.Process(target=_absorb, args=(self.url, self.store.folder, point))
        child.start()
        child.join()
        assert child.exitcode in (0, -signal.SIGKILL)
        return child.exitcode != 0

    def check(self) -> None:
        """Whoever has the contact on news now has all that its person had there before."""
        store, one = self.store, BitMap([self.person_of("n1")])
        row = store.ledger.get(self.answered)
        assert (row.owned, row.actual) == (one, one)
        assert self._batch().adds == one
        (order,) = read(store, "activity", order="event_id")
        assert BitMap([order["person"]]) == one


@pytest.fixture(
    params=[
        ("sqlite", 4),
        pytest.param(("sqlite", 1), marks=pytest.mark.long),
        pytest.param(("postgresql", 1), marks=pytest.mark.long),
    ],
    ids=lambda param: f"{param[0]}-every-{param[1]}",
)
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """Dies at each fourth commit, in turn before, inside and after it; in `make test-long` at each."""
    database, every = request.param
    url = sqlite_url(tmp_path) if database == "sqlite" else postgres_url()
    with Store.open(url, tmp_path / "lake") as store:
        yield Town(url, store, every)


def _absorb(url: str, lake: Path, point: str) -> None:
    os.environ[COMMIT] = point
    step = sync.persons._identify

    def identify(*args: object, **named: object) -> None:
        die_at_commits()
        step(*args, **named)  # type: ignore[arg-type]

    sync.persons._identify = identify
    with Store.open(url, lake) as store:
        absorbed(store)


def test_after_a_kill_at_any_commit_of_a_split_or_a_merge_members_are_still_ours(town: Town) -> None:
    """A person that was split must not get a second number, under which nobody knows what was ours."""
    store, tried, died, splits = town.store, 0, {True: 0, False: 0}, 0
    while died[True] == tried:  # until a split had fewer commits than that
        number = 1 + tried * town.every
        tried += 1
        for apart in (True, False):
            town.arrive(apart=apart)
            died[apart] += town.absorb_and_die(f"{AROUND[tried % 3]}:{number}")
            if apart and tried % 2:  # and what came between two runs goes again before the second
                town.arrive(apart=False)
            absorbed(store)
            one = town.person_of("n1")
            town.check()
            if apart and not tried % 2:
                assert one != town.person_of("s1")
                assert [event.kind for event in store.person_events.of(one)] == ["split"]
                splits += 1
    assert min(*died.values(), splits) >= 3, (died, splits)


def test_all_moves_of_one_pass_count_at_once(tmp_path: Path) -> None:
    """Somebody leaves person 2 while another one becomes part of it: nobody is carried on with them."""
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        rows = [store.ledger.audience(name, "vip", "tag", name="VIP") for name in ("news", "shop")]
        for row in rows:
            store.ledger.adopt(row.id, BitMap([1, 2, 7]))
        note_moves(store, Moves({"news": [(1, 2), (2, 3)]}))
        finish_moves(store)
        assert store.ledger.get(rows[0].id).owned == BitMap([1, 2, 7]), "the links did not change"

        note_moves(store, Moves({"news": [(1, 2), (2, 3)]}))
        links = {"contact": 1, "connection": "news", "external_id": "n1", "person": 2}
        overwrite(store.lake, "links", pa.Table.from_pylist([links], schema=LINKS_SCHEMA))
        finish_moves(store)
        finish_moves(store)
        assert store.ledger.get(rows[0].id).owned == BitMap([2, 3, 7])
        assert store.ledger.get(rows[1].id).owned == BitMap([1, 2, 7]), "those contacts did not move"
