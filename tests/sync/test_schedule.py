"""What is done when a schedule is due: once for each slot, whoever looks, and never beside its own run."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import func, select

from rules.language import Sent
from rules.ruleset import Target
from sync.config import Blackout, Missed, ScheduleSettings
from sync.schedule import Schedules, first, instant, matching, millis
from sync.store import Run, RunState, Scope, Step, Store
from sync.store.tables import runs
from tests.databases import postgres_url, sqlite_url
from tests.patience import PATIENCE_S
from tests.scenarios.lives import nursery

START = dt.datetime(2026, 3, 1, 12, 0, 30, tzinfo=dt.UTC)
HOURLY = ScheduleSettings("hourly", every_s=3600)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = sqlite_url(tmp_path) if request.param == "sqlite" else postgres_url()
    with Store.open(url, tmp_path / "lake") as opened:
        yield opened


@dataclass
class Day:
    """Schedules on a store, at a time that the test sets."""

    store: Store
    schedules: Schedules = field(init=False)
    now: dt.datetime = START

    def has(self, *schedules: ScheduleSettings) -> Day:
        self.schedules = Schedules(
            self.store,
            {one.name: one for one in schedules},
            utc_now=lambda: self.now,
            now_ms=lambda: millis(self.now),
        )
        self.schedules.declare()
        return self

    def at(self, clock: str, *, days: int = 0) -> list[str]:
        """Slots of the runs that are queued at this time of day, as times of day."""
        hour, minute = map(int, clock.split(":"))
        self.now = START.replace(hour=hour, minute=minute, second=30) + dt.timedelta(days=days)
        found = [self.store.runs.get(run_id) for run_id in self.schedules.tick()]
        return [f"{run.slot:%H:%M}" for run in found]

    def work(self) -> Run:
        """Claim what waits; it is at work until `end`."""
        run = self.store.runs.claim_next(now=self.now)
        assert run is not None
        return run

    def end(self, run: Run, state: RunState = RunState.DONE) -> None:
        self.store.runs.finish(run, state, now=self.now, stats={})

    def finish(self) -> None:
        self.end(self.work())


def test_a_slot_runs_when_its_time_has_come_and_once(store: Store) -> None:
    day = Day(store).has(HOURLY)
    assert day.at("12:59") == []
    assert day.at("13:00") == ["13:00"]
    day.finish()
    assert day.at("13:59") == []
    assert day.at("14:00") == ["14:00"]


def test_a_new_schedule_does_not_run_at_once_and_a_changed_one_is_timed_anew(store: Store) -> None:
    day = Day(store).has(HOURLY)
    assert day.at("12:10") == []
    day.has(ScheduleSettings("hourly", every_s=600))
    assert day.at("12:20") == ["12:20"]


def test_missed_slots_are_made_up_for_by_one_run(store: Store) -> None:
    day = Day(store).has(HOURLY)
    assert day.at("17:20") == ["17:00"]
    assert store.schedules.all()["hourly"].missed == 4
    day.finish()
    assert day.at("17:59") == []
    assert day.at("18:00") == ["18:00"]


def test_missed_slots_may_be_skipped(store: Store) -> None:
    day = Day(store).has(ScheduleSettings("hourly", every_s=3600, missed=Missed.SKIP))
    assert day.at("17:20") == []
    assert store.schedules.all()["hourly"].missed == 5
    assert day.at("18:00") == ["18:00"]
    assert day.at("19:00") == [], "the run before is not over"
    day.finish()
    assert day.at("19:30") == []


def test_missed_slots_may_each_get_a_run_one_after_the_other(store: Store) -> None:
    day = Day(store).has(ScheduleSettings("hourly", every_s=3600, missed=Missed.EACH))
    found = []
    for _ in range(3):
        found += day.at("15:20")
        day.finish()
    assert found == ["13:00", "14:00", "15:00"]
    assert day.at("15:21") == []


def test_a_long_run_is_not_overlapped_and_what_it_delayed_is_one_run(store: Store) -> None:
    day = Day(store).has(HOURLY)
    assert day.at("13:00") == ["13:00"]
    assert day.at("14:00") == [], "it waits in the queue"
    run = day.work()
    assert day.at("15:00") == day.at("16:05") == [], "it is at work"
    day.end(run)
    assert day.at("16:10") == ["16:00"]
    assert store.schedules.all()["hourly"].missed == 2


def test_nothing_starts_in_blackout_hours_and_one_run_makes_up_for_them(store: Store) -> None:
    quiet = (Blackout(13 * 60 + 30, 16 * 60 + 30),)
    day = Day(store).has(ScheduleSettings("hourly", every_s=3600, blackout=quiet))
    assert day.at("13:00") == ["13:00"]
    day.finish()
    assert [day.at(f"{hour}:00") for hour in (14, 15, 16)] == [[], [], []]
    assert day.at("16:30") == ["16:30"]
    day.finish()
    assert day.at("17:00") == ["17:00"]


def test_a_slot_missed_before_blackout_hours_waits_for_their_end(store: Store) -> None:
    day = Day(store).has(ScheduleSettings("hourly", every_s=3600, blackout=(Blackout(14 * 60, 18 * 60),)))
    assert day.at("15:00") == []
    assert day.at("18:00") == ["18:00"]


def test_a_paused_schedule_misses_nothing(store: Store) -> None:
    day = Day(store).has(HOURLY)
    store.schedules.pause("hourly")
    assert day.at("15:00") == []
    day.has(HOURLY)
    assert day.at("15:30") == [], "a restart does not resume it"
    store.schedules.resume("hourly", first(HOURLY, millis(day.now)))
    assert day.at("15:59") == []
    assert day.at("16:00") == ["16:00"]
    assert store.schedules.all()["hourly"].missed == 0


def test_a_schedule_that_is_not_named_any_more_is_not_due(store: Store) -> None:
    day = Day(store).has(HOURLY)
    day.has()
    assert day.at("15:00") == []
    day.has(HOURLY)
    assert day.at("15:30") == []
    assert day.at("16:00") == ["16:00"]


def test_an_old_config_does_not_claim_what_a_newer_one_has_changed(store: Store) -> None:
    old = Day(store).has(HOURLY)
    new = Day(store).has(ScheduleSettings("hourly", every_s=3600, jitter_s=1))
    assert old.at("15:00") == []
    assert new.at("15:00") == ["15:00"]


def test_the_run_knows_its_scope_with_the_segments_that_patterns_mean(store: Store) -> None:
    one = ScheduleSettings("s", every_s=60, pull=("shop",), segments=("win-*", "loyalty"), push=False)
    sent = tuple(
        Sent(name, name, Target("n")) for name in ("win-back", "vip", "loyalty/gold", "loyalty/none")
    )
    schedules = Schedules(
        store, {"s": one}, segments=sent, utc_now=lambda: START, now_ms=lambda: millis(START)
    )
    run = store.runs.get(schedules.run_now("s"))
    assert run.scope == Scope(("shop",), ("loyalty/gold", "loyalty/none", "win-back"), False)
    assert (run.schedule, run.slot, run.trigger) == ("s", None, "run-now")
    in_files = (Sent("a", "a", Target("n"), "b2b.toml"), Sent("b", "b", Target("n"), "b2c.toml"))
    assert matching(["b2b.toml"], in_files) == ["a"]


# ── after something else ─────────────────────────────────────────────────────────────────────────────


def pulled(day: Day, connection: str, *, stopped: str | None = None, state: RunState = RunState.DONE) -> None:
    """A person's run reads the connection."""
    run = day.store.runs.claim("pull", as_of=day.now, now=day.now)
    day.store.tasks.write(run.id, Step.PULL, {connection: {}})
    task = day.store.tasks.claim(run_id=run.id)
    assert task is not None
    day.store.tasks.finish(task, {"connection": connection, "stopped": stopped})
    day.end(run, state)


