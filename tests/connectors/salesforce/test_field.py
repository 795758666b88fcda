"""The own field: one multi-select picklist on contacts and leads, by collections and by bulk jobs."""

from __future__ import annotations

import random

import pytest
from pyroaring import BitMap

from connectors.base import Action, Audience, AudienceKind, Batch, Change, Connector, OutcomeState, Prepares
from connectors.errors import AudienceLost, BadSource, BatchRefused, Unauthorized, Unavailable
from connectors.health import Needs, WantedAudience
from connectors.salesforce.simulated.schema import Field
from connectors.simulation import Kind, Script, When
from sync.deliver import Address, FieldChange, deliver
from tests.connectors.rig import ensured
from tests.connectors.salesforce.rig import OWN_FIELD, SalesforceRig, salesforce_rig

FIELD = Audience("*", "segments", AudienceKind.FIELD, OWN_FIELD)
UPDATES = "PATCH /composite/sobjects*"


def ids(rig: SalesforceRig, object: str, *, converted: bool = False) -> list[str]:
    rows = rig.org.tables[object].values()
    return [str(r["Id"]) for r in rows if not r["IsDeleted"] and bool(r.get("IsConverted")) is converted]


def values(rig: SalesforceRig) -> dict[str, set[str]]:
    rows = [r for name in ("Contact", "Lead") for r in rig.org.tables[name].values()]
    return {str(r["Id"]): set(r[OWN_FIELD].split(";")) for r in rows if r.get(OWN_FIELD)}


def sets(people: list[str], value: str = "vip", *, without: str = "") -> list[Change]:
    return [Change(Action.SET, id, id, value, without) for id in people]


def states(outcomes: list[object]) -> list[str]:
    return [str(o.state) for o in outcomes]  # type: ignore[attr-defined]


def test_values_are_set_cleared_and_read_back(org: SalesforceRig) -> None:
    connector = org.connect()
    people = [*ids(org, "Contact")[:3], ids(org, "Lead")[0]]
    first = connector.write(Batch(FIELD, sets(people, "vip;new")))
    assert [o.change.external_id for o in first] == people
    gone = [*sets(people[:1], "", without="vip;new"), *sets(people[1:2], "", without="vip")]
    connector.write(Batch(FIELD, gone))
    rows = [row for page in connector.members(FIELD) for row in page.rows.to_pylist()]
    read = {row["external_id"]: set(row["value"].split(";")) for row in rows}
    assert read == values(org) == {people[1]: {"new"}, people[2]: {"vip", "new"}, people[3]: {"vip", "new"}}
    assert all(row["address"] == row["external_id"] for row in rows)


