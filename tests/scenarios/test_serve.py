"""`segsync serve`: slots become runs, whatever becomes of the processes."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from connectors.simulation import Request
from sync.run.report import Report
from sync.run.workspace import Workspace
from sync.schedule import instant
from sync.serve.hooks import Hooks
from sync.serve.reload import Watched
from sync.store import RunState, Store
from sync.store.tables import runs
from tests.databases import own_postgres, postgres_url
from tests.patience import PATIENCE_S
from tests.scenarios.company import command
from tests.scenarios.serving import (
    HOURLY,
    asked,
    document,
    make_due,
    metrics,
    over,
    run_states,
    schedule,
    serve,
    service,
)
from tests.scenarios.works import Works, until


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Works]:
    made = Works(tmp_path / "works", postgres_url(), people=12)
    with made.served():
        schedule(made)
        yield made


# ── whatever becomes of the processes ────────────────────────────────────────────────────────────────


def test_another_process_resumes_the_slot_of_one_that_was_killed(both: Works) -> None:
    with serve(both) as killed, both.open() as workspace:
        both.newsletters["n2"].before = at_first_write(lambda: os.kill(killed.pid, signal.SIGKILL))
        slot = make_due(workspace.store)
        assert killed.ended() == -signal.SIGKILL
        with serve(both):
            over(workspace.store)
        ((run_id, state, fence),) = run_states(workspace.store)
        assert (state, fence) == (RunState.DONE, 2)
        assert workspace.store.runs.get(run_id).slot == instant(slot)
    assert both.found() == both.expected()


def test_sigterm_drains_and_another_process_takes_over_at_once(shared: Works) -> None:
    with serve(shared) as told, shared.open() as workspace:
        shared.newsletters["n2"].before = at_first_write(lambda: os.kill(told.pid, signal.SIGTERM))
        make_due(workspace.store)
        assert told.ended() == 0
        assert told.says("ended")
        with workspace.store.database.reading() as connection:
            row = connection.execute(select(runs)).one()
        assert (row.state, row.lease_until, row.owner) == ("running", 0, {}), "it was not let go of"
        with serve(shared):
            over(workspace.store)
        ((_, state, fence),) = run_states(workspace.store)
        assert (state, fence) == (RunState.DONE, 2)
    assert shared.found() == shared.expected()


def at_first_write(do: Callable[[], object]) -> Callable[[Request], None]:
    once = threading.Event()

    def before(request: Request) -> None:
        if request.method != "GET" and not once.is_set():
            once.set()
            do()

    return before


@pytest.mark.parametrize(("options", "signals", "code"), [((), 2, 143), (("--drain", "0"), 1, 1)])
def test_a_call_that_does_not_end_keeps_nobody(
    works: Works, options: tuple[str, ...], signals: int, code: int
) -> None:
    """A second signal ends it at once, and so does the end of the time that draining may take."""
    under_way, let_go = threading.Event(), threading.Event()

    def hang() -> None:
        under_way.set()
        let_go.wait(PATIENCE_S)

    works.newsletters["n2"].before = at_first_write(hang)
    with serve(works, *options) as told, works.open() as workspace:
        make_due(workspace.store)
        assert under_way.wait(PATIENCE_S)
        for number in range(signals):
            os.kill(told.pid, signal.SIGTERM)
            until(lambda: told.says("ending"), "the first signal to be heard") if number == 0 else None
        assert told.ended() == code
        let_go.set()
        works.newsletters["n2"].before = lambda _: None
        with serve(works):
            over(workspace.store)
    assert works.found() == works.expected()


def test_two_services_share_the_work_and_no_slot_runs_twice(tmp_path: Path) -> None:
    works = Works(tmp_path / "works", postgres_url(), people=12)
    with works.served():
        schedule(works, '[schedules.a]\nevery = "1 second"\n[schedules.b]\nevery = "2 seconds"\n')
        with serve(works), serve(works), works.open() as workspace:
            until(lambda: len(ended(workspace.store)) >= 2, "two runs")
            works.move()
            seen = max(ended(workspace.store))
            until(lambda: max(ended(workspace.store)) > seen + 1, "a run that began after the move")
        with works.open() as workspace:
            with workspace.store.database.reading() as connection:
                query = select(runs.c.schedule, runs.c.slot, func.count()).group_by(
                    runs.c.schedule, runs.c.slot
                )
                found = connection.execute(query).all()
            assert {row.schedule for row in found} <= {"a", "b"}
            assert {row[2] for row in found} == {1}
            assert all(fence <= 1 for _, _, fence in run_states(workspace.store)[:-1])
        assert works.found() == works.expected()


def ended(store: Store) -> list[int]:
    return [run_id for run_id, state, _ in run_states(store) if state is RunState.DONE]


def test_a_restart_of_the_database_ends_nothing(tmp_path: Path) -> None:
    """Serving goes on, readiness tells of it meanwhile, and the slot under way runs once, to its end."""
    with own_postgres() as server:
        works = Works(tmp_path / "works", server.url(), people=12)
        with works.served():
            schedule(works)
            under_way, let_go = threading.Event(), threading.Event()

            def hang() -> None:
                under_way.set()
                let_go.wait(PATIENCE_S)

            works.newsletters["n2"].before = at_first_write(hang)
            with serve(works) as served:
                address = served.address
                with works.open() as workspace:
                    slot = make_due(workspace.store)
                assert under_way.wait(PATIENCE_S)
                server.stop()
                until(lambda: asked(address, "/readyz")[0] == 503, "readiness to tell")
                told = document(address, "/readyz")
                assert (told["ready"], "does not answer" in told["database"]) == (False, True)
                assert asked(address, "/healthz")[0] == 200, "a restart of the process would mend nothing"
                let_go.set()
                server.start()
                until(lambda: asked(address, "/readyz")[0] == 200, "readiness to come back")
                with works.open() as workspace:
                    over(workspace.store)
                    states = run_states(workspace.store)
                    assert [state for _, state, _ in states] == [RunState.DONE]
                    assert workspace.store.runs.get(states[0][0]).slot == instant(slot)
                assert works.found() == works.expected()
                works.move()
                with works.open() as workspace:
                    with workspace.store.database.writing() as connection:
                        connection.execute(runs.update().values(slot=None))
                    make_due(workspace.store)
                    over(workspace.store, 2)
                assert works.found() == works.expected()
                os.kill(served.pid, signal.SIGTERM)
                assert served.ended() == 0
                assert "Traceback" not in served.log.read_text()


def test_a_second_service_on_sqlite_is_turned_away_with_advice(works: Works) -> None:
    with works.open() as workspace, service(workspace), serve(works) as refused:
        assert refused.ended() == 1
        assert "use PostgreSQL" in refused.log.read_text()


# ── changes of config and rules ──────────────────────────────────────────────────────────────────────


def test_a_changed_config_is_taken_up_and_a_broken_one_keeps_the_old_one(works: Works) -> None:
    good = works.config.read_text()
    with works.open() as workspace, service(workspace) as at_work:
        works.config.write_text(good + '[schedules.more]\ncron = "0 4 * * *"\n')
        until(lambda: "more" in workspace.store.schedules.all(), "the new schedule")
        assert workspace.store.schedules.all()["more"].next_at is not None
        works.config.write_text(good + "[schedules.more]\ncron = 4\n")
        until(lambda: metrics(at_work.address)["config_ok", ()] == 0, "the mistake to be told")
        told = document(at_work.address, "/readyz")
        assert told["ready"] is True
        assert told["config"] == "the one before is in use"
        assert told["problems"] == [
            problem for problem in told["problems"] if "schedules.more.cron" in problem
        ]
        assert set(at_work.state.settings.schedules) == {"hourly", "more"}
        works.config.write_text(good)
        until(lambda: document(at_work.address, "/readyz")["config"] == "ok", "the mend")
        assert workspace.store.schedules.all()["more"].next_at is None


def test_runs_go_on_with_the_last_good_rules(works: Works) -> None:
    rules = works.folder / "rules" / "rules.toml"
    good = rules.read_text()
    with works.open() as workspace, service(workspace) as at_work:
        rules.write_text(good.replace("country =", "contry = person0@example.com and country ="))
        until(lambda: document(at_work.address, "/readyz")["problems"], "the mistake to be told")
        assert "@example.com" not in asked(at_work.address, "/readyz")[1]
        make_due(workspace.store)
        over(workspace.store)
        assert works.found() == works.expected()
        rules.write_text(good.replace('"DE"', '"FR"'))
        until(lambda: document(at_work.address, "/readyz")["config"] == "ok", "the mend")
        with workspace.store.database.writing() as connection:
            connection.execute(runs.update().values(slot=None))
        make_due(workspace.store)
        over(workspace.store, 2)
        french = {
            name: {m.address for m in one.audience.members.values()}
            for name, one in works.newsletters.items()
        }
        assert works.found() == {name: french[name] - germans for name, germans in works.expected().items()}


def test_a_rule_file_whose_link_leads_nowhere_keeps_the_last_good_rules(works: Works) -> None:
    rules = works.folder / "rules" / "rules.toml"
    elsewhere = rules.rename(works.folder / "elsewhere.toml")
    rules.symlink_to(elsewhere)
    with Workspace.open(works.config) as workspace:
        watched = Watched(workspace)
        before = watched.segments
        elsewhere.rename(works.folder / "moved.toml")
        assert not any(watched.look() for _ in range(3))
        assert watched.segments == before
        assert [
            "rules.toml:1:1: this is a link to a file that is not there" in each for each in watched.problems
        ] == [True]
        (works.folder / "moved.toml").rename(elsewhere)
        assert any(watched.look() for _ in range(3))
        assert watched.problems == ()
        watched.close()


def test_a_schedule_of_a_segment_that_is_not_there_stops_the_start(works: Works) -> None:
    schedule(works, '[schedules.wrong]\nevery = "1 hour"\nsegments = ["germans", "vips"]\n')
    answer = command("serve", config=works.config)
    assert answer.code == 1
    assert 'schedules.wrong.segments[1]: no rule sends a segment "vips" anywhere' in answer.err


# ── hooks, commands ────────────────────────────────────────────────────────────────────────────


def test_what_hangs_in_after_a_run_is_told_of_it_and_its_faults_end_nothing(works: Works) -> None:
    reports: list[Report] = []

    def after_run(workspace: Workspace, report: Report) -> None:
        reports.append(report)
        raise RuntimeError("person0@example.com")

    with works.open() as workspace, service(workspace, Hooks(after_run=after_run)) as at_work:
        make_due(workspace.store)
        until(lambda: at_work.state.faults, "the fault")
        assert [report.run_id for report in reports] == [1]
        with workspace.store.database.writing() as connection:
            connection.execute(runs.update().values(slot=None))
        make_due(workspace.store)
        until(lambda: len(reports) == 2, "the next run")
        assert metrics(at_work.address)["faults_total", ()] >= 1


def test_schedules_are_listed_paused_resumed_and_run_now(works: Works) -> None:
    assert HOURLY in works.config.read_text()
    schedule(works, '[schedules.nightly]\ncron = "30 2 * * *"\nzone = "Europe/Berlin"\n')

    def listed() -> dict[str, tuple[str, bool]]:
        found = command("schedules", "--format", "json", config=works.config).document["schedules"]
        return {row["schedule"]: (row["state"], row["next"] is not None) for row in found}

    assert listed() == {"hourly": ("not served yet", True), "nightly": ("not served yet", True)}
    assert command("schedules", "pause", "nightly", config=works.config).code == 0
    assert listed() == {"hourly": ("idle", True), "nightly": ("paused", False)}
    assert "next:" in command("schedules", "resume", "nightly", config=works.config).out
    assert "run 1 is queued" in command("schedules", "run-now", "hourly", config=works.config).out
    assert listed() == {"hourly": ("waiting", True), "nightly": ("idle", True)}
    shown = command("schedules", config=works.config).out
    assert "30 2 * * * (Europe/Berlin)" in shown
    wrong = command("schedules", "pause", "nightlie", config=works.config)
    assert wrong.code == 1
    assert 'did you mean "nightly"?' in wrong.err
    with works.open() as workspace, service(workspace):
        over(workspace.store)
    assert works.found() == works.expected()


def test_settings_in_use_are_those_of_the_config_but_for_the_copy_of_the_rules(works: Works) -> None:
    with works.open() as workspace, service(workspace) as at_work:
        used = at_work.state.settings
        assert used.rules_dir != workspace.settings.rules_dir
        assert dataclasses.replace(used, rules_dir=workspace.settings.rules_dir) == workspace.settings
        copy = used.rules_dir
        assert copy.exists()
    assert not copy.exists()
