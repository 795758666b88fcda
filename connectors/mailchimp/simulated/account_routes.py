"""The account, its audiences with merge fields and webhooks, campaigns, orders, batches."""

from __future__ import annotations

from connectors.mailchimp.simulated import reports, shapes
from connectors.mailchimp.simulated.audience import digest
from connectors.mailchimp.simulated.call import Answer, Call
from connectors.mailchimp.simulated.rules import invalid, not_found
from connectors.mailchimp.simulated.shapes import Json


def ping(_: Call) -> Answer:
    return 200, {"health_status": "Everything's Chimpy!"}


def root(call: Call) -> Answer:
    account: Json = {
        "account_id": "8d3a3db4d97663a9074efcc16",
        "login_id": "70000002",
        "account_name": "Example Company",
        "email": "owner@example.com",
        "role": call.account.role,
        "pricing_plan_type": "monthly",
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


def merge_fields(call: Call, list_id: str) -> Answer:
    home = call.audience(list_id)
    return call.collection(
        "merge_fields",
        sorted(home.merge_fields, key=lambda f: f.tag),  # recorded: by tag, not by id
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
    return call.collection(
        "webhooks", found, lambda hook: hook, path=f"/lists/{list_id}/webhooks", list_id=list_id
    )


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
    campaign = _campaign(call, id)
    return call.collection(
        "emails",
        reports.active_recipients(campaign, since=call.time("since")),
        lambda recipient: reports.email_activity(call.base, campaign, *recipient),
        path=f"/reports/{id}/email-activity",
        campaign_id=id,
    )


def unsubscribed(call: Call, id: str) -> Answer:
    rows = list(reports.unsubscribed(call.base, _campaign(call, id)))
    path = f"/reports/{id}/unsubscribed"
    return call.collection("unsubscribes", rows, lambda row: row, path=path, campaign_id=id)


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
