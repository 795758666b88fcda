"""Settings: every problem at once, by the key's path, with the nearest known key."""

from __future__ import annotations

from typing import Any

import pytest

from connectors import registry
from connectors.base import Consent, FieldType
from connectors.errors import BadSource
from connectors.pacing import ManualClock
from connectors.tables.settings import StoreKind, read_settings, settings_problems

GOOD: dict[str, Any] = {
    "platform": "tables",
    "url": "file:shop",
    "contacts": {
        "from": "customers.csv",
        "key": "customer_id",
        "changed_at": "updated_at",
        "columns": {"email": "Email", "joined": "Joined", "ltv": "LTV"},
        "types": {"joined": "date", "ltv": {"type": "money", "decimal": ","}},
        "consent": {"column": "newsletter", "opted_in": ["yes", "1"], "opted_out": ["no", "0"]},
    },
    "activity": [
        {
            "kind": "purchase",
            "from": "orders.csv",
            "contact": "customer_id",
            "at": "ordered_at",
            "zone": "Europe/London",
            "columns": {"amount": "total"},
            "types": {"amount": "money", "at": {"format": "%d.%m.%Y"}},
            "incremental": "ordered_at",
        }
    ],
    "memberships": {"to": "memberships.csv"},
}


def test_settings_are_read_as_written() -> None:
    found = read_settings(GOOD)
    assert (found.store, found.location, found.memberships) == (StoreKind.FILES, "shop", "memberships.csv")
    assert found.contacts is not None
    assert found.contacts.incremental == "updated_at"
    assert {f.name: f.type for f in found.contacts.fields} == {
        "email": FieldType.TEXT,
        "joined": FieldType.DATE,
        "ltv": FieldType.MONEY,
    }
    assert found.contacts.consent is not None
    assert found.contacts.consent.values["yes"] is Consent.OPTED_IN
    (orders,) = found.activity
    assert (orders.name, orders.key, orders.at.zone, orders.at.format) == (
        "purchase",
        (),
        "Europe/London",
        "%d.%m.%Y",
    )
    assert settings_problems(GOOD) == []


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("urll",), "x", 'urll: is not known here; did you mean "url"?'),
        (("url",), "shop", "url: is neither"),
        (("contacts", "colums"), {}, 'contacts.colums: is not known here; did you mean "columns"?'),
        (("contacts", "key"), 7, "contacts.key: must be a text or a list of texts"),
        (("contacts", "from"), None, "contacts.from: say either"),
        (("contacts", "types", "ltv"), "monney", 'contacts.types.ltv: "monney" is no type'),
        (("contacts", "types", "lvt"), "money", 'contacts.types.lvt: is not known here; did you mean "ltv"?'),
        (("contacts", "types", "ltv", "decimal"), ";", "contacts.types.ltv.decimal: must be"),
        (("contacts", "columns", "lists"), "x", "contacts.columns.lists: is a name every page has"),
        (("contacts", "encoding"), "utf-9", 'contacts.encoding: "utf-9" is unknown'),
        (("contacts", "delimiter"), ";;", "contacts.delimiter: must be one character"),
        (("contacts", "incremental"), "other", "contacts.incremental: must be the time column"),
        (("contacts", "consent", "opted_in"), [], "contacts.consent.opted_in: say which values"),
        (("contacts", "consent", "opted_out"), ["YES"], 'contacts.consent.opted_out: "YES" stands under two'),
        (("activity", 0, "kind"), None, "activity[0].kind: say either"),
        (("activity", 0, "at"), None, "activity[0].at: is missing"),
        (("activity", 0, "contact"), None, "activity[0].contact: say whose"),
        (("activity", 0, "zone"), "London", 'activity[0].zone: "London" is no time zone'),
        (("activity",), {}, "activity: must be a list of tables"),
        (("memberships", "to"), "x.xlsx", "memberships.to: must be a .csv or .parquet file"),
    ],
)
def test_each_problem_names_its_key(path: tuple[Any, ...], value: Any, problem: str) -> None:
    found = settings_problems(changed(GOOD, path, value))
    assert [text for text in found if text.startswith(problem)], found
    assert len(found) == 1


def changed(settings: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with one key replaced, or removed if `value` is None."""
    copy = list(settings) if isinstance(settings, list) else dict(settings)
    if len(path) > 1:
        copy[path[0]] = changed(copy[path[0]], path[1:], value)
    elif value is None:
        del copy[path[0]]
    else:
        copy[path[0]] = value
    return copy


def test_a_query_needs_a_database() -> None:
    entry = {"query": "select 1", "key": "id"}
    assert settings_problems({"contacts": entry})[0].startswith("contacts.query: needs a database")
    assert settings_problems({"url": "sqlite:///x.db", "contacts": entry}) == []


def test_all_problems_come_at_once_with_the_path_of_the_connection() -> None:
    broken = changed(changed(GOOD, ("contacts", "key"), None), ("activity", 0, "zone"), "Mars")
    with pytest.raises(BadSource) as caught:
        read_settings(broken, path="connections.shop")
    assert str(caught.value).splitlines() == [
        "connections.shop.contacts.key: is missing",
        'connections.shop.activity[0].zone: "Mars" is no time zone; use a name such as "Europe/London"',
    ]


def test_the_registry_knows_the_platform_and_a_secret_url_is_not_judged() -> None:
    platform = registry.platform("tables")
    assert platform.problems is not None
    entry = {"key": "id", "query": "select * from people"}
    assert list(platform.problems({"url": "env:SHOP_URL", "contacts": entry})) == []
    assert platform.open(GOOD, ManualClock()).features.streams[0].name == "contacts"
    assert list(platform.problems({"url": "file:x"})) == [
        "the connection: has none of contacts, activity and memberships: nothing to read or write"
    ]
