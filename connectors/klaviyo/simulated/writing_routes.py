"""What changes the account: imports, lists and members, erasure, and (for foreign clients) consent."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.klaviyo.simulated import imports, jobs, shapes
from connectors.klaviyo.simulated.account import IDENTIFIERS, Group, Profile
from connectors.klaviyo.simulated.call import Answer, Call, empty, mapping, rows
from connectors.klaviyo.simulated.problems import Problem, invalid, not_found

MOST_MEMBERS = 1000
ERASED_AFTER_S = 5
UNSUBSCRIBED_AFTER_S = 2
LARGEST_BODY_BYTES = 100_000


def start_import(call: Call) -> Answer:
    attributes = call.attributes("profile-bulk-import-job")
    given = mapping(attributes.get("profiles"), "/data/attributes/profiles").get("data")
    wanted = rows(given, "/data/attributes/profiles/data")
    related = empty(empty(call.data("profile-bulk-import-job").get("relationships")).get("lists"))
    lists = [str(row.get("id")) for row in rows(related.get("data") or [], "/data/relationships/lists/data")]
    job = call.jobs.start(wanted, lists, size=call.size)
    return 202, {"data": jobs.shape(job, call.base)}


def upsert(call: Call) -> Answer:
    row = call.data("profile")
    _small(call)
    problem = imports.refusal(row, "/data")
    if problem is not None:
        raise problem
    profile, new = _applied(call, row)
    return 201 if new else 200, {"data": shapes.profile(profile, call.base)}


def create_profile(call: Call) -> Answer:
    row = call.data("profile")
    _small(call)
    problem = imports.refusal(row, "/data")
    if problem is not None:
        raise problem
    attributes = empty(row.get("attributes"))
    for name in IDENTIFIERS:
        found = call.account.find(name, str(attributes.get(name) or ""))
        if found is not None:
            raise Problem(
                409,
                "duplicate_profile",
                "Conflict.",
                "A profile already exists with one of these identifiers.",
                meta={"duplicate_profile_id": found.id},
            )
    profile, _ = _applied(call, row)
    return 201, {"data": shapes.profile(profile, call.base)}


def patch_profile(call: Call, id: str) -> Answer:
    row = call.data("profile")
    _small(call)
    if row.get("id") != id:
        raise invalid("The id in the body must match the one in the address.", pointer="/data/id")
    if id not in call.account.profiles:
        raise not_found("profile", id)
    profile, _ = _applied(call, row)
    return 200, {"data": shapes.profile(profile, call.base)}


def _small(call: Call) -> None:
    if call.size > LARGEST_BODY_BYTES:
        raise Problem(413, "payload_too_large", "Payload too large.", "The body exceeds the limit of 100KB.")


def _applied(call: Call, row: Mapping[str, object]) -> tuple[Profile, bool]:
    try:
        return imports.apply(call.account, row, nulls_clear=True)
    except imports.Conflict as conflict:
        raise invalid(str(conflict)) from None


def create_list(call: Call) -> Answer:
    name = call.attributes("list").get("name")
    if not isinstance(name, str) or not name.strip():
        raise invalid("'name' is a required field.", pointer="/data/attributes/name")
    made = call.account.add_group(name, call.account.lists)
    return 201, {"data": shapes.group(made, call.base, "list")}


def get_list(call: Call, id: str) -> Answer:
    found = _list(call, id)
    shown = shapes.group(found, call.base, "list")
    if "profile_count" in call.query.get("additional-fields[list]", ""):
        shown["attributes"]["profile_count"] = len(found.members)  # type: ignore[index]
    return 200, {"data": shown, "links": {"self": f"{call.base}{call.path}"}}


def rename_list(call: Call, id: str) -> Answer:
    found = _list(call, id)
    found.name = str(call.attributes("list").get("name") or found.name)
    found.updated = call.account.now()
    return 200, {"data": shapes.group(found, call.base, "list")}


def delete_list(call: Call, id: str) -> Answer:
    del call.account.lists[_list(call, id).id]
    return 204, None


def _list(call: Call, id: str) -> Group:
    if id not in call.account.lists:
        raise not_found("list", id)
    return call.account.lists[id]


def add_members(call: Call, id: str) -> Answer:
    found = _list(call, id)
    for profile in _known(call):
        call.account.join(found, profile)
    return 204, None


def remove_members(call: Call, id: str) -> Answer:
    found = _list(call, id)
    for profile in _known(call):
        call.account.leave(found, profile.id)
    return 204, None


def _known(call: Call) -> list[Profile]:
    """The profiles named in the body; one unknown id fails the whole call."""
    given = [str(row.get("id") or "") for row in rows(call.body.get("data"), "/data")]
    if not 1 <= len(given) <= MOST_MEMBERS:
        raise invalid(f"Between 1 and {MOST_MEMBERS} profiles are allowed per call.", pointer="/data/")
    unknown = [id_ for id_ in given if id_ not in call.account.profiles]
    if unknown:
        raise invalid(f"Invalid profile IDs: {', '.join(unknown)}", pointer="/data/")
    return [call.account.profiles[id_] for id_ in given]


def erase(call: Call) -> Answer:
    attributes = call.attributes("data-privacy-deletion-job")
    wanted = mapping(mapping(attributes.get("profile"), "/data/attributes/profile").get("data"), "/data")
    inner = empty(wanted.get("attributes"))
    given = {name: str(inner[name]) for name in ("email", "phone_number") if inner.get(name)}
    if wanted.get("id"):
        given["id"] = str(wanted["id"])
    if len(given) != 1:
        raise invalid(
            "Exactly one of email, phone_number or id is required.", pointer="/data/attributes/profile"
        )
    ((name, value),) = given.items()
    found = call.account.find(name, value)
    if found is not None:
        call.account.erasures.append((call.account.now() + ERASED_AFTER_S, found.id))
    return 202, None


# ---- consent: segsync calls `unsubscribe` if it was turned on, and never the others -----------------


def subscribe(call: Call) -> Answer:
    for profile in _people(call, "profile-subscription-bulk-create-job", most=1000, make=True):
        call.account.subscribe(profile)
    return 202, None


def unsubscribe(call: Call) -> Answer:
    """Takes effect a little after its 202. Who is not there is made, and then unsubscribed.

    With a list: everybody named who is not on that list is unsubscribed globally.
    """
    type_ = "profile-subscription-bulk-delete-job"
    related = empty(empty(call.data(type_).get("relationships")).get("list"))
    list_id = empty(related.get("data")).get("id")
    home = call.account.lists.get(str(list_id)) if list_id else None
    for profile in _people(call, type_, most=100, make=True):
        if home is not None and profile.id in home.members:
            profile.consent.list_suppressions.append((home.id, "UNSUBSCRIBE", call.account.now()))
            call.account.leave(home, profile.id)
        else:
            call.account.opt_outs.append((call.account.now() + UNSUBSCRIBED_AFTER_S, profile.id))
    return 202, None


def suppress(call: Call) -> Answer:
    people = _people(call, "profile-suppression-bulk-create-job", most=100)
    for profile in people:
        call.account.suppress(profile, "USER_SUPPRESSED")
    return 202, _suppression_job(call, "profile-suppression-bulk-create-job", len(people))


def lift(call: Call) -> Answer:
    people = _people(call, "profile-suppression-bulk-delete-job", most=100)
    for profile in people:
        kept = [one for one in profile.consent.suppression if one[0] != "USER_SUPPRESSED"]
        profile.consent.suppression = kept
    call.account.version += 1
    return 202, _suppression_job(call, "profile-suppression-bulk-delete-job", len(people))


def _people(call: Call, type_: str, *, most: int, make: bool = False) -> list[Profile]:
    profiles = mapping(call.attributes(type_).get("profiles"), "/data/attributes/profiles").get("data")
    given = rows(profiles, "/data/attributes/profiles/data")
    if not 1 <= len(given) <= most:
        raise invalid(f"Between 1 and {most} profiles are allowed.", pointer="/data/attributes/profiles/data")
    subscriptions = "subscription" in type_
    for place, row in enumerate(given):  # all or nothing: everybody is looked at before anybody is touched
        where = f"/data/attributes/profiles/data/{place}/attributes"
        attributes = empty(row.get("attributes"))
        if subscriptions and not attributes.get("subscriptions"):
            raise invalid("'subscriptions' is a required field.", pointer=f"{where}/subscriptions")
        if type_.startswith("profile-subscription-bulk-delete") and _word(attributes) != "UNSUBSCRIBED":
            raise invalid("'consent' must be UNSUBSCRIBED.", pointer=f"{where}/subscriptions")
        if attributes.get("email") and not imports.EMAIL.fullmatch(str(attributes["email"])):
            raise invalid("Invalid email address", pointer=f"{where}/email")
    found = []
    for row in given:
        email = str(empty(row.get("attributes")).get("email") or "")
        profile = call.account.find("id", str(row.get("id") or "")) or call.account.find("email", email)
        if profile is None and make and email:
            profile = call.account.create({"email": email})
        if profile is not None:
            found.append(profile)
    return found


def _word(attributes: Mapping[str, object]) -> object:
    """The consent to e-mail that is asked for."""
    email = empty(empty(attributes.get("subscriptions")).get("email"))
    return empty(email.get("marketing")).get("consent")


def _suppression_job(call: Call, type_: str, count: int) -> dict[str, object]:
    id_ = call.account.number(22)
    attributes = {
        "status": "complete",
        "created_at": shapes.time(call.account.now()),
        "total_count": count,
        "completed_count": count,
        "completed_at": shapes.time(call.account.now()),
        "skipped_count": 0,
    }
    url = f"{call.base}/api/{type_}s/{id_}/"
    return {"data": {"type": type_, "id": id_, "attributes": attributes, "links": {"self": url}}}
