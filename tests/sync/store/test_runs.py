from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import update

from sync.store import LeaseLost, RunInProgress, RunState, Store
from sync.store.tables import runs
from tests.sync.store.conftest import NOW

CLAIM = """
import datetime as dt, sys, pathlib
from sync.store import Store
now = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
store = Store.open(sys.argv[1], pathlib.Path(sys.argv[2]))
store.runs.claim("child", as_of=now, now=now)
print("claimed", flush=True)
sys.stdin.read()
"""


def test_only_one_run_at_a_time(store: Store) -> None:
    run = store.runs.claim("manual", as_of=NOW, now=NOW)
    with pytest.raises(RunInProgress, match=r"run 1 \(manual\) is under way"):
        store.runs.claim("manual", as_of=NOW, now=NOW)
    store.runs.heartbeat(run)
    store.runs.finish(run, RunState.DONE, now=NOW + dt.timedelta(minutes=1), stats={"people": 3})
    assert store.runs.get(run.id).stats == {"people": 3}
    assert store.runs.claim("manual", as_of=NOW, now=NOW).id == run.id + 1
    assert [r.state for r in store.runs.latest()] == [RunState.RUNNING, RunState.DONE]


@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_run_does_not_block_the_next(
    database_url: str, store: Store, tmp_path: Path, reaped: bool
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CLAIM, database_url, str(tmp_path / "lake")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"claimed\n"
    with pytest.raises(RunInProgress):
        store.runs.claim("manual", as_of=NOW, now=NOW)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, but its pid still answers
    if reaped:
        child.wait()
    run = store.runs.claim("manual", as_of=NOW, now=NOW)
    child.communicate()
    assert store.runs.get(run.id - 1).state is RunState.INTERRUPTED


def test_a_run_elsewhere_keeps_its_lease_until_it_expires(store: Store) -> None:
    run = store.runs.claim("manual", as_of=NOW, now=NOW)
    elsewhere = {"host": "other", "place": ["boot", "pid:[1]"], "pid": 999_999_999, "started": "1"}
    with store.database.writing() as connection:
        connection.execute(update(runs).values(owner=elsewhere))
    with pytest.raises(RunInProgress, match="on other"):
        store.runs.claim("manual", as_of=NOW, now=NOW)
    with store.database.writing() as connection:
        connection.execute(update(runs).values(lease_until=store.database.now_ms(connection) - 1))
    store.runs.claim("manual", as_of=NOW, now=NOW)
    assert store.runs.get(run.id).state is RunState.INTERRUPTED


def test_a_pid_used_again_by_another_process_is_told_apart(store: Store) -> None:
    store.runs.claim("manual", as_of=NOW, now=NOW)
    with store.database.writing() as connection:
        owner = connection.execute(runs.select()).one().owner
        connection.execute(update(runs).values(owner={**owner, "started": "17"}))
    assert store.runs.claim("manual", as_of=NOW, now=NOW).id == 2


def test_a_run_that_lost_its_lease_can_write_nothing_more(store: Store) -> None:
    run = store.runs.claim("manual", as_of=NOW, now=NOW)
    with store.database.writing() as connection:
        connection.execute(update(runs).values(lease_until=0))
    other = store.runs.claim("manual", as_of=NOW, now=NOW)
    with pytest.raises(LeaseLost):
        store.runs.heartbeat(run)
    with pytest.raises(LeaseLost):
        store.runs.finish(run, RunState.DONE, now=NOW, stats={})
    assert store.runs.get(other.id).state is RunState.RUNNING
