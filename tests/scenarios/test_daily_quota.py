"""Calls are a budget of the whole account: a plan that costs too much of what the day has left waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.budget import TOLD_SHARE
from sync.errors import ExitCode
from sync.run.report import Report
from tests.scenarios.company import segment
from tests.scenarios.region import Region

SEGMENTS = ("one", "two", "three", "four")
TO = '[{ connection = "hub", as = "list" }]'
RULES = "".join(segment(name, 'country = "DE"', to=TO) for name in SEGMENTS)
CHANGE = "PUT /lists/{id}/memberships/add-and-remove"


def after_a_move(region: Region, config: Path) -> Report:
    """Half of the French become Germans on the platform; a run follows. Each list takes one call."""
    french = [human for human in region.humans if human.country == "FR" and "hub" in human.on]
    for human in french[: len(french) // 2]:
        human.country = "DE"
        record = region.hub.records.by_address(human.address("hub"))
        assert record is not None
        region.hub.records.update(record, {"country": "DE"})
    return region.run(config)


def members(region: Region) -> list[set[str]]:
    """Addresses on each list, as HubSpot has them."""
    people = region.hub.records.live("contacts")
    found = [region.hub.lists.named(f"segsync: {name}") for name in SEGMENTS]
    return [
        {str(people[id_].properties["email"]).lower() for id_ in region.hub.lists.present(one)}
        for one in found
        if one is not None
    ]


@pytest.mark.parametrize("left_over", [0, pytest.param(1, marks=pytest.mark.long)])
def test_a_plan_that_costs_more_than_half_of_what_the_day_has_left_waits(
    tmp_path: Path, left_over: int
) -> None:
    """HubSpot's own headers tell what is left. Twice the cost is enough; one call less holds everything."""
    region = Region(tmp_path, people=60)
    limits, sent = region.hub.limits, region.hub.traffic.operations
    limits.daily = TOLD_SHARE  # so few that every single call of the day is minded
    with region.served(RULES) as config:
        first = region.run(config)
        second = after_a_move(region, config)
        assert (first.exit_code, second.exit_code) == (ExitCode.DONE, ExitCode.DONE)
        used = limits.used_today
        third = after_a_move(region, config)
        cost = third.connections["hub"].calls
        assert cost == len(SEGMENTS)
        # others use the account: a run like this one finds so much left when it weighs its plan
        left = third.connections["hub"].calls_left
        assert left is not None
        limits.used_today += left - (limits.used_today - used) - (2 * cost - 1 + left_over)
        before, changes = members(region), sent[CHANGE]

        weighed = after_a_move(region, config)

        wanted = [region.expected("DE", "hub")] * len(SEGMENTS)
        if left_over:
            assert (weighed.exit_code, weighed.held, members(region)) == (ExitCode.DONE, 0, wanted)
            return
        assert wanted != before
        assert (weighed.exit_code, members(region), sent[CHANGE]) == (ExitCode.HELD, before, changes)
        ours = int(limits.daily * 0.9) - limits.used_today  # a tenth is left to other tools
        (told,) = weighed.brakes
        assert told.startswith(f"hub: {cost} write calls, and {ours} are left of today's quota"), told
        assert weighed.held == sum(len(all_ - some) for all_, some in zip(wanted, before, strict=True))

        region.clock.advance(86_400)  # a new day: nobody has to approve anything
        assert region.run(config).exit_code == ExitCode.DONE
        assert members(region) == wanted
