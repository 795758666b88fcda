"""A child process for the tests of crashes and of two processes: works on a store until it is killed.

Run as `python -m tests.sync.store.writer URL LAKE WHAT`, or by `work`, which may be told to kill itself at a
numbered step: every statement of the database, every file written, every rename and commit counts.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pyroaring import BitMap
from sqlalchemy import event

from sync.store import BatchOutcome, PlannedBatch, Refusal, RunState, Store
from sync.store.activity import absorb_activity
from sync.store.contacts import absorb_contacts
from sync.store.lake import Lake
from tests.sync.store.records import MEMBERS, ORDERS, commit, page

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
_left = 0


def _step(*_: object) -> None:
    global _left
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def arm(store: Store, kill_at: int) -> None:
    """Count steps from here on and die at `kill_at`."""
    global _left
    _left = kill_at
    for engine in {store.database.writer, store.database.reader}:
        event.listen(engine, "before_cursor_execute", _step)
        event.listen(engine, "after_cursor_execute", _step)
        event.listen(engine, "commit", _step)
    for owner, name in ((Path, "rename"), (os, "fsync"), (Lake, "write"), (Lake, "replace")):
        _count(owner, name)


def _count(owner: object, name: str) -> None:
    plain = getattr(owner, name)

    def counted(*args: object, **named: object) -> object:
        _step()
        result = plain(*args, **named)
        _step()
        return result

    setattr(owner, name, counted)


def pull(store: Store) -> None:
    """Three pages each, from where the checkpoint stands."""
    for stream, key in ((MEMBERS, "external_id"), (ORDERS, "event_id")):
        done = int(store.inbox.checkpoint("mc", stream.name).cursor or 0)
        for number in range(done, 3):
            rows = [{key: str(n % 7)} for n in range(number * 4, number * 4 + 4)]
            if stream is MEMBERS:
                rows = [{**row, "FNAME": f"name {number}"} for row in rows]
            store.inbox.commit_page("mc", stream.name, page(stream, rows), str(number + 1))


def absorb(store: Store) -> None:
    """Everything that waits."""
    absorb_contacts(store, "mc", MEMBERS)
    absorb_activity(store, "mc", ORDERS, portion=5)


def push(store: Store) -> None:
    """A plan over 40 people in 4 batches: the even ones are added, 3 is refused."""
    run = store.runs.claim("child", as_of=NOW, now=NOW)
    audience = store.ledger.audience("mc", "vip", "tag", name="VIP")
    wanted = BitMap(range(0, 40, 2)) | BitMap([3])
    plan = store.plans.unfinished()
    if plan is None:
        todo = sorted(wanted - audience.owned)
        batches = [
            PlannedBatch(audience.id, BitMap(todo[n : n + 6]), BitMap()) for n in range(0, len(todo), 6)
        ]
        plan = store.plans.save(
            run_id=run.id, as_of=NOW, created_at=NOW, plan_hash="h", batches_=batches, summary={}
        )
    for batch in store.plans.open_batches(plan.id):
        store.plans.mark_sent([batch.id])
        refused = [Refusal(3, "add", "no", "no")] if 3 in batch.adds else []
        store.ledger.record([BatchOutcome(batch.id, batch.adds - BitMap([3]), refused=refused)], at=NOW)
    store.plans.settle(plan.id)
    store.runs.finish(run, RunState.DONE, now=NOW, stats={})


def loop(store: Store) -> None:
    """Write to both planes until standard input ends or 60 rounds are done."""
    for number in range(60):
        store.notes.set("round", number)
        store.numbers.reserve("person", 1)
        if number % 6 == 0:
            commit(store, MEMBERS, [{"external_id": str(number)}], connection="loop")
            absorb_contacts(store, "loop", MEMBERS)


WORK: Mapping[str, Callable[[Store], None]] = {"pull": pull, "absorb": absorb, "push": push, "loop": loop}


def work(url: str, lake: Path, what: str, kill_at: int) -> None:
    """Do one of `WORK`; die at step `kill_at` (0: never)."""
    with Store.open(url, lake) as store:
        if kill_at:
            arm(store, kill_at)
        WORK[what](store)


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2]), sys.argv[3], 0)
    print("done", flush=True)
