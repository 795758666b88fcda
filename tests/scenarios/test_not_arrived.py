"""A platform that says it is done and did nothing: who did not arrive is sent once more, and then told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from connectors.simulation import Reply, Request
from tests.connectors.prescribing import intercepted
from tests.scenarios.company import Company, email, emails, join, part, people, segment

GERMANS = segment("germans", 'country = "DE"')


def filled(firm: Company, count: int = 20) -> None:
    firm.orders([])
    firm.customers(people(range(1, count + 1)))
    join(firm.newsletter, range(1, count + 1))
    firm.rules(GERMANS)


@contextmanager
def nothing_written(firm: Company, *numbers: int) -> Iterator[None]:
    """The newsletter says that it added or removed these, and leaves them as they are."""
    home, answer_of = firm.newsletter.audience, firm.newsletter.answer
    members = [home.find(email(number)) for number in numbers]

    def decide(request: Request) -> Reply | None:
        if request.method != "POST" or "/segments/" not in request.path:
            return None
        before = {m.number: dict(m.tags) for m in members if m is not None}
        reply = answer_of(replace(request))
        for member in members:
            assert member is not None
            for tag in before[member.number].keys() - member.tags.keys():
                home.tag(member, home.segments[tag])
            for tag in member.tags.keys() - before[member.number].keys():
                home.untag(member, home.segments[tag])
        return reply

    with intercepted(firm.newsletter, decide):
        yield


def refused(firm: Company) -> list[tuple[str, int]]:
    with firm.open() as workspace:
        return [(one.code, one.tries) for one in workspace.store.ledger.refusals()]


def test_who_did_not_arrive_is_sent_once_more(firm: Company) -> None:
    filled(firm)
    with nothing_written(firm, 3, 4):
        firm.run()
    assert firm.tagged("germans") == emails({*range(1, 21)} - {3, 4})
    firm.later(minutes=1)
    assert part(firm.run())["adds"] == 2
    assert firm.tagged("germans") == emails(range(1, 21))
    firm.later(minutes=1)
    assert part(firm.run())["changes"] == 0
    assert refused(firm) == []


def test_who_did_not_arrive_twice_is_left_alone_and_told(firm: Company) -> None:
    filled(firm)
    with nothing_written(firm, 3):
        firm.run()
        firm.later(minutes=1)
        assert part(firm.run())["adds"] == 1
        for _ in range(2):
            firm.later(minutes=1)
            assert part(firm.run())["changes"] == 0
            assert refused(firm) == [("not_arrived", 2)]
    assert firm.tagged("germans") == emails({*range(1, 21)} - {3})


def test_whom_others_take_out_after_we_have_seen_them_stays_out(firm: Company) -> None:
    """What is seen in the count right after the write is theirs to take out from then on."""
    filled(firm)
    firm.run()
    home = firm.newsletter.audience
    member, tag = home.find(email(3)), home.segment_named("segsync: germans")
    assert member is not None
    assert tag is not None
    home.untag(member, tag)
    firm.later(minutes=1)
    assert part(firm.run())["changes"] == 0
    assert refused(firm) == []


def test_what_others_do_to_an_audience_while_we_push_to_another_is_seen(firm: Company) -> None:
    filled(firm)
    firm.rules(GERMANS + segment("french", 'country = "FR"'))
    firm.run()
    join(firm.newsletter, [21])
    firm.customers([*people(range(1, 21)), ("c21", email(21), "FR")])
    firm.later(minutes=1)
    home = firm.newsletter.audience
    member, tag = home.find(email(3)), home.segment_named("segsync: germans")

    def decide(request: Request) -> Reply | None:
        if request.method == "POST" and "/segments/" in request.path:
            assert member is not None
            assert tag is not None
            home.untag(member, tag)
        return None

    with intercepted(firm.newsletter, decide):
        assert part(firm.run())["adds"] == 1
    firm.later(minutes=1)
    assert part(firm.run())["changes"] == 0
    with firm.open() as workspace:
        (row,) = [row for row in workspace.store.ledger.audiences() if row.segment == "germans"]
        assert (len(row.owned), len(row.actual)) == (20, 19)


def test_who_is_there_still_after_a_removal_stays_and_is_told(firm: Company) -> None:
    """By then somebody else may have put them in, and members of others are never removed."""
    filled(firm)
    firm.run()
    firm.customers([*people(range(1, 20)), ("c20", email(20), "FR")])
    firm.later(minutes=1)
    with nothing_written(firm, 20):
        assert part(firm.run())["removes"] == 1
    for _ in range(2):
        firm.later(minutes=1)
        assert part(firm.run())["changes"] == 0
        assert refused(firm) == [("not_removed", 1)]
    assert firm.tagged("germans") == emails(range(1, 21))


def test_who_was_added_without_an_answer_and_then_refused_is_ours_to_remove(firm: Company) -> None:
    """The first try took effect and its answer was lost; the second one was told no for one person."""
    filled(firm)
    home, answer_of = firm.newsletter.audience, firm.newsletter.answer
    tries = 0

    def decide(request: Request) -> Reply | None:
        nonlocal tries
        if request.method != "POST" or "/segments/" not in request.path:
            return None
        tries += 1
        reply = answer_of(request)
        if tries == 1:
            return Reply(502)
        content = json.loads(reply.body)
        content["errors"].append({"email_addresses": [email(3)], "error": "Try again later."})
        return replace(reply, body=json.dumps(content).encode())

    with intercepted(firm.newsletter, decide):
        firm.segsync("run")
    assert tries == 2
    assert firm.tagged("germans") == emails(range(1, 21))
    firm.customers([*people({*range(1, 21)} - {3}), ("c3", email(3), "FR")])
    firm.later(minutes=1)
    assert part(firm.run())["removes"] == 1
    assert firm.tagged("germans") == emails({*range(1, 21)} - {3})
    assert home.find(email(3)) is not None
