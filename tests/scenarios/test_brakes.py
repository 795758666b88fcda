"""Brakes: what is risky is held until a person approves, and only what was shown is ever done."""

from __future__ import annotations

from tests.scenarios.company import Company, email, emails, join, part, people, segment

EVERYONE = range(1, 201)
GERMANS = segment("germans", 'country = "DE"')


def start(firm: Company, rules: str = GERMANS) -> None:
    """200 German customers, all on the newsletter; a first run, which has nothing to hold."""
    firm.customers(people(EVERYONE))
    firm.orders([])
    firm.rules(rules)
    join(firm.newsletter, EVERYONE)
    assert part(firm.run())["removes"] == 0
    firm.later(minutes=10)


def test_a_source_that_shrank_holds_removals_until_they_are_approved(firm: Company) -> None:
    start(firm)
    assert firm.tagged("germans") == emails(EVERYONE)

    join(firm.newsletter, [201])
    firm.customers(people([*range(1, 151), 201]))  # a quarter is missing, one is new
    firm.later(minutes=10)
    held = firm.run(code=3)
    assert any("shop: 151 contacts, 200 at the last good pull" in brake for brake in held["brakes"])
    assert (part(held)["adds"], part(held)["removes"], part(held)["held"]) == (1, 0, 50)
    assert firm.tagged("germans") == emails([*EVERYONE, 201])

    again = firm.run(code=3)  # a brake does not release itself by being met twice
    assert (part(again)["changes"], part(again)["held"], again["held"]) == (0, 50, 50)
    told = firm.segsync("status", "--format", "json").document["waiting"]
    assert (told["plan"], told["held"]) == (again["plan"], 50)

    stale = firm.segsync("approve", str(held["plan"]))
    assert stale.code == 1
    assert f"plan {again['plan']} waits now" in stale.err

    approved = firm.segsync("approve", str(again["plan"]), "--format", "json")
    assert approved.code == 0, approved.said
    assert (part(approved.document)["adds"], part(approved.document)["removes"]) == (0, 50)
    assert part(approved.document)["calls"] == part(approved.document)["minimum_calls"] == 1
    assert firm.tagged("germans") == emails([*range(1, 151), 201])

    after = firm.run()
    assert (part(after)["calls"], after["held"], after["brakes"]) == (0, 0, [])


def test_a_segment_that_empties_keeps_its_members_until_approval(firm: Company) -> None:
    start(firm)
    firm.customers(people(EVERYONE, country="PT"))
    held = firm.run(code=3)
    assert any("the segment has become empty; all 200 members" in brake for brake in held["brakes"])
    assert firm.tagged("germans") == emails(EVERYONE)

    firm.customers(people(EVERYONE))  # it was a mistake in the export: mended, nothing is left to hold
    mended = firm.run()
    assert (part(mended)["changes"], mended["held"]) == (0, 0)
    assert firm.tagged("germans") == emails(EVERYONE)


def test_removals_are_held_above_a_tenth_and_fifty_people_only(firm: Company) -> None:
    start(firm, GERMANS + segment("french", 'country = "FR"'))
    firm.customers(people(range(51, 201)) + people(range(1, 51), country="FR"))
    went = firm.run()  # 50 people are a quarter, but not more than 50
    assert (part(went)["adds"], part(went)["removes"], went["held"]) == (50, 50, 0)

    firm.customers(people(range(102, 201)) + people(range(1, 102), country="FR"))
    held = firm.run(code=3)  # 51 of 150
    assert held["brakes"] == [
        "germans → newsletter: 51 of 150 members would be removed (34%; the limit is 10% and 50 people)"
    ]
    assert (part(held)["adds"], part(held)["removes"], part(held)["held"]) == (51, 0, 51)
    assert firm.tagged("french") == emails(range(1, 102))
    assert firm.tagged("germans") == emails(range(51, 201))


def test_an_apply_after_the_platform_changed_sends_nothing(firm: Company) -> None:
    start(firm)
    firm.customers([*people(range(2, 201)), ("c1", email(1), "FR")])
    assert firm.segsync("pull").code == 0
    shown = firm.segsync("plan", "--exit-code", "--format", "json")
    assert shown.code == 5
    assert (shown.document["changes"], shown.document["audiences"][0]["leave"]) == (1, 1)
    assert firm.newsletter.traffic.writes == 2  # those of the first run: make the tag, fill it

    home = firm.newsletter.audience
    tag = home.segment_named("segsync: germans")
    assert tag is not None
    home.drop_segment(tag)
    refused = firm.segsync("apply")
    assert refused.code == 1
    assert "is stale: 199 changes are due that it did not show" in refused.err
    assert firm.newsletter.traffic.writes == 2

    assert firm.segsync("plan", "--exit-code").code == 5
    assert firm.segsync("apply").code == 0
    assert firm.tagged("germans") == emails(range(2, 201))
    assert firm.segsync("plan", "--exit-code").code == 0
    nothing = firm.segsync("apply")
    assert nothing.code == 0
    assert "is done already; nothing is left to send" in nothing.out
    assert firm.newsletter.traffic.writes == 4  # and again


def test_an_apply_after_the_rules_were_edited_sends_nothing(firm: Company) -> None:
    start(firm)
    firm.rules(segment("germans", 'country = "PT"'))
    assert firm.segsync("plan", "--exit-code").code == 5
    firm.rules(segment("germans", 'country in ["PT", "FR"]'))
    refused = firm.segsync("apply")
    assert refused.code == 1
    assert "is stale: the rules of germans were edited" in refused.err


def test_only_the_members_a_brake_held_are_approved(firm: Company) -> None:
    """Two audiences, one held: approval sends that one's removals and nothing else."""
    start(firm, GERMANS + segment("known", "country is known"))
    firm.customers(people(EVERYONE, country="FR"))
    held = firm.run(code=3)
    writes = firm.newsletter.traffic.writes
    approved = firm.segsync("approve", str(held["plan"]), "--format", "json")
    assert approved.code == 0, approved.said
    assert part(approved.document)["removes"] == 200
    assert firm.newsletter.traffic.writes == writes + 1
    assert (firm.tagged("germans"), firm.tagged("known")) == (set(), emails(EVERYONE))


def test_an_apply_sends_what_is_open_and_ends_held(firm: Company) -> None:
    start(firm, GERMANS + segment("french", 'country = "FR"'))
    firm.customers(people(EVERYONE, country="FR"))
    assert firm.segsync("pull").code == 0
    plan = firm.segsync("plan", "--exit-code", "--format", "json")
    assert (plan.code, plan.document["changes"], plan.document["held"]) == (5, 200, 200)
    applied = firm.segsync("apply", "--format", "json")
    assert applied.code == 3, applied.said
    assert (part(applied.document)["adds"], part(applied.document)["removes"]) == (200, 0)
    assert firm.tagged("germans") == firm.tagged("french") == emails(EVERYONE)
    approved = firm.segsync("approve", str(applied.document["plan"]))
    assert approved.code == 0, approved.said
    assert firm.tagged("germans") == set()
