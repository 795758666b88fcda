"""Lists and the owned property: fewest calls, one outcome per change, nothing of others lost."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from pyroaring import BitMap

from connectors.base import Action, Audience, AudienceKind, Batch, BatchShape, Change, Connector, Outcome
from connectors.errors import AudienceLost, BadSource, BatchRefused, UnexpectedResponse
from connectors.hubspot.simulated.problem import Problem
from connectors.simulation import Kind, Reply, Request, Script, When
from sync.deliver import Address, FieldChange, deliver
from tests.connectors.hubspot.conftest import Portal
from tests.connectors.hubspot.rig import OWN_FIELD
from tests.connectors.prescribing import intercepted

UPDATE = "POST /objects/contacts/batch/update"
MEMBERS = "PUT /lists/{id}/memberships/add-and-remove"
CARRIER = Audience("*", "segments", AudienceKind.FIELD, OWN_FIELD)


def values(ids: list[str], value: str, *, without: str = "") -> list[Change]:
    return [Change(Action.SET, id_, "", value, without) for id_ in ids]


def members(ids: list[str], action: Action = Action.ADD) -> list[Change]:
    return [Change(action, id_, "") for id_ in ids]


def held(portal: Portal) -> dict[str, str | None]:
    return {id_: r.properties.get(OWN_FIELD) for id_, r in portal.hubspot.records.live("contacts").items()}


def a_list(connector: Connector, name: str = "segsync: VIP") -> Audience:
    return Audience(
        "vip", name, AudienceKind.LIST, connector.ensure(Audience("vip", name, AudienceKind.LIST))
    )


def states(outcomes: list[Outcome]) -> list[tuple[str, str | None]]:
    return [(o.state.value, o.code) for o in outcomes]


# ---- the owned property -------------------------------------------------------------------------


@pytest.mark.parametrize("people", [1, 99, 100, 101, 250])
def test_n_people_take_n_hundredths_of_calls_whatever_the_number_of_segments(
    portal: Portal, people: int
) -> None:
    connector = portal.connect()
    connector.ensure(CARRIER)
    connector.write(Batch(CARRIER, values(portal.fill(1), "vip;new;lapsed")))
    ids = fill_more(portal, people)
    shape = connector.features.audiences[AudienceKind.FIELD]
    assert shape == BatchShape(100, 100, together=False)
    before = portal.hubspot.traffic.writes
    for start in range(0, people, shape.adds):
        outcomes = connector.write(Batch(CARRIER, values(ids[start : start + shape.adds], "vip;lapsed")))
        assert {o.state.value for o in outcomes} == {"done"}
    assert portal.hubspot.traffic.writes - before == -(-people // 100) == shape.calls(people, 0)
    assert all(held(portal)[id_] == "lapsed;vip" for id_ in ids)


def fill_more(portal: Portal, count: int) -> list[str]:
    return [portal.hubspot.add_contact(f"more{n}@example.com").id for n in range(count)]


def test_a_new_segment_costs_one_more_read_and_write_once(portal: Portal) -> None:
    ids = portal.fill(2)
    connector = portal.connect()
    connector.ensure(CARRIER)
    connector.write(Batch(CARRIER, values(ids, "vip")))
    portal.hubspot.traffic.reset()
    connector.write(Batch(CARRIER, values(ids, "new")))
    connector.write(Batch(CARRIER, values(ids, "", without="vip")))
    assert portal.hubspot.traffic.operations == {
        f"GET /properties/contacts/{OWN_FIELD}": 1,
        f"PATCH /properties/contacts/{OWN_FIELD}": 1,
        "POST /objects/contacts/batch/read": 2,
        UPDATE: 2,
    }


def test_whose_last_segment_goes_has_an_empty_property(portal: Portal) -> None:
    (id_,) = portal.fill(1)
    connector = portal.connect()
    connector.ensure(CARRIER)
    connector.write(Batch(CARRIER, values([id_], "vip")))
    connector.write(Batch(CARRIER, values([id_], "", without="vip")))
    assert held(portal)[id_] == ""


def test_ensure_makes_a_multi_checkbox_with_the_segments_option(portal: Portal) -> None:
    connector = portal.connect()
    assert connector.ensure(Audience("vip", "Very good people", AudienceKind.FIELD)) == OWN_FIELD
    made = portal.hubspot.schema.find("contacts", OWN_FIELD)
    assert (made["type"], made["fieldType"]) == ("enumeration", "checkbox")
    assert [(o["value"], o["label"]) for o in made["options"]] == [("vip", "Very good people")]


def test_options_that_are_there_stay_exactly_as_they_are(portal: Portal) -> None:
    """PATCH replaces all options, so what others made or renamed has to be sent along."""
    ids = portal.fill(1)
    connector = portal.connect()
    connector.ensure(CARRIER)
    theirs = [
        {"label": "By hand", "value": "hand", "displayOrder": 7, "hidden": True, "description": "x"},
        {"label": "Renamed", "value": "old", "displayOrder": -1, "hidden": False},
    ]
    portal.hubspot.schema.find("contacts", OWN_FIELD)["options"] = [dict(o) for o in theirs]
    connector.write(Batch(CARRIER, values(ids, "vip;by hand")))
    options = portal.hubspot.schema.find("contacts", OWN_FIELD)["options"]
    assert options[:2] == theirs
    assert [(o["value"], o["label"]) for o in options[2:]] == [("by hand", "by hand (2)"), ("vip", "vip")]


def test_an_option_removed_by_hand_is_put_back_and_the_value_written(portal: Portal) -> None:
    ids = portal.fill(3)
    connector = portal.connect()
    connector.ensure(CARRIER)
    connector.write(Batch(CARRIER, values(ids, "vip;new")))
    portal.hubspot.schema.find("contacts", OWN_FIELD)["options"] = []
    outcomes = connector.write(Batch(CARRIER, values(ids, "new;vip")))
    assert {o.state.value for o in outcomes} == {"done"}
    assert set(held(portal).values()) == {"new;vip"}


def test_a_property_of_another_kind_is_not_touched(portal: Portal) -> None:
    portal.hubspot.add_property(OWN_FIELD)
    connector = portal.connect()
    with pytest.raises(UnexpectedResponse, match="not a multi-checkbox"):
        connector.ensure(CARRIER)
    assert portal.hubspot.traffic.writes == 0


def test_a_property_deleted_by_hand_is_lost_and_can_be_made_again(portal: Portal) -> None:
    ids = portal.fill(2)
    connector = portal.connect()
    connector.ensure(CARRIER)
    connector.write(Batch(CARRIER, values(ids, "vip")))
    del portal.hubspot.schema.of("contacts")[OWN_FIELD]
    with pytest.raises(AudienceLost):
        connector.write(Batch(CARRIER, values(ids, "vip")))
    with pytest.raises(AudienceLost):
        connector.write(Batch(CARRIER, values(ids, "new")))
    connector.ensure(CARRIER)
    assert {o.state.value for o in connector.write(Batch(CARRIER, values(ids, "vip")))} == {"done"}


def test_ensure_of_the_property_survives_losing_its_answer(portal: Portal) -> None:
    portal.hubspot.faults.add(Script(Kind.EMPTY_503, "POST /properties/contacts", when=When.AFTER))
    assert portal.connect().ensure(CARRIER) == OWN_FIELD


@pytest.mark.parametrize("errors_in_200", [False, True])
def test_a_bad_row_is_refused_alone_wherever_its_error_is_told(portal: Portal, errors_in_200: bool) -> None:
    """207, or a 200 with errors: results come shuffled, errors name the row by its trace id."""
    portal.hubspot.account.habits.errors_in_200 = errors_in_200
    ids = portal.fill(50)
    connector = portal.connect()
    connector.ensure(CARRIER)
    gone = ids[::7]
    for id_ in gone:
        portal.hubspot.records.archive(portal.hubspot.records.required("contacts", id_))
    changes = values(ids, "vip")
    outcomes = connector.write(Batch(CARRIER, changes))
    assert [o.change for o in outcomes] == changes
    assert {o.change.external_id for o in outcomes if o.code == "not_found"} == set(gone)
    assert {o.change.external_id for o in outcomes if o.state == "done"} == set(ids) - set(gone)
    assert {id_ for id_, value in held(portal).items() if value == "vip"} == set(ids) - set(gone)
    assert portal.hubspot.traffic.operations[UPDATE] == 1


def test_errors_that_name_rows_by_id_are_understood_too(portal: Portal) -> None:
    ids = portal.fill(4)
    connector = portal.connect()
    connector.ensure(CARRIER)
    portal.hubspot.records.archive(portal.hubspot.records.required("contacts", ids[2]))
    answer_of = portal.hubspot.answer

    def by_id(request: Request) -> Reply:
        reply = answer_of(request)
        return replace(reply, body=reply.body.replace(b'"objectWriteTraceId":[', b'"ids":['))

    portal.hubspot.answer = by_id  # type: ignore[method-assign]
    outcomes = connector.write(Batch(CARRIER, values(ids, "vip")))
    assert states(outcomes) == [("done", None), ("done", None), ("refused", "not_found"), ("done", None)]


def test_a_silent_answer_is_no_success(portal: Portal) -> None:
    ids = portal.fill(2)
    connector = portal.connect()
    connector.ensure(CARRIER)
    portal.hubspot.account.habits.silent = True
    assert states(connector.write(Batch(CARRIER, values(ids, "vip")))) == [("refused", "no_result")] * 2


def test_halving_isolates_a_poison_record(portal: Portal) -> None:
    """HubSpot refuses the whole batch for one row, whatever its trace ids: the run's delivery halves it."""
    ids = portal.fill(60)
    connector = portal.connect()
    connector.ensure(CARRIER)
    poison = ids[23]
    answer_of = portal.hubspot.answer

    def refuse(request: Request) -> Reply:
        if request.path.endswith("batch/update") and poison in request.body.decode():
            problem = Problem(400, "a validation rule of the account was not met")
            return Reply(400, json.dumps(problem.body()).encode())
        return answer_of(request)

    portal.hubspot.answer = refuse  # type: ignore[method-assign]

    people = BitMap(range(60))
    known = {n: Address(ids[n], "") for n in people}
    delivery = deliver(
        connector,
        CARRIER,
        adds=people,
        removes=BitMap(),
        addresses=known,
        values=dict.fromkeys(people, FieldChange(("vip",))),
    )
    assert [r.person for r in delivery.refused] == [23]
    assert len(delivery.done_adds) == 59
    with pytest.raises(BatchRefused):
        connector.write(Batch(CARRIER, values(ids, "vip")))


