"""The simulator behaves as Klaviyo does: imports, lists, erasure, consent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connectors.klaviyo.conftest import Shop

OWN = "segsync_segments"


def row(email: str | None = None, id: str | None = None, **more: Any) -> dict[str, Any]:
    attributes = {"email": email} if email else {}
    meta = {"meta": {"patch_properties": more.pop("patch")}} if "patch" in more else {}
    return {"type": "profile", **({"id": id} if id else {}), "attributes": {**attributes, **more}, **meta}


def finished(shop: Shop, job: dict[str, Any]) -> dict[str, Any]:
    shop.clock.advance(10)
    found: dict[str, Any] = shop.get(f"/profile-bulk-import-jobs/{job['data']['id']}")["data"]
    return found


def properties(shop: Shop, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = shop.get(f"/profiles/{id_}")["data"]["attributes"]["properties"]
    return found


def on(shop: Shop, list_id: str) -> set[str]:
    return set(shop.ids(f"/lists/{list_id}/relationships/profiles"))


def members(*ids: str) -> dict[str, Any]:
    return {"data": [{"type": "profile", "id": id_} for id_ in ids]}


def test_an_import_is_accepted_first_and_takes_effect_when_complete(shop: Shop) -> None:
    profile = shop.simulator.add_profile("p@example.com")
    before = profile.updated
    answer = shop.import_(row(id=profile.id, properties={OWN: ["vip"]}))
    assert answer.status_code == 202
    job = answer.json()
    path = f"/profile-bulk-import-jobs/{job['data']['id']}"
    states = [job["data"]["attributes"]["status"]]
    assert properties(shop, profile.id) == {}
    for _ in range(4):
        shop.clock.advance(0.5)
        states.append(shop.get(path)["data"]["attributes"]["status"])
    assert list(dict.fromkeys(states)) == ["queued", "processing", "complete"]
    assert properties(shop, profile.id) == {OWN: ["vip"]}
    assert profile.updated > before


@pytest.mark.parametrize(
    ("bad", "pointer"),
    [
        (row("no address"), "/attributes/email"),
        (row("p@example.com", phone_number="0170 1234"), "/attributes/phone_number"),
        (row(first_name="Ana"), "/attributes"),
        (row("p@example.com", properties={"x": "y" * 100_001}), ""),
    ],
)
def test_one_malformed_profile_refuses_the_whole_import(shop: Shop, bad: object, pointer: str) -> None:
    answer = shop.import_(row("good@example.com"), bad)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["source"]["pointer"] == f"/data/attributes/profiles/data/1{pointer}"
    shop.clock.advance(10)
    assert shop.get("/profiles")["data"] == []


def test_imports_have_limits_of_number_and_size(shop: Shop) -> None:
    many = [row(f"p{n}@example.com") for n in range(10_001)]
    assert shop.import_(*many).status_code == 400
    assert shop.import_(*many[:10_000]).status_code == 202
    large = [row(f"p{n}@example.com", properties={"x": "y" * 90_000}) for n in range(60)]
    assert shop.import_(*large).status_code == 413
    assert shop.import_(row("p@example.com"), lists=("NOLIST",)).status_code == 400
    assert shop.import_().status_code == 400


def test_errors_of_single_profiles_come_with_the_finished_job(shop: Shop) -> None:
    good = shop.simulator.add_profile("good@example.com")
    one, two = (shop.simulator.add_profile(f"{n}@example.com", external_id=n) for n in ("one", "two"))
    job = shop.import_(
        row(id=good.id, first_name="Good"),
        row(id="01GONE"),
        row("one@example.com", external_id="two"),
        row(id=good.id, first_name="Twice"),
    ).json()
    done = finished(shop, job)["attributes"]
    assert (done["total_count"], done["completed_count"], done["failed_count"]) == (4, 1, 3)
    errors = shop.get(f"/profile-bulk-import-jobs/{job['data']['id']}/import-errors")["data"]
    assert errors[0]["attributes"]["original_payload"]["id"] == "01GONE"
    assert {one.external_id, two.external_id} == {"one", "two"}


def test_null_clears_nothing_and_unset_does(shop: Shop) -> None:
    profile = shop.simulator.add_profile(
        "p@example.com", properties={OWN: ["a"], "plan": "x"}, first_name="Ana"
    )
    patch = {"unset": ["plan"]}
    finished(
        shop, shop.import_(row(id=profile.id, first_name=None, properties={OWN: None}, patch=patch)).json()
    )
    assert properties(shop, profile.id) == {OWN: ["a"]}
    assert profile.plain["first_name"] == "Ana"


def test_append_does_not_look_for_doubles(shop: Shop) -> None:
    profile = shop.simulator.add_profile("p@example.com", properties={OWN: ["a"]})
    for _ in range(2):
        finished(shop, shop.import_(row(id=profile.id, patch={"append": {OWN: "b"}})).json())
    assert properties(shop, profile.id) == {OWN: ["a", "b", "b"]}
    finished(shop, shop.import_(row(id=profile.id, patch={"unappend": {OWN: "b"}})).json())
    assert properties(shop, profile.id) == {OWN: ["a"]}


def test_an_import_creates_people_and_puts_them_on_lists_without_consent(shop: Shop) -> None:
    home = shop.simulator.add_list("VIP")
    finished(shop, shop.import_(row("new@example.com"), lists=(home.id,)).json())
    (id_,) = on(shop, home.id)
    consent = shop.get(f"/profiles/{id_}", additional_profile="subscriptions")["data"]["attributes"]
    assert consent["subscriptions"]["email"]["marketing"]["consent"] == "NEVER_SUBSCRIBED"


def test_cancelled_jobs_end_and_do_nothing(shop: Shop) -> None:
    profile = shop.simulator.add_profile("p@example.com")
    shop.simulator.jobs.cancel_next = 1
    job = shop.import_(row(id=profile.id, properties={OWN: ["vip"]})).json()
    assert finished(shop, job)["attributes"]["status"] == "cancelled"
    assert properties(shop, profile.id) == {}
    shop.clock.advance(8 * 86_400)
    assert shop.refused("GET", f"/profile-bulk-import-jobs/{job['data']['id']}")["status"] == 404


def test_one_unknown_id_fails_the_whole_list_call(shop: Shop) -> None:
    home = shop.simulator.add_list("VIP")
    ids = [shop.simulator.add_profile(f"p{n}@example.com").id for n in range(3)]
    path = f"/lists/{home.id}/relationships/profiles"
    error = shop.refused("POST", path, members(*ids, "XYZABD"))
    assert error["detail"] == "Invalid profile IDs: XYZABD"
    assert on(shop, home.id) == set()
    assert shop.call("POST", path, members(*ids)).status_code == 204
    assert on(shop, home.id) == set(ids)
    assert shop.refused("DELETE", path, members(ids[0], "GONE"))["code"] == "invalid"
    assert on(shop, home.id) == set(ids)


def test_lists_take_a_thousand_people_a_call(shop: Shop) -> None:
    home = shop.simulator.add_list("VIP")
    ids = [shop.simulator.add_profile(f"p{n}@example.com").id for n in range(1001)]
    path = f"/lists/{home.id}/relationships/profiles"
    assert shop.refused("POST", path, members(*ids))["code"] == "invalid"
    assert shop.call("POST", path, members(*ids[1:])).status_code == 204
    assert shop.refused("POST", path, members())["code"] == "invalid"


def test_joining_again_changes_no_time_and_no_list_call_moves_updated_or_consent(shop: Shop) -> None:
    home = shop.simulator.add_list("VIP")
    profile = shop.simulator.add_profile("p@example.com", consent="unsubscribed", suppressed=["UNSUBSCRIBE"])
    path = f"/lists/{home.id}/relationships/profiles"
    before = (profile.updated, profile.consent.rank())
    shop.call("POST", path, members(profile.id))
    joined = shop.get(f"/lists/{home.id}/profiles")["data"][0]["attributes"]["joined_group_at"]
    shop.clock.advance(100)
    shop.call("POST", path, members(profile.id))
    assert shop.get(f"/lists/{home.id}/profiles")["data"][0]["attributes"]["joined_group_at"] == joined
    for _ in range(2):  # removing somebody who is not there is no fault
        assert shop.call("DELETE", path, members(profile.id)).status_code == 204
    assert (profile.updated, profile.consent.rank()) == before


def test_names_of_lists_may_repeat(shop: Shop) -> None:
    body = {"data": {"type": "list", "attributes": {"name": "Test5"}}}
    first, second = (shop.call("POST", "/lists", body) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["data"]["id"] != second.json()["data"]["id"]


def test_a_profile_that_is_there_cannot_be_made_again(shop: Shop) -> None:
    profile = shop.simulator.add_profile("p@example.com")
    error = shop.refused("POST", "/profiles", {"data": row("P@example.com")})
    assert (error["status"], error["code"]) == (409, "duplicate_profile")
    assert error["meta"]["duplicate_profile_id"] == profile.id
    assert shop.call("POST", "/profile-import", {"data": row("p@example.com")}).status_code == 200
    assert shop.call("POST", "/profile-import", {"data": row("q@example.com")}).status_code == 201


def test_erasure_takes_one_identifier_and_its_time(shop: Shop) -> None:
    profile = shop.simulator.add_profile("p@example.com")

    def erase(**who: Any) -> Any:
        inner = {"profile": {"data": {"type": "profile", "attributes": {}, **who}}}
        return shop.call(
            "POST",
            "/data-privacy-deletion-jobs",
            {"data": {"type": "data-privacy-deletion-job", "attributes": inner}},
        ).status_code

    assert erase() == 400
    assert erase(id=profile.id, attributes={"email": "p@example.com"}) == 400
    shop.clock.advance(60)
    assert erase(id=profile.id) == 202
    assert shop.get(f"/profiles/{profile.id}")
    shop.clock.advance(10)
    assert shop.refused("GET", f"/profiles/{profile.id}")["status"] == 404


def people_job(type_: str, *emails: str, list_id: str | None = None) -> dict[str, Any]:
    word = "SUBSCRIBED" if "create" in type_ else "UNSUBSCRIBED"
    consent = {"subscriptions": {"email": {"marketing": {"consent": word}}}}
    more = consent if "subscription" in type_ else {}
    rows = [{"type": "profile", "attributes": {"email": email, **more}} for email in emails]
    data: dict[str, Any] = {"type": type_, "attributes": {"profiles": {"data": rows}}}
    if list_id:
        data["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
    return {"data": data}


def test_subscribing_lifts_suppressions_except_those_of_the_address_itself(shop: Shop) -> None:
    """Why segsync may never call it."""
    opted_out = shop.simulator.add_profile(
        "out@example.com", consent="unsubscribed", suppressed=["UNSUBSCRIBE", "SPAM_COMPLAINT"]
    )
    bounced = shop.simulator.add_profile("hard@example.com", suppressed=["HARD_BOUNCE", "USER_SUPPRESSED"])
    type_ = "profile-subscription-bulk-create-job"
    emails = [str(opted_out.email), str(bounced.email)]
    assert shop.call("POST", f"/{type_}s", people_job(type_, *emails)).status_code == 202
    assert opted_out.consent.rank() == (True, True)
    assert [reason for reason, _ in bounced.consent.suppression] == ["HARD_BOUNCE"]


def test_unsubscribing_from_a_list_unsubscribes_everybody_else_globally(shop: Shop) -> None:
    home = shop.simulator.add_list("VIP")
    there = shop.simulator.add_profile("in@example.com", lists=["VIP"])
    elsewhere = shop.simulator.add_profile("out@example.com")
    type_ = "profile-subscription-bulk-delete-job"
    emails = [str(there.email), str(elsewhere.email)]
    body = people_job(type_, *emails, list_id=home.id)
    assert shop.call("POST", f"/{type_}s", body).status_code == 202
    shop.clock.advance(5)
    assert shop.ids("/profiles")
    assert there.consent.can_receive
    assert not elsewhere.consent.can_receive


def test_an_unsubscription_takes_effect_after_its_answer_and_makes_who_is_not_there(shop: Shop) -> None:
    """Why we look before and after."""
    profile = shop.simulator.add_profile("p@example.com")
    type_ = "profile-subscription-bulk-delete-job"
    answer = shop.call("POST", f"/{type_}s", people_job(type_, "p@example.com", "stranger@example.com"))
    assert (answer.status_code, answer.content) == (202, b"")
    assert profile.consent.rank() == (True, True)
    shop.clock.advance(3)
    assert shop.ids("/profiles")
    assert profile.consent.rank() == (False, False)
    assert [reason for reason, _ in profile.consent.suppression] == ["UNSUBSCRIBE"]
    made = shop.simulator.account.find("email", "stranger@example.com")
    assert made is not None
    assert made.consent.rank() == (False, False)


def test_unsubscriptions_are_refused_as_a_whole(shop: Shop) -> None:
    profile = shop.simulator.add_profile("p@example.com")
    type_ = "profile-subscription-bulk-delete-job"
    emails = [f"p{number}@example.com" for number in range(101)]
    assert shop.refused("POST", f"/{type_}s", people_job(type_, *emails))["code"] == "invalid"
    error = shop.refused("POST", f"/{type_}s", people_job(type_, "p@example.com", "no address"))
    assert error["source"]["pointer"] == "/data/attributes/profiles/data/1/attributes/email"
    body = people_job(type_, "p@example.com")
    body["data"]["attributes"]["profiles"]["data"][0]["attributes"]["subscriptions"] = {
        "email": {"marketing": {"consent": "SUBSCRIBED"}}
    }
    assert shop.refused("POST", f"/{type_}s", body)["code"] == "invalid"
    shop.clock.advance(60)
    assert shop.ids("/profiles") == [profile.id]
    assert profile.consent.can_receive


def test_suppressions_are_added_and_only_our_own_kind_is_lifted(shop: Shop) -> None:
    profile = shop.simulator.add_profile("p@example.com", suppressed=["UNSUBSCRIBE"])
    for kind, left in (("create", {"UNSUBSCRIBE", "USER_SUPPRESSED"}), ("delete", {"UNSUBSCRIBE"})):
        type_ = f"profile-suppression-bulk-{kind}-job"
        answer = shop.call("POST", f"/{type_}s", people_job(type_, str(profile.email)))
        assert answer.status_code == 202
        assert {reason for reason, _ in profile.consent.suppression} == left
