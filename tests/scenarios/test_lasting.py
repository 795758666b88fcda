"""`leave_when` and `stay` over days of runs: who stays on the newsletter's tag, and how it is explained."""

from __future__ import annotations

from rules.engine.periods import Clock
from sync.assign import assign, earlier
from sync.run.rulebook import known_rules
from tests.scenarios.company import Company, email, emails, join, people, segment

KEYS = {"leave_when": "'country = \"FR\"'", "stay": "'3 days'"}


def at(firm: Company, **countries: str) -> None:
    """Where the customers live now: p1="DE", p2="AT" …"""
    firm.customers([row for n, country in countries.items() for row in people([int(n[1:])], country=country)])
    firm.run()


def test_people_stay_until_leave_when_and_no_shorter_than_stay(firm: Company) -> None:
    join(firm.newsletter, range(1, 5))
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"', **KEYS))
    at(firm, p1="DE", p2="DE", p3="FR", p4="AT")
    assert firm.tagged("germans") == emails([1, 2])

    firm.later(days=1)
    at(firm, p1="AT", p2="FR", p3="AT", p4="DE")
    assert firm.tagged("germans") == emails([1, 2, 4]), "2 is held by stay, 1 by leave_when, 3 never entered"
    told = firm.segsync("explain", email(2), "germans").out
    assert "stays because it entered less than 3 days ago, until 2026-03-05 09:00 UTC" in told
    assert "germans: in since 2026-03-02 09:00" in told
    assert "stays because it was in" not in firm.segsync("explain", email(4), "germans").out

    firm.later(days=2)
    told = firm.segsync("explain", email(1), "germans").out
    assert "stays because it was in, until leave_when is true; a member since 2026-03-02 09:00 UTC" in told
    preview = firm.segsync("preview", "germans", "--format", "json").document
    assert (preview["size"], preview["kept"]) == (2, 1)
    at(firm, p1="AT", p2="FR", p3="AT", p4="DE")
    assert firm.tagged("germans") == emails([1, 4])


def test_another_when_asks_everybody_afresh(firm: Company) -> None:
    join(firm.newsletter, range(1, 4))
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"', leave_when="'country = \"FR\"'"))
    at(firm, p1="DE", p2="DE", p3="DE")
    at(firm, p1="DE", p2="AT", p3="DE")
    firm.rules(segment("germans", 'country = "DE"', leave_when="'country = \"IT\"'"))
    firm.run()
    assert firm.tagged("germans") == emails([1, 2, 3])
    firm.rules(segment("germans", 'country in ["DE", "CH"]', leave_when="'country = \"IT\"'"))
    firm.run()
    assert firm.tagged("germans") == emails([1, 3])
    assert "a member since" not in firm.segsync("explain", email(2), "germans").out


def test_whoever_opts_out_does_not_stay(firm: Company) -> None:
    join(firm.newsletter, range(1, 4))
    firm.orders([])
    rule = segment("germans", 'country = "DE" and not suppressed', leave_when="'country = \"FR\"'")
    firm.rules(rule + segment("all", 'in segment "germans"', to="[]"))
    at(firm, p1="DE", p2="DE", p3="DE")
    at(firm, p1="AT", p2="AT", p3="DE")
    member = firm.newsletter.audience.find(email(2))
    assert member is not None
    member.status, member.left_by = "unsubscribed", "contact"
    firm.newsletter.audience.touch(member)
    firm.later(minutes=1)
    report = firm.run()
    assert report["segments"] == {"germans": 2, "all": 2}
    assert "germans: not in" in firm.segsync("explain", email(2), "germans").out


def test_a_run_that_is_resumed_does_not_keep_whom_it_let_in_itself(firm: Company) -> None:
    join(firm.newsletter, range(1, 4))
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"', leave_when="'country = \"FR\"'"))
    at(firm, p1="DE", p2="AT", p3="AT")
    firm.later(hours=1)
    at(firm, p1="AT", p2="DE", p3="AT")
    firm.later(hours=1)
    firm.customers(people([1, 2, 3], country="AT"))
    assert firm.segsync("pull").code == 0
    with firm.open() as workspace:
        vocabulary, rules = known_rules(workspace)
        second = workspace.store.segments.latest()["germans"]
        clock = Clock(second.as_of, vocabulary.zone)
        sizes = [
            len(
                assign(
                    workspace.store,
                    rules,
                    vocabulary=vocabulary,
                    as_of=second.as_of,
                    settings=workspace.settings.rules,
                    told=earlier(workspace.store, rules, clock, before_run=run_id),
                ).members["germans"]
            )
            for run_id in (second.run_id, None)
        ]
    assert sizes == [1, 2], "1 was in before the second run, 2 only by it"


def test_whoever_a_member_merges_into_was_in_for_as_long(firm: Company) -> None:
    """Customer 2 gets the address of customer 1, who has more contacts: the member's number vanishes."""
    join(firm.newsletter, [1, 3])
    firm.orders([])
    rules = segment("germans", 'country = "DE"', leave_when="'country = \"FR\"'")
    rules += segment("soon", 'country = "DE"', stay="'3 days'")
    rules += segment("old", 'in segment "germans" for 2 days', to="[]")
    firm.rules(rules)
    at(firm, p1="AT", p2="DE", p3="DE")
    assert firm.tagged("germans") == emails([3])

    firm.later(days=2)
    firm.customers([*people([1], country="AT"), ("c2", email(1), "AT"), *people([3])])
    report = firm.run()
    assert report["people"] == 2
    assert report["segments"] == {"germans": 2, "soon": 2, "old": 2}
    assert firm.tagged("germans") == firm.tagged("soon") == emails([1, 3])
    told = firm.segsync("explain", email(1)).out
    assert "until leave_when is true; a member since 2026-03-02 09:00 UTC" in told
    assert "entered less than 3 days ago, until 2026-03-05 09:00 UTC" in told
    assert "old: in" in told

    firm.later(days=1)
    assert firm.run()["segments"] == {"germans": 2, "soon": 1, "old": 2}
