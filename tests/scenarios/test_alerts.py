"""Alerts of a whole installation: what is told, what never is, and that no run depends on it."""

from __future__ import annotations

from typing import Any

from connectors.simulation import Chance, Kind
from sync.run.alerting import evaluate_and_send
from tests.scenarios.company import Company, emails, join, people, segment

GERMANS = segment("germans", 'country = "DE"')
CHANNEL = """
[[alerts.channel]]
name = "ops"
kind = "webhook"
url = "https://localhost:1/canary-path"
secret = "env:SCENARIO_KEY"
"""


def seeded(firm: Company, *more: str) -> None:
    firm.write_config(*more)
    firm.customers(people(range(1, 21)))
    firm.orders([])
    firm.rules(GERMANS)
    join(firm.newsletter, range(1, 21))


def wrong(firm: Company) -> dict[str, str]:
    """Trigger → level of everything that is not right."""
    return {
        one["trigger"]: one["level"] for one in firm.segsync("alerts", "--format", "json").document["alerts"]
    }


def emptied(firm: Company) -> dict[str, Any]:
    """The report of a run that would take out all twenty, and is held."""
    seeded(firm, "[brakes]\nremovals_min = 0\n")
    firm.run()
    firm.later(minutes=1)
    firm.rules(segment("germans", 'country = "XX"'))
    return firm.run(code=3)


def test_a_channel_that_cannot_be_reached_fails_no_run_and_is_told_in_status(firm: Company) -> None:
    seeded(firm, CHANNEL)
    firm.newsletter.faults.add(Chance(Kind.EMPTY_503, 1.0))
    assert firm.segsync("run").code == 4
    assert wrong(firm)["connection_failed:newsletter"] == "critical"
    firm.newsletter.faults.clear()
    assert firm.run()["connections"]["newsletter"]["changes"] == 20
    assert firm.tagged("germans") == emails(range(1, 21))
    said = firm.segsync("status").said
    assert "the channel ops cannot be told" in said
    assert "alerts.internal" in said
    assert "canary" not in said
    (stuck,) = firm.segsync("status", "--format", "json").document["unreachable"]
    assert (stuck["channel"], stuck["notices"] > 0) == ("ops", True)


def test_no_address_of_anybody_is_in_what_is_told(firm: Company) -> None:
    seeded(firm, CHANNEL)
    firm.customers([*people(range(1, 21)), ("c99", "canary@@example.com", "DE"), ("c98", "canary", "DE")])
    firm.newsletter.faults.add(Chance(Kind.EMPTY_503, 1.0))
    firm.segsync("run")
    firm.newsletter.faults.clear()
    firm.segsync("freeze", "--reason", "canary")
    firm.segsync("run")
    with firm.open() as workspace:
        notices = workspace.store.alerts.deliveries()
    assert {one.trigger for one in notices} >= {"connection_failed:newsletter", "frozen:"}
    told = " ".join(f"{one.trigger} {one.what} {one.advice}" for one in notices)
    told += firm.segsync("alerts").said
    assert "@" not in told
    assert "canary" not in told


def test_a_plan_that_waits_is_told_after_four_hours_and_when_it_is_decided(firm: Company) -> None:
    held = emptied(firm)
    for hours, level in [(1, None), (2.9, None), (0.2, "warning"), (20, "critical")]:
        firm.later(hours=hours)
        for _ in range(2):  # two that agree
            firm.later(minutes=1)
            with firm.open() as workspace:
                evaluate_and_send(workspace, firm.clock.utc_now())
        assert wrong(firm).get("plan_waiting:") == level, hours
    assert firm.segsync("reject", str(held["plan"])).code == 0
    for _ in range(2):
        firm.later(minutes=1)
        with firm.open() as workspace:
            evaluate_and_send(workspace, firm.clock.utc_now())
    assert "plan_waiting:" not in wrong(firm)


def test_planning_anew_does_not_hide_how_long_a_person_was_waited_for(firm: Company) -> None:
    emptied(firm)
    for _ in range(7):
        firm.later(hours=1)
        firm.run(code=3)
    assert wrong(firm)["plan_waiting:"] == "warning"


def test_a_segment_that_runs_empty_is_told(firm: Company) -> None:
    seeded(firm)
    for _ in range(4):
        firm.run()
        firm.later(days=1)
    firm.rules(segment("germans", 'country = "XX"'))
    firm.segsync("run")
    assert "segment_size:germans" not in wrong(firm)  # one look is none
    firm.later(hours=1)
    firm.segsync("run")
    assert wrong(firm)["segment_size:germans"] == "critical"


def test_no_run_for_two_intervals_is_a_warning_for_three_it_is_critical(firm: Company) -> None:
    seeded(firm, '[alerts]\nexpect_run_every = "1 hour"\n')
    firm.run()
    for minutes, level in [(110, None), (20, "warning"), (70, "critical")]:
        firm.later(minutes=minutes - 2)
        for _ in range(2):  # two that agree
            firm.later(minutes=1)
            with firm.open() as workspace:
                evaluate_and_send(workspace, firm.clock.utc_now())
        assert wrong(firm).get("no_run:") == level, minutes
    for _ in range(2):
        firm.later(minutes=1)
        firm.run()
    assert wrong(firm) == {}


def test_members_that_others_take_away_again_and_again_are_drift(firm: Company) -> None:
    seeded(firm)
    firm.run()
    for _ in range(4):
        firm.later(hours=1)
        tag = firm.newsletter.add_tag("segsync: germans")
        for one in sorted(tag.members.values(), key=lambda one: one.address)[:5]:
            firm.newsletter.audience.untag(one, tag)
        firm.run()
    assert wrong(firm).get("drift:newsletter") in ("warning", "critical")


def test_alerts_are_listed_and_a_test_notice_says_what_is_missing(firm: Company) -> None:
    seeded(firm, CHANNEL)
    assert "Nothing is wrong." in firm.segsync("alerts").said
    answer = firm.segsync("alerts", "test", "ops")
    assert (answer.code, "refused" in answer.said, "canary" in answer.said) == (1, True, False)
    unknown = firm.segsync("alerts", "test", "opps")
    assert (unknown.code, "the config has: ops" in unknown.said) == (1, True)