def test_members_of_the_property_are_read_from_the_live_store(portal: Portal) -> None:
    """Search would miss what was written a moment ago."""
    ids = portal.fill(130)
    connector = portal.connect()
    connector.ensure(CARRIER)
    connector.write(Batch(CARRIER, values(ids[:3], "vip;new")))
    rows = pa.concat_tables([p.rows for p in connector.members(CARRIER)]).to_pylist()
    assert {(r["external_id"], r["value"]) for r in rows} == {(id_, "new;vip") for id_ in ids[:3]}
    assert rows[0]["address"] == "p0@example.com"


# ---- lists --------------------------------------------------------------------------------------


def test_lists_are_made_in_a_folder_of_ours_which_is_made_once(portal: Portal) -> None:
    connector = portal.connect(folder="Our segments")
    one, two = a_list(connector, "segsync: one"), a_list(connector, "segsync: two")
    (folder,) = [f for f in portal.hubspot.lists.folders.values() if f.name == "Our segments"]
    assert {portal.hubspot.lists.find(str(a.remote_id)).folder for a in (one, two)} == {folder.id}
    a_list(portal.connect(folder="OUR SEGMENTS"), "segsync: three")
    assert portal.hubspot.traffic.operations["POST /lists/folders"] == 1


def test_without_a_folder_lists_stay_where_hubspot_puts_them(portal: Portal) -> None:
    a_list(portal.connect(folder=""))
    assert not portal.hubspot.traffic.operations["GET /lists/folders"]


