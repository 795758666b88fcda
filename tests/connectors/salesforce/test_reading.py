"""Reading: ties, deletes, merges, late commits, related records, hidden fields, opt-outs, activity."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Connector, Stream
from connectors.errors import BadSource, CursorExpired
from connectors.salesforce.simulated.schema import Field
from tests.connectors.salesforce.rig import DAY_S, SalesforceRig, salesforce_rig

Row = dict[str, object]


def stream(connector: Connector, name: str = "people") -> Stream:
    return next(s for s in connector.features.streams if s.name == name)


def read(connector: Connector, after: str | None = None, name: str = "people") -> tuple[list[Row], str]:
    pages = list(connector.read(stream(connector, name), after))
    return [row for page in pages for row in page.rows.to_pylist()], str(pages[-1].cursor)


def by_id(rows: list[Row], key: str = "external_id") -> dict[str, Row]:
    return {str(row[key]): row for row in rows}


def first_contact(rig: SalesforceRig) -> str:
    return next(iter(rig.org.tables["Contact"]))


def test_more_ties_than_a_page_holds_lose_nobody() -> None:
    """A bulk import stamps thousands with one second."""
    with salesforce_rig(contacts=4100, leads=0) as rig:
        stamp = rig.salesforce.seconds() - DAY_S
        for record in rig.org.tables["Contact"].values():
            record["SystemModstamp"] = stamp
        connector = rig.connect()
        rows, cursor = read(connector)
        assert len(rows) == len(by_id(rows)) == 4100
        again, _ = read(connector, cursor)
        assert again == []


def test_a_transaction_that_shows_late_is_still_read(org: SalesforceRig) -> None:
    """It carries the time of its start, which lies before what we have read already."""
    connector = org.connect(lookback_s=300)
    org.salesforce.add_contact("early@example.com", stamp=org.salesforce.seconds() - 5)
    _, cursor = read(connector)
    late = org.salesforce.add_contact("late@example.com", stamp=org.salesforce.seconds() - 200)
    org.clock.advance(60)
    rows, cursor = read(connector, cursor)
    assert late in by_id(rows)
    org.clock.advance(3600)
    _, cursor = read(connector, cursor)
    rows, _ = read(connector, cursor)
    assert rows == []  # the overlap is not read for ever


def test_a_server_that_sends_small_pages_is_read_to_the_end() -> None:
    with salesforce_rig(contacts=60, leads=30, page=7) as rig:
        connector = rig.connect()
        rows, _ = read(connector)
        assert len(by_id(rows)) == 90
        assert not any("/{id}-" in o for o in rig.simulation.traffic.operations)  # no cursor of the server


def test_deleted_contacts_are_seen_as_deleted(org: SalesforceRig) -> None:
    connector = org.connect()
    _, cursor = read(connector)
    org.clock.advance(60)
    contact, lead = first_contact(org), list(org.org.tables["Lead"])[-1]
    org.org.delete("Contact", contact)
    org.org.delete("Lead", lead)
    rows, _ = read(connector, cursor)
    assert {row["external_id"]: row["deleted"] for row in rows} == {contact: True, lead: True}


def test_a_full_read_names_everybody_and_the_next_one_does_not(org: SalesforceRig) -> None:
    """So contacts that were deleted longer ago than the bin keeps them are found missing."""
    connector = org.connect()
    people = stream(connector)
    pages = list(connector.read(people, None))
    assert len({page.listing for page in pages}) == 1
    assert pages[0].listing is not None
    resumed = list(connector.read(people, pages[0].cursor))
    assert {page.listing for page in resumed} == {pages[0].listing}
    assert {page.listing for page in connector.read(people, pages[-1].cursor)} == {None}


def test_of_two_merged_contacts_the_loser_names_the_winner(org: SalesforceRig) -> None:
    connector = org.connect()
    _, cursor = read(connector)
    org.clock.advance(60)
    winner, loser = list(org.org.tables["Contact"])[:2]
    org.org.merge("Contact", winner=winner, loser=loser)
    rows = by_id(read(connector, cursor)[0])
    assert (rows[loser]["deleted"], rows[loser]["ContactId"]) == (True, winner)
    assert (rows[winner]["deleted"], rows[winner]["ContactId"]) == (False, winner)


def test_a_converted_lead_and_its_contact_share_an_id(org: SalesforceRig) -> None:
    connector = org.connect()
    _, cursor = read(connector)
    org.clock.advance(60)
    lead = list(org.org.tables["Lead"])[-1]
    contact = org.org.convert(lead)
    rows = by_id(read(connector, cursor)[0])
    assert rows[lead]["ContactId"] == rows[contact]["ContactId"] == contact
    assert rows[lead]["address"] == contact  # what is meant for the lead is written there
    assert rows[lead]["IsConverted"] is True


def test_a_change_of_the_account_is_read_with_its_contacts(org: SalesforceRig) -> None:
    """It does not stamp them."""
    connector = org.connect()
    rows, cursor = read(connector)
    (account,) = {r["AccountId"] for r in org.org.tables["Contact"].values()} - {None}
    theirs = {r["Id"] for r in org.org.tables["Contact"].values() if r["AccountId"] == account}
    before = by_id(rows)
    assert {before[id]["Industry"] for id in theirs} == {"Retail"}
    assert {before[id]["Company"] for id in theirs} == {"Acme"}
    org.clock.advance(60)
    org.org.change("Account", account, Industry="Software")
    org.clock.advance(5)
    changed, cursor = read(connector, cursor)
    assert {r["external_id"]: r["Industry"] for r in changed} == dict.fromkeys(theirs, "Software")
    org.clock.advance(60)
    assert read(connector, cursor)[0] == []


def test_our_own_field_is_no_news(org: SalesforceRig) -> None:
    """Rows we wrote are stamped and come again, but say what they said before."""
    connector = org.connect()
    rows, cursor = read(connector)
    assert "Segments__c" not in rows[0]
    org.clock.advance(60)
    id = first_contact(org)
    org.org.update("Contact", id, {"Segments__c": "vip"})
    (again,) = read(connector, cursor)[0]
    known = by_id(rows)[id]
    assert (known.pop("own_values"), again.pop("own_values")) == ([], ["vip"])  # beside the contents
    assert {k: v for k, v in again.items() if k != "changed_at"} == {
        k: v for k, v in known.items() if k != "changed_at"
    }


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_happens_between_and_during_reads_is_found(data: st.DataObject) -> None:
    """Adds, changes, deletes, conversions, late commits, broken-off reads; then the copy is the original."""
    with salesforce_rig(contacts=20, leads=10, page=7) as rig:
        lookback_s = 120
        connector = rig.connect(lookback_s=lookback_s)
        copy: dict[str, Row] = {}
        cursor: str | None = None
        for _ in range(data.draw(st.integers(1, 5))):
            for page in connector.read(stream(connector), cursor):
                copy.update(by_id(page.rows.to_pylist()))
                cursor = str(page.cursor)
                for _ in range(data.draw(st.integers(0, 2))):
                    happen(rig, data, lookback_s)
                if data.draw(st.integers(0, 9)) == 0:
                    break  # the process dies here
            rig.clock.advance(data.draw(st.sampled_from([0, 1, 30, 4000])))
        for _ in range(2):  # the first may only finish a read that was broken off
            rig.clock.advance(lookback_s + 1)
            for page in connector.read(stream(connector), cursor):
                copy.update(by_id(page.rows.to_pylist()))
                cursor = str(page.cursor)
        for object in ("Contact", "Lead"):
            for id, record in rig.org.tables[object].items():
                if id not in copy:
                    assert record["IsDeleted"]  # before anybody saw it
                    continue
                row = copy[id]
                assert (row["deleted"], row["LastName"]) == (record["IsDeleted"], record["LastName"])
                assert row["address"] == (record.get("ConvertedContactId") or id)


def happen(rig: SalesforceRig, data: st.DataObject, lookback_s: int) -> None:
    """One thing that somebody does in Salesforce."""
    with rig.salesforce.lock:
        now = rig.salesforce.seconds()
        object = data.draw(st.sampled_from(["Contact", "Lead"]))
        table = rig.org.tables[object]
        living = [id for id, r in table.items() if not r["IsDeleted"] and not r.get("IsConverted")]
        match data.draw(st.sampled_from(["add", "late", "change", "delete", "convert", "wait"])):
            case "add":
                rig.salesforce.add_contact(f"n{len(table)}@example.com", stamp=now)
            case "late":
                late = now - data.draw(st.integers(0, lookback_s - 1))
                rig.salesforce.add_lead(f"l{len(table)}@example.com", stamp=late)
            case "change" if living:
                rig.org.change(object, data.draw(st.sampled_from(living)), LastName=f"Changed{now}")
            case "delete" if living:
                rig.org.delete(object, data.draw(st.sampled_from(living)))
            case "convert" if living and object == "Lead":
                rig.org.convert(data.draw(st.sampled_from(living)))
            case "wait":
                rig.clock.advance(data.draw(st.integers(1, 20)))


# ---- consent -------------------------------------------------------------------------------------


def test_an_opt_out_is_an_opt_out_and_its_absence_is_nothing(org: SalesforceRig) -> None:
    rows = by_id(read(org.connect())[0])
    for object in ("Contact", "Lead"):
        for id, record in org.org.tables[object].items():
            expected = "opted_out" if record["HasOptedOutOfEmail"] else None
            assert rows[id]["email_consent"] == expected
            assert rows[id]["HasOptedOutOfEmail"] is record["HasOptedOutOfEmail"]


def test_a_hidden_opt_out_is_unknown_never_no(org: SalesforceRig) -> None:
    org.salesforce.hide("Contact", "HasOptedOutOfEmail")
    rows = by_id(read(org.connect())[0])
    for id in org.org.tables["Contact"]:
        assert rows[id]["email_consent"] is None
        assert rows[id]["HasOptedOutOfEmail"] is None
    opted_out = [id for id, r in org.org.tables["Lead"].items() if r["HasOptedOutOfEmail"]]
    assert opted_out
    assert {rows[id]["email_consent"] for id in opted_out} == {"opted_out"}  # leads show theirs


def test_bounces_are_undeliverable_and_an_opt_out_wins(org: SalesforceRig) -> None:
    one, two, three, *_ = (id for id, r in org.org.tables["Contact"].items() if not r["HasOptedOutOfEmail"])
    for id in (one, two):
        org.org.change("Contact", id, EmailBouncedDate=org.salesforce.seconds())
    org.org.change("Contact", two, HasOptedOutOfEmail=True)
    rows = by_id(read(org.connect())[0])
    assert [rows[id]["email_consent"] for id in (one, two, three)] == ["undeliverable", "opted_out", None]
    org.opt_outs[two] = True


def test_an_individual_who_wants_no_solicitation_is_opted_out(org: SalesforceRig) -> None:
    """Also when it is the individual's record alone that changes."""
    connector = org.connect()
    contact = next(id for id, r in org.org.tables["Contact"].items() if not r["HasOptedOutOfEmail"])
    individual = org.org.create("Individual", LastName="Doe")
    org.org.change("Contact", contact, IndividualId=individual)
    rows, cursor = read(connector)
    assert by_id(rows)[contact]["email_consent"] is None
    org.clock.advance(60)
    org.org.change("Individual", individual, HasOptedOutSolicit=True)
    assert by_id(read(connector, cursor)[0])[contact]["email_consent"] == "opted_out"


