"""The addresses of the simulated Mailchimp, and which handler answers each."""

from __future__ import annotations

from collections.abc import Callable

from connectors.mailchimp.simulated import account_routes, member_routes, tag_routes
from connectors.mailchimp.simulated.call import Answer

LIST = r"/lists/(\w+)"
MEMBER = LIST + r"/members/([^/]+)"
SEGMENT = LIST + r"/segments/(\d+)"
ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", "/ping", account_routes.ping),
    ("GET", "/?", account_routes.root),
    ("GET", "/lists", account_routes.audiences),
    ("GET", LIST, account_routes.audience),
    ("POST", LIST, member_routes.bulk_members),
    ("GET", LIST + "/members", member_routes.members),
    ("POST", LIST + "/members", member_routes.add_member),
    ("GET", MEMBER, member_routes.get_member),
    ("PUT", MEMBER, member_routes.put_member),
    ("PATCH", MEMBER, member_routes.patch_member),
    ("DELETE", MEMBER, member_routes.archive_member),
    ("POST", MEMBER + "/actions/delete-permanent", member_routes.erase_member),
    ("GET", MEMBER + "/tags", member_routes.member_tags),
    ("POST", MEMBER + "/tags", member_routes.write_member_tags),
    ("POST", MEMBER + "/events", member_routes.member_event),
    ("GET", LIST + "/segments", tag_routes.segments),
    ("POST", LIST + "/segments", tag_routes.create_segment),
    ("GET", SEGMENT, tag_routes.get_segment),
    ("POST", SEGMENT, tag_routes.batch_segment),
    ("PATCH", SEGMENT, tag_routes.patch_segment),
    ("DELETE", SEGMENT, tag_routes.delete_segment),
    ("GET", SEGMENT + "/members", tag_routes.segment_members),
    ("GET", LIST + "/tag-search", tag_routes.tag_search),
    ("GET", LIST + "/merge-fields", account_routes.merge_fields),
    ("POST", LIST + "/merge-fields", account_routes.add_merge_field),
    ("GET", LIST + "/webhooks", account_routes.webhooks),
    ("POST", LIST + "/webhooks", account_routes.create_webhook),
    ("GET", "/campaigns", account_routes.campaigns),
    ("GET", r"/reports/(\w+)/email-activity", account_routes.email_activity),
    ("GET", r"/reports/(\w+)/unsubscribed", account_routes.unsubscribed),
    ("GET", "/ecommerce/stores", account_routes.stores),
    ("GET", r"/ecommerce/stores/([^/]+)/orders", account_routes.store_orders),
    ("GET", "/ecommerce/orders", account_routes.orders),
    ("POST", "/batches", account_routes.start_batch),
    ("GET", r"/batches/(\w+)", account_routes.batch),
    ("DELETE", r"/batches/(\w+)", account_routes.delete_batch),
)