def test_a_list_made_whose_answer_was_lost_is_found(portal: Portal) -> None:
    portal.hubspot.faults.add(Script(Kind.EMPTY_503, "POST /lists", when=When.AFTER))
    audience = a_list(portal.connect())
    assert [one.id for one in portal.hubspot.lists.there()] == [audience.remote_id]


def test_renaming_a_segment_renames_its_list_and_keeps_its_members(portal: Portal) -> None:
    ids = portal.fill(2)
    connector = portal.connect()
    audience = a_list(connector)
    connector.write(Batch(audience, members(ids)))
    renamed = Audience("vip", "segsync: Best", AudienceKind.LIST, audience.remote_id)
    assert connector.ensure(renamed) == audience.remote_id
    assert portal.hubspot.listed("segsync: Best") == {"p0@example.com", "p1@example.com"}
    assert portal.hubspot.lists.named("segsync: VIP") is None


def test_a_name_that_another_list_has_is_told_not_taken(portal: Portal) -> None:
    connector = portal.connect()
    audience = a_list(connector)
    portal.hubspot.lists.make("Taken")
    with pytest.raises(BadSource, match='another list is called "Taken"'):
        connector.ensure(Audience("vip", "Taken", AudienceKind.LIST, audience.remote_id))
    portal.hubspot.lists.make("By rules", kind="DYNAMIC")
    with pytest.raises(BadSource, match="a segment with rules"):
        connector.ensure(Audience("vip", "By rules", AudienceKind.LIST))