# ---- fields --------------------------------------------------------------------------------------


def test_custom_fields_come_with_their_types(org: SalesforceRig) -> None:
    for name, type_ in (("Level__c", "double"), ("Tags__c", "multipicklist"), ("Since__c", "date")):
        org.org.schema["contact"].add(Field(name, type_, name, 255))
    org.org.schema["lead"].add(Field("Level__c", "string", "Level", 255))
    org.org.schema["contact"].add(Field("Memo__c", "textarea", "Memo", 32000))
    for object in ("Contact", "Lead"):
        for record in org.org.tables[object].values():
            record.update(Level__c=None, Tags__c=None, Since__c=None, Memo__c="long")
    contact, lead = first_contact(org), list(org.org.tables["Lead"])[-1]
    org.org.change("Contact", contact, Level__c=3, Tags__c="a;b", Since__c="2026-01-02")
    org.org.change("Lead", lead, Level__c="high")
    connector = org.connect()
    types = {f.name: str(f.type) for f in stream(connector).fields}
    assert (types["Level__c"], types["Lead_Level__c"], types["Tags__c"]) == ("number", "text", "texts")
    assert "Memo__c" not in types
    rows = by_id(read(connector)[0])
    assert rows[contact]["Level__c"] == 3.0
    assert rows[contact]["Tags__c"] == ["a", "b"]
    assert str(rows[contact]["Since__c"]) == "2026-01-02"
    assert rows[lead]["Lead_Level__c"] == "high"
    named = {f.name for f in stream(org.connect(fields=["Memo__c"])).fields}
    assert "Memo__c" in named
    assert "Level__c" not in named


