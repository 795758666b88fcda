"""What is read from HubSpot: everybody, changes, who went away, companies, deals."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.base import FieldType
from connectors.errors import BadSource, CursorExpired
from connectors.hubspot import reading
from connectors.hubspot.position import Position
from connectors.simulation import Kind, Script
from tests.connectors.hubspot.conftest import Portal


def fill(portal: Portal, count: int) -> None:
    long_ago = portal.clock.utc_now() - timedelta(days=9)
    for n in range(count):
        portal.hubspot.add_contact(f"p{n}@example.com", changed_at=long_ago + timedelta(seconds=n))


def wait(portal: Portal, seconds: float) -> None:
    portal.clock.advance(seconds)


# ---- everybody, and changes ---------------------------------------------------------------------


def test_a_first_load_uses_the_list_and_no_search(portal: Portal) -> None:
    fill(portal, 250)
    assert len(portal.rows()) == 250
    assert portal.hubspot.traffic.operations["GET /objects/contacts"] == 3
    assert portal.hubspot.traffic.operations["POST /objects/contacts/search"] == 0


def test_a_quiet_account_costs_few_calls(portal: Portal) -> None:
    fill(portal, 250)
    portal.rows()
    wait(portal, 3600)
    portal.hubspot.traffic.reset()
    assert portal.rows(portal.cursor, archived_hours=24) == {}
    assert portal.hubspot.traffic.reads == 3  # properties, contacts, companies


def test_what_search_shows_late_is_found_by_the_next_read(portal: Portal) -> None:
    """A contact is made right before a read, which cannot find it yet."""
    fill(portal, 3)
    portal.rows()
    wait(portal, 3600)
    made = portal.hubspot.add_contact("late@example.com")
    assert made.id not in portal.rows(portal.cursor)
    wait(portal, 40)
    assert made.id in portal.rows(portal.cursor)


def test_more_than_ten_thousand_changes_are_all_read(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the real SDK, with the real ceiling of the simulator lowered to what a test can fill."""
    monkeypatch.setattr("connectors.hubspot.windows.CEILING", 300)
    monkeypatch.setattr("connectors.hubspot.simulated.index.CEILING", 300)
    fill(portal, 700)
    portal.rows()
    everybody = list(portal.hubspot.records.live("contacts").values())
    wait(portal, 3600)
    for record in everybody:
        wait(portal, 0.7)
        portal.hubspot.records.update(record, {"lastname": "New"})
    wait(portal, 60)
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
    fill(portal, 250)
    portal.rows()
    wait(portal, 3600)
    for record in portal.hubspot.records.live("contacts").values():
        portal.hubspot.records.update(record, {"lastname": "New"})
    wait(portal, 60)
    assert {row["lastname"] for row in portal.rows(portal.cursor).values()} == {"New"}
    wait(portal, 60)
    portal.hubspot.traffic.reset()
    assert portal.rows(portal.cursor) == {}  # the lookback does not lead into the same tie again
    assert portal.hubspot.traffic.operations["GET /objects/contacts"] == 1


