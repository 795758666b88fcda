"""What is read from HubSpot: everybody, changes, who went away, companies, deals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.base import FieldType
from connectors.errors import BadSource, CursorExpired, Unavailable
from connectors.hubspot import reading
from connectors.hubspot.position import Position
from connectors.simulation import Kind, Reply, Request, Script
from tests.connectors.hubspot.conftest import Portal
from tests.connectors.rig import WrongClock

# ---- everybody, and changes ---------------------------------------------------------------------


def test_a_first_load_uses_the_list_and_no_search(portal: Portal) -> None:
    portal.fill(250)
    assert len(portal.rows()) == 250
    assert portal.hubspot.traffic.operations["GET /objects/contacts"] == 3
    assert portal.hubspot.traffic.operations["POST /objects/contacts/search"] == 0


def test_a_quiet_account_costs_few_calls(portal: Portal) -> None:
    portal.fill(250)
    portal.rows()
    portal.clock.advance(3600)
    portal.hubspot.traffic.reset()
    assert portal.rows(portal.cursor, archived_hours=24) == {}
    assert portal.hubspot.traffic.reads == 3  # properties, contacts, companies


def test_what_search_shows_late_is_found_by_the_next_read(portal: Portal) -> None:
    """A contact is made right before a read, which cannot find it yet."""
    portal.fill(3)
    portal.rows()
    portal.clock.advance(3600)
    made = portal.hubspot.add_contact("late@example.com")
    assert made.id not in portal.rows(portal.cursor)
    portal.clock.advance(40)
    assert made.id in portal.rows(portal.cursor)


def test_a_change_during_a_listing_by_a_clock_that_is_a_little_fast_is_found_by_the_next_read(
    portal: Portal,
) -> None:
    """It lies before the time at which the listing began by our clock, and after its page was read."""
    contact, *_ = portal.fill(3)
    right, portal.clock = portal.clock, WrongClock(portal.clock, 1.9)
    portal.rows()
    portal.hubspot.records.update(portal.hubspot.records.live("contacts")[contact], {"lastname": "New"})
    right.advance(60)
    assert portal.rows(portal.cursor)[contact]["lastname"] == "New"


def test_more_than_ten_thousand_changes_are_all_read(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the real SDK, with the real ceiling of the simulator lowered to what a test can fill."""
    monkeypatch.setattr("connectors.hubspot.windows.CEILING", 300)
    monkeypatch.setattr("connectors.hubspot.simulated.index.CEILING", 300)
    portal.fill(700)
    portal.rows()
    everybody = list(portal.hubspot.records.live("contacts").values())
    portal.clock.advance(3600)
    for record in everybody:
        portal.clock.advance(0.7)
        portal.hubspot.records.update(record, {"lastname": "New"})
    portal.clock.advance(60)
    found = portal.rows(portal.cursor)
    assert {row["lastname"] for row in found.values()} == {"New"}
    assert len(found) == 700
    assert (
        portal.hubspot.traffic.operations["GET /objects/contacts"] == 7 + 1
    )  # the second looks for archived


