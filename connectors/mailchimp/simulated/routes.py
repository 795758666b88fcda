"""The addresses of the simulated Mailchimp and what each does. Handlers answer (status, content)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from connectors.mailchimp.simulated import reports, rules, shapes
from connectors.mailchimp.simulated.audience import Audience, Member, Segment, digest, iso, subscriber_hash
from connectors.mailchimp.simulated.rules import Problem, invalid, not_found
from connectors.mailchimp.simulated.shapes import Chosen, Json

if TYPE_CHECKING:
    from connectors.mailchimp.simulator import MailchimpSimulator

Answer = tuple[int, Json | None]
MOST_AT_ONCE = 500
TOO_MANY = (
    "Maximum allowed member items exceeded, please provide at most 500 items in members_to_add field "
    "or members_to_remove field"
)


class Call:
    """One authenticated request while it is handled."""

    def __init__(
        self, account: MailchimpSimulator, query: Mapping[str, str], body: Mapping[str, Any], base: str
    ) -> None:
        self.account = account
        self.query = query
        self.body = body
        self.base = base
        self.chosen = Chosen(query)

    def audience(self, id: str) -> Audience:
        """The audience, or 404."""
        found = self.account.audiences.get(id)
        if found is None:
            raise not_found()
        return found

    def segment(self, audience: Audience, id: str) -> Segment:
        """The tag, or 404."""
        found = audience.segments.get(int(id))
        if found is None:
            raise not_found()
        return found

    def time(self, name: str) -> float | None:
        """A time among the parameters, as seconds; fractions and Z are accepted."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise invalid("The resource submitted could not be validated.", (name, "Not a time")) from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    def page(self) -> tuple[int, int]:
        """offset and count; at most 1,000."""
        try:
            count, offset = int(self.query.get("count", 10)), int(self.query.get("offset", 0))
        except ValueError:
            raise invalid("The resource submitted could not be validated.") from None
        if not 0 <= count <= 1000 or offset < 0:
            raise invalid("The resource submitted could not be validated.", ("count", "0 to 1000"))
        return offset, count

    def collection(
        self, key: str, items: Sequence[Any], show: Callable[[Any], Json], *, path: str, **more: object
    ) -> Answer:
        """One page of `items`."""
        offset, count = self.page()
        keys = self.chosen.keys(key)
        shown: Iterable[Json] = (show(item) for item in islice(items, offset, offset + count))
        if keys == frozenset():
            shown = ()
        parent = path.rsplit("/", 1)[0]
        made = shapes.collection(self.base, key, shown, len(items), path=path, parent=parent, **more)
        return 200, self.chosen.apply(made)


def _member(call: Call, audience: Audience, member: Member) -> Answer:
    return 200, call.chosen.apply(shapes.member(call.base, audience, member))


def ping(call: Call) -> Answer:
    return 200, {"health_status": "Everything's Chimpy!"}


def root(call: Call) -> Answer:
    account: Json = {
        "account_id": "8d3a3db4d97663a9074efcc16",
        "login_id": "70000002",
        "account_name": "Example Company",
        "email": "owner@example.com",
        "role": "owner",
        "total_subscribers": sum(
            m.status == "subscribed" for a in call.account.audiences.values() for m in a.members.values()
        ),
        "_links": [shapes.link(call.base, "self", "/")],
    }
    return 200, call.chosen.apply(account)


def audiences(call: Call) -> Answer:
    found = list(call.account.audiences.values())
    constraints = {"may_create": False, "max_instances": 5, "current_total_instances": len(found)}
    return call.collection(
        "lists", found, lambda a: shapes.audience(call.base, a), path="/lists", constraints=constraints
    )


def audience(call: Call, list_id: str) -> Answer:
    return 200, call.chosen.apply(shapes.audience(call.base, call.audience(list_id)))


