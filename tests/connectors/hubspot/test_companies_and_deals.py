"""Companies become fields of their contacts, deals become activity of theirs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.connectors.hubspot.conftest import Portal


def company(portal: Portal, name: str, **facts: str) -> Any:
    when = portal.clock.utc_now() - timedelta(days=9)
    return portal.hubspot.add_object("companies", changed_at=when, name=name, **facts)


def test_facts_of_the_primary_company_are_fields_of_the_contact(portal: Portal) -> None:
    portal.fill(3)
    ana, ben, _ = portal.hubspot.records.live("contacts").values()
    portal.hubspot.records.link(ana, company(portal, "Second"))
    portal.hubspot.records.link(ana, company(portal, "First", numberofemployees="40"), label="Primary")
    portal.hubspot.records.link(ben, company(portal, "Only"))
    rows = portal.rows()
    assert rows[ana.id]["company.name"] == "First"
    assert rows[ana.id]["company.numberofemployees"] == 40
    assert [row["company.name"] for row in rows.values()] == ["First", "Only", None]


def test_a_company_that_changes_brings_its_contacts(portal: Portal) -> None:
    portal.fill(5)
    firm = company(portal, "Old name")
    people = list(portal.hubspot.records.live("contacts").values())[:3]
    for person in people:
        portal.hubspot.records.link(person, firm, label="Primary")
    portal.hubspot.account.habits.associations_page = 2
    portal.rows()
    portal.clock.advance(3600)
    portal.hubspot.records.update(firm, {"name": "New name"})
    portal.clock.advance(60)
    found = portal.rows(portal.cursor)
    assert {id_: row["company.name"] for id_, row in found.items()} == {p.id: "New name" for p in people}


def test_contacts_without_a_company_are_no_error(portal: Portal) -> None:
    portal.fill(3)
    portal.hubspot.account.habits.report_unassociated = True
    assert len(portal.rows()) == 3


def test_without_companies_nothing_is_asked_of_them(portal: Portal) -> None:
    portal.fill(3)
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
    portal.fill(2)
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
    portal.fill(1)
    (ana,) = portal.hubspot.records.live("contacts").values()
    deal = portal.hubspot.add_object("deals", changed_at=portal.clock.utc_now(), amount="10")
    portal.hubspot.records.link(deal, ana)
    (first,) = deal_events(portal)
    seen, stages = [first["kind"]], [(first["stage"], first["stage_name"])]
    for stage in ("closedwon", "closedlost", "contractsent"):
        portal.clock.advance(3600)
        portal.hubspot.records.update(deal, {"dealstage": stage, "closedate": "2026-11-01T00:00:00Z"})
        portal.clock.advance(60)
        (row,) = deal_events(portal, portal.cursor)
        assert row["event_id"] == first["event_id"]
        seen.append(row["kind"])
        stages.append((row["stage"], row["stage_name"]))
    assert stages[1:] == [("won", "closedwon"), ("lost", "closedlost"), ("open", "contractsent")]
    assert stages[0][0] == "open"
    assert seen == ["deal_open", "deal_won", "deal_lost", "deal_open"]


def test_a_deal_with_nobody_on_it_is_no_activity_and_no_error(portal: Portal) -> None:
    portal.hubspot.add_object("deals", changed_at=portal.clock.utc_now(), amount="10")
    assert deal_events(portal) == []
