"""The demo's files and account, read through the real connectors: what is in them, and what is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from connectors.base import Page, StreamKind
from sync.demo.data import BAD_EMAILS, BAD_ORDERS, DUPLICATE_CUSTOMERS
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
