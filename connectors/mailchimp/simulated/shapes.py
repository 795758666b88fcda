"""The JSON shapes of the simulated Mailchimp's answers, with their `_links`, and the choice of fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from connectors.mailchimp.simulated.audience import Audience, Member, MergeField, Segment, iso

Json = dict[str, object]
SCHEMA = "/schema/3.0/Definitions"
PERMISSIONS = ("Email", "Direct Mail", "Customized Online Advertising")


class Chosen:
    """The parameters `fields` and `exclude_fields`: dotted from the top, comma-joined."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self._keep = _tree(query["fields"]) if query.get("fields") else None
        self._drop = _tree(query["exclude_fields"]) if query.get("exclude_fields") else None

    def keys(self, collection: str) -> frozenset[str] | None:
        """Keys wanted of the items of `collection`, so that the others are not even built; None: all."""
        if self._keep is None:
            return None
        below = self._keep.get(collection)
        if below is None:
            return frozenset()
        return frozenset(below) if below else None

    def apply(self, content: Json) -> Json:
        """The content without what was not asked for."""
        if self._keep is not None:
            content = _kept(content, self._keep)
        if self._drop is not None:
            content = _dropped(content, self._drop)
        return content


Tree = dict[str, "Tree"]


def _tree(text: str) -> Tree:
    top: Tree = {}
    for path in text.split(","):
        node = top
        for name in path.strip().split("."):
            node = node.setdefault(name, {})
    return top


def _kept(content: Json, tree: Tree) -> Json:
    kept: Json = {}
    for name, below in tree.items():
        if name in content:
            value = content[name]
            if below and isinstance(value, list):
                value = [_kept(v, below) if isinstance(v, dict) else v for v in value]
            elif below and isinstance(value, dict):
                value = _kept(value, below)
            kept[name] = value
    return kept


def _dropped(content: Json, tree: Tree) -> Json:
    left: Json = {}
    for name, value in content.items():
        if name not in tree:
            left[name] = value
        elif below := tree[name]:
            if isinstance(value, list):
                value = [_dropped(v, below) if isinstance(v, dict) else v for v in value]
            left[name] = _dropped(value, below) if isinstance(value, dict) else value
    return left


def link(base: str, rel: str, path: str, *, method: str = "GET", target: str | None = None) -> Json:
    """One entry of `_links`."""
    made: Json = {"rel": rel, "href": f"{base}/3.0{path}", "method": method}
    if target is not None:
        made["targetSchema"] = f"{base}{SCHEMA}/{target}/Response.json"
    return made


def links(base: str, path: str, *, parent: str, target: str) -> list[Json]:
    """`self` and `parent`, which every resource has."""
    return [link(base, "self", path, target=target), link(base, "parent", parent, target=target)]


def member(
    base: str, audience: Audience, m: Member, keys: frozenset[str] | None = None, *, segment: bool = False
) -> Json:
    """A member as /members shows it; in /segments/{id}/members it has no tags and null for empty text."""
    location = {
        "latitude": m.latitude,
        "longitude": m.longitude,
        "gmtoff": 0,
        "dstoff": 0,
        "country_code": m.country_code,
        "timezone": m.timezone,
        "region": m.region,
    }
    shown: Json = {
        "id": m.id,
        "email_address": m.address,
        "unique_email_id": m.unique_email_id if keys is None or "unique_email_id" in keys else "",
        "contact_id": m.contact_id,
        "full_name": f"{m.merge.get('FNAME', '')} {m.merge.get('LNAME', '')}".strip(),
        "web_id": m.web_id,
        "email_type": "html",
        "status": m.status,
        "consents_to_one_to_one_messaging": True,
        "merge_fields": dict(m.merge),
        "stats": {"avg_open_rate": m.open_rate, "avg_click_rate": m.click_rate},
        "ip_signup": "",
        "timestamp_signup": iso(m.timestamp_signup),
        "ip_opt": "203.0.113.1",
        "timestamp_opt": iso(m.timestamp_opt),
        "member_rating": m.rating,
        "last_changed": iso(m.last_changed),
        "language": m.language,
        "vip": m.vip,
        "email_client": "",
        "location": location,
    }
    if m.status == "unsubscribed":
        by_admin = m.left_by in (None, "api")
        shown["unsubscribe_reason"] = "N/A (Unsubscribed by admin)" if by_admin else "No longer interested"
    if audience.marketing_permissions:
        shown["marketing_permissions"] = [
            {"marketing_permission_id": f"{n:010x}", "text": text, "enabled": False}
            for n, text in enumerate(PERMISSIONS, start=1)
        ]
    shown["source"] = m.source
    if not segment:
        shown["tags_count"] = len(m.tags)
        # The service shows at most 50; all of them only at /members/{hash}/tags.
        shown["tags"] = [{"id": t, "name": audience.segments[t].name} for t in list(m.tags)[:50]]
    shown["list_id"] = audience.id
    if segment:
        shown = {k: None if v == "" else v for k, v in shown.items()}
    if keys is not None:
        return {k: v for k, v in shown.items() if k in keys}
    shown["_links"] = _member_links(base, audience, m)
    return shown


