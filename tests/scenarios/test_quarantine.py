"""Whom a platform refuses is tried again when there is reason to, and given up in the end, never silently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from connectors.mailchimp.simulated.rules import Problem
from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.simulation.platform import Reply, Request
from tests.scenarios.company import Company, company, email, join, part, people, segment

POISON = email(7)


class Poisoned(MailchimpSimulator):
    """Refuses every call that names one address, until it is cured."""

    cured = False

    def perform(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, request: Request
    ) -> Reply:
        if method == "POST" and "/segments/" in path and POISON.encode() in body and not self.cured:
            raise Problem(400, "Invalid Resource", "This cannot be processed.")
        return super().perform(method, path, query, body, request)


@pytest.fixture
def poisoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """Ten Germans are on the newsletter, which has refused one of them in the first run."""
    monkeypatch.setattr("tests.scenarios.company.MailchimpSimulator", Poisoned)
    with company(tmp_path, monkeypatch) as firm:
        firm.orders([])
        firm.customers(people(range(1, 11)))
        firm.rules(segment("germans", 'country = "DE"'))
        join(firm.newsletter, range(1, 40))
        firm.later(minutes=10)
        first = part(firm.run())
        assert (first["adds"], first["refused"]) == (9, 1)
        firm.later(minutes=10)
        firm.newsletter.traffic.reset()
        yield firm


def status(firm: Company) -> dict[str, Any]:
    (found,) = firm.segsync("status", "--format", "json").document["refused"]
    return dict(found)


def more(firm: Company, last: int) -> dict[str, Any]:
    """A run in which others enter, too."""
    firm.customers(people(range(1, last + 1)))
    firm.newsletter.traffic.reset()
    return part(firm.run())


def test_nobody_but_quarantined_people_is_nothing_to_do_and_is_told(poisoned: Company) -> None:
    assert poisoned.segsync("plan", "--exit-code").code == 0
    assert part(poisoned.run())["calls"] == 0
    assert poisoned.newsletter.traffic.writes == 0
    assert (status(poisoned)["state"], status(poisoned)["tries"]) == ("quarantined", 1)
    assert "else once a week" in poisoned.segsync("status").out
    told = poisoned.segsync("explain", POISON).out
    assert "refused on newsletter (germans): " in told
    assert "quarantined, tries: 1" in told


def test_once_a_week_they_ride_along_with_others_in_calls_that_go_out_anyway(poisoned: Company) -> None:
    assert (more(poisoned, 11)["refused"], poisoned.newsletter.traffic.writes) == (0, 1)
    poisoned.later(days=7, minutes=1)
    assert part(poisoned.run())["calls"] == 0, "a run of their own"
    poisoned.newsletter.cured = True  # type: ignore[attr-defined]
    probed = more(poisoned, 12)
    assert (probed["adds"], probed["refused"], probed["calls"], probed["minimum_calls"]) == (2, 0, 1, 1)
    assert POISON in poisoned.tagged("germans")
    assert poisoned.segsync("status", "--format", "json").document["refused"] == []


def test_a_change_of_rule_or_record_is_a_reason_to_try_at_once(poisoned: Company) -> None:
    poisoned.rules(segment("germans", 'country in ["DE", "AT"]'))
    assert part(poisoned.run())["refused"] == 1
    assert part(poisoned.run())["calls"] == 0
    member = poisoned.newsletter.audience.find(POISON)
    assert member is not None
    poisoned.later(minutes=10)
    member.merge["FNAME"] = "Mended"
    poisoned.newsletter.audience.touch(member)
    poisoned.newsletter.cured = True  # type: ignore[attr-defined]
    poisoned.later(minutes=10)
    assert (part(poisoned.run())["adds"], POISON in poisoned.tagged("germans")) == (1, True)


def test_after_four_weeks_it_is_given_up_and_alerted_until_something_changes(poisoned: Company) -> None:
    triggers = "alerts", "--format", "json"
    assert "given_up:newsletter" not in {
        one["trigger"] for one in poisoned.segsync(*triggers).document["alerts"]
    }
    poisoned.later(days=29)
    assert more(poisoned, 11)["refused"] == 0, "it is tried although it is given up"
    assert status(poisoned)["state"] == "given_up"
    assert "given up until person or rule changes" in poisoned.segsync("status").out
    alerts = {one["trigger"]: one for one in poisoned.segsync(*triggers).document["alerts"]}
    assert alerts["given_up:newsletter"]["level"] == "warning"
    assert "1 change for good" in alerts["given_up:newsletter"]["what"]
    poisoned.later(minutes=10)
    poisoned.rules(segment("germans", 'country in ["DE", "AT"]'))
    assert part(poisoned.run())["refused"] == 1
    assert (status(poisoned)["state"], status(poisoned)["tries"]) == ("quarantined", 1), "it starts anew"


def test_what_may_pass_is_tried_by_ten_runs_and_then_given_up(firm: Company) -> None:
    firm.customers(people(range(1, 3)))
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"'))
    join(firm.newsletter, range(1, 3))
    firm.later(minutes=10)
    assert firm.segsync("pull").code == 0
    gone = firm.newsletter.audience.find(email(2))
    assert gone is not None
    firm.newsletter.audience.remove(gone)
    for tries in range(1, 11):
        assert part(firm.run())["refused"] == 1
        found = status(firm)
        assert (found["tries"], found["state"]) == (tries, "retry" if tries < 10 else "given_up")
    assert part(firm.run())["refused"] == 0