def test_lists_with_rules_are_no_audiences(portal: Portal) -> None:
    portal.hubspot.lists.make("By rules", kind="DYNAMIC")
    portal.hubspot.lists.make("By hand")
    assert [a.name for a in portal.connect().audiences()] == ["By hand"]


def test_more_than_one_page_of_lists_and_members_is_read(portal: Portal) -> None:
    ids = portal.fill(600)
    for n in range(501):
        portal.hubspot.lists.make(f"List {n}")
    connector = portal.connect()
    assert len(connector.audiences()) == 501
    audience = a_list(connector)
    connector.write(Batch(audience, members(ids)))
    rows = pa.concat_tables([p.rows for p in connector.members(audience)])
    assert set(rows.column("external_id").to_pylist()) == set(ids)
    assert portal.hubspot.traffic.operations["GET /lists/{id}/memberships"] == 3


def test_one_call_per_changed_list_and_chunk(portal: Portal) -> None:
    ids = portal.fill(130)
    connector = portal.connect(ids_per_call=50)
    shape = connector.features.audiences[AudienceKind.LIST]
    audience = a_list(connector)
    connector.write(Batch(audience, members(ids[:50])))
    before = portal.hubspot.traffic.writes
    connector.write(Batch(audience, [*members(ids[50:100]), *members(ids[:50], Action.REMOVE)]))
    assert portal.hubspot.traffic.writes - before == shape.calls(50, 50) == 1
    assert portal.carriers(audience) == {f"p{n}@example.com" for n in range(50, 100)}


