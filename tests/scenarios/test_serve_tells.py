"""What `segsync serve` tells: metrics, health, its log; and of whom not."""

from __future__ import annotations

import os
import signal
from collections import Counter

from connectors.simulation import Kind, Script
from sync.run.pipeline import run as person_runs
from sync.store.tables import runs
from tests.patience import PATIENCE_S
from tests.scenarios.serving import asked, document, make_due, metrics, over, serve, service
from tests.scenarios.works import Works, until


def test_its_metrics_equal_what_is_in_the_database_and_what_the_platforms_saw(both: Works) -> None:
    with both.open() as workspace:
        store = workspace.store
        with service(workspace) as at_work:
            assert metrics(at_work.address)["connection_age_seconds", ("shop",)] == float("inf")
            refused = Script(Kind.RATE_LIMITED, "GET /lists/{id}/members", retry_after_s=0)
            both.newsletters["n3"].faults.add(refused)
            make_due(store)
            over(store)
            both.move()
            with both.open() as another:
                person_runs(another)  # a run of another process, as it were
            told = metrics(at_work.address)
            assert "@" not in asked(at_work.address, "/metrics")[1]
            done = store.runs.latest()
            counted = Counter((run.state.value, run.trigger) for run in done)
            assert counted == {("done", "schedule"): 1, ("done", "run"): 1}
            assert {key: told["runs", key] for key in counted} == counted
            for name in ("shop", "n1", "n2", "n3"):
                parts = [run.stats["connections"][name] for run in done]  # type: ignore[index]
                assert told["rows_pulled_total", (name,)] == sum(part["read"] for part in parts)
                for action, key in (("added", "adds"), ("removed", "removes")):
                    assert told["changes_total", (action, name)] == sum(part[key] for part in parts)
                assert 0 <= told["connection_age_seconds", (name,)] < PATIENCE_S
            for name, newsletter in both.newsletters.items():
                seen = newsletter.traffic.reads + newsletter.traffic.writes
                assert told["calls_total", (name,)] == seen
                assert told["rate_limited_total", (name,)] == (1 if name == "n3" else 0)
            assert told["segment_people", ("germans",)] == len(store.segments.latest()["germans"].members)
            assert 0 <= told["segment_age_seconds", ("germans",)] < PATIENCE_S
            late = told["schedule_lateness_seconds", ("hourly",)]
            assert late == (done[-1].started_at - done[-1].slot).total_seconds()  # type: ignore[operator]
            row = store.schedules.all()["hourly"]
            assert told["schedule_next_timestamp_seconds", ("hourly",)] == row.next_at / 1000  # type: ignore[operator]
            assert (told["held_plans", ()], told["config_ok", ()], told["faults_total", ()]) == (0, 1, 0)


def test_a_plan_that_is_held_shows_in_the_metrics(works: Works) -> None:
    works.config.write_text(works.config.read_text().replace("removals_min = 1000000", "removals_min = 0"))
    with works.open() as workspace, service(workspace) as at_work:
        make_due(workspace.store)
        over(workspace.store)
        works.countries = ["FR"] * works.people
        works._export()
        make_due(workspace.store)
        with workspace.store.database.writing() as connection:  # the same hour again: its slot is taken
            connection.execute(runs.update().values(slot=None))
        over(workspace.store, 2)
        told = metrics(at_work.address)
        gone = sum(len(members) for members in works.found().values())
        assert gone > 0
        assert (told["held_plans", ()], told["held_changes", ()]) == (1, gone)


def test_health_and_readiness(works: Works) -> None:
    with works.open() as workspace, service(workspace) as at_work:
        assert asked(at_work.address, "/healthz")[0] == 200
        status, _ = asked(at_work.address, "/readyz")
        assert status == 200
        assert document(at_work.address, "/readyz")["database"] == "ok"
        assert asked(at_work.address, "/nothing")[0] == 404
        at_work.state.beat_s = float("-inf")
        assert asked(at_work.address, "/healthz")[0] in (200, 503)  # it may have ticked meanwhile
        with workspace.store.database.writing() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        status, body = asked(at_work.address, "/readyz")
        assert (status, "version 9999" in body) == (503, True)


def test_its_log_is_json_with_ids_and_without_anybody_s_address(works: Works) -> None:
    for newsletter in works.newsletters.values():
        newsletter.add_member("canary@example.com", status="subscribed")
    with serve(works) as told, works.open() as workspace:
        make_due(workspace.store)
        over(workspace.store)
        until(lambda: told.says("run 1 (schedule) ended"), "the log")
        os.kill(told.pid, signal.SIGTERM)
        assert told.ended() == 0
        text = told.log.read_text()
        assert len(told.lines) == len(text.splitlines())
        assert {"time", "level", "logger", "message"} <= set(told.lines[0])
        due = next(line for line in told.lines if line["message"] == "run 1 is due")
        assert (due["run"], due["schedule"]) == (1, "hourly")
        assert "@" not in text
        assert "canary" not in text