def test_a_tie_at_one_millisecond_falls_back_to_the_list(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HubSpot's own month-end updates change more contacts in one millisecond than search can show."""
    monkeypatch.setattr("connectors.hubspot.windows.CEILING", 200)
    monkeypatch.setattr("connectors.hubspot.simulated.index.CEILING", 200)
    portal.fill(250)
    portal.rows()
    portal.clock.advance(3600)
    for record in portal.hubspot.records.live("contacts").values():
        portal.hubspot.records.update(record, {"lastname": "New"})
    portal.clock.advance(60)
    assert {row["lastname"] for row in portal.rows(portal.cursor).values()} == {"New"}
    portal.clock.advance(60)
    portal.hubspot.traffic.reset()
    assert portal.rows(portal.cursor) == {}  # the lookback does not lead into the same tie again
    assert portal.hubspot.traffic.operations["GET /objects/contacts"] == 1


def test_every_checkpoint_of_a_read_of_changes_can_be_resumed(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ROWS", 50)
    monkeypatch.setattr("connectors.hubspot.windows.CEILING", 100)
    portal.fill(320)
    portal.rows()
    portal.clock.advance(3600)
    for record in portal.hubspot.records.live("contacts").values():
        portal.clock.advance(0.2)
        portal.hubspot.records.update(record, {"lastname": "New"})
    portal.clock.advance(60)
    connector = portal.connect()
    stream = connector.features.streams[0]
    pages = list(connector.read(stream, portal.cursor))
    assert len(pages) > 4
    for taken in range(1, len(pages)):
        rest = connector.read(stream, pages[taken - 1].cursor)
        ids = {i for p in (*pages[:taken], *rest) for i in p.rows["external_id"].to_pylist()}
        assert len(ids) == 320, taken


def test_a_page_delivered_twice_doubles_nobody(portal: Portal) -> None:
    portal.fill(300)
    portal.hubspot.account.habits.repeat_pages = True
    connector = portal.connect()
    pages = list(connector.read(connector.features.streams[0], None))
    assert sum(p.rows.num_rows for p in pages) == 300


def test_pages_that_lead_in_a_circle_are_given_up(portal: Portal) -> None:
    portal.fill(250)
    answer_of = portal.hubspot.answer

    def circle(request: Request) -> Reply:
        reply = answer_of(request)
        if request.query.get("after") and request.path.endswith("/contacts"):
            return answer_of(replace(request, query={**request.query, "after": "501"}))
        return reply

    portal.hubspot.answer = circle  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="in a circle"):
        portal.rows()


def test_a_list_cursor_that_hubspot_has_forgotten_is_expired(portal: Portal) -> None:
    connector = portal.connect()
    with pytest.raises(CursorExpired):
        list(connector.read(connector.features.streams[0], Position(began=1, after="gone").dump()))


def test_a_cursor_from_the_future_is_expired(portal: Portal) -> None:
    connector = portal.connect()
    for cursor in (Position(since=10**14).dump(), "{}", "[]", '{"since": "x"}', '{"other": 1}'):
        with pytest.raises(CursorExpired):
            list(connector.read(connector.features.streams[0], cursor))


def test_a_very_long_list_of_properties_is_asked_for_by_id(portal: Portal) -> None:
    names = [f"a_property_with_a_rather_long_name_{n:04d}" for n in range(200)]
    for name in names:
        portal.hubspot.add_property(name)
    portal.fill(150)
    record = portal.hubspot.records.by_address("p7@example.com")
    assert record is not None
    record.properties[names[-1]] = "found"
    rows = portal.rows(properties=names)
    assert len(rows) == 150
    assert rows[record.id][names[-1]] == "found"
    assert portal.hubspot.traffic.operations["POST /objects/contacts/batch/read"] == 2


# ---- who went away ------------------------------------------------------------------------------


def test_archived_contacts_come_as_deleted(portal: Portal) -> None:
    portal.fill(5)
    portal.rows()
    portal.clock.advance(3600)
    gone = portal.hubspot.records.by_address("p2@example.com")
    assert gone is not None
    portal.hubspot.records.archive(gone)
    portal.clock.advance(60)
    found = portal.rows(portal.cursor)
    assert [(id_, row["deleted"]) for id_, row in found.items()] == [(gone.id, True)]
    portal.clock.advance(3600)
    portal.rows(portal.cursor)  # the lookback may bring it once more
    portal.clock.advance(3600)
    assert portal.rows(portal.cursor) == {}


def test_the_archive_is_looked_at_no_more_often_than_wanted(portal: Portal) -> None:
    portal.fill(2)
    portal.rows()
    for hours, looks in ((1, 0), (24, 1), (1, 0)):
        portal.clock.advance(hours * 3600)
        portal.hubspot.traffic.reset()
        portal.rows(portal.cursor, archived_hours=24)
        assert portal.hubspot.traffic.operations["GET /objects/contacts"] == looks


def test_a_merged_contact_comes_as_deleted_with_its_survivor(portal: Portal) -> None:
    portal.fill(4)
    portal.rows()
    portal.clock.advance(3600)
    kept = portal.hubspot.records.by_address("p0@example.com")
    lost = portal.hubspot.records.by_address("p1@example.com")
    assert kept is not None
    assert lost is not None
    portal.hubspot.records.merge(kept, lost)
    portal.clock.advance(60)
    found = portal.rows(portal.cursor)
    assert {id_: row["deleted"] for id_, row in found.items()} == {kept.id: False, lost.id: True}


def test_erased_contacts_are_missing_from_a_listing_that_names_everybody(portal: Portal) -> None:
    """They leave no trace, so everybody is listed again every few days; the run concludes who is gone."""
    portal.fill(4)
    connector = portal.connect()
    stream = connector.features.streams[0]
    first = list(connector.read(stream, None))
    assert {p.listing for p in first} == {first[0].listing} != {None}
    portal.clock.advance(6 * 86_400)
    later = list(connector.read(stream, first[-1].cursor))
    assert {p.listing for p in later} == {None}
    record = portal.hubspot.records.by_address("p2@example.com")
    assert record is not None
    portal.hubspot.records.erase(record)
    portal.clock.advance(2 * 86_400)
    again = list(connector.read(stream, later[-1].cursor))
    ids = {i for p in again for i in p.rows["external_id"].to_pylist()}
    assert len(ids) == 3
    assert {p.listing for p in again} == {again[0].listing} != {first[0].listing}


def test_a_resumed_listing_keeps_its_name(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROWS", 100)
    portal.fill(250)
    connector = portal.connect()
    stream = connector.features.streams[0]
    first = next(iter(connector.read(stream, None)))
    portal.clock.advance(3600)
    rest = list(connector.read(stream, first.cursor))
    assert {p.listing for p in rest} == {first.listing}
    assert sum(p.rows.num_rows for p in rest) == 150


# ---- fields -------------------------------------------------------------------------------------


def test_properties_come_with_their_types(portal: Portal) -> None:
    portal.hubspot.add_property(
        "interests", type="enumeration", field_type="checkbox", options=["tea", "cups"]
    )
    portal.hubspot.add_property("score", type="number", field_type="number")
    portal.hubspot.add_property("renewal", type="date", field_type="date")
    portal.hubspot.add_property("vip", type="bool", field_type="booleancheckbox")
    made = portal.hubspot.add_contact(
        "ana@example.com",
        interests="tea;cups",
        score="1.5",
        renewal="2026-12-24",
        vip="true",
        hs_email_open="7",
    )
    row = portal.rows(properties=["interests", "score", "renewal", "vip"])[made.id]
    assert row["interests"] == ["tea", "cups"]
    assert (row["score"], row["vip"], row["hs_email_open"]) == (1.5, True, 7)
    assert row["renewal"].isoformat() == "2026-12-24"
    assert row["createdate"] is not None
    assert row["changed_at"] is not None


def test_a_cleared_value_and_one_never_set_are_both_null(portal: Portal) -> None:
    made = portal.hubspot.add_contact("ana@example.com", firstname="")
    row = portal.rows()[made.id]
    assert row["firstname"] is None
    assert row["lastname"] is None


def test_our_own_property_is_no_field_so_that_our_writes_are_no_news(portal: Portal) -> None:
    portal.hubspot.add_property(
        "segsync_segments", type="enumeration", field_type="checkbox", options=["vip"]
    )
    made = portal.hubspot.add_contact("ana@example.com")
    before = portal.rows()[made.id]
    assert "segsync_segments" not in before
    portal.clock.advance(3600)
    portal.hubspot.records.update(made, {"segsync_segments": "vip"})
    portal.clock.advance(60)
    after = portal.rows(portal.cursor)[made.id]
    assert (before.pop("own_values"), after.pop("own_values")) == ([], ["vip"])  # beside the contents
    assert {k: v for k, v in before.items() if k != "changed_at"} == {
        k: v for k, v in after.items() if k != "changed_at"
    }


def test_a_property_that_is_not_there_is_named_with_the_nearest(portal: Portal) -> None:
    portal.hubspot.add_property("loyalty_points")
    with pytest.raises(BadSource, match="did you mean 'loyalty_points'"):
        _ = portal.connect(properties=["loyalty_point"]).features


def test_standard_fields_are_those_the_account_really_has(portal: Portal) -> None:
    portal.hubspot.add_property("date_of_birth")  # HubSpot's own is a text, ours a date: no birthday
    (stream, _) = portal.connect().features.streams
    assert "birthday" not in stream.standard
    assert stream.standard["email"] == "email"
    types = {f.name: f.type for f in stream.fields}
    assert types[stream.standard["signed_up"]] is FieldType.DATETIME
    del portal.hubspot.schema.of("contacts")["city"]
    (stream, _) = portal.connect().features.streams
    assert "city" not in stream.standard


def test_a_search_cut_short_is_asked_again(portal: Portal) -> None:
    portal.fill(3)
    portal.rows()
    portal.clock.advance(3600)
    made = portal.hubspot.add_contact("new@example.com")
    portal.clock.advance(60)
    portal.hubspot.faults.add(Script(Kind.TRUNCATED_200, "POST /objects/contacts/search"))
    assert set(portal.rows(portal.cursor)) == {made.id}