def test_every_checkpoint_of_a_read_of_changes_can_be_resumed(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ROWS", 50)
    monkeypatch.setattr("connectors.hubspot.windows.CEILING", 100)
    fill(portal, 320)
    portal.rows()
    wait(portal, 3600)
    for record in portal.hubspot.records.live("contacts").values():
        wait(portal, 0.2)
        portal.hubspot.records.update(record, {"lastname": "New"})
    wait(portal, 60)
    connector = portal.connect()
    stream = connector.features.streams[0]
    pages = list(connector.read(stream, portal.cursor))
    assert len(pages) > 4
    for taken in range(1, len(pages)):
        rest = connector.read(stream, pages[taken - 1].cursor)
        ids = {i for p in (*pages[:taken], *rest) for i in p.rows["external_id"].to_pylist()}
        assert len(ids) == 320, taken


def test_a_page_delivered_twice_doubles_nobody(portal: Portal) -> None:
    fill(portal, 300)
    portal.hubspot.account.habits.repeat_pages = True
    connector = portal.connect()
    pages = list(connector.read(connector.features.streams[0], None))
    assert sum(p.rows.num_rows for p in pages) == 300


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
    fill(portal, 150)
    record = portal.hubspot.records.by_address("p7@example.com")
    assert record is not None
    record.properties[names[-1]] = "found"
    rows = portal.rows(properties=names)
    assert len(rows) == 150
    assert rows[record.id][names[-1]] == "found"
    assert portal.hubspot.traffic.operations["POST /objects/contacts/batch/read"] == 2


# ---- who went away ------------------------------------------------------------------------------


def test_archived_contacts_come_as_deleted(portal: Portal) -> None:
    fill(portal, 5)
    portal.rows()
    wait(portal, 3600)
    gone = portal.hubspot.records.by_address("p2@example.com")
    assert gone is not None
    portal.hubspot.records.archive(gone)
    wait(portal, 60)
    found = portal.rows(portal.cursor)
    assert [(id_, row["deleted"]) for id_, row in found.items()] == [(gone.id, True)]
    wait(portal, 3600)
    portal.rows(portal.cursor)  # the lookback may bring it once more
    wait(portal, 3600)
    assert portal.rows(portal.cursor) == {}


def test_the_archive_is_looked_at_no_more_often_than_wanted(portal: Portal) -> None:
    fill(portal, 2)
    portal.rows()
    for hours, looks in ((1, 0), (24, 1), (1, 0)):
        wait(portal, hours * 3600)
        portal.hubspot.traffic.reset()
        portal.rows(portal.cursor, archived_hours=24)
        assert portal.hubspot.traffic.operations["GET /objects/contacts"] == looks


def test_a_merged_contact_comes_as_deleted_with_its_survivor(portal: Portal) -> None:
    fill(portal, 4)
    portal.rows()
    wait(portal, 3600)
    kept = portal.hubspot.records.by_address("p0@example.com")
    lost = portal.hubspot.records.by_address("p1@example.com")
    assert kept is not None
    assert lost is not None
    portal.hubspot.records.merge(kept, lost)
    wait(portal, 60)
    found = portal.rows(portal.cursor)
    assert {id_: row["deleted"] for id_, row in found.items()} == {kept.id: False, lost.id: True}


def test_erased_contacts_are_missing_from_a_listing_that_names_everybody(portal: Portal) -> None:
    """They leave no trace, so everybody is listed again every few days; the run concludes who is gone."""
    fill(portal, 4)
    connector = portal.connect()
    stream = connector.features.streams[0]
    first = list(connector.read(stream, None))
    assert {p.listing for p in first} == {first[0].listing} != {None}
    wait(portal, 6 * 86_400)
    later = list(connector.read(stream, first[-1].cursor))
    assert {p.listing for p in later} == {None}
    record = portal.hubspot.records.by_address("p2@example.com")
    assert record is not None
    portal.hubspot.records.erase(record)
    wait(portal, 2 * 86_400)
    again = list(connector.read(stream, later[-1].cursor))
    ids = {i for p in again for i in p.rows["external_id"].to_pylist()}
    assert len(ids) == 3
    assert {p.listing for p in again} == {again[0].listing} != {first[0].listing}


def test_a_resumed_listing_keeps_its_name(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROWS", 100)
    fill(portal, 250)
    connector = portal.connect()
    stream = connector.features.streams[0]
    first = next(iter(connector.read(stream, None)))
    wait(portal, 3600)
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
    wait(portal, 3600)
    portal.hubspot.records.update(made, {"segsync_segments": "vip"})
    wait(portal, 60)
    after = portal.rows(portal.cursor)[made.id]
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


# ---- companies and deals ------------------------------------------------------------------------


def company(portal: Portal, name: str, **facts: str) -> Any:
    when = portal.clock.utc_now() - timedelta(days=9)
    return portal.hubspot.add_object("companies", changed_at=when, name=name, **facts)


def test_facts_of_the_primary_company_are_fields_of_the_contact(portal: Portal) -> None:
    fill(portal, 3)
    ana, ben, _ = portal.hubspot.records.live("contacts").values()
    portal.hubspot.records.link(ana, company(portal, "Second"))
    portal.hubspot.records.link(ana, company(portal, "First", numberofemployees="40"), label="Primary")
    portal.hubspot.records.link(ben, company(portal, "Only"))
    rows = portal.rows()
    assert rows[ana.id]["company.name"] == "First"
    assert rows[ana.id]["company.numberofemployees"] == 40
    assert [row["company.name"] for row in rows.values()] == ["First", "Only", None]


def test_a_company_that_changes_brings_its_contacts(portal: Portal) -> None:
    fill(portal, 5)
    firm = company(portal, "Old name")
    people = list(portal.hubspot.records.live("contacts").values())[:3]
    for person in people:
        portal.hubspot.records.link(person, firm, label="Primary")
    portal.hubspot.account.habits.associations_page = 2
    portal.rows()
    wait(portal, 3600)
    portal.hubspot.records.update(firm, {"name": "New name"})
    wait(portal, 60)
    found = portal.rows(portal.cursor)
    assert {id_: row["company.name"] for id_, row in found.items()} == {p.id: "New name" for p in people}


def test_contacts_without_a_company_are_no_error(portal: Portal) -> None:
    fill(portal, 3)
    portal.hubspot.account.habits.report_unassociated = True
    assert len(portal.rows()) == 3


def test_without_companies_nothing_is_asked_of_them(portal: Portal) -> None:
    fill(portal, 3)
    portal.hubspot.missing_scopes.add("crm.objects.companies.read")
    rows = portal.rows(companies=False)
    assert len(rows) == 3
    assert "company.name" not in next(iter(rows.values()))


def deal_events(portal: Portal, cursor: str | None = None) -> list[dict[str, Any]]:
    connector = portal.connect()
    rows: list[dict[str, Any]] = []
    for page in connector.read(connector.features.streams[1], cursor):
        rows += page.rows.to_pylist()
        portal.cursor = page.cursor
    return rows


def test_a_deal_is_activity_of_every_contact_on_it(portal: Portal) -> None:
    fill(portal, 2)
    ana, ben = portal.hubspot.records.live("contacts").values()
    deal = portal.hubspot.add_object(
        "deals",
        changed_at=portal.clock.utc_now() - timedelta(days=5),
        amount="1234.5",
        deal_currency_code="EUR",
        dealstage="closedwon",
        closedate="2026-10-20T10:00:00Z",
    )
    portal.hubspot.records.link(deal, ana)
    portal.hubspot.records.link(deal, ben)
    rows = deal_events(portal)
    assert {(r["external_id"], r["kind"], r["amount"], r["currency"]) for r in rows} == {
        (person.id, "deal_won", Decimal("1234.50"), "EUR") for person in (ana, ben)
    }
    assert {r["at"].isoformat() for r in rows} == {"2026-10-20T10:00:00+00:00"}


def test_a_deal_keeps_its_event_when_it_is_won_and_opened_again(portal: Portal) -> None:
    fill(portal, 1)
    (ana,) = portal.hubspot.records.live("contacts").values()
    deal = portal.hubspot.add_object("deals", changed_at=portal.clock.utc_now(), amount="10")
    portal.hubspot.records.link(deal, ana)
    (first,) = deal_events(portal)
    seen = [first["kind"]]
    for stage in ("closedwon", "closedlost", "contractsent"):
        wait(portal, 3600)
        portal.hubspot.records.update(deal, {"dealstage": stage, "closedate": "2026-11-01T00:00:00Z"})
        wait(portal, 60)
        (row,) = deal_events(portal, portal.cursor)
        assert row["event_id"] == first["event_id"]
        seen.append(row["kind"])
    assert seen == ["deal_open", "deal_won", "deal_lost", "deal_open"]


def test_a_deal_with_nobody_on_it_is_no_activity_and_no_error(portal: Portal) -> None:
    portal.hubspot.add_object("deals", changed_at=portal.clock.utc_now(), amount="10")
    assert deal_events(portal) == []


def test_a_search_cut_short_is_asked_again(portal: Portal) -> None:
    fill(portal, 3)
    portal.rows()
    wait(portal, 3600)
    made = portal.hubspot.add_contact("new@example.com")
    wait(portal, 60)
    portal.hubspot.faults.add(Script(Kind.TRUNCATED_200, "POST /objects/contacts/search"))
    assert set(portal.rows(portal.cursor)) == {made.id}