def test_contacts_and_leads_mixed_take_a_200th_of_the_calls() -> None:
    with salesforce_rig(contacts=700, leads=400) as rig:
        connector = rig.connect()
        shape = connector.features.audiences[AudienceKind.FIELD]
        people = [*ids(rig, "Contact"), *ids(rig, "Lead")]
        random.Random(1).shuffle(people)
        for count in (1, 200, 201, 1000):
            rig.simulation.traffic.reset()
            before = "s1;s200;s201"
            outcomes = connector.write(Batch(FIELD, sets(people[:count], f"n{count}", without=before)))
            assert {str(o.state) for o in outcomes} == {"done"}
            assert rig.simulation.traffic.writes == shape.calls(count, 0) == -(-count // 200)
        assert all("n1000" in found for found in values(rig).values())
        assert set(values(rig)) == set(people[:1000])


def test_more_than_two_thousand_go_by_one_bulk_job() -> None:
    with salesforce_rig(contacts=2600, leads=0) as rig:
        connector = rig.connect()
        shape = connector.features.audiences[AudienceKind.FIELD]
        people = ids(rig, "Contact")
        rig.org.delete("Contact", people[7])
        rig.org.locks[people[9]] = 1
        rig.simulation.traffic.reset()
        outcomes = connector.write(Batch(FIELD, sets(people[:2500], "vip;new")))
        assert rig.simulation.traffic.writes == shape.calls(2500, 0) + 1  # the locked row once more
        assert [o.change.external_id for o in outcomes] == people[:2500]
        refused = [o for o in outcomes if o.state is not OutcomeState.DONE]
        assert [(o.change.external_id, o.code) for o in refused] == [(people[7], "not_found")]
        assert set(values(rig)) == set(people[:2500]) - {people[7]}
        connector.write(Batch(FIELD, sets(people[:2500], "", without="vip;new")))
        assert values(rig) == {}
        polls = rig.simulation.traffic.operations["GET /jobs/ingest/{id}"]
        assert polls == 2 * 2  # two jobs, two looks each


def test_both_objects_go_by_bulk_only_where_they_are_many() -> None:
    with salesforce_rig(contacts=2100, leads=150) as rig:
        connector = rig.connect()
        people = [*ids(rig, "Contact"), *ids(rig, "Lead")]
        rig.simulation.traffic.reset()
        outcomes = connector.write(Batch(FIELD, sets(people)))
        assert {str(o.state) for o in outcomes} == {"done"}
        assert rig.simulation.traffic.writes == 3 + 1
        assert set(values(rig)) == set(people)


def test_a_bulk_job_that_fails_half_way_leaves_the_rest_unknown() -> None:
    with salesforce_rig(contacts=2100, leads=0) as rig:
        connector = rig.connect()
        people = ids(rig, "Contact")
        rig.salesforce.jobs.fail_after = 1500
        outcomes = connector.write(Batch(FIELD, sets(people)))
        assert len(outcomes) == 2100
        done = {o.change.external_id for o in outcomes if o.state is OutcomeState.DONE}
        unknown = {o.change.external_id for o in outcomes if o.state is OutcomeState.UNKNOWN}
        assert done == set(values(rig))
        assert len(done) == 1500
        assert unknown == set(people) - done


def test_a_session_that_ends_in_mid_job_is_renewed() -> None:
    with salesforce_rig(contacts=2100, leads=0) as rig:
        connector = rig.connect()
        people = ids(rig, "Contact")
        _ = connector.features
        rig.salesforce.session_calls = 2
        rig.salesforce.expire_sessions()
        outcomes = connector.write(Batch(FIELD, sets(people)))
        assert {str(o.state) for o in outcomes} == {"done"}
        assert rig.salesforce.logins >= 4


def test_bulk_results_that_are_cut_short_are_fetched_again() -> None:
    with salesforce_rig(contacts=2100, leads=0) as rig:
        connector = rig.connect()
        results = "GET /jobs/ingest/{id}/successfulResults"
        rig.simulation.faults.add(Script(Kind.TRUNCATED_200, results))
        outcomes = connector.write(Batch(FIELD, sets(ids(rig, "Contact"))))
        assert {str(o.state) for o in outcomes} == {"done"}
        rig.simulation.faults.add(Script(Kind.TRUNCATED_200, results, times=99))
        with pytest.raises(Unavailable):
            connector.write(Batch(FIELD, sets(ids(rig, "Contact"), "new")))


def test_a_bulk_job_that_never_ends_is_aborted() -> None:
    with salesforce_rig(contacts=2100, leads=0) as rig:
        connector = rig.connect()
        rig.salesforce.jobs.polls = 10_000
        with pytest.raises(Unavailable):
            connector.write(Batch(FIELD, sets(ids(rig, "Contact"))))
        (job,) = rig.salesforce.jobs.jobs.values()
        assert job.state == "Aborted"
        assert values(rig) == {}


def test_a_converted_lead_is_written_at_its_contact(org: SalesforceRig) -> None:
    """By its address, if the read knew of the conversion; by asking, if it came later."""
    connector = org.connect()
    stream = connector.features.streams[0]
    rows = {r["external_id"]: r for p in connector.read(stream, None) for r in p.rows.to_pylist()}
    known, later = ids(org, "Lead", converted=True)[0], ids(org, "Lead")[0]
    contact = org.org.convert(later)
    changes = [Change(Action.SET, id, rows[id]["address"], "vip") for id in (known, later)]
    assert changes[0].address == org.org.tables["Lead"][known]["ConvertedContactId"]
    outcomes = connector.write(Batch(FIELD, changes))
    assert [o.change for o in outcomes] == changes
    assert states(outcomes) == ["done", "done"]
    assert set(values(org)) == {changes[0].address, contact}


def test_a_converted_lead_whose_contact_is_gone_is_refused(org: SalesforceRig) -> None:
    lead = ids(org, "Lead", converted=True)[0]
    org.org.tables["Lead"][lead]["ConvertedContactId"] = None
    (outcome,) = org.connect().write(Batch(FIELD, sets([lead])))
    assert (outcome.state, outcome.code) == (OutcomeState.REFUSED, "cannot_update_converted_lead")


def test_locked_rows_are_sent_again_alone(org: SalesforceRig) -> None:
    people = ids(org, "Contact")
    for id in people[:3]:
        org.org.locks[id] = 1
    org.org.locks[people[4]] = 2
    org.org.locks[people[5]] = 99
    outcomes = org.connect().write(Batch(FIELD, sets(people)))
    refused = [(o.change.external_id, o.code) for o in outcomes if o.state is not OutcomeState.DONE]
    assert refused == [(people[5], "unable_to_lock_row")]
    assert set(values(org)) == set(people) - {people[5]}
    # all; the 5 locked in one chunk of 50; the 2 that still were, one by one
    assert org.simulation.traffic.operations["PATCH /composite/sobjects Contact"] == 1 + 1 + 2
    assert len(org.clock.sleeps) == 2


def test_triggers_that_cannot_bear_many_rows_get_fewer(org: SalesforceRig) -> None:
    org.org.trigger_limit = 8
    people = ids(org, "Contact")
    outcomes = org.connect().write(Batch(FIELD, sets(people)))
    assert {str(o.state) for o in outcomes} == {"done"}
    assert set(values(org)) == set(people)


def test_values_of_a_restricted_list_are_refused_one_by_one(org: SalesforceRig) -> None:
    for object in ("contact", "lead"):
        own = org.org.schema[object].fields[OWN_FIELD.lower()]
        own.restricted, own.values = True, ["vip"]
    connector = org.connect()
    people = ids(org, "Contact")[:2]
    outcomes = connector.write(Batch(FIELD, [*sets(people[:1], "vip"), *sets(people[1:], "vip;secret")]))
    assert states(outcomes) == ["done", "refused"]
    assert outcomes[1].code == "invalid_or_null_for_restricted_picklist"
    assert "secret" not in str(outcomes[1].reason)
    assert any("restricted" in problem for problem in connector.check().problems)


def test_two_people_who_are_one_record_do_not_overwrite_each_other(org: SalesforceRig) -> None:
    id = ids(org, "Contact")[0]
    changes = [Change(Action.SET, "one", id, "vip"), Change(Action.SET, "two", id, "new")]
    outcomes = org.connect().write(Batch(FIELD, changes))
    assert [(str(o.state), o.code) for o in outcomes] == [("done", None), ("refused", "same_record")]
    assert values(org) == {id: {"vip"}}


@pytest.mark.parametrize("when", list(When))
def test_a_lost_answer_is_repaired_by_writing_again(org: SalesforceRig, when: When) -> None:
    connector = org.connect()
    org.simulation.faults.add(Script(Kind.CUT, UPDATES, when=when))
    people = ids(org, "Contact")
    assert {str(o.state) for o in connector.write(Batch(FIELD, sets(people)))} == {"done"}
    assert set(values(org)) == set(people)


@pytest.mark.parametrize("kind", [AudienceKind.FIELD, AudienceKind.CAMPAIGN])
def test_a_record_that_spoils_its_call_is_found_by_halving(org: SalesforceRig, kind: AudienceKind) -> None:
    connector = org.connect()
    audience = FIELD if kind is AudienceKind.FIELD else ensured(connector)
    people = ids(org, "Contact")
    org.org.poison = {people[17]}
    changes = sets(people) if kind is AudienceKind.FIELD else [Change(Action.ADD, id, id) for id in people]
    with pytest.raises(BatchRefused) as caught:
        connector.write(Batch(audience, changes))
    assert caught.value.code == "unknown_exception"
    numbers = {number: Address(id, id) for number, id in enumerate(people)}
    given = dict.fromkeys(numbers, FieldChange(("vip",))) if kind is AudienceKind.FIELD else None
    delivery = deliver(
        connector, audience, adds=BitMap(numbers), removes=BitMap(), addresses=numbers, values=given
    )
    assert [refusal.person for refusal in delivery.refused] == [17]
    assert delivery.done_adds == BitMap(numbers) - BitMap([17])
    assert org.carriers(audience) == set(people) - {people[17]}


# ---- the field itself ----------------------------------------------------------------------------


def without_field(rig: SalesforceRig) -> None:
    for object in ("contact", "lead"):
        del rig.org.schema[object].fields[OWN_FIELD.lower()]


def test_a_field_deleted_by_hand_is_lost(org: SalesforceRig) -> None:
    connector = org.connect()
    assert connector.ensure(FIELD) == OWN_FIELD
    without_field(org)
    with pytest.raises(AudienceLost):
        connector.write(Batch(FIELD, sets(ids(org, "Contact")[:1])))
    with pytest.raises(AudienceLost):
        list(connector.members(FIELD))


def test_a_field_we_may_not_edit_pauses_and_is_named(org: SalesforceRig) -> None:
    connector = org.connect()
    for object in ("contact", "lead"):
        org.org.schema[object].fields[OWN_FIELD.lower()].editable = False
    with pytest.raises(Unauthorized, match=OWN_FIELD):
        connector.write(Batch(FIELD, sets(ids(org, "Contact")[:1])))
    with pytest.raises(BadSource, match="edit"):
        connector.ensure(FIELD)
    assert any("edit" in problem for problem in org.connect().check().problems)


def test_a_missing_field_comes_with_an_instruction(org: SalesforceRig) -> None:
    without_field(org)
    connector = org.connect()
    with pytest.raises(BadSource, match=r"make a field of type Picklist \(Multi-Select\)"):
        connector.ensure(FIELD)
    campaigns = Needs(audiences=(WantedAudience("vip", AudienceKind.CAMPAIGN),))
    assert connector.check(campaigns).ok  # campaigns work without it
    assert all(OWN_FIELD in problem for problem in connector.check().problems)
    assert AudienceKind.FIELD not in {a.kind for a in connector.audiences()}


def test_a_field_of_another_type_is_not_taken(org: SalesforceRig) -> None:
    without_field(org)
    for object in ("contact", "lead"):
        org.org.schema[object].add(Field(OWN_FIELD, "string", "Segments", 255))
    with pytest.raises(BadSource, match="not multipicklist"):
        org.connect().ensure(FIELD)


def making(rig: SalesforceRig) -> Connector:
    without_field(rig)
    rig.org.create("PermissionSet", Name="Segsync")
    rig.salesforce.may_customise = True
    return rig.connect(create_field=True, permission_set="segsync")


def test_the_field_is_made_with_its_permission_if_we_are_asked_to(org: SalesforceRig) -> None:
    connector = making(org)
    assert [made.name for made in connector.check().creates] == [OWN_FIELD, OWN_FIELD]
    assert isinstance(connector, Prepares)
    foretold = connector.preparation([FIELD], ["vip"])
    assert connector.ensure(FIELD) == OWN_FIELD
    assert org.simulation.traffic.writes == foretold == 4
    assert connector.ensure(FIELD) == OWN_FIELD
    created = [o for o in org.simulation.traffic.operations.elements() if o.startswith("POST")]
    assert len([o for o in created if "CustomField" in o]) == 2
    assert len([o for o in created if "FieldPermissions" in o]) == 2
    people = [ids(org, "Contact")[0], ids(org, "Lead")[0]]
    connector.write(Batch(FIELD, sets(people)))
    assert set(values(org)) == set(people)


def test_making_the_field_survives_losing_an_answer(org: SalesforceRig) -> None:
    connector = making(org)
    org.simulation.faults.add(Script(Kind.EMPTY_503, "POST /tooling*", when=When.AFTER))
    org.simulation.faults.add(Script(Kind.EMPTY_503, "POST /sobjects/FieldPermissions", when=When.AFTER))
    assert connector.ensure(FIELD) == OWN_FIELD


def test_a_user_who_may_not_make_fields_is_told(org: SalesforceRig) -> None:
    connector = making(org)
    org.salesforce.may_customise = False
    with pytest.raises(Unauthorized):
        connector.ensure(FIELD)


def test_a_permission_set_that_is_not_there_is_told_before_anything_is_made(org: SalesforceRig) -> None:
    making(org)
    connector = org.connect(create_field=True, permission_set="Other")
    with pytest.raises(BadSource, match="Other"):
        connector.ensure(FIELD)
    assert not any("CustomField" in o for o in org.simulation.traffic.operations)
