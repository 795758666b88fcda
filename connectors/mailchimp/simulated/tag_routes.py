"""Tags, which are static segments: found, made, renamed, deleted, and filled 500 + 500 at a time."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.mailchimp.simulated import shapes
from connectors.mailchimp.simulated.audience import Audience, Segment, subscriber_hash
from connectors.mailchimp.simulated.call import MOST_AT_ONCE, Answer, Call
from connectors.mailchimp.simulated.rules import Problem, invalid
from connectors.mailchimp.simulated.shapes import Json

TOO_MANY = (
    "Maximum allowed member items exceeded, please provide at most 500 items in members_to_add field "
    "or members_to_remove field"
)


def segments(call: Call, list_id: str) -> Answer:
    home = call.audience(list_id)
    found = list(home.segments.values()) if call.query.get("type", "static") == "static" else []
    keys = call.chosen.keys("segments")
    return call.collection(
        "segments",
        found,
        lambda s: shapes.segment(call.base, home, s, keys),
        path=f"/lists/{list_id}/segments",
        list_id=list_id,
    )


def create_segment(call: Call, list_id: str) -> Answer:
    home = call.audience(list_id)
    name = call.body.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= 100:
        raise invalid("The resource submitted could not be validated.", ("name", "1 to 100 characters"))
    if home.segment_named(name) is not None:
        raise Problem(400, "Bad Request", "Sorry, that tag already exists.")
    made = call.account.add_tag(name, audience=home)
    _replace(home, made, call.texts("static_segment"))
    return 200, shapes.segment(call.base, home, made)


def get_segment(call: Call, list_id: str, id: str) -> Answer:
    home = call.audience(list_id)
    return 200, call.chosen.apply(shapes.segment(call.base, home, call.segment(home, id)))


def patch_segment(call: Call, list_id: str, id: str) -> Answer:
    home = call.audience(list_id)
    found = call.segment(home, id)
    found.name = str(call.body.get("name", found.name))
    if "static_segment" in call.body:
        _replace(home, found, call.texts("static_segment"))
    return 200, shapes.segment(call.base, home, found)


def delete_segment(call: Call, list_id: str, id: str) -> Answer:
    home = call.audience(list_id)
    home.drop_segment(call.segment(home, id))
    return 204, None


def _replace(home: Audience, segment: Segment, addresses: Sequence[str]) -> None:
    wanted = {subscriber_hash(a) for a in addresses}
    for member in [m for m in segment.members.values() if m.id not in wanted]:
        home.untag(member, segment)
        home.touch(member)
    for name in wanted & set(home.members):
        if home.tag(home.members[name], segment):
            home.touch(home.members[name])


def batch_segment(call: Call, list_id: str, id: str) -> Answer:
    """Adds and removes up to 500 each. last_changed moves only where the tag really changed (choice)."""
    home = call.audience(list_id)
    segment = call.segment(home, id)
    to_add, to_remove = call.texts("members_to_add"), call.texts("members_to_remove")
    if max(len(to_add), len(to_remove)) > MOST_AT_ONCE:
        raise Problem(400, "Bad Request", TOO_MANY)
    strangers: list[str] = []
    done: dict[str, list[Json]] = {"added": [], "removed": []}
    for kind, addresses, change in (("added", to_add, home.tag), ("removed", to_remove, home.untag)):
        for address in addresses:
            member = home.members.get(subscriber_hash(address))
            if member is None:
                strangers.append(address)
                continue
            if change(member, segment):
                home.touch(member)
            done[kind].append(shapes.member(call.base, home, member, segment=True))
    errors: list[Json] = []
    if strangers:
        errors = [{"email_addresses": strangers, "error": "Email addresses are not on the list."}]
    return 200, {
        "members_added": done["added"],
        "members_removed": done["removed"],
        "errors": errors,
        "total_added": len(done["added"]),
        "total_removed": len(done["removed"]),
        "error_count": len(strangers),
        "_links": [shapes.link(call.base, "self", f"/lists/{list_id}/segments/{id}")],
    }


def segment_members(call: Call, list_id: str, id: str) -> Answer:
    home = call.audience(list_id)
    shown = {"subscribed"}
    for status in ("unsubscribed", "cleaned", "transactional"):
        if call.query.get(f"include_{status}") == "true":
            shown.add(status)
    found = [m for m in call.segment(home, id).members.values() if m.status in shown]
    keys = call.chosen.keys("members")
    return call.collection(
        "members",
        found,
        lambda m: shapes.member(call.base, home, m, keys, segment=True),
        path=f"/lists/{list_id}/segments/{id}/members",
    )


def tag_search(call: Call, list_id: str) -> Answer:
    home = call.audience(list_id)
    prefix = call.query.get("name", "").casefold()
    found = [s for s in home.segments.values() if s.name.casefold().startswith(prefix)]
    tags: list[Json] = [{"id": s.id, "name": s.name} for s in found]
    return 200, {"tags": tags, "total_items": len(tags), "_links": []}