def members(call: Call, list_id: str) -> Answer:
    home = call.audience(list_id)
    sort = call.query.get("sort_field", "number")
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
        found = sorted(found, key=lambda m: getattr(m, sort) or 0, reverse=True)
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
    for name in call.body.get("tags", []):
        home.tag(made, call.account.add_tag(str(name), audience=home))
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
    for tag in call.body.get("tags", []):
        segment = home.segment_named(str(tag["name"]))
        if tag["status"] == "active":
            home.tag(found, segment or call.account.add_tag(str(tag["name"]), audience=home))
        elif segment is not None:
            home.untag(found, segment)
    if call.body.get("tags"):
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


def segments(call: Call, list_id: str) -> Answer:
    home = call.audience(list_id)
    found = list(home.segments.values()) if call.query.get("type", "static") == "static" else []
    return call.collection(
        "segments",
        found,
        lambda s: shapes.segment(call.base, home, s),
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
    _replace(home, made, call.body.get("static_segment", []))
    return 200, shapes.segment(call.base, home, made)


def get_segment(call: Call, list_id: str, id: str) -> Answer:
    home = call.audience(list_id)
    return 200, call.chosen.apply(shapes.segment(call.base, home, call.segment(home, id)))


def patch_segment(call: Call, list_id: str, id: str) -> Answer:
    home = call.audience(list_id)
    found = call.segment(home, id)
    found.name = str(call.body.get("name", found.name))
    if "static_segment" in call.body:
        _replace(home, found, call.body["static_segment"])
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
    to_add, to_remove = call.body.get("members_to_add") or [], call.body.get("members_to_remove") or []
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


def merge_fields(call: Call, list_id: str) -> Answer:
    home = call.audience(list_id)
    return call.collection(
        "merge_fields",
        home.merge_fields,
        lambda f: shapes.merge_field(call.base, home, f),
        path=f"/lists/{list_id}/merge-fields",
        list_id=list_id,
    )


def add_merge_field(call: Call, list_id: str) -> Answer:
    home = call.audience(list_id)
    tag = str(call.body.get("tag") or f"MMERGE{len(home.merge_fields) + 1}").upper()
    if not call.body.get("name") or not call.body.get("type") or len(tag) > 10:
        raise invalid("The resource submitted could not be validated.", ("tag", "name, type, tag ≤ 10"))
    if any(f.tag == tag for f in home.merge_fields):
        raise invalid(
            "The resource submitted could not be validated.",
            ("tag", f'A Merge Field with the tag "{tag}" already exists for this list.'),
        )
    more = {k: call.body[k] for k in ("public", "required", "default_value", "help_text") if k in call.body}
    made = home.add_merge_field(tag, str(call.body["name"]), str(call.body["type"]), **more)
    return 200, shapes.merge_field(call.base, home, made)


def bulk_members(call: Call, list_id: str) -> Answer:
    """POST /lists/{id}: up to 500 people; every row on its own, 200 even if all fail."""
    home = call.audience(list_id)
    rows = call.body.get("members", [])
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
        for name in row.get("tags", []):
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


def create_webhook(call: Call, list_id: str) -> Answer:
    """Kept and shown; the calls themselves are not sent by the simulator."""
    home = call.audience(list_id)
    if not str(call.body.get("url", "")).startswith("http"):
        raise invalid("The resource submitted could not be validated.", ("url", "Not an address"))
    id = digest("webhook", list_id, len(home.webhooks), length=10)
    home.webhooks[id] = {"id": id, **call.body, "list_id": list_id, "_links": []}
    return 200, home.webhooks[id]


def webhooks(call: Call, list_id: str) -> Answer:
    found = list(call.audience(list_id).webhooks.values())
    return call.collection("webhooks", found, dict, path=f"/lists/{list_id}/webhooks", list_id=list_id)


def campaigns(call: Call) -> Answer:
    since, before = call.time("since_send_time"), call.time("before_send_time")
    found = [
        c
        for c in call.account.campaigns.values()
        if call.query.get("status", "sent") == "sent"
        and call.query.get("list_id", c.audience.id) == c.audience.id
        and (since is None or c.sent > since)
        and (before is None or c.sent < before)
    ]
    if call.query.get("sort_field") == "send_time":
        found.sort(key=lambda c: (c.sent, c.id), reverse=call.query.get("sort_dir", "ASC") == "DESC")
    return call.collection("campaigns", found, lambda c: reports.campaign(call.base, c), path="/campaigns")


def _campaign(call: Call, id: str) -> reports.Campaign:
    found = call.account.campaigns.get(id)
    if found is None:
        raise not_found()
    return found


def email_activity(call: Call, id: str) -> Answer:
    rows = list(reports.email_activity(call.base, _campaign(call, id), since=call.time("since")))
    path = f"/reports/{id}/email-activity"
    return call.collection("emails", rows, dict, path=path, campaign_id=id)


def unsubscribed(call: Call, id: str) -> Answer:
    rows = list(reports.unsubscribed(call.base, _campaign(call, id)))
    path = f"/reports/{id}/unsubscribed"
    return call.collection("unsubscribes", rows, dict, path=path, campaign_id=id)


def stores(call: Call) -> Answer:
    found = list(call.account.stores.values())
    return call.collection("stores", found, lambda s: reports.store(call.base, s), path="/ecommerce/stores")


def store_orders(call: Call, id: str) -> Answer:
    store = call.account.stores.get(id)
    if store is None:
        raise not_found()
    found = list(store.orders.values())
    path = f"/ecommerce/stores/{id}/orders"
    return call.collection("orders", found, lambda o: reports.order(call.base, o), path=path, store_id=id)


def orders(call: Call) -> Answer:
    found = [o for s in call.account.stores.values() for o in s.orders.values()]
    return call.collection("orders", found, lambda o: reports.order(call.base, o), path="/ecommerce/orders")


def start_batch(call: Call) -> Answer:
    return 200, call.account.batches.start(call.body, base=call.base)


def batch(call: Call, id: str) -> Answer:
    return 200, call.account.batches.status(id, base=call.base)


def delete_batch(call: Call, id: str) -> Answer:
    call.account.batches.delete(id)
    return 204, None


LIST = r"/lists/(\w+)"
MEMBER = LIST + r"/members/([^/]+)"
SEGMENT = LIST + r"/segments/(\d+)"
ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", "/ping", ping),
    ("GET", "/?", root),
    ("GET", "/lists", audiences),
    ("GET", LIST, audience),
    ("POST", LIST, bulk_members),
    ("GET", LIST + "/members", members),
    ("POST", LIST + "/members", add_member),
    ("GET", MEMBER, get_member),
    ("PUT", MEMBER, put_member),
    ("PATCH", MEMBER, patch_member),
    ("DELETE", MEMBER, archive_member),
    ("POST", MEMBER + "/actions/delete-permanent", erase_member),
    ("GET", MEMBER + "/tags", member_tags),
    ("POST", MEMBER + "/tags", write_member_tags),
    ("POST", MEMBER + "/events", member_event),
    ("GET", LIST + "/segments", segments),
    ("POST", LIST + "/segments", create_segment),
    ("GET", SEGMENT, get_segment),
    ("POST", SEGMENT, batch_segment),
    ("PATCH", SEGMENT, patch_segment),
    ("DELETE", SEGMENT, delete_segment),
    ("GET", SEGMENT + "/members", segment_members),
    ("GET", LIST + "/tag-search", tag_search),
    ("GET", LIST + "/merge-fields", merge_fields),
    ("POST", LIST + "/merge-fields", add_merge_field),
    ("GET", LIST + "/webhooks", webhooks),
    ("POST", LIST + "/webhooks", create_webhook),
    ("GET", "/campaigns", campaigns),
    ("GET", r"/reports/(\w+)/email-activity", email_activity),
    ("GET", r"/reports/(\w+)/unsubscribed", unsubscribed),
    ("GET", "/ecommerce/stores", stores),
    ("GET", r"/ecommerce/stores/([^/]+)/orders", store_orders),
    ("GET", "/ecommerce/orders", orders),
    ("POST", "/batches", start_batch),
    ("GET", r"/batches/(\w+)", batch),
    ("DELETE", r"/batches/(\w+)", delete_batch),
)
