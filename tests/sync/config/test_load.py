"""A good config becomes settings; a bad one tells everything that is wrong with it."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path

import pytest

from rules.vocabulary import Type
from sync.config import ConfigError, FieldSettings, IdentityKey, load
from sync.secrets import Secret, SecretSource
from tests.sync.config.platforms import PLATFORMS, load_text, problems_of

GOOD = """
rules_dir = "my rules"

[store]
database = "sqlite:///data/segsync.db"
lake = "data/lake"
memory_limit = "2GB"

[business]
zone = "Europe/Berlin"
currency = "EUR"
[business.rates]
USD = 0.92
GBP = 1

[names]
prefix = ""

[identity]
max_contacts_per_key = 5
blocked = ["info@", "@example.org", "reception@example.com"]
[[identity.id]]
name = "customer number"
from = ["shop.customer_id", "newsletter.CUSTNO"]

[brakes]
removals_share = 0.25
removals_min = 0
shrink_share = 1

[trust]
order = ["newsletter"]

[connections.shop]
platform = "files"
destination = false
url = "file:exports"
[connections.shop.contacts]
key = "customer_id"
[[connections.shop.activity]]
kind = "purchase"

[connections.newsletter]
platform = "letters"
api_key = "env:LETTERS_KEY"
list = "a36b032126"
timeout_s = 20

[fields.country]
type = "text"
from = ["newsletter.LAND", "shop.country.code"]
meaning = "Where the goods go"
[fields."company.size"]
type = "number"
from = ["shop.size"]
[fields.loyalty.points]
unit = "points"
from = ["shop.points"]
"""


def test_every_section_is_read(tmp_path: Path) -> None:
    settings = load_text(tmp_path, GOOD)
    assert settings.rules_dir == tmp_path / "my rules"
    assert settings.store.url() == f"sqlite:///{tmp_path}/data/segsync.db"
    assert settings.store.lake == str(tmp_path / "data/lake")
    assert settings.store.memory_limit == "2GB"
    assert settings.business.zone == "Europe/Berlin"
    assert settings.business.rates == {"USD": Decimal("0.92"), "GBP": Decimal(1)}
    assert settings.audience_prefix == ""
    assert settings.identity.max_contacts_per_key == 5
    assert settings.identity.blocked == ("info@", "@example.org", "reception@example.com")
    sources = (("shop", "customer_id"), ("newsletter", "CUSTNO"))
    assert settings.identity.keys == (IdentityKey("customer number", sources),)
    assert settings.brakes.removals_share == Decimal("0.25")
    assert settings.brakes.shrink_share == 1
    assert settings.connections["shop"].destination is False
    assert settings.connections["shop"].values["contacts"] == {"key": "customer_id"}
    assert settings.connections["newsletter"].values["timeout_s"] == 20
    assert settings.fields["country"] == FieldSettings(
        name="country",
        type=Type.TEXT,
        meaning="Where the goods go",
        sources=(("newsletter", "LAND"), ("shop", "country.code")),
    )
    assert settings.fields["loyalty.points"].unit == "points"
    assert settings.warnings == ()


def test_connections_not_named_in_the_order_of_trust_come_after_those_that_are(tmp_path: Path) -> None:
    assert load_text(tmp_path, GOOD).trust == ("newsletter", "shop")


def test_file_urls_are_relative_to_the_config_and_not_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_text(home, GOOD).connections["shop"].values["url"] == f"file:{home}/exports"
    monkeypatch.chdir(tmp_path)
    assert load(Path("home/config.toml"), platforms=PLATFORMS).store.lake == str(home / "data/lake")


def test_an_empty_file_is_a_config_with_all_defaults(tmp_path: Path) -> None:
    settings = load_text(tmp_path, "")
    assert settings.audience_prefix == "segsync: "
    assert (settings.brakes.removals_share, settings.brakes.removals_min) == (Decimal("0.10"), 50)
    assert settings.brakes.shrink_share == Decimal("0.20")
    assert settings.rules_dir == tmp_path / "rules"
    assert "info@" in settings.identity.blocked


def test_settings_cannot_be_changed_after_the_load(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_text(tmp_path, GOOD).rules_dir = Path("/")  # type: ignore[misc]


def test_a_secret_is_a_reference_and_read_only_when_the_connection_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = load_text(tmp_path, GOOD).connections["newsletter"]
    assert connection.values["api_key"] == Secret(SecretSource.ENVIRONMENT, "LETTERS_KEY")
    monkeypatch.setenv("LETTERS_KEY", "hunter2")
    assert connection.revealed()["api_key"] == "hunter2"
    assert "hunter2" not in repr(connection)


BAD = """\
rules_dir = 7
stoer = "x"

[store]
database = "mysql://host/db"
lake = ""
memory_limit = "lots"

[business]
zone = "Europe/Berln"
currency = "euro"
rates = { usd = 1.0, GBP = 0, EUR = 2, CHF = "1" }

[names]
prefix = "This prefix is so long that no name of an audience fits behind it"

[identity]
max_contacts_per_key = 1
blocked = ["info@", "info@", "office", 3]
phone_region = "DE"
[[identity.id]]
from = ["shop.id"]
[[identity.id]]
name = "crm"
from = ["shop.id", "crm.id"]

[brakes]
removals_share = 10
removals_min = true
shrink = 0.2

[trust]
order = ["shopp", "newsletter"]

