"""Members one by one and in bulk, their tags and events."""

from __future__ import annotations

from connectors.mailchimp.simulated import rules, shapes
from connectors.mailchimp.simulated.audience import Audience, Member, iso, subscriber_hash
from connectors.mailchimp.simulated.call import MOST_AT_ONCE, Answer, Call
from connectors.mailchimp.simulated.rules import Problem, invalid, not_found
from connectors.mailchimp.simulated.shapes import Json

SORTABLE = ("number", "last_changed", "timestamp_opt", "timestamp_signup")


def _member(call: Call, audience: Audience, member: Member) -> Answer:
    return 200, call.chosen.apply(shapes.member(call.base, audience, member))


def members(call: Call, list_id: str) -> Answer:
    home = call.audience(list_id)
    sort = call.query.get("sort_field", "number")
    if sort not in SORTABLE:
        raise invalid("The resource submitted could not be validated.", ("sort_field", "Not sortable"))
    bounded = "timestamp_opt" if {"since_timestamp_opt", "before_timestamp_opt"} & set(call.query) else None
    bounded = "last_changed" if {"since_last_changed", "before_last_changed"} & set(call.query) else bounded
    found = home.window(
        status=call.query.get("status"),
        sort=bounded or sort,
        since=call.time(f"since_{bounded}") if bounded else None,
        before=call.time(f"before_{bounded}") if bounded else None,
    )
    if bounded and sort != bounded:
        found = sorted(found, key=lambda m: (getattr(m, sort) or 0, m.number))
    if call.query.get("sort_dir", "ASC").upper() == "DESC":
        found = found[::-1]  # recorded: ties turn round too
    if "unique_email_id" in call.query:
        found = [m for m in found if m.unique_email_id == call.query["unique_email_id"]]
    if call.query.get("vip_only") == "true":
        found = [m for m in found if m.vip]
    keys = call.chosen.keys("members")
    return call.collection(
        "members",
        found,
        lambda m: shapes.member(call.base, home, m, keys),
        path=f"/lists/{list_id}/members",
        list_id=list_id,
    )


def add_member(call: Call, list_id: str) -> Answer:
    home = call.audience(list_id)
    made = rules.add(home, call.body, fake=call.account.fake)
    for name in call.texts("tags"):
        home.tag(made, call.account.add_tag(name, audience=home))
    return _member(call, home, made)


def get_member(call: Call, list_id: str, name: str) -> Answer:
    home = call.audience(list_id)
    found = home.find(name)
    if found is None:
        raise not_found()
    return _member(call, home, found)


def put_member(call: Call, list_id: str, name: str) -> Answer:
    home = call.audience(list_id)
    return _member(call, home, rules.upsert(home, name, call.body, fake=call.account.fake))


def patch_member(call: Call, list_id: str, name: str) -> Answer:
    home = call.audience(list_id)
    return _member(call, home, rules.patch(home, name, call.body, fake=call.account.fake))


def archive_member(call: Call, list_id: str, name: str) -> Answer:
    rules.archive(call.audience(list_id), name)
    return 204, None


def erase_member(call: Call, list_id: str, name: str) -> Answer:
    home = call.audience(list_id)
    found = home.find(name)
    if found is None:
        raise not_found()
    home.remove(found)
    return 204, None


def member_tags(call: Call, list_id: str, name: str) -> Answer:
    home = call.audience(list_id)
    found = home.find(name)
    if found is None:
        raise not_found()
    return call.collection(
        "tags",
        list(found.tags.items()),
        lambda t: {"id": t[0], "name": home.segments[t[0]].name, "date_added": iso(t[1])},
        path=f"/lists/{list_id}/members/{found.id}/tags",
    )


def write_member_tags(call: Call, list_id: str, name: str) -> Answer:
    home = call.audience(list_id)
    found = home.find(name)
    if found is None:
        raise not_found()
    wanted = call.rows("tags")
    if not all(isinstance(t.get("name"), str) and t.get("status") in ("active", "inactive") for t in wanted):
        raise invalid("The resource submitted could not be validated.", ("tags", "name and status"))
    for tag in wanted:
        segment = home.segment_named(str(tag["name"]))
        if tag["status"] == "active":
            home.tag(found, segment or call.account.add_tag(str(tag["name"]), audience=home))
        elif segment is not None:
            home.untag(found, segment)
    if wanted:
        home.touch(found)  # recorded: even re-adding a tag moves last_changed at this address
    return 204, None


def member_event(call: Call, list_id: str, name: str) -> Answer:
    home = call.audience(list_id)
    found = home.find(name)
    if found is None:
        raise not_found()
    if not isinstance(call.body.get("name"), str):
        raise invalid("The resource submitted could not be validated.", ("name", "Required"))
    home.events.append((found, dict(call.body)))
    return 204, None


def bulk_members(call: Call, list_id: str) -> Answer:
    """POST /lists/{id}: up to 500 people; every row on its own, 200 even if all fail."""
    home = call.audience(list_id)
    rows = call.rows("members")
    if len(rows) > MOST_AT_ONCE:
        raise Problem(400, "Bad Request", "Maximum allowed member items exceeded.")
    new: list[Json] = []
    updated: list[Json] = []
    errors: list[Json] = []
    for row in rows:
        address = str(row.get("email_address", ""))
        known = home.members.get(subscriber_hash(address))
        try:
            if known is not None and not call.body.get("update_existing"):
                code, text = "ERROR_CONTACT_EXISTS", f"{address} is already a list member."
                errors.append({"email_address": address, "error": text, "error_code": code})
                continue
            changed = rules.upsert(home, address, row, fake=call.account.fake)
        except Problem as problem:
            field = problem.errors[0] if problem.errors else {"field": "", "message": ""}
            errors.append(
                {
                    "email_address": address,
                    "error": problem.detail,
                    "error_code": "ERROR_GENERIC",
                    "field": field["field"],
                    "field_message": field["message"],
                }
            )
            continue
        tags = row.get("tags")
        for name in tags if isinstance(tags, list) else []:
            home.tag(changed, call.account.add_tag(str(name), audience=home))
        (new if known is None else updated).append(shapes.member(call.base, home, changed))
    return 200, {
        "new_members": new,
        "updated_members": updated,
        "errors": errors,
        "total_created": len(new),
        "total_updated": len(updated),
        "error_count": len(errors),
        "_links": [],
    }