def test_more_fields_than_a_query_can_name_are_told(org: SalesforceRig) -> None:
    for number in range(300):
        name = f"A_field_with_a_long_name_number_{number}__c"
        org.org.schema["contact"].add(Field(name, "string", name, 255))
        for record in org.org.tables["Contact"].values():
            record[name] = None
    connector = org.connect()
    with pytest.raises(BadSource, match="fields ="):
        read(connector)


def test_leads_may_be_hidden_altogether(org: SalesforceRig) -> None:
    del org.org.schema["lead"]
    rows, _ = read(org.connect())
    assert {row["Object"] for row in rows} == {"Contact"}
    del org.org.schema["contact"]
    with pytest.raises(BadSource, match="neither contacts nor leads"):
        _ = org.connect().features


def test_hidden_fields_are_not_asked_for(org: SalesforceRig) -> None:
    """A query that names one is refused as a whole."""
    for name in ("Phone", "Birthdate", "AccountId", "MailingCity"):
        org.salesforce.hide("Contact", name)
    for object, name in (("Task", "Subject"), ("Opportunity", "Amount"), ("CampaignMember", "Status")):
        org.salesforce.hide(object, name)
    connector = org.connect()
    rows, _ = read(connector)
    assert len(rows) == 90
    assert {row["Company"] for row in rows if row["Object"] == "Contact"} == {None}
    for name in ("engagement", "campaigns", "opportunities"):
        assert read(connector, name=name)[0]


