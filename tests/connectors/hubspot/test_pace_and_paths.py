"""The pace HubSpot allows is used and not overstepped; paths are dated unless the old ones are chosen."""

from __future__ import annotations

import pytest

from connectors.base import Action, Audience, AudienceKind, Batch, Change
from connectors.errors import RateLimited
from connectors.hubspot.client import dated_path
from connectors.hubspot.simulator import HubspotSimulator
from connectors.pacing import ManualClock
from connectors.simulation import serve
from tests.connectors.hubspot.conftest import Portal
from tests.connectors.hubspot.rig import HubspotRig

# ---- pace ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [100, 190, 250])
def test_the_pace_is_learned_from_headers_and_uses_nine_tenths_of_it_without_a_429(calls: int) -> None:
    clock = ManualClock()
    simulator = HubspotSimulator(now=clock.utc_now)
    simulator.limits.calls = calls
    with serve(simulator) as address:
        rig = HubspotRig(simulator, clock, address)
        connector = rig.connect()
        connector.audiences()
        before, sent = clock.now_s(), simulator.traffic.reads
        for _ in range(2 * calls):
            connector.audiences()
        spent = clock.now_s() - before
        pace = (simulator.traffic.reads - sent) / spent
        assert simulator.traffic.statuses[429] == 0
        assert 0.9 * calls / 10 <= pace <= calls / 10
        rig.close()


def test_searches_keep_to_their_own_five_a_second(portal: Portal) -> None:
    stream = portal.connect().features.streams[0]
    connector = portal.connect(companies=False, archived_hours=24)
    cursor = [p.cursor for p in connector.read(stream, None)][-1]
    portal.clock.advance(3600)
    before = portal.clock.now_s()
    for _ in range(60):
        list(connector.read(stream, cursor))
    assert portal.hubspot.traffic.operations["POST /objects/contacts/search"] == 60
    assert portal.hubspot.traffic.statuses[429] == 0
    assert portal.clock.now_s() - before == pytest.approx(60 / 3.9, abs=1)


def test_a_429_of_search_is_waited_out(portal: Portal) -> None:
    portal.hubspot.limits.searches = 1  # another tool uses the rest
    stream = portal.connect().features.streams[0]
    connector = portal.connect(archived_hours=24)
    cursor = [p.cursor for p in connector.read(stream, None)][-1]
    portal.clock.advance(3600)
    for _ in range(5):
        list(connector.read(stream, cursor))
    assert portal.hubspot.traffic.statuses[429] > 0


def test_the_day_that_is_used_up_is_handed_to_the_run(portal: Portal) -> None:
    portal.hubspot.limits.daily = 10
    portal.hubspot.limits.count(search=False, oauth=False)
    connector = portal.connect(daily_reserve=0)
    for _ in range(4):  # two calls each; the tenth of the day is the other tool's
        connector.audiences()
    with pytest.raises(RateLimited, match=r"used up|left to") as caught:
        connector.audiences()
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s > 3000


# ---- paths ---------------------------------------------------------------------------------------


def use_everything(portal: Portal, **settings: object) -> None:
    made = portal.hubspot.add_contact("ana@example.com")
    connector = portal.connect(ask_unsubscribed=True, **settings)
    assert connector.check().ok
    cursor: dict[str, str | None] = {}
    for _ in range(2):
        for stream in connector.features.streams:
            for page in connector.read(stream, cursor.get(stream.name)):
                cursor[stream.name] = page.cursor
        portal.clock.advance(3600)
    for kind, action in ((AudienceKind.LIST, Action.ADD), (AudienceKind.FIELD, Action.SET)):
        id_ = connector.ensure(Audience("vip", "segsync: VIP", kind))
        audience = Audience("vip", "segsync: Best", kind, id_)
        connector.ensure(audience)
        (outcome,) = connector.write(Batch(audience, [Change(action, made.id, "", "vip")]))
        assert outcome.state == "done"
        assert sum(p.rows.num_rows for p in connector.members(audience)) == 1
    assert connector.audiences() != []
    assert connector.erase(made.id).state == "done"


def test_every_path_is_dated_by_default(portal: Portal) -> None:
    use_everything(portal)
    assert len({x.operation for x in portal.hubspot.traffic.log}) > 20
    for logged in portal.hubspot.traffic.log:
        assert "/2026-09" in logged.path, logged.path
        assert "/v" not in logged.path


def test_the_old_paths_can_be_chosen(portal: Portal) -> None:
    use_everything(portal, api_version="v3")
    assert not [x.path for x in portal.hubspot.traffic.log if "2026-09" in x.path]


def test_one_connection_uses_one_socket_for_calls_in_a_row(portal: Portal) -> None:
    """The SDK opens a pool for every access to an API; the hook gives it one for all."""
    use_everything(portal)
    assert portal.hubspot.traffic.connections == 1


def test_a_path_without_a_known_dated_form_is_not_sent(portal: Portal) -> None:
    assert dated_path("/crm/v3/lists/", "2026-09") == "/crm/lists/2026-09"
    assert dated_path("/crm/v4/associations/a/b/batch/read", "2026-09") == (
        "/crm/associations/2026-09/a/b/batch/read"
    )
    assert dated_path("/crm/v3/lists/", "v3") == "/crm/v3/lists/"
    with pytest.raises(LookupError):
        dated_path("/events/v3/events", "2026-09")
    assert portal.hubspot.traffic.reads == 0
