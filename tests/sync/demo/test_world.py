"""The demo's files and accounts, read through the real connectors: what is in them, and what is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from connectors.base import Consent, Page, StreamKind
from sync.demo.accounts import ACCOUNTS
from sync.demo.data import BAD_EMAILS, BAD_ORDERS, DUPLICATE_CUSTOMERS
from sync.demo.elsewhere import Wish
from tests.sync.demo.world import World, opened

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("demo"), AS_OF) as world:
        yield world


def pages(world: World, connection: str, kind: StreamKind) -> list[Page]:
    """Everything the connection has of this kind."""
    connector = world.connectors[connection]
    return [
        page
        for stream in connector.features.streams
        if stream.kind is kind
        for page in connector.read(stream, None)
    ]


def rows(found: list[Page]) -> int:
    return sum(page.rows.num_rows for page in found)


def test_the_shop_gives_every_customer_once_and_tells_of_the_bad_rows(world: World) -> None:
    found = pages(world, "shop", StreamKind.CONTACTS)
    assert rows(found) == len(world.data.customers) == 2357
    told = [rejected for page in found for rejected in page.rejected]
    assert len(told) == len(BAD_EMAILS) + DUPLICATE_CUSTOMERS
    addresses = [value for page in found for value in page.rows["email"].to_pylist()]
    assert addresses.count(None) == len(BAD_EMAILS)


def test_the_shop_gives_every_order_and_refuses_those_that_cannot_be_read(world: World) -> None:
    found = pages(world, "shop", StreamKind.ACTIVITY)
    assert rows(found) == len(world.data.orders) == 6919
    assert sum(len(page.rejected) for page in found) == BAD_ORDERS
    amounts = [value for page in found for value in page.rows["amount"].to_pylist()]
    assert sum(amounts) == sum(order.total for order in world.data.orders)


def test_the_newsletter_gives_its_members_and_what_they_did(world: World) -> None:
    assert rows(pages(world, "newsletter", StreamKind.CONTACTS)) == len(world.data.members)
    found = pages(world, "newsletter", StreamKind.ACTIVITY)
    kinds = [kind for page in found for kind in page.rows["kind"].to_pylist()]
    did = [one.action for campaign in world.data.campaigns for one in campaign.activity]
    for action in ("open", "click", "bounce"):
        assert kinds.count(f"email_{action}") == did.count(action)


def test_the_demo_has_the_names_that_the_examples_use(world: World) -> None:
    assert {"country", "birthday", "signed_up", "email", "language"} <= set(world.vocabulary.fields)
    assert {"amount", "items"} <= set(world.vocabulary.kinds["purchase"].fields)
    assert {"email_open", "email_click"} <= set(world.vocabulary.kinds)
    assert world.vocabulary.connections["shop"] == frozenset()
    assert "tag" in world.vocabulary.connections["newsletter"]


def test_the_shop_is_trusted_more_than_the_newsletter(world: World) -> None:
    sources = next(field.sources for field in world.fields if field.name == "country")
    assert [connection for connection, _ in sources] == ["shop", "newsletter"]


def test_the_other_platforms_give_their_contacts_and_who_does_not_want_mail(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    no = {Consent.OPTED_OUT.value, Consent.UNDELIVERABLE.value}
    folder = tmp_path_factory.mktemp("four")
    with opened(folder, AS_OF, accounts=tuple(ACCOUNTS), people=150) as four:
        for name, contacts in four.data.elsewhere.items():
            found = pages(four, name, StreamKind.CONTACTS)
            rows = [row for page in found for row in page.rows.to_pylist()]
            expected = {
                contact.address.lower(): contact.wish in (Wish.LEFT, Wish.BOUNCED) for contact in contacts
            }
            email = {"hub": "email", "crm": "Email", "shop-mail": "email"}[name]
            assert {row[email].lower(): row["email_consent"] in no for row in rows} == expected
        country = next(field.sources for field in four.fields if field.name == "country")
        assert [connection for connection, _ in country] == ["shop", *ACCOUNTS]