AFTER = ScheduleSettings("then", after_pull="shop", pull=())


def test_a_pull_starts_what_follows_it_once(store: Store) -> None:
    day = Day(store).has(AFTER)
    assert day.at("13:00") == []
    pulled(day, "shop")
    assert day.at("13:01") == ["13:00"]
    day.finish()
    assert day.at("13:02") == [], "its own run is no pull"
    pulled(day, "newsletter")
    pulled(day, "shop", stopped="it does not answer", state=RunState.FAILED)
    assert day.at("13:03") == []
    pulled(day, "shop", state=RunState.FAILED)  # another platform failed; the shop was read
    assert day.at("13:04") == ["13:03"]


def test_pulls_before_it_was_known_start_nothing(store: Store) -> None:
    day = Day(store)
    pulled(day, "shop")
    day.has(AFTER)
    assert day.at("13:00") == []


def test_pulls_while_its_run_goes_on_start_one_more(store: Store) -> None:
    day = Day(store).has(AFTER)
    day.at("13:00")
    pulled(day, "shop")
    assert day.at("13:01") == ["13:00"]
    pulled(day, "shop")
    assert day.at("13:02") == []
    pulled(day, "shop")
    assert day.at("13:03") == []
    day.finish()
    assert len(day.at("13:04")) == 1
    day.finish()
    assert day.at("13:05") == []