@pytest.mark.parametrize(
    "cursor", ["", "{}", "[]", '{"marks":{"Contact":["yesterday",""]}}', '{"marks":{"Contact":1}}', "null"]
)
def test_a_cursor_that_cannot_be_read_is_expired(org: SalesforceRig, cursor: str) -> None:
    with pytest.raises(CursorExpired):
        read(org.connect(), cursor)


def test_a_cursor_of_a_lane_that_is_gone_is_expired(org: SalesforceRig) -> None:
    cursor = '{"marks":{},"lane":"Other","started":"2026-01-02T03:04:05Z"}'
    with pytest.raises(CursorExpired):
        read(org.connect(), cursor)


# ---- activity ------------------------------------------------------------------------------------


def test_tasks_are_dated_when_they_were_done(org: SalesforceRig) -> None:
    contact, now = first_contact(org), org.salesforce.seconds()
    made = {"stamp": now - 9 * DAY_S, "WhoId": contact, "Subject": "Call", "Type": "Call"}
    done = org.org.create("Task", Status="Completed", CompletedDateTime=now - DAY_S, **made)
    waiting = org.org.create("Task", Status="Not Started", ActivityDate="2027-01-01", **made)
    nobody = org.org.create("Task", stamp=now, Subject="Cleaning")
    archived = org.org.create("Task", Status="Completed", IsArchived=True, **made)
    rows = by_id(read(org.connect(), name="engagement")[0], "event_id")
    assert rows[done]["at"] == datetime.fromtimestamp(now - DAY_S, UTC)
    assert rows[waiting]["at"] == datetime.fromtimestamp(now - 9 * DAY_S, UTC)
    assert (rows[done]["completed"], rows[waiting]["completed"]) == (True, False)
    assert (rows[done]["external_id"], rows[done]["type"], rows[done]["subject"]) == (contact, "Call", "Call")
    assert nobody not in rows
    assert archived in rows


def test_opportunities_are_won_or_lost_with_their_amounts(org: SalesforceRig) -> None:
    contact, connector = first_contact(org), org.connect()
    deal = org.org.create(
        "Opportunity", Name="Deal", StageName="Negotiation", Amount=1234.5, CloseDate="2026-12-24"
    )
    role = org.org.create("OpportunityContactRole", OpportunityId=deal, ContactId=contact, IsPrimary=True)
    org.clock.advance(5)
    rows, cursor = read(connector, name="opportunities")
    assert by_id(rows, "event_id")[role]["kind"] == "opportunity_open"
    org.clock.advance(60)
    org.org.change("Opportunity", deal, StageName="Closed Won", CloseDate="2026-11-01")
    (row,) = read(connector, cursor, "opportunities")[0]
    assert (row["event_id"], row["kind"], row["amount"]) == (role, "opportunity_won", Decimal("1234.50"))
    assert (row["external_id"], row["primary"], str(row["at"])[:10]) == (contact, True, "2026-11-01")
    kinds = {str(r["kind"]) for r in rows}
    assert kinds == {"opportunity_won", "opportunity_lost", "opportunity_open"}


def test_campaign_members_join_and_respond_but_our_own_campaigns_are_no_activity(org: SalesforceRig) -> None:
    contact, connector = first_contact(org), org.connect()
    _, cursor = read(connector, name="campaigns")
    org.clock.advance(60)
    fair = org.org.create("Campaign", Name="Fair", Type="Trade Show")
    ours = org.org.create("Campaign", Name="Segsync: VIP")
    members = [
        org.org.insert("CampaignMember", {"CampaignId": c, "ContactId": contact}) for c in (fair, ours)
    ]
    org.org.tables["CampaignMember"][members[0]].update(HasResponded=True, FirstRespondedDate="2026-10-30")
    rows = by_id(read(connector, cursor, "campaigns")[0], "event_id")
    assert set(rows) == {f"{members[0]}:joined", f"{members[0]}:responded"}
    responded = rows[f"{members[0]}:responded"]
    assert (responded["kind"], str(responded["at"])[:10]) == ("campaign_responded", "2026-10-30")
    assert (responded["campaign_name"], responded["external_id"]) == ("Fair", contact)
