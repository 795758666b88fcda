"""Writing the property and lists: fewest calls, one outcome each, nobody else touched."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from connectors.base import Action, Audience, AudienceKind, Batch, Change, OutcomeState
from connectors.errors import BadSource, BatchRefused, UnexpectedResponse
from connectors.simulation import Kind, Reply, Script, When
from tests.connectors.klaviyo.rig import KlaviyoRig, klaviyo_rig
from tests.connectors.rig import changes, contacts, ensured

OWN = "segsync_segments"
FIELD = Audience("*", "segments", AudienceKind.FIELD, OWN)
IMPORT = "POST /api/profile-bulk-import-jobs"
POLL = "GET /api/profile-bulk-import-jobs/{id}"
DONE, REFUSED, UNKNOWN = OutcomeState.DONE, OutcomeState.REFUSED, OutcomeState.UNKNOWN


def sets(people: Sequence[tuple[str, str]], value: str, *, without: str = "") -> list[Change]:
    return [Change(Action.SET, id_, address, value, without) for id_, address in people]


def held(rig: KlaviyoRig) -> dict[str, object]:
    profiles = rig.klaviyo.account.profiles.values()
    return {str(p.email): p.properties[OWN] for p in profiles if OWN in p.properties}


def door(*places: int, detail: str = "Invalid email address") -> Reply:
    errors = [
        {
            "id": "x",
            "status": 400,
            "code": "invalid",
            "title": "Invalid input.",
            "detail": detail,
            "source": {"pointer": f"/data/attributes/profiles/data/{place}/attributes/email"},
        }
        for place in places
    ] or [
        {
            "id": "x",
            "code": "invalid",
            "title": "Invalid input.",
            "detail": detail,
            "source": {"pointer": "/data"},
        }
    ]
    return Reply(400, json.dumps({"errors": errors}).encode())


def test_all_segments_of_a_person_are_one_array_and_nothing_clears_it(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    people = contacts(connector, 3)
    other = rig.profile(people[0][1])
    other.properties["plan"] = "gold"
    connector.write(Batch(FIELD, [*sets(people[:2], "vip;repeat"), *sets(people[2:], "vip")]))
    assert held(rig) == {a: ["repeat", "vip"] for _, a in people[:2]} | {people[2][1]: ["vip"]}
    connector.write(Batch(FIELD, sets(people[:2], "", without="vip;repeat")))
    assert held(rig) == {people[2][1]: ["vip"]}
    assert OWN not in other.properties
    assert other.properties["plan"] == "gold"


def test_members_of_the_property_come_with_all_their_segments(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    people = contacts(connector, 3)
    connector.write(Batch(FIELD, [*sets(people[:1], "a;b"), *sets(people[1:2], "b")]))
    rig.profile(people[2][1]).properties[OWN] = "by hand"
    rows = [row for page in connector.members(FIELD) for row in page.rows.to_pylist()]
    assert {(r["external_id"], r["address"], r["value"]) for r in rows} == {
        (*people[0], "a;b"),
        (*people[1], "b"),
        (*people[2], "by hand"),
    }


@pytest.mark.parametrize("jobs", [[1], [10_000, 1]])
def test_ten_thousand_people_go_out_in_one_job(jobs: list[int]) -> None:
    people = sum(jobs)
    with klaviyo_rig(people=5) as rig:
        if people > 5:
            rig.klaviyo.referee = None  # the form of so many is that of one
        connector = rig.connect()
        made = [rig.klaviyo.add_profile(f"n{n}@example.com").id for n in range(people)]
        before = rig.simulation.traffic.writes
        outcomes = connector.write(Batch(FIELD, sets([(id_, "") for id_ in made], "vip;repeat")))
        assert {o.state for o in outcomes} == {DONE}
        assert rig.simulation.traffic.writes - before == len(jobs)
        imports = [json.loads(log.body) for log in rig.simulation.traffic.log if log.operation == IMPORT]
        assert [len(body["data"]["attributes"]["profiles"]["data"]) for body in imports] == jobs
        assert len(held(rig)) == people


def test_jobs_stay_below_five_megabytes(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    long = ";".join(f"segment-with-a-long-name-{n:04d}é" for n in range(1500))
    outcomes = connector.write(Batch(FIELD, sets(contacts(connector, 120), long)))
    assert {o.state for o in outcomes} == {DONE}
    sizes = [len(log.body) for log in rig.simulation.traffic.log if log.operation == IMPORT]
    assert len(sizes) == 2
    assert max(sizes) < 4_700_000


def test_a_person_in_too_many_segments_is_refused_alone(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    people = contacts(connector, 2)
    huge = ";".join(f"segment-{n:05d}" for n in range(8000))
    outcomes = connector.write(Batch(FIELD, [*sets(people[:1], huge), *sets(people[1:], "vip")]))
    assert [(o.state, o.code) for o in outcomes] == [(REFUSED, "value_too_long"), (DONE, None)]


def test_an_import_is_waited_for_with_growing_patience(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    people = contacts(connector, 1)
    rig.klaviyo.jobs.stalled = True
    rig.clock.sleeps.clear()
    (outcome,) = connector.write(Batch(FIELD, sets(people, "vip")))
    waits = [wait for wait in rig.clock.sleeps if wait >= 1]
    assert waits[:6] == [1, 2, 4, 8, 16, 30]
    assert set(waits[6:]) == {30}
    assert 900 <= sum(waits) < 930
    assert (outcome.state, outcome.code) == (UNKNOWN, "job_pending")
    rig.klaviyo.jobs.stalled = False
    assert connector.write(Batch(FIELD, sets(people, "vip")))[0].state is DONE  # the same write again


@pytest.mark.parametrize("trouble", ["cancelled", "gone"])
def test_a_job_that_ends_without_a_result_leaves_the_outcome_open(rig: KlaviyoRig, trouble: str) -> None:
    connector = rig.connect()
    people = contacts(connector, 2)
    if trouble == "cancelled":
        rig.klaviyo.jobs.cancel_next = 1
    else:
        gone = {"errors": [{"id": "x", "code": "not_found", "title": "Not found.", "detail": ""}]}
        rig.klaviyo.canned.append((POLL, Reply(404, json.dumps(gone).encode())))
    outcomes = connector.write(Batch(FIELD, sets(people, "vip")))
    assert [(o.state, o.code) for o in outcomes] == [(UNKNOWN, f"job_{trouble}")] * 2


def test_errors_of_an_import_reach_the_people_they_are_about(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    people = contacts(connector, 90)
    for _, address in people[::2]:
        rig.klaviyo.account.vanish(rig.profile(address))
    batch = sets(people, "vip")
    outcomes = connector.write(Batch(FIELD, batch))
    assert [o.change for o in outcomes] == batch
    assert [o.state for o in outcomes] == [REFUSED, DONE] * 45
    assert set(held(rig)) == {address for _, address in people[1::2]}
    assert not any(o.reason and "@" in o.reason for o in outcomes)


def test_an_import_error_that_names_nobody_leaves_the_others_open(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    people = contacts(connector, 3)
    rig.klaviyo.account.vanish(rig.profile(people[0][1]))
    attributes = {"code": "invalid", "title": "t", "detail": "d", "source": {"pointer": "/data"}}
    error = {"type": "import-error", "id": "E", "attributes": attributes}
    answer = {"data": [error], "links": {"self": "http://x/"}}
    rig.klaviyo.canned.append((f"{POLL}/import-errors", Reply(200, json.dumps(answer).encode())))
    outcomes = connector.write(Batch(FIELD, sets(people, "vip")))
    assert [o.state for o in outcomes] == [UNKNOWN] * 3


def test_who_is_named_at_the_door_is_taken_out_and_the_rest_sent_once_more(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    people = contacts(connector, 5)
    rig.klaviyo.canned.append((IMPORT, door(1, 3)))
    before = rig.simulation.traffic.operations[IMPORT]
    outcomes = connector.write(Batch(FIELD, sets(people, "vip")))
    assert [o.state for o in outcomes] == [DONE, REFUSED, DONE, REFUSED, DONE]
    assert set(held(rig)) == {people[n][1] for n in (0, 2, 4)}
    assert rig.simulation.traffic.operations[IMPORT] - before == 2


@pytest.mark.parametrize("replies", [[door()], [door(0), door(0)], [door(77)]])
def test_a_refusal_that_names_nobody_is_for_halving(rig: KlaviyoRig, replies: list[Reply]) -> None:
    connector = rig.connect()
    people = contacts(connector, 4)
    rig.klaviyo.canned.extend((IMPORT, reply) for reply in replies)
    with pytest.raises(BatchRefused) as caught:
        connector.write(Batch(FIELD, sets(people, "vip")))
    assert caught.value.code == "invalid"
    assert held(rig) == {}


def test_an_import_without_an_id_stops_the_run(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    people = contacts(connector, 1)
    job = {"data": {"type": "profile-bulk-import-job", "id": "", "attributes": {"status": "queued"}}}
    rig.klaviyo.canned.append((IMPORT, Reply(202, json.dumps(job).encode())))
    with pytest.raises(UnexpectedResponse, match="no id"):
        connector.write(Batch(FIELD, sets(people, "vip")))


@pytest.mark.parametrize("kind", [Kind.EMPTY_503, Kind.CUT, Kind.TRUNCATED_200])
def test_an_import_whose_answer_is_lost_is_sent_again_and_changes_nothing_more(
    rig: KlaviyoRig, kind: Kind
) -> None:
    connector = rig.connect()
    people = contacts(connector, 3)
    rig.simulation.faults.add(Script(kind, IMPORT, when=When.AFTER))
    outcomes = connector.write(Batch(FIELD, sets(people, "vip;repeat")))
    assert {o.state for o in outcomes} == {DONE}
    assert len(rig.klaviyo.jobs.jobs) == 2
    rig.clock.advance(60)
    rig.klaviyo.jobs.advance()
    assert held(rig) == {address: ["repeat", "vip"] for _, address in people}


def test_the_same_person_twice_goes_into_two_jobs(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    people = contacts(connector, 2)
    outcomes = connector.write(Batch(FIELD, [*sets(people, "a"), *sets(people[:1], "b")]))
    assert [o.state for o in outcomes] == [DONE] * 3
    assert held(rig) == {people[0][1]: ["b"], people[1][1]: ["a"]}


def test_adds_and_removes_of_a_list_need_a_call_each(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    audience = ensured(connector)
    shape = connector.features.audiences[AudienceKind.LIST]
    people = contacts(connector, 20)
    before = rig.simulation.traffic.writes
    connector.write(
        Batch(audience, [*changes(Action.ADD, people[:12]), *changes(Action.REMOVE, people[12:])])
    )
    assert rig.simulation.traffic.writes - before == shape.calls(12, 8) == 2
    before = rig.simulation.traffic.writes
    connector.write(Batch(audience, changes(Action.REMOVE, people)))
    assert rig.simulation.traffic.writes - before == shape.calls(0, 20) == 1


def test_removing_somebody_who_is_gone_is_done(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    audience = ensured(connector)
    people = contacts(connector, 3)
    connector.write(Batch(audience, changes(Action.ADD, people)))
    rig.klaviyo.account.vanish(rig.profile(people[1][1]))
    outcomes = connector.write(Batch(audience, changes(Action.REMOVE, people)))
    assert [(o.state, o.code) for o in outcomes] == [(DONE, None), (DONE, "not_found"), (DONE, None)]
    assert rig.carriers(audience) == set()


def test_a_list_call_is_sent_only_once_more_without_unknown_people(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    audience = ensured(connector)
    people = contacts(connector, 3)
    for _ in range(2):
        detail = f"Invalid profile IDs: {people[0][0]}"
        rig.klaviyo.canned.append((rig.write_operation, door(detail=detail)))
    with pytest.raises(BatchRefused):
        connector.write(Batch(audience, changes(Action.ADD, people)))
    rig.klaviyo.canned.append((rig.write_operation, door(detail="Something else.")))
    with pytest.raises(BatchRefused):
        connector.write(Batch(audience, changes(Action.ADD, people)))


def test_two_lists_of_one_name_are_for_a_person_to_sort_out(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    audience = ensured(connector)
    rig.klaviyo.account.add_group("SEGSYNC: vip", rig.klaviyo.account.lists)
    assert connector.ensure(audience) == audience.remote_id  # known by its id
    with pytest.raises(BadSource, match="2 lists are called"):
        connector.ensure(Audience("vip", audience.name, audience.kind))


def test_a_list_is_looked_for_again_before_it_is_made_again(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    rig.simulation.faults.add(Script(Kind.CUT, "POST /api/lists", times=2, when=When.AFTER))
    audience = ensured(connector)
    assert [group.name for group in rig.klaviyo.account.lists.values()].count(audience.name) == 1
    rig.simulation.faults.add(Script(Kind.CUT, "POST /api/lists", times=2, when=When.BEFORE))
    other = ensured(connector, "segsync: other")
    assert [group.name for group in rig.klaviyo.account.lists.values()].count(other.name) == 1


def test_a_list_of_more_than_ten_is_found_on_a_later_page(rig: KlaviyoRig) -> None:
    for number in range(25):
        rig.klaviyo.add_list(f"list {number}")
    connector = rig.connect()
    assert len(connector.audiences()) == 27  # with the newsletter and the property
    assert ensured(connector, "list 24").remote_id == rig.klaviyo.add_list("list 24").id