def test_what_follows_waits_for_the_end_of_blackout_hours(store: Store) -> None:
    quiet = ScheduleSettings("then", after_pull="shop", pull=(), blackout=(Blackout(13 * 60, 15 * 60),))
    day = Day(store).has(quiet)
    day.at("13:10")
    pulled(day, "shop")
    assert day.at("13:11") == day.at("14:59") == []
    assert len(day.at("15:00")) == 1
    day.finish()
    assert day.at("15:01") == []


def test_a_schedule_follows_another_one_that_went_well(store: Store) -> None:
    day = Day(store).has(HOURLY, ScheduleSettings("then", after_schedule="hourly"))
    assert day.at("13:00") == ["13:00"]
    run = day.work()
    assert day.at("13:05") == []
    day.end(run, RunState.FAILED)
    assert day.at("13:06") == []
    day.at("14:00")
    day.finish()
    assert day.at("14:01") == ["14:00"]


# ── many at once ─────────────────────────────────────────────────────────────────────────────────────

MINUTES = 25


def look(store: Store) -> int:
    """A process whose time runs through the minutes; how many runs it queued."""
    count = 0
    each = ScheduleSettings("each", every_s=60, missed=Missed.ONCE)
    for minute in range(1, MINUTES + 1):
        now = START.replace(second=0) + dt.timedelta(minutes=minute)
        schedules = Schedules(
            store, {"each": each}, utc_now=lambda: START, now_ms=lambda now=now: millis(now)
        )  # type: ignore[misc]
        for run_id in schedules.tick():
            count += 1
            finish(store, run_id)
    return count


def finish(store: Store, run_id: int) -> None:
    """As if the run had been done at once, so that the next slot is free."""
    with store.database.writing() as connection:
        connection.execute(runs.update().where(runs.c.id == run_id).values(state="done", ended_at=START))


def one_process(url: str, lake: str, ready: Callable[[], object], told: Callable[[int], object]) -> None:
    with Store.open(url, Path(lake)) as store:
        ready()
        told(look(store))


def slots_of(store: Store) -> list[dt.datetime]:
    with store.database.reading() as connection:
        return list(connection.execute(select(runs.c.slot).order_by(runs.c.slot)).scalars())


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_on_one_postgresql_never_run_a_slot_twice(tmp_path: Path, processes: int) -> None:
    url = postgres_url()
    with Store.open(url, tmp_path / "lake") as store:
        Day(store).has(ScheduleSettings("each", every_s=60))
        context = nursery()
        gate, counts = context.Barrier(processes), context.Queue()
        hired = [
            context.Process(target=one_process, args=(url, str(tmp_path / "lake"), gate.wait, counts.put))
            for _ in range(processes)
        ]
        for process in hired:
            process.start()
        queued = [counts.get(timeout=PATIENCE_S) for _ in hired]
        for process in hired:
            process.join(PATIENCE_S)
            assert process.exitcode == 0
        found = slots_of(store)
        assert len(found) == len(set(found)) == sum(queued)
        row = store.schedules.all()["each"]
        assert len(found) + row.missed == MINUTES, "every slot had its run or was made up for by a later one"


def test_threads_on_one_sqlite_never_run_a_slot_twice(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    with Store.open(url, tmp_path / "lake") as store:
        Day(store).has(ScheduleSettings("each", every_s=60))
        gate = threading.Barrier(4)
        with ThreadPoolExecutor(4) as pool:
            queued = list(pool.map(lambda _: gate.wait() * 0 + look(store), range(4)))
        found = slots_of(store)
        assert len(found) == len(set(found)) == sum(queued)
        assert len(found) + store.schedules.all()["each"].missed == MINUTES


def test_a_slot_that_somebody_queued_by_another_way_is_not_queued_again(store: Store) -> None:
    """The database itself keeps a slot from being run twice, whatever a process believes."""
    day = Day(store).has(HOURLY)
    slot = START.replace(hour=13, minute=0, second=0)
    store.runs.enqueue("schedule", now=START, schedule="hourly", slot=slot)
    day.finish()
    assert day.at("13:00") == []
    with store.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(runs)).scalar() == 1
    assert day.at("14:00") == ["14:00"]


def test_instants_survive_the_way_into_the_database_and_back() -> None:
    assert instant(millis(START)) == START
    assert millis(instant(1_772_366_430_123)) == 1_772_366_430_123
