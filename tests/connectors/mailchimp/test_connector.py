"""What is particular to Mailchimp: consent, tags beyond fifty, archived people, the field we own."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import connectors.mailchimp
from connectors.base import Action, Audience, AudienceKind, Batch, Change, Consent, FieldType, OutcomeState
from connectors.errors import AudienceLost, UnexpectedResponse
from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.pacing import ManualClock
from connectors.simulation import Kind, Script, When, serve
from tests.connectors.mailchimp.rig import MailchimpRig

FIELD = Audience("all", "Segments", AudienceKind.FIELD)
FOLDER = Path(connectors.mailchimp.__file__).parent
WRITING_FILES = ("client.py", "connector.py", "writing.py", "reading.py", "refusals.py")


@pytest.fixture
def rig() -> Iterator[MailchimpRig]:
    clock = ManualClock()
    simulator = MailchimpSimulator(now=clock.utc_now)
    with serve(simulator) as address:
        made = MailchimpRig(simulator, clock, address)
        yield made
        made.close()


def rows(rig: MailchimpRig, name: str, after: str | None = None) -> list[dict[str, object]]:
    connector = rig.connect()
    stream = next(s for s in connector.features.streams if s.name == name)
    return [row for page in connector.read(stream, after) for row in page.rows.to_pylist()]


def put(address: str, value: str | None, *, without: str | None = None) -> Change:
    return Change(Action.SET, address, address, value, without)


# ---- consent -------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["status_if_new", "marketing_permissions", "timestamp_opt", "ip_opt"])
def test_no_code_that_writes_even_names_a_consent_key(word: str) -> None:
    for name in WRITING_FILES:
        assert word not in (FOLDER / name).read_text(encoding="utf-8").replace('="timestamp_opt"', "")


def test_status_is_no_key_of_any_dictionary_in_the_code_that_writes() -> None:
    """It may be asked for as a filter of a read, as keyword or in `bounds`; never built into a body."""
    for name in ("client.py", "connector.py", "writing.py", "refusals.py"):
        for node in ast.walk(ast.parse((FOLDER / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                keys = {k.value for k in node.keys if isinstance(k, ast.Constant)}
                assert not keys & {"status", "email_address", "tags", "sync_tags", "update_existing"}, name


@pytest.mark.parametrize(
    ("status", "consent"),
    [
        ("subscribed", Consent.OPTED_IN),
        ("unsubscribed", Consent.OPTED_OUT),
        ("archived", Consent.OPTED_OUT),
        ("cleaned", Consent.UNDELIVERABLE),
        ("pending", Consent.PENDING),
        ("transactional", Consent.NEVER_ASKED),
    ],
)
def test_writing_tags_and_fields_leaves_consent_as_it_is(
    rig: MailchimpRig, status: str, consent: Consent
) -> None:
    member = rig.mailchimp.add_member("ana@example.com", status=status)
    (row,) = rows(rig, "members")
    assert row["email_consent"] == consent
    connector = rig.connect()
    tag = Audience("vip", "vip", AudienceKind.TAG)
    tag = Audience("vip", "vip", AudienceKind.TAG, connector.ensure(tag))
    connector.ensure(FIELD)
    for action in (Action.ADD, Action.REMOVE, Action.ADD):
        (outcome,) = connector.write(Batch(tag, [Change(action, "1", "ana@example.com")]))
        assert outcome.state is OutcomeState.DONE
    connector.write(Batch(FIELD, [put("ana@example.com", "vip")]))
    assert member.status == status
    assert member.merge["SEGMENTS"] == "vip"


def test_a_status_we_do_not_know_is_not_taken_as_consent(rig: MailchimpRig) -> None:
    rig.mailchimp.add_member("ana@example.com", status="archived").status = "frozen"
    from connectors.mailchimp.mapping import consent

    assert consent("frozen") is None


def test_nobody_is_created_by_any_write(rig: MailchimpRig) -> None:
    connector = rig.connect()
    tag = Audience("vip", "vip", AudienceKind.TAG)
    tag = Audience("vip", "vip", AudienceKind.TAG, connector.ensure(tag))
    connector.ensure(FIELD)
    (one,) = connector.write(Batch(tag, [Change(Action.ADD, "1", "stranger@example.com")]))
    (two,) = connector.write(Batch(FIELD, [put("stranger@example.com", "vip")]))
    assert (one.state, two.state) == (OutcomeState.REFUSED, OutcomeState.REFUSED)
    assert rig.mailchimp.audience.members == {}


# ---- members -------------------------------------------------------------------------------------


def test_tagged_people_are_counted_whatever_their_consent(rig: MailchimpRig) -> None:
    """Else everybody who unsubscribes would look as if somebody had taken the tag away."""
    expected = set()
    for status in ("subscribed", "unsubscribed", "cleaned", "transactional"):
        expected.add(rig.mailchimp.add_member(f"{status}@example.com", status=status, tags=["vip"]).address)
    connector = rig.connect()
    (tag,) = connector.audiences()
    audience = Audience("vip", "vip", AudienceKind.TAG, tag.remote_id)
    found = {row["address"] for page in connector.members(audience) for row in page.rows.to_pylist()}
    assert found == expected
    assert tag.members == 1


def test_all_tags_of_a_member_with_more_than_fifty_are_found(rig: MailchimpRig) -> None:
    names = [f"tag {n}" for n in range(73)]
    rig.mailchimp.add_member("ana@example.com", tags=names)
    rig.mailchimp.add_member("bo@example.com", tags=names[:50])
    found = {row["address"]: row["lists"] for row in rows(rig, "members")}
    assert sorted(found["ana@example.com"]) == sorted(names)
    assert sorted(found["bo@example.com"]) == sorted(names[:50])
    assert rig.simulation.traffic.operations["GET /lists/{id}/members/{id}/tags"] == 1


def test_merge_fields_become_typed_columns_and_our_own_field_is_left_out(rig: MailchimpRig) -> None:
    home = rig.mailchimp.audience
    home.add_merge_field("LTV", "Lifetime value", "number")
    home.add_merge_field("JOINED", "Joined", "date")
    home.add_merge_field("DOB", "Birthday", "date")
    home.add_merge_field("SEGMENTS", "Segments", "text")
    address = {"addr1": "Way 1", "addr2": "", "city": "Ulm", "state": "BW", "zip": "89073", "country": "DE"}
    merge = {"FNAME": "Ana", "LTV": 290.53, "JOINED": "1980-12-21", "ADDRESS": address, "BIRTHDAY": "12/21"}
    rig.mailchimp.add_member("ana@example.com", merge={**merge, "DOB": "1990-02-28", "SEGMENTS": "vip"})
    stream = rig.connect().features.streams[0]
    types = {f.name: f.type for f in stream.fields}
    assert types["LTV"] is FieldType.NUMBER
    assert types["JOINED"] is FieldType.DATE
    assert types["BIRTHDAY"] is FieldType.TEXT
    assert "SEGMENTS" not in types
    assert stream.standard["birthday"] == "DOB"
    assert stream.standard["city"] == "ADDRESS_city"
    (row,) = rows(rig, "members")
    assert row["LTV"] == 290.53
    assert row["JOINED"] == date(1980, 12, 21)
    assert row["ADDRESS"] == "Way 1, Ulm, BW, 89073, DE"
    assert (row["ADDRESS_city"], row["ADDRESS_zip"]) == ("Ulm", "89073")
    assert row["LNAME"] is None
    assert row["latitude"] is None


def test_a_changed_address_keeps_the_external_id(rig: MailchimpRig) -> None:
    member = rig.mailchimp.add_member("ana@example.com")
    (before,) = rows(rig, "members")
    rig.mailchimp.audience.move(member, "ana.b@example.com")
    (after,) = rows(rig, "members")
    assert before["external_id"] == after["external_id"]
    assert after["address"] == "ana.b@example.com"


def test_a_member_archived_between_two_reads_comes_back_as_opted_out(rig: MailchimpRig) -> None:
    member = rig.mailchimp.add_member("ana@example.com")
    connector = rig.connect()
    stream = connector.features.streams[0]
    cursor = [p.cursor for p in connector.read(stream, None)][-1]
    rig.clock.advance(600)
    member.status = "archived"
    rig.mailchimp.audience.touch(member)
    rig.clock.advance(600)
    (row,) = rows(rig, "members", cursor)
    assert row["email_consent"] == Consent.OPTED_OUT
    assert row["deleted"] is False


def test_the_present_second_is_left_to_the_next_read(rig: MailchimpRig) -> None:
    """A second still filling would be read half; its other half would lie before the next window."""
    connector = rig.connect()
    stream = connector.features.streams[0]
    cursor = [page.cursor for page in connector.read(stream, None)][-1]
    rig.clock.advance(60)
    rig.mailchimp.add_member("ana@example.com", changed_at=rig.clock.utc_now())
    pages = list(connector.read(stream, cursor))
    assert sum(p.rows.num_rows for p in pages) == 0
    rig.mailchimp.add_member("bo@example.com", changed_at=rig.clock.utc_now())
    rig.clock.advance(10)
    assert len(rows(rig, "members", pages[-1].cursor)) == 2


def test_thousands_that_share_one_second_are_all_read(rig: MailchimpRig) -> None:
    for number in range(2500):
        rig.mailchimp.add_member(f"p{number}@example.com")
    found = rows(rig, "members")
    assert len({row["external_id"] for row in found}) == len(found) == 2500


def test_our_own_writes_change_only_what_tells_of_them(rig: MailchimpRig) -> None:
    """They move last_changed, so the member is read again; it must look the same but for tags and field."""
    rig.mailchimp.add_member("ana@example.com", merge={"FNAME": "Ana"})
    (before,) = rows(rig, "members")
    connector = rig.connect()
    tag = Audience("vip", "vip", AudienceKind.TAG)
    tag = Audience("vip", "vip", AudienceKind.TAG, connector.ensure(tag))
    connector.ensure(FIELD)
    connector.write(Batch(tag, [Change(Action.ADD, "1", "ana@example.com")]))
    connector.write(Batch(FIELD, [put("ana@example.com", "vip")]))
    rig.clock.advance(60)
    (after,) = rows(rig, "members")
    assert after.pop("lists") == ["vip"]
    assert before.pop("lists") == []
    assert (before.pop("own_values"), after.pop("own_values")) == (None, ["vip"])
    assert after.pop("changed_at") > before.pop("changed_at")  # type: ignore[operator]
    assert before == after


# ---- activity ------------------------------------------------------------------------------------


def test_opens_clicks_and_bounces_are_read_once_each(rig: MailchimpRig) -> None:
    at = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
    campaign = rig.mailchimp.add_campaign("October", sent_at=at, to=["ana@example.com", "bo@example.com"])
    other = rig.mailchimp.add_audience("Other")
    elsewhere = rig.mailchimp.add_campaign("Elsewhere", sent_at=at, to=["x@example.com"], audience=other)
    rig.mailchimp.add_activity(elsewhere, "x@example.com", "open", at=at)
    rig.mailchimp.add_activity(campaign, "ana@example.com", "open", at=at)
    rig.mailchimp.add_activity(campaign, "ana@example.com", "click", at=at, url="https://example.com/a")
    rig.mailchimp.add_activity(campaign, "ana@example.com", "click", at=at, url="https://example.com/b")
    rig.mailchimp.add_activity(campaign, "bo@example.com", "bounce", at=at, type="hard")
    found = rows(rig, "campaign_activity")
    assert [(r["kind"], r["email"], r["url"], r["bounce_type"]) for r in found] == [
        ("email_open", "ana@example.com", None, None),
        ("email_click", "ana@example.com", "https://example.com/a", None),
        ("email_click", "ana@example.com", "https://example.com/b", None),
        ("email_bounce", "bo@example.com", None, "hard"),
    ]
    assert len({r["event_id"] for r in found}) == 4
    assert {(r["campaign"], r["campaign_title"]) for r in found} == {(campaign.id, "October")}


def test_late_activity_of_an_old_campaign_is_read_incrementally(rig: MailchimpRig) -> None:
    now = rig.clock.utc_now()
    campaign = rig.mailchimp.add_campaign("C", sent_at=now - timedelta(days=100), to=["ana@example.com"])
    rig.mailchimp.add_activity(campaign, "ana@example.com", "open", at=now - timedelta(days=99))
    connector = rig.connect()
    stream = connector.features.streams[1]
    cursor = [p.cursor for p in connector.read(stream, None)][-1]
    rig.clock.advance(3600)
    rig.mailchimp.add_activity(campaign, "ana@example.com", "click", at=rig.clock.utc_now())
    rig.clock.advance(60)
    (row,) = rows(rig, "campaign_activity", cursor)
    assert row["kind"] == "email_click"


def test_a_cancelled_order_keeps_its_id_and_is_no_purchase_any_more(rig: MailchimpRig) -> None:
    at = datetime(2026, 9, 1, tzinfo=UTC)
    order = rig.mailchimp.add_order(
        "ana@example.com", total=30.1, at=at, currency="USD", lines=[("cup", 2, 10.0), ("pot", 1, 10.1)]
    )
    (bought,) = rows(rig, "orders")
    assert (bought["kind"], bought["amount"], bought["currency"]) == (
        "purchase",
        Decimal("30.10"),
        "USD",
    )
    assert bought["products"] == ["cup", "pot"]
    order.cancelled = int(at.timestamp()) + 86_400
    (cancelled,) = rows(rig, "orders")
    assert cancelled["event_id"] == bought["event_id"]
    assert cancelled["kind"] == "refund"


def test_orders_of_another_audience_are_not_ours(rig: MailchimpRig) -> None:
    at = datetime(2026, 9, 1, tzinfo=UTC)
    rig.mailchimp.add_order("ana@example.com", total=1, at=at)
    other = rig.mailchimp.add_audience("Other")
    rig.mailchimp.add_order("bo@example.com", total=1, at=at, store="second", audience=other)
    assert [r["email"] for r in rows(rig, "orders")] == ["ana@example.com"]


def test_an_order_without_an_address_is_rejected_with_its_place(rig: MailchimpRig) -> None:
    rig.mailchimp.add_order("", total=1, at=datetime(2026, 9, 1, tzinfo=UTC), id="o-7")
    connector = rig.connect()
    (page,) = connector.read(connector.features.streams[2], None)
    (rejected,) = page.rejected
    assert rejected.where == "order o-7 of store shop"
    assert page.rows.num_rows == 0


# ---- the field we own ----------------------------------------------------------------------------


def test_the_own_field_is_made_once_and_holds_one_value_per_person(rig: MailchimpRig) -> None:
    people = [rig.mailchimp.add_member(f"p{n}@example.com", merge={"FNAME": "x"}) for n in range(30)]
    connector = rig.connect()
    assert connector.ensure(FIELD) == connector.ensure(FIELD) == "SEGMENTS"
    assert rig.simulation.traffic.operations["POST /lists/{id}/merge-fields"] == 1
    before = rig.simulation.traffic.writes
    outcomes = connector.write(Batch(FIELD, [put(m.address, f"segment {n}") for n, m in enumerate(people)]))
    assert {o.state for o in outcomes} == {OutcomeState.DONE}
    shape = connector.features.audiences[AudienceKind.FIELD]
    assert rig.simulation.traffic.writes - before == shape.calls(30, 0)
    assert [m.merge["SEGMENTS"] for m in people] == [f"segment {n}" for n in range(30)]
    gone = [put(m.address, "", without=f"segment {n}") for n, m in enumerate(people[:10])]
    connector.write(Batch(FIELD, gone))
    found = [row for page in connector.members(FIELD) for row in page.rows.to_pylist()]
    assert {r["value"] for r in found} == {f"segment {n}" for n in range(10, 30)}
    assert {m.merge["FNAME"] for m in people} == {"x"}


def test_a_value_that_does_not_fit_is_refused_alone(rig: MailchimpRig) -> None:
    rig.mailchimp.add_member("ana@example.com")
    connector = rig.connect()
    connector.ensure(FIELD)
    long = put("ana@example.com", "é" * 128)  # 256 bytes
    fits = put("ana@example.com", "é" * 127 + "x")  # 255
    outcomes = connector.write(Batch(FIELD, [long, fits]))
    assert [(o.state, o.code) for o in outcomes] == [
        (OutcomeState.REFUSED, "value_too_long"),
        (OutcomeState.DONE, None),
    ]


def test_values_without_an_answer_are_unknown_and_the_others_done(rig: MailchimpRig) -> None:
    people = [rig.mailchimp.add_member(f"p{n}@example.com") for n in range(12)]
    connector = rig.connect()
    connector.ensure(FIELD)
    script = Script(Kind.EMPTY_503, "PATCH *", nth=8, times=99, when=When.BEFORE)
    rig.simulation.faults.add(script)
    outcomes = connector.write(Batch(FIELD, [put(m.address, "vip") for m in people]))
    done = {o.change.address for o in outcomes if o.state is OutcomeState.DONE}
    assert done == {m.address for m in people if m.merge["SEGMENTS"] == "vip"}
    assert {o.state for o in outcomes} == {OutcomeState.DONE, OutcomeState.UNKNOWN}


def test_an_own_field_deleted_by_hand_is_lost(rig: MailchimpRig) -> None:
    """Mailchimp ignores unknown merge fields silently; believing it would mean writing into nothing."""
    member = rig.mailchimp.add_member("ana@example.com")
    connector = rig.connect()
    connector.ensure(FIELD)
    rig.mailchimp.audience.merge_fields.pop()
    del member.merge["SEGMENTS"]
    with pytest.raises(AudienceLost):
        connector.write(Batch(FIELD, [put("ana@example.com", "vip")]))


def test_a_field_of_somebody_else_with_another_type_is_not_taken_over(rig: MailchimpRig) -> None:
    rig.mailchimp.audience.add_merge_field("SEGMENTS", "Count of segments", "number")
    with pytest.raises(UnexpectedResponse, match="number"):
        rig.connect().ensure(FIELD)


# ---- calls ---------------------------------------------------------------------------------------


def test_only_wanted_fields_are_asked_for_and_booleans_are_lower_case(rig: MailchimpRig) -> None:
    rig.mailchimp.add_member("ana@example.com", tags=["vip"])
    connector = rig.connect()
    rows(rig, "members")
    list(connector.members(Audience("vip", "vip", AudienceKind.TAG, connector.audiences()[0].remote_id)))
    log = list(rig.simulation.traffic.log)
    for logged in log:
        if logged.operation.startswith("GET /lists/{id}/"):
            assert "fields" in logged.query, logged.operation
    (members,) = [x for x in log if x.operation == "GET /lists/{id}/segments/{id}/members"]
    assert {members.query[f"include_{s}"] for s in ("unsubscribed", "cleaned", "transactional")} == {"true"}


def test_one_socket_serves_one_thread(rig: MailchimpRig) -> None:
    rig.mailchimp.add_member("ana@example.com")
    connector = rig.connect()
    for stream in connector.features.streams:
        list(connector.read(stream, None))
    assert len(rig.simulation.traffic.log) >= 5
    assert rig.simulation.traffic.connections == 1


def test_a_batch_carries_only_the_lists_it_needs(rig: MailchimpRig) -> None:
    rig.mailchimp.add_member("ana@example.com")
    connector = rig.connect()
    tag = Audience("vip", "vip", AudienceKind.TAG)
    tag = Audience("vip", "vip", AudienceKind.TAG, connector.ensure(tag))
    connector.write(Batch(tag, [Change(Action.ADD, "1", "ana@example.com")]))
    sent = json.loads(rig.simulation.traffic.log[-1].body)
    assert sent == {"members_to_add": ["ana@example.com"]}
