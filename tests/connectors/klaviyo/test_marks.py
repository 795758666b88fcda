"""Whether others changed a list is seen without reading it whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.base import Audience, AudienceKind, MarksMembers
from connectors.klaviyo.simulated.account import Group
from tests.connectors.klaviyo.rig import KlaviyoRig, klaviyo_rig

COUNT = "GET /api/lists/{id}"
IDS = "GET /api/lists/{id}/relationships/profiles"


@pytest.fixture
def long() -> Iterator[KlaviyoRig]:
    with klaviyo_rig(people=1_210) as made:
        yield made


def marks(rig: KlaviyoRig, group: Group) -> str | None:
    connector = rig.connect()
    assert isinstance(connector, MarksMembers)
    return connector.members_mark(Audience("vip", group.name, AudienceKind.LIST, group.id))


def filled(rig: KlaviyoRig, count: int) -> tuple[Group, list[str]]:
    """A list with `count` people who came one after the other; everybody else's ids."""
    group = rig.klaviyo.add_list("VIP")
    ids = list(rig.klaviyo.account.profiles)
    for id_ in ids[:count]:
        rig.klaviyo.account.join(group, rig.klaviyo.account.profiles[id_])
        rig.clock.advance(1)
    return group, ids[count:]


def check(rig: KlaviyoRig, group: Group, others: list[str]) -> None:
    account = rig.klaviyo.account
    first = marks(rig, group)
    rig.clock.advance(86_400)
    assert marks(rig, group) == first
    account.join(group, account.profiles[others[0]])
    second = marks(rig, group)
    account.leave(group, next(iter(group.members)))
    third = marks(rig, group)
    account.leave(group, next(iter(group.members)))  # one went and another came: the count stays
    account.join(group, account.profiles[others[1]])
    fourth = marks(rig, group)
    assert len({first, second, third, fourth}) == 4


def test_a_short_list_is_looked_at_whole(rig: KlaviyoRig) -> None:
    group, others = filled(rig, 20)
    check(rig, group, others)
    assert rig.simulation.traffic.operations[COUNT] == 0
    assert rig.simulation.traffic.operations[IDS] == 5


def test_of_a_long_list_those_who_came_last_and_the_count_are_asked_for(long: KlaviyoRig) -> None:
    group, others = filled(long, 1_100)
    check(long, group, others)
    assert long.simulation.traffic.operations[COUNT] == 5
    assert long.simulation.traffic.operations[IDS] == 50


def test_counts_are_asked_for_at_their_own_slow_pace(long: KlaviyoRig) -> None:
    """15 a minute: a connector that did not know would be told to slow down."""
    group, _ = filled(long, 1_100)
    connector = long.connect()
    assert isinstance(connector, MarksMembers)
    long.clock.advance(60)
    started = long.clock.utc_now()
    for _ in range(20):
        connector.members_mark(Audience("vip", group.name, AudienceKind.LIST, group.id))
    assert (long.clock.utc_now() - started).total_seconds() > 60
    assert connector.usage()["rate_limited"] == 0