def test_a_chunk_that_is_too_big_is_halved_and_the_size_remembered(portal: Portal) -> None:
    """How many ids a call may hold is stated nowhere; nobody is refused for it."""
    ids = portal.fill(400)
    portal.hubspot.lists.ids_per_call = 60
    connector = portal.connect(ids_per_call=200)
    audience = a_list(connector)
    before = portal.hubspot.traffic.operations[MEMBERS]
    outcomes = connector.write(Batch(audience, members(ids[:200])))
    assert {o.state.value for o in outcomes} == {"done"}
    assert portal.hubspot.traffic.operations[MEMBERS] - before == 2 + 4  # 200 and 100 refused, 4 × 50
    outcomes = connector.write(Batch(audience, members(ids[200:])))
    assert portal.hubspot.traffic.operations[MEMBERS] - before == 2 + 4 + 4
    assert len(portal.carriers(audience)) == 400


def test_one_person_who_is_always_refused_does_not_make_the_calls_smaller(portal: Portal) -> None:
    """Halving finds whom HubSpot refuses; that says nothing of how many ids a call may hold."""
    ids = portal.fill(65)
    connector = portal.connect()
    audience = a_list(connector)

    def refuse(request: Request) -> Reply | None:
        poisoned = request.method == "PUT" and f'"{ids[20]}"'.encode() in request.body
        return (
            Reply(400, json.dumps(Problem(400, "a rule was not met").body()).encode()) if poisoned else None
        )

    with intercepted(portal.hubspot, refuse):
        before = portal.hubspot.traffic.operations[MEMBERS]
        outcomes = connector.write(Batch(audience, members(ids[:64])))
        assert [o.change.external_id for o in outcomes if o.state.value != "done"] == [ids[20]]
        assert portal.hubspot.traffic.operations[MEMBERS] - before <= 1 + 2 * 6  # 2 · log2(64)
        before = portal.hubspot.traffic.operations[MEMBERS]
        connector.write(Batch(audience, members(ids[:64:2], Action.REMOVE)[11:] + members(ids[64:])))
        assert portal.hubspot.traffic.operations[MEMBERS] - before == 1
    assert len(portal.carriers(audience)) == 64 - 1 - 21 + 1


def test_people_who_are_gone_are_refused_and_the_others_written(portal: Portal) -> None:
    ids = portal.fill(4)
    portal.hubspot.records.archive(portal.hubspot.records.required("contacts", ids[1]))
    connector = portal.connect()
    audience = a_list(connector)
    outcomes = connector.write(Batch(audience, members([*ids, "99999", "no id", "٣"])))
    assert [o.code for o in outcomes] == [None, "not_found", None, None, *["not_found"] * 3]


def test_members_that_others_added_stay(portal: Portal) -> None:
    ids = portal.fill(3)
    connector = portal.connect()
    audience = a_list(connector)
    portal.put_in(audience, "p2@example.com")
    connector.write(Batch(audience, members(ids[:2])))
    connector.write(Batch(audience, members(ids[:2], Action.REMOVE)))
    assert portal.carriers(audience) == {"p2@example.com"}


def test_an_action_of_the_wrong_kind_is_refused(portal: Portal) -> None:
    ids = portal.fill(1)
    connector = portal.connect()
    connector.ensure(CARRIER)
    assert states(connector.write(Batch(CARRIER, members(ids)))) == [("refused", "not_a_list")]
    audience = a_list(connector)
    assert states(connector.write(Batch(audience, values(ids, "x")))) == [("refused", "not_a_field")]


def test_erasing_goes_by_record_id_so_that_no_address_is_blocked_by_guess(portal: Portal) -> None:
    ids = portal.fill(2)
    connector = portal.connect()
    assert connector.erase(ids[0]).state == "done"
    assert connector.erase("ana@example.com").code == "not_found"
    assert connector.erase("424242").code == "not_found"
    assert portal.hubspot.records.blocked == {"p0@example.com"}
    sent = [x for x in portal.hubspot.traffic.log if x.path.endswith("gdpr-delete")]
    assert [json.loads(x.body) for x in sent] == [{"objectId": ids[0]}, {"objectId": "424242"}]
