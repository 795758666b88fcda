"""Several processes on one store: killed, stopped and woken, told to end; nothing is done twice or lost."""

from __future__ import annotations

import os
import queue
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, update

from connectors.simulation import Kill, Point, Request
from sync.errors import Busy
from sync.run.pipeline import run
from sync.run.report import Report
from sync.run.working import Worker
from sync.store import RunState, Step, TaskState
from sync.store.owners import me
from sync.store.tables import batches, runs, tasks
from tests.databases import database_urls, postgres_url
from tests.patience import PATIENCE_S
from tests.scenarios.company import command
from tests.scenarios.works import (
    TERMS,
    Hand,
    Works,
    dismiss,
    hire,
    labour_until_all_is_sent,
    rows,
    until,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def works(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Works]:
    made = Works(tmp_path / "works", database_urls(tmp_path)[request.param])
    with made.served():
        yield made


def once(works: Works, at: Callable[[Request], bool], do: Callable[[], object]) -> threading.Event:
    """`do` happens when the second newsletter gets the first request that `at` is true of."""
    done = threading.Event()

    def before(request: Request) -> None:
        if not done.is_set() and at(request):
            do()
            done.set()

    works.newsletters["n2"].before = before
    return done


def is_write(request: Request) -> bool:
    return request.method != "GET"


def is_page(request: Request) -> bool:
    return request.path.endswith("/members")


def enqueue(works: Works) -> int:
    with works.open() as workspace:
        queued = workspace.store.runs.enqueue("test", now=workspace.clock.utc_now())
        assert queued is not None
        return queued.id


def one_run(works: Works) -> Report:
    """A person's run, as soon as nobody else's is at work."""
    with works.open() as workspace:
        reports: list[Report] = []

        def try_it() -> bool:
            try:
                reports.append(run(workspace))
            except Busy:
                return False
            return True

        until(try_it, "the store to be free")
    return reports[0]


def lets_others_write(works: Works, sleeper: Hand) -> bool:
    """Stopped while it holds the write lock of SQLite it stops everybody: then it goes on a little."""
    with works.open() as workspace:
        place = workspace.store.database.url.database
        if not workspace.store.database.is_sqlite:
            return True
    try:
        with closing(sqlite3.connect(str(place), timeout=0.5, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
    except sqlite3.OperationalError:
        os.kill(sleeper.pid, signal.SIGCONT)
        os.kill(sleeper.pid, signal.SIGSTOP)
        return False
    return True


@pytest.mark.parametrize("moment", [pytest.param(is_page, marks=pytest.mark.long), is_write])
def test_a_sleeper_that_wakes_after_its_lease_changes_nothing(
    works: Works, moment: Callable[[Request], bool]
) -> None:
    run_id = enqueue(works)
    sleeper = hire(works)
    try:
        asleep = once(works, moment, lambda: os.kill(sleeper.pid, signal.SIGSTOP))
        assert asleep.wait(PATIENCE_S)
        until(lambda: lets_others_write(works, sleeper), "the sleeper to hold no lock")
        assert not one_run(works).failed  # the lease has run out, and a person did not wait for it
        assert works.found() == works.expected()
        with works.open() as workspace:
            before, calls = rows(workspace.store), works.calls()
            os.kill(sleeper.pid, signal.SIGCONT)
            until(lambda: sleeper.says("taken over"), "the sleeper to notice")
            assert rows(workspace.store) == before
            assert works.calls() == calls
            assert workspace.store.runs.get(run_id).state is RunState.SUPERSEDED
        sleeper.process.terminate()
        sleeper.process.join(PATIENCE_S)
        assert sleeper.process.exitcode == 0
    finally:
        dismiss(sleeper)


@pytest.mark.parametrize("moment", [pytest.param(is_page, marks=pytest.mark.long), is_write])
def test_a_worker_told_to_end_records_what_it_did_and_lets_go_at_once(
    works: Works, moment: Callable[[Request], bool]
) -> None:
    run_id = enqueue(works)
    worker = hire(works)
    try:
        once(works, moment, worker.process.terminate)
        worker.process.join(PATIENCE_S)
        assert worker.process.exitcode == 0
        with works.open() as workspace:
            with workspace.store.database.reading() as connection:
                row = connection.execute(select(runs)).one()
                assert (row.state, row.lease_until, row.owner) == ("running", 0, {})
                states = connection.execute(select(batches.c.state)).scalars().all()
                assert "sent" not in states, "a call that was under way was not recorded"
            with Worker.opened(workspace) as successor:
                successor.run(until_idle=True)
            done = workspace.store.runs.get(run_id)
            assert (done.state, done.fence) == (RunState.DONE, 2)
        assert works.found() == works.expected()
    finally:
        dismiss(worker)


@pytest.mark.parametrize("nth", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_resumed_run_ends_as_one_that_was_never_interrupted(works: Works, tmp_path: Path, nth: int) -> None:
    twin = Works(tmp_path / "twin", database_urls(tmp_path)["sqlite"])
    with twin.served(), twin.open() as workspace:
        undisturbed = run(workspace).document()
    run_id = enqueue(works)
    killed = hire(works)
    simulator = works.newsletters["n2"]
    simulator.kills.register(killed.pid)
    simulator.kills.arm(Kill(Point.RECEIVED, nth=nth))
    killed.process.join(PATIENCE_S)
    dismiss(killed)
    assert simulator.kills.done == 1
    with works.open() as workspace:
        began = workspace.store.runs.get(run_id)
        with Worker.opened(workspace) as successor:
            successor.run(until_idle=True)
        done = workspace.store.runs.get(run_id)
        assert (done.state, done.fence, done.as_of) == (RunState.DONE, 2, began.as_of)
        for name in ("people", "segments", "rejected", "merges", "splits", "lake_rows_changed"):
            assert done.stats[name] == undisturbed[name], name
        assert told(done.stats) == told(undisturbed)
        owned = {row.connection: row.owned == row.actual for row in workspace.store.ledger.audiences()}
        assert all(owned.values())
    assert works.found() == works.expected() == twin.found()


def test_a_run_is_ended_by_another_where_all_was_sent_and_its_worker_died_before_it_said_so(
    works: Works, tmp_path: Path
) -> None:
    """Nothing is open then, but a task has not told what came of it; whoever has it may be asleep."""
    twin = Works(tmp_path / "twin", database_urls(tmp_path)["sqlite"])
    with twin.served(), twin.open() as workspace:
        undisturbed = run(workspace).document()
    run_id = enqueue(works)
    killed = hire(works, labour=labour_until_all_is_sent)
    killed.process.join(PATIENCE_S)
    dismiss(killed)
    assert killed.process.exitcode == -signal.SIGKILL
    with works.open() as workspace:
        store = workspace.store
        (task,) = [one for one in store.tasks.of(run_id, Step.PUSH) if one.state is not TaskState.DONE]
        assert task.results == ()
        assert not store.plans.open_batches(int(task.work["plan"]))
        with store.database.writing() as database:  # as if its worker were another one, and not dead
            asleep = {"owner": me(), "lease_until": store.database.now_ms(database) + 2_000}
            database.execute(update(tasks).where(tasks.c.id == task.id).values(asleep))
        with Worker.opened(workspace) as successor:
            successor.run(until_idle=True)
        done = store.runs.get(run_id)
        assert (done.state, done.fence) == (RunState.DONE, 2), done.stats
        assert {one.state for one in store.tasks.of(run_id)} == {TaskState.DONE}
        assert told(done.stats) == told(undisturbed)
    assert works.found() == works.expected() == twin.found()


def told(stats: object) -> dict[str, tuple[int, int, int]]:
    """Connection → (rows read, people who entered, who left)."""
    connections = stats["connections"]  # type: ignore[index]
    return {name: (part["read"], part["adds"], part["removes"]) for name, part in connections.items()}


class Strikes:
    """Kills one worker and stops another at chosen calls of a run, and hires others in their place."""

    def __init__(self, works: Works, seed: int) -> None:
        self.works = works
        self.hands = [hire(works) for _ in range(3)]
        self.gone: list[Hand] = []
        self.asleep: list[Hand] = []
        self.ended: dict[int, float] = {}  # pid → when it was killed or stopped
        self._choice = random.Random(seed)
        self._due: queue.Queue[None] = queue.Queue()
        self._kinds: list[signal.Signals] = []
        for newsletter in works.newsletters.values():
            newsletter.before = self._called

    def arm(self) -> None:
        """For the run that begins now."""
        self._calls, self._at = 0, set(self._choice.sample(range(2, 40), 2))
        self._kinds = [signal.SIGKILL, signal.SIGSTOP]

    def _called(self, _: Request) -> None:
        self._calls += 1
        if self._calls in self._at:
            self._due.put(None)

    def strike(self) -> None:
        """What is due by now."""
        while not self._due.empty() and self._kinds:
            self._due.get()
            kind, struck = self._kinds.pop(), self._choice.choice(self.hands)
            self.ended[struck.pid] = time.monotonic()
            os.kill(struck.pid, kind)
            self.hands.remove(struck)
            (self.gone if kind is signal.SIGKILL else self.asleep).append(struck)
            self.hands.append(hire(self.works))

    def wake(self) -> None:
        """Everybody who was stopped goes on."""
        for hand in self.asleep:
            os.kill(hand.pid, signal.SIGCONT)
        self.hands += self.asleep
        self.asleep = []


def test_three_workers_share_the_work_whatever_befalls_them(tmp_path: Path) -> None:
    """Kills and stops at chosen calls of three runs, by seed; the runs' reports tell the whole of it."""
    works = Works(tmp_path / "works", postgres_url(), seed=4, people=60)
    with works.served(), works.open() as workspace:
        strikes = Strikes(works, seed=4)
        store = workspace.store
        try:
            until(lambda: all(hand.says("ready") for hand in strikes.hands), "three workers")
            ran: list[int] = []
            for number in range(3):
                works.move()
                strikes.arm()
                run_id = enqueue(works)
                ran.append(run_id)

                def over(run_id: int = run_id) -> bool:
                    strikes.strike()
                    return store.runs.get(run_id).state not in (RunState.OPEN, RunState.RUNNING)

                until(over, f"run {number + 1} to end")
                done = store.runs.get(run_id)
                assert done.state is RunState.DONE, done.stats
                assert works.found() == works.expected()
                done_by = store.tasks.of(run_id)
                assert {task.state for task in done_by} == {TaskState.DONE}
                assert all(len(task.results) == 1 for task in done_by if task.step is Step.PULL)
                assert set(told(done.stats)) == {"shop", "n1", "n2", "n3"}
                if number == 0:
                    # Who takes a read over goes on where it stopped, which may be at its first page, and then
                    # reads what has changed since it began, which may be everything once more.
                    begun = readers([*strikes.hands, *strikes.gone, *strikes.asleep])
                    for name, count in read_by_its_twin(tmp_path, works).items():
                        times = range(1, 2 * begun[name])
                        assert read(done.stats)[name] in {count * one for one in times}
                strikes.wake()
            until(lambda: all(hand.says("ready") for hand in strikes.hands), "who was hired last")
            for hand in strikes.hands:
                hand.process.terminate()
            for hand in strikes.hands:
                hand.process.join(PATIENCE_S)
                assert hand.process.exitcode == 0
            assert len(strikes.ended) >= 3
            connections = {str(task.id): task.connection for run_id in ran for task in store.tasks.of(run_id)}
            one_at_a_time([*strikes.hands, *strikes.gone], strikes.ended, connections)
        finally:
            dismiss(*strikes.hands, *strikes.gone, *strikes.asleep)


def readers(hands: list[Hand]) -> Counter[str]:
    """Connection → how often a worker began to read it."""
    return Counter(
        message[2] for hand in hands for message in hand.listen() if message[:2] == ("begin", "pull")
    )


def read(stats: object) -> dict[str, int]:
    """Connection → rows read."""
    return {name: some[0] for name, some in told(stats).items()}


def read_by_its_twin(tmp_path: Path, works: Works) -> dict[str, int]:
    """What an undisturbed run of one process tells of the same first round."""
    twin = Works(tmp_path / "twin", seed=works.seed, people=works.people)
    twin.move()
    with twin.served(), twin.open() as workspace:
        return read(run(workspace).document())


def one_at_a_time(hands: list[Hand], ended: dict[int, float], connections: dict[str, str]) -> None:
    """No two worked on a connection at the same time; several did work.

    On a starved machine a claim may run out for want of a heartbeat: then another may take over.
    `connections`: task → connection.
    """
    spans: dict[str, list[tuple[float, float, int]]] = {}
    renewed: dict[tuple[int, str], list[float]] = {}
    for hand in hands:
        begun: dict[tuple[str, str], float] = {}
        for kind, *message in hand.listen():
            if kind == "renewed":
                renewed.setdefault((hand.pid, connections[message[0]]), []).append(float(message[1]))
            if kind not in ("begin", "end"):
                continue
            what, connection, at = message
            if kind == "begin":
                begun[what, connection] = float(at)
                continue
            start, stop = begun.pop((what, connection)), float(at)
            if start < ended.get(hand.pid, start) < stop:
                stop = ended[hand.pid]
            spans.setdefault(connection, []).append((start, stop, hand.pid))
        for (_, connection), start in begun.items():
            spans.setdefault(connection, []).append((start, ended[hand.pid], hand.pid))
    for connection, some in spans.items():
        for (_, stop, pid), (start, _, _) in zip(sorted(some), sorted(some)[1:], strict=False):
            kept = max(at for at in renewed[pid, connection] if at <= start)
            ran_out = start - kept > TERMS.lease_s
            assert stop <= start or ran_out, f"two worked on {connection} at the same time"
    assert len({pid for some in spans.values() for _, _, pid in some}) > 1


def test_a_second_worker_on_sqlite_is_turned_away_with_advice(tmp_path: Path) -> None:
    works = Works(tmp_path / "works")
    with works.served():
        first = hire(works)
        try:
            until(lambda: first.says("ready"), "the first worker")
            refused = command("worker", config=works.config)
            assert refused.code == 1
            assert "another worker process is at work" in refused.err
            assert "use PostgreSQL" in refused.err
        finally:
            dismiss(first)
