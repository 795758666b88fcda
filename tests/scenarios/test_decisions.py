"""What waits for a person says why; it goes in part or whole, by nobody else. A freeze stops all writes."""

from __future__ import annotations

from connectors.simulation.platform import Reply, Request
from sync.run.working import work_once
from sync.store import Decided
from tests.scenarios.company import Company, emails, join, part, people, segment

EVERYONE = range(1, 121)
TWO = segment("germans", 'country = "DE"') + segment("known", "country is known")


def start(firm: Company, rules: str = TWO) -> None:
    """120 German customers on the newsletter, in both segments."""
    firm.customers(people(EVERYONE))
    firm.orders([])
    firm.rules(rules)
    join(firm.newsletter, EVERYONE)
    assert part(firm.run())["removes"] == 0
    firm.later(minutes=10)


def edited(firm: Company) -> int:
    """Both rules are edited so that nobody is left; the number of the plan that is held."""
    firm.rules(segment("germans", 'country = "PT"') + segment("known", 'country = "PT"'))
    report = firm.run(code=3)
    assert report["held"] == 240
    return int(report["plan"])


def test_a_held_plan_tells_whom_which_rule_why_and_until_when(firm: Company) -> None:
    start(firm)
    plan = edited(firm)
    (found,) = firm.segsync("held", "--format", "json").document["held"]
    assert (found["plan"], found["held"], found["expires"]) == (plan, 240, "2026-03-03T09:10:00+00:00")
    germans = next(one for one in found["parts"] if one["segment"] == "germans")
    assert (germans["adds"], germans["removes"], germans["cause"]) == (0, 120, "rule_edit")
    assert len(germans["sample_removes"]) == 20
    assert (germans["rule"]["line"], germans["rule"]["when"]) == (4, 'country = "PT"')
    told = firm.segsync("held", str(plan)).out
    assert 'segments.toml:4: country = "PT"' in told
    assert "cause: rule edit" in told
    assert "@" not in told, "an address is shown"
    assert f"segsync approve {plan}" in firm.segsync("status").out
    shown = firm.segsync("plan", "--format", "json").document
    assert {one["cause"] for one in shown["waiting"][0]["parts"]} == {"rule_edit"}


def test_a_part_is_approved_and_the_rest_waits_on_with_its_audit(firm: Company) -> None:
    start(firm)
    plan = edited(firm)
    wrong = firm.segsync("approve", str(plan), "--only", "adds")
    assert wrong.code == 1
    assert "holds nothing of the adds" in wrong.err
    assert firm.segsync("approve", str(plan), "--hash", "0" * 16).code == 1
    done = firm.segsync(
        "approve", str(plan), "--segment", "germans", "--by", "ann", "--reason", "checked", "--format", "json"
    )
    assert done.code == 3, done.said
    assert (part(done.document)["removes"], done.document["held"]) == (120, 120)
    assert (firm.tagged("germans"), firm.tagged("known")) == (set(), emails(EVERYONE))
    with firm.open() as workspace:
        (noted,) = workspace.store.decisions.latest()
        assert (noted.kind, noted.by, noted.plan_id, noted.reason) == (
            Decided.APPROVED,
            "ann",
            plan,
            "checked",
        )
        assert noted.plan_hash == workspace.store.plans.get(plan).plan_hash
    rest = done.document["plan"]
    turned = firm.segsync("reject", str(rest), "--connection", "newsletter", "--by", "ann")
    assert turned.code == 0, turned.said
    assert firm.segsync("approve", str(rest)).code == 1, "nothing of it is left"
    assert firm.tagged("known") == emails(EVERYONE)


def test_an_approval_expires_and_a_held_plan_is_sent_by_nobody_else(firm: Company) -> None:
    """Schedules, workers, restarts and `apply` leave it held, however often (I12)."""
    start(firm)
    plan = edited(firm)
    writes = firm.newsletter.traffic.writes
    assert firm.segsync("apply").code == 3
    with firm.open() as workspace:
        assert workspace.store.runs.enqueue("schedule", now=workspace.clock.utc_now()) is not None
    with firm.open() as workspace:  # another process
        assert work_once(workspace)
        held = workspace.store.plans.unfinished()
    assert held is not None
    assert held.id > plan
    assert firm.newsletter.traffic.writes == writes
    firm.later(hours=24, seconds=1)
    late = firm.segsync("approve", str(held.id))
    assert late.code == 1
    assert "could be approved until" in late.err
    assert "segsync plan" in late.err
    assert firm.newsletter.traffic.writes == writes
    assert firm.segsync("plan").code == 0
    assert firm.segsync("approve", str(held.id + 1)).code == 0
    assert firm.tagged("known") == set()


def test_a_freeze_during_a_push_stops_within_one_request_and_outlives_the_process(firm: Company) -> None:
    firm.customers(people(range(1, 9)))
    firm.orders([])
    firm.rules("".join(segment(f"s{n}", 'country = "DE"') for n in range(5)))
    join(firm.newsletter, range(1, 9))
    simulator = firm.newsletter
    answer = simulator.answer

    def freezing(request: Request) -> Reply:
        if simulator.is_write(request) and simulator.traffic.writes == 3:
            assert firm.segsync("freeze", "--reason", "wrong list", "--by", "bob").code == 0
        return answer(request)

    simulator.answer = freezing  # type: ignore[method-assign]
    report = firm.run(code=3)
    assert simulator.traffic.writes == 3, "a write went out after the freeze"
    assert "frozen everywhere by bob" in part(report)["stopped"]
    assert firm.segsync("apply").code == 3
    told = firm.segsync("status").out
    assert "writes are frozen everywhere by bob" in told
    assert "wrong list" in told
    shown = firm.segsync("plan", "--format", "json").document
    assert shown["frozen"]
    assert firm.run(code=3)["frozen"]
    assert simulator.traffic.writes == 3
    assert firm.segsync("thaw", "--connection", "newsletter").code == 1, "it is everything that is frozen"
    assert firm.segsync("thaw").code == 0
    firm.run()
    assert all(firm.tagged(f"s{n}") == emails(range(1, 9)) for n in range(5))


def test_one_frozen_connection_lets_the_others_go_on(firm: Company) -> None:
    start(firm, segment("germans", 'country = "DE"'))
    assert firm.segsync("freeze", "--connection", "nowhere").code == 1
    assert firm.segsync("freeze", "--connection", "shop").code == 0
    firm.customers(people(range(2, 121)))
    assert part(firm.run())["removes"] == 1