def _member_links(base: str, audience: Audience, m: Member) -> list[Json]:
    path = f"/lists/{audience.id}/members/{m.id}"
    return [
        *links(base, path, parent=f"/lists/{audience.id}/members", target="Lists/Members"),
        link(base, "update", path, method="PATCH", target="Lists/Members"),
        link(base, "upsert", path, method="PUT", target="Lists/Members"),
        link(base, "delete", path, method="DELETE"),
        link(base, "activity", f"{path}/activity", target="Lists/Members/Activity"),
        link(base, "goals", f"{path}/goals", target="Lists/Members/Goals"),
        link(base, "notes", f"{path}/notes", target="Lists/Members/Notes"),
        link(base, "events", f"{path}/events", method="POST"),
        link(base, "delete_permanent", f"{path}/actions/delete-permanent", method="POST"),
    ]


def merge_field(base: str, audience: Audience, made: MergeField) -> Json:
    """A merge field of an audience."""
    return {
        "merge_id": made.merge_id,
        "tag": made.tag,
        "name": made.name,
        "type": made.type,
        "required": made.required,
        "default_value": made.default_value,
        "public": made.public,
        "display_order": made.merge_id + 1,
        "options": made.options,
        "help_text": made.help_text,
        "list_id": audience.id,
        "_links": links(
            base,
            f"/lists/{audience.id}/merge-fields/{made.merge_id}",
            parent=f"/lists/{audience.id}/merge-fields",
            target="Lists/MergeFields",
        ),
    }


def segment(base: str, audience: Audience, made: Segment, keys: frozenset[str] | None = None) -> Json:
    """A static segment; `member_count` counts active subscribers only, and only if it is wanted."""
    counted = keys is None or "member_count" in keys
    return {
        "id": made.id,
        "name": made.name,
        "member_count": sum(m.status == "subscribed" for m in made.members.values()) if counted else 0,
        "type": "static",
        "created_at": iso(made.created),
        "updated_at": iso(made.updated),
        "options": {"match": "any", "conditions": []},
        "list_id": audience.id,
        "_links": links(
            base,
            f"/lists/{audience.id}/segments/{made.id}",
            parent=f"/lists/{audience.id}/segments",
            target="Lists/Segments",
        ),
    }


def audience(base: str, a: Audience) -> Json:
    """An audience with its counts."""
    statuses = [m.status for m in a.members.values()]
    zero = (
        "member_count_since_send",
        "unsubscribe_count_since_send",
        "cleaned_count_since_send",
        "campaign_count",
        "avg_sub_rate",
        "avg_unsub_rate",
        "target_sub_rate",
        "open_rate",
        "click_rate",
    )
    return {
        "id": a.id,
        "web_id": a.web_id,
        "name": a.name,
        "contact": dict.fromkeys(("company", "address1", "city", "state", "zip", "country"), ""),
        "permission_reminder": "You signed up on our site.",
        "use_archive_bar": True,
        "campaign_defaults": {
            "from_name": "Example Company",
            "from_email": "news@example.com",
            "subject": "",
            "language": "en",
        },
        "notify_on_subscribe": "",
        "notify_on_unsubscribe": "",
        "date_created": iso(a.created),
        "list_rating": 0,
        "email_type_option": False,
        "subscribe_url_short": "http://eepurl.com/xxxxxx",
        "subscribe_url_long": "https://example.us1.list-manage.com/subscribe?u=0&id=0",
        "beamer_address": "us1-00000000-00000000@example.com",
        "visibility": "prv",
        "double_optin": a.double_optin,
        "has_welcome": False,
        "marketing_permissions": a.marketing_permissions,
        "modules": [],
        "stats": {
            "member_count": statuses.count("subscribed"),
            "unsubscribe_count": statuses.count("unsubscribed"),
            "cleaned_count": statuses.count("cleaned"),
            "merge_field_count": len(a.merge_fields),
            **dict.fromkeys(zero, 0),
            "campaign_last_sent": "",
            "last_sub_date": "",
            "last_unsub_date": "",
        },
        "_links": links(base, f"/lists/{a.id}", parent="/lists", target="Lists"),
    }


def collection(
    base: str, key: str, items: Iterable[Json], total: int, *, path: str, parent: str, **more: object
) -> Json:
    """`{"members": […], "list_id": …, "total_items": 10, "_links": […]}`."""
    return {
        key: list(items),
        **more,
        "total_items": total,
        "_links": [
            {"rel": "self", "href": f"{base}/3.0{path}", "method": "GET"},
            {"rel": "parent", "href": f"{base}/3.0{parent}", "method": "GET"},
        ],
    }
