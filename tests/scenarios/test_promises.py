"""What is never done, whatever the rules say; owned fields; refusals; one platform that fails alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from connectors.mailchimp.simulated.rules import Problem
from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.simulation import Kind, Script, When
from connectors.simulation.platform import Reply, Request
from tests.databases import postgres_url
from tests.scenarios.company import Company, company, email, emails, join, part, people, segment

GERMANS = segment("germans", 'country = "DE"')
ORDERED = "2026-02-20T12:00:00Z"


def test_members_we_did_not_add_are_never_removed(firm: Company) -> None:
    firm.customers([*people(range(1, 41)), *people([41], country="FR")])
    firm.orders([])
    firm.rules(GERMANS)
    join(firm.newsletter, range(1, 42))
    join(firm.newsletter, [90])  # not a customer at all
    by_hand = firm.newsletter.add_tag("segsync: germans")
    for number in (1, 41, 90):
        member = firm.newsletter.audience.find(email(number))
        assert member is not None
        firm.newsletter.audience.tag(member, by_hand)
    assert part(firm.run())["adds"] == 39  # person 1 was there already

    firm.customers([*people(range(3, 41)), *people([1, 2, 41], country="FR")])
    assert part(firm.run())["removes"] == 1
    assert firm.tagged("germans") == emails([1, 41, 90, *range(3, 41)])


def test_nobody_who_opted_out_is_added_unless_the_rule_asks_for_them(firm: Company) -> None:
    firm.customers(people(range(1, 41)))
    firm.orders([])
    firm.rules(
        GERMANS
        + segment(
            "do-not-mail", "suppressed", to='[{ connection = "newsletter", include_suppressed = true }]'
        )
        + segment("silent", "suppressed")
    )
    join(firm.newsletter, range(1, 31))
    join(firm.newsletter, range(31, 36), status="unsubscribed", left_by="contact")
    join(firm.newsletter, range(36, 39), status="cleaned", left_by="bounce")
    first = firm.run()
    assert firm.tagged("germans") == emails(range(1, 31))
    assert firm.tagged("do-not-mail") == emails(range(31, 39))
    assert firm.tagged("silent") == set()
    assert (part(first)["withheld"], part(first)["unreachable"]) == (8, 2)

    firm.later(minutes=10)
    left = firm.newsletter.audience.find(email(7))
    assert left is not None
    left.status, left.left_by = "unsubscribed", "contact"
    firm.newsletter.audience.touch(left)
    firm.later(minutes=10)
    second = firm.run()
    assert (part(second)["adds"], part(second)["removes"]) == (1, 1)
    assert firm.tagged("germans") == emails(range(1, 31)) - emails([7])
    assert firm.tagged("do-not-mail") == emails([7, *range(31, 39)])
    statuses = [member.status for member in firm.newsletter.audience.members.values()]
    assert (statuses.count("subscribed"), statuses.count("unsubscribed")) == (29, 6)


def values(firm: Company) -> dict[str, object]:
    """Address → what the owned field holds, where it holds anything."""
    members = firm.newsletter.audience.members.values()
    return {m.address: m.merge["SEGMENTS"] for m in members if m.merge.get("SEGMENTS")}


def test_an_owned_field_carries_all_segments_of_a_person_in_one_call(firm: Company) -> None:
    field = '[{ connection = "newsletter", as = "field" }]'
    firm.customers([*people(range(1, 21)), *people(range(21, 31), country="FR")])
    firm.orders([(f"o{n}", f"c{n}", ORDERED, "10.00") for n in range(11, 26)])
    firm.rules(
        segment("germans", 'country = "DE"', to=field)
        + segment("buyers", "purchase within last 90 days", to=field)
    )
    join(firm.newsletter, range(1, 31), merge={"FNAME": "Ana"})
    first = firm.run()
    expected: dict[str, object] = {
        email(n): ";".join(
            [name for name, there in (("buyers", 11 <= n <= 25), ("germans", n <= 20)) if there]
        )
        for n in range(1, 26)
    }
    assert values(firm) == expected
    assert (part(first)["changes"], part(first)["calls"], part(first)["minimum_calls"]) == (35, 25, 25)
    assert firm.newsletter.traffic.writes == 26  # one more makes the field
    assert {m.merge["FNAME"] for m in firm.newsletter.audience.members.values()} == {"Ana"}

    second = firm.run()
    assert (part(second)["changes"], part(second)["calls"], second["lake_rows_changed"]) == (0, 0, 0)

    firm.orders([(f"o{n}", f"c{n}", ORDERED, "10.00") for n in range(11, 27)])
    third = firm.run()
    assert (part(third)["changes"], part(third)["calls"]) == (1, 1)
    assert values(firm) == {**expected, email(26): "buyers"}


def test_refused_people_are_kept_with_the_reason_and_tried_again(firm: Company) -> None:
    firm.customers(people(range(1, 31)))
    firm.orders([])
    firm.rules(GERMANS)
    join(firm.newsletter, range(1, 31))
    assert firm.segsync("pull").code == 0
    gone = firm.newsletter.audience.find(email(5))
    assert gone is not None
    firm.newsletter.audience.remove(gone)  # between our look and our write

    first = firm.run()
    assert (part(first)["adds"], part(first)["refused"]) == (29, 1)
    status = firm.segsync("status", "--format", "json")
    assert email(5) not in status.out
    (refused,) = status.document["refused"]
    assert (refused["segment"], refused["code"], refused["people"], refused["tries"]) == (
        "germans",
        "not_found",
        1,
        1,
    )
    assert "not on the list" in refused["reason"]

    second = firm.run()
    assert (part(second)["changes"], part(second)["refused"]) == (0, 1)
    assert firm.segsync("status", "--format", "json").document["refused"][0]["tries"] == 2

    firm.newsletter.add_member(email(5))
    third = firm.run()
    assert (part(third)["adds"], part(third)["refused"]) == (1, 0)
    assert firm.tagged("germans") == emails(range(1, 31))
    assert firm.segsync("status", "--format", "json").document["refused"] == []


def test_a_refused_person_whom_no_rule_wants_any_more_is_not_listed_as_waiting(firm: Company) -> None:
    firm.customers(people(range(1, 31)))
    firm.orders([])
    firm.rules(GERMANS)
    join(firm.newsletter, range(1, 31))
    assert firm.segsync("pull").code == 0
    gone = firm.newsletter.audience.find(email(5))
    assert gone is not None
    firm.newsletter.audience.remove(gone)
    assert part(firm.run())["refused"] == 1
    firm.customers([*people(range(1, 5)), ("c5", email(5), "FR"), *people(range(6, 31))])
    firm.run()
    assert firm.segsync("status", "--format", "json").document["refused"] == []


class Poisoned(MailchimpSimulator):
    """Refuses a whole batch if it holds a certain address, as real platforms do with some records."""

    poison = email(77)

    def perform(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, request: Request
    ) -> Reply:
        if method == "POST" and "/segments/" in path and self.poison.encode() in body:
            raise Problem(400, "Invalid Resource", f"{self.poison} cannot be processed.")
        return super().perform(method, path, query, body, request)


def test_one_poison_record_holds_up_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.scenarios.company.MailchimpSimulator", Poisoned)
    with company(tmp_path, monkeypatch) as firm:
        firm.customers(people(range(1, 201)))
        firm.orders([])
        firm.rules(GERMANS)
        join(firm.newsletter, range(1, 201))
        report = firm.run()
        assert (part(report)["adds"], part(report)["refused"]) == (199, 1)
        assert firm.tagged("germans") == emails(range(1, 201)) - {Poisoned.poison}
        assert part(report)["calls"] <= 1 + 2 * 8  # halving 200 records
        status = firm.segsync("status")
        assert "cannot be processed" in status.out
        assert Poisoned.poison not in status.out


def test_a_refused_key_pauses_one_connection_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with company(tmp_path, monkeypatch, newsletters=("news", "offers")) as firm:
        firm.customers(people(range(1, 31)))
        firm.orders([])
        firm.rules(segment("germans", 'country = "DE"', to='["news", "offers"]'))
        for simulator in firm.newsletters.values():
            join(simulator, range(1, 31))
        assert firm.segsync("pull").code == 0  # both were known once

        offers = firm.newsletters["offers"]
        right, offers.key = offers.key, "f" * 32 + "-us1"
        failed = firm.run(code=4)
        assert part(failed, "news")["adds"] == 30
        assert "API key" in part(failed, "offers")["stopped"]
        assert offers.traffic.writes == 0
        assert firm.tagged("germans", on="news") == emails(range(1, 31))

        offers.key = right
        mended = firm.run()
        assert (part(mended, "news")["changes"], part(mended, "offers")["adds"]) == (0, 30)
        assert firm.tagged("germans", on="offers") == emails(range(1, 31))


def test_our_own_writes_are_no_news_to_us(firm: Company) -> None:
    """Tagging moves `last_changed`, so the platform hands us everybody again; nothing follows from it."""
    firm.customers(people(range(1, 31)))
    firm.orders([])
    firm.rules(
        GERMANS + segment("field", "country is known", to='[{ connection = "newsletter", as = "field" }]')
    )
    join(firm.newsletter, range(1, 31))
    firm.run()
    firm.later(minutes=10)
    second = firm.run()
    assert part(second)["read"] == 30
    assert (second["lake_rows_changed"], part(second)["changes"], part(second)["calls"]) == (0, 0, 0)
    firm.later(minutes=10)
    assert part(firm.run())["read"] == 0


def test_append_never_removes(firm: Company) -> None:
    firm.customers(people(range(1, 31)))
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"', mode='"append"'))
    join(firm.newsletter, range(1, 31))
    firm.run()
    firm.customers([*people(range(1, 31), country="FR"), ("c31", email(31), "DE")])
    report = firm.run()
    assert (part(report)["removes"], report["held"]) == (0, 0)
    assert firm.tagged("germans") == emails(range(1, 31))


def test_a_changed_address_moves_the_same_person(firm: Company) -> None:
    """The shop and the newsletter both learn a new address: no second person, no member left behind."""
    firm.customers(people(range(1, 31)))
    firm.orders([])
    firm.rules(GERMANS)
    join(firm.newsletter, range(1, 31))
    assert firm.run()["people"] == 30
    home = firm.newsletter.audience
    member = home.find(email(3))
    assert member is not None
    firm.later(minutes=10)
    home.move(member, "new3@example.com")
    home.touch(member)
    firm.customers([*people(n for n in range(1, 31) if n != 3), ("c3", "new3@example.com", "DE")])
    firm.later(minutes=10)
    moved = firm.run()
    assert (moved["people"], part(moved)["calls"]) == (30, 0)
    firm.customers([*people(n for n in range(1, 31) if n != 3), ("c3", "new3@example.com", "FR")])
    assert part(firm.run())["removes"] == 1
    assert firm.tagged("germans") == emails(n for n in range(1, 31) if n != 3)


def test_the_whole_run_on_postgresql(firm: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENARIO_DATABASE", postgres_url())
    config = firm.config.read_text(encoding="utf-8")
    firm.config.write_text(config.replace("sqlite:///segsync.db", "env:SCENARIO_DATABASE"), encoding="utf-8")
    firm.customers(people(range(1, 201)))
    firm.orders([])
    firm.rules(GERMANS)
    join(firm.newsletter, range(1, 201))
    assert part(firm.run())["adds"] == 200
    second = firm.run()
    assert (part(second)["calls"], second["lake_rows_changed"]) == (0, 0)
    firm.customers(people(range(1, 101)))
    held = firm.run(code=3)
    assert firm.segsync("approve", str(held["plan"])).code == 0
    assert firm.tagged("germans") == emails(range(1, 101))
    assert firm.segsync("status").code == 0
    assert not (firm.folder / "segsync.db").exists()


def test_members_whose_answer_was_lost_are_ours(firm: Company) -> None:
    """The platform took the change but never said so: the next run sees it there and may remove it later."""
    firm.customers(people(range(1, 31)))
    firm.orders([])
    firm.rules(GERMANS)
    join(firm.newsletter, range(1, 31))
    lost = Script(Kind.EMPTY_503, "POST /lists/{id}/segments/{id}", times=99, when=When.AFTER)
    firm.newsletter.faults.add(lost)
    assert part(firm.run(code=4))["changes"] == 0
    assert firm.tagged("germans") == emails(range(1, 31))

    firm.newsletter.faults.clear()
    after = firm.run()
    assert (part(after)["changes"], part(after)["calls"]) == (0, 0)
    firm.customers([*people(range(2, 31)), *people([1], country="FR")])
    assert part(firm.run())["removes"] == 1
    assert firm.tagged("germans") == emails(range(2, 31))