[connections.Shop_1]
platform = "files"
url = "file:."

[connections.shop]
platform = "files"
source = "yes"
[connections.shop.contacts]
kye = "id"

[connections.newsletter]
platform = "letters"
api_key = "hunter2"
parallel = "six"
lits = "a36b032126"

[connections.crm]
platform = "leters"
source = false

[connections.other]
url = "x"

[fields]
city = "Berlin"
[fields.Country]
type = "txet"
from = ["newsletter.LAND", "newsleter.LAND", "LAND"]
[fields.suppressed]
from = []
[fields.shop.level]
type = "number"
"""

COMPLAINTS = """\
config.toml:1: rules_dir: must be a text in quotes, not a whole number
config.toml:2: stoer: unknown key; did you mean "store"?
config.toml:5: store.database: must be a URL such as "sqlite:///segsync.db" or \
"postgresql+psycopg://segsync@host/segsync"; with a password in it: env:NAME or file:PATH
config.toml:6: store.lake: is empty
config.toml:7: store.memory_limit: must be a size such as "2GB" or "512MB"
config.toml:10: business.zone: there is no such time zone; did you mean "Europe/Berlin"?
config.toml:11: business.currency: must be three capital letters, such as "EUR" (ISO 4217)
config.toml:12: business.rates.CHF: must be a number, not a text
config.toml:12: business.rates.EUR: this is the business's own currency; its rate is 1, leave it out
config.toml:12: business.rates.GBP: a rate is greater than 0
config.toml:12: business.rates.usd: a currency is three capital letters, such as "EUR" (ISO 4217)
config.toml:15: names.prefix: must be at most 40 characters
config.toml:18: identity.max_contacts_per_key: must be at least 2
config.toml:19: identity.blocked[1]: is there twice
config.toml:19: identity.blocked[2]: must be a mailbox "info@", a domain "@example.com" or an address \
"a@example.com"
config.toml:19: identity.blocked[3]: must be a text, not a whole number
config.toml:20: identity.phone_region: unknown key; known: blocked, id, max_contacts_per_key
config.toml:21: identity.id[0]: name is missing
config.toml:22: identity.id[0].from: needs two columns or more: an id of one connection says nothing about \
another
config.toml:25: identity.id[1].from[1]: nothing is read from "crm": it says source = false
config.toml:28: brakes.removals_share: must be a share between 0 and 1; ten percent is 0.10
config.toml:29: brakes.removals_min: must be a whole number, not true or false
config.toml:30: brakes.shrink: unknown key; did you mean "shrink_share"?
config.toml:33: trust.order[0]: there is no connection "shopp"; did you mean "shop"?
config.toml:35: connections.Shop_1: a connection's name has small letters, digits and - only
config.toml:39: connections.shop: url is missing
config.toml:41: connections.shop.source: must be true or false, without quotes, not a text
config.toml:43: connections.shop.contacts.kye: unknown key; did you mean "key"?
config.toml:45: connections.newsletter: list is missing (the list's id)
config.toml:47: connections.newsletter.api_key: a secret is never written here: put env:NAME or file:PATH in \
its place
config.toml:48: connections.newsletter.parallel: must be a whole number, not a text
config.toml:49: connections.newsletter.lits: unknown key; did you mean "list"?
config.toml:52: connections.crm.platform: there is no such platform; did you mean "letters"?
config.toml:55: connections.other: platform is missing; known: files, letters
config.toml:59: fields.city: must be a section, not a text
config.toml:60: fields.Country: a field's name has small letters, digits, _ and dots, such as loyalty_points \
or company.size
config.toml:61: fields.Country.type: there is no such type; did you mean "text"?
config.toml:62: fields.Country.from[1]: there is no connection "newsleter"; did you mean "newsletter"?
config.toml:62: fields.Country.from[2]: must be "connection.column", such as "shop.Country"
config.toml:63: fields.suppressed: "suppressed" is known of every person already; choose another name
config.toml:64: fields.suppressed.from: is empty: name at least one column, such as ["shop.Country"]
config.toml:65: fields.shop.level: "shop.level" begins like a connection, whose own columns are named so; \
choose another name"""


def test_all_problems_are_told_at_once_each_with_its_line_and_key(tmp_path: Path) -> None:
    assert problems_of(tmp_path, BAD) == COMPLAINTS.split("\n")


def test_the_error_as_text_is_one_line_per_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, BAD)
    assert str(caught.value) == COMPLAINTS


def test_a_database_password_is_accepted_only_through_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (problem,) = problems_of(tmp_path, '[store]\ndatabase = "postgresql://segsync:hunter2@db/segsync"')
    assert "password" in problem
    assert "hunter2" not in problem
    settings = load_text(tmp_path, '[store]\ndatabase = "env:DATABASE"')
    monkeypatch.setenv("DATABASE", "postgresql+psycopg://segsync:hunter2@db/segsync")
    assert settings.store.url() == "postgresql+psycopg://segsync:hunter2@db/segsync"
    assert "hunter2" not in repr(settings)


def test_a_database_in_memory_is_refused_because_what_we_own_must_survive(tmp_path: Path) -> None:
    for url in ("sqlite://", "sqlite:///:memory:", "sqlite:///"):
        (problem,) = problems_of(tmp_path, f'[store]\ndatabase = "{url}"')
        assert "must name a file" in problem
