"""The names a rule may use come from the settings and the connections' streams."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.base import FieldType, RecordStates, Stream, StreamField, StreamKind
from rules.language import json_schema, load
from rules.vocabulary import Type
from sync.config import ConfigError, Settings
from sync.fields import FieldSpec
from sync.standard import STANDARD_FIELDS
from sync.vocabulary import Streams, build, describe
from tests.sync.config.platforms import load_text

TWO = """
[business]
currency = "EUR"
[trust]
order = ["shop", "newsletter"]
[connections.newsletter]
platform = "letters"
api_key = "env:A"
list = "a"
[connections.shop]
platform = "files"
url = "file:."
"""


def contacts(*fields: StreamField, standard: dict[str, str] | None = None) -> tuple[Stream, ...]:
    return (Stream("contacts", StreamKind.CONTACTS, fields, standard=standard or {}),)


def activity(kind: str, *fields: StreamField) -> tuple[Stream, ...]:
    return (Stream("events", StreamKind.ACTIVITY, fields, activity_kinds=(kind,)),)


def text(name: str) -> StreamField:
    return StreamField(name, FieldType.TEXT)


STREAMS: Streams = {
    "newsletter": contacts(
        text("FNAME"),
        text("Land"),
        StreamField("LTV", FieldType.NUMBER, unit="points"),
        standard={"first_name": "FNAME", "country": "Land"},
    )
    + activity("email_click", text("url")),
    "shop": contacts(
        text("country"),
        text("first"),
        StreamField("postal_code", FieldType.TEXT),
        standard={"first_name": "first"},
    )
    + activity("purchase", StreamField("amount", FieldType.MONEY)),
}


def specs_of(settings: Settings, streams: Streams = STREAMS) -> dict[str, FieldSpec]:
    return {spec.name: spec for spec in build(settings, streams)[1]}


def complaints(folder: Path, config: str, streams: Streams = STREAMS) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build(load_text(folder, config), streams)
    return [str(problem) for problem in caught.value.problems]


def test_standard_fields_are_mapped_without_any_section_in_the_order_of_trust(tmp_path: Path) -> None:
    specs = specs_of(load_text(tmp_path, TWO))
    assert specs["first_name"].sources == (("shop", "first"), ("newsletter", "FNAME"))
    assert specs["country"].sources == (("shop", "country"), ("newsletter", "Land"))
    assert specs["country"].type is Type.TEXT
    assert specs["country"].meaning == STANDARD_FIELDS["country"].meaning
    turned = specs_of(load_text(tmp_path, TWO.replace('["shop", "newsletter"]', '["newsletter", "shop"]')))
    assert turned["country"].sources == (("newsletter", "Land"), ("shop", "country"))


def test_a_platforms_other_word_for_a_standard_field_is_understood(tmp_path: Path) -> None:
    assert specs_of(load_text(tmp_path, TWO))["postcode"].sources == (("shop", "postal_code"),)


def test_a_standard_field_that_nobody_gives_is_not_in_the_vocabulary(tmp_path: Path) -> None:
    assert "birthday" not in specs_of(load_text(tmp_path, TWO))


def test_every_column_is_also_a_raw_field_of_its_connection(tmp_path: Path) -> None:
    vocabulary, specs = build(load_text(tmp_path, TWO), STREAMS)
    raw = {s.name for s in specs if s.name.startswith(("newsletter.", "shop."))}
    assert raw == {
        "newsletter.FNAME", "newsletter.Land", "newsletter.LTV", "shop.country", "shop.first",
        "shop.postal_code",
    }  # fmt: skip
    assert vocabulary.fields["newsletter.LTV"].type is Type.NUMBER
    assert vocabulary.fields["newsletter.LTV"].unit == "points"
    assert set(vocabulary.fields) == {spec.name for spec in specs}


def test_a_mapping_of_the_config_wins_over_the_standard_one_and_may_add_fields(tmp_path: Path) -> None:
    added = """
[fields.country]
from = ["newsletter.Land"]
[fields.points]
type = "number"
unit = "loyalty points"
from = ["newsletter.LTV"]
meaning = "What the card says"
[fields.contact_number]
from = ["shop.external_id"]
"""
    specs = specs_of(load_text(tmp_path, TWO + added))
    assert specs["country"].sources == (("newsletter", "Land"),)
    expected = FieldSpec(
        "points", Type.NUMBER, "loyalty points", "What the card says", (("newsletter", "LTV"),)
    )
    assert specs["points"] == expected
    assert specs["contact_number"].type is Type.TEXT


def test_all_mappings_that_cannot_hold_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    start = TWO.count("\n")
    wrong = """[fields.country]
from = ["newsletter.Lnad", "shop.country"]
[fields.points]
type = "text"
from = ["newsletter.LTV"]
[fields."card.level"]
type = "text"
[fields.email_click]
from = ["newsletter.FNAME"]
[[identity.id]]
name = "number"
from = ["shop.cuntry", "newsletter.Land"]
"""
    told = (
        (2, 'fields.country.from[0]: "newsletter" has no column "Lnad"; did you mean "Land"?'),
        (3, "fields.points: must be text, but newsletter.LTV is number; give that column the type text in"
            " [connections.newsletter], or name the columns to use in from"),
        (6, 'fields."card.level": no connection gives it; say from = ["connection.column"]'),
        (8, 'fields.email_click: "email_click" is also a kind of activity; choose another name'),
        (12, 'identity.id[0].from[0]: "shop" has no column "cuntry"; did you mean "country"?'),
    )  # fmt: skip
    expected = [f"config.toml:{start + line}: {message}" for line, message in told]
    assert complaints(tmp_path, TWO + wrong) == expected


def test_a_standard_field_of_the_wrong_type_says_how_to_mend_it(tmp_path: Path) -> None:
    streams = {"shop": contacts(text("birthday"))}
    (complaint,) = complaints(tmp_path, TWO, streams)
    assert "must be date, but shop.birthday is text; give that column the type date" in complaint


def test_the_fields_of_a_kind_are_joined_over_connections(tmp_path: Path) -> None:
    streams = {
        "newsletter": activity("purchase", StreamField("amount", FieldType.MONEY), text("sku")),
        "shop": activity("purchase", StreamField("amount", FieldType.MONEY), text("store")),
    }
    kind = build(load_text(tmp_path, TWO), streams)[0].kinds["purchase"]
    assert set(kind.fields) == {"amount", "sku", "store"}
    assert kind.fields["amount"].unit == "EUR"
    assert kind.fields["amount"].sources == ("shop.events.amount", "newsletter.events.amount")
    assert kind.sources == ("shop.events", "newsletter.events")
    assert kind.meaning


def test_a_field_of_a_kind_with_two_types_is_a_problem(tmp_path: Path) -> None:
    streams = {"newsletter": activity("purchase", text("amount")), "shop": STREAMS["shop"]}
    (complaint,) = complaints(tmp_path, TWO, streams)
    assert "connections.newsletter: purchase.amount is text here, but money in shop" in complaint


def test_lists_and_audience_kinds_come_from_outside(tmp_path: Path) -> None:
    vocabulary, _ = build(
        load_text(tmp_path, TWO),
        STREAMS,
        lists=["newsletter:Spring"],
        audiences={"newsletter": frozenset({"tag"}), "shop": frozenset()},
    )
    assert vocabulary.lists == {"newsletter:Spring"}
    assert vocabulary.connections["newsletter"] == {"tag"}


def test_where_nothing_is_a_destination_a_rule_is_told_so(tmp_path: Path) -> None:
    """`plan` refuses such rules, so `check` must not pass them."""
    settings = load_text(tmp_path, TWO)
    vocabulary, _ = build(settings, {"shop": STREAMS["shop"]}, audiences={})
    rules = tmp_path / "to.toml"
    rules.write_text(
        '[[segment]]\nid = "a"\nwhen = "country is known"\nto = ["shop", "newsleter"]\n', "utf-8"
    )
    assert [str(each) for each in load(rules, vocabulary).problems] == [
        'to.toml:4:7: nothing can be written to the connection "shop"',
        'to.toml:4:15: unknown connection "newsleter"',
    ]
    assert '"enum": []' not in json.dumps(json_schema(vocabulary))


def test_the_description_has_a_row_for_every_name_with_source_and_fill_rate(tmp_path: Path) -> None:
    vocabulary, _ = build(load_text(tmp_path, TWO), STREAMS, lists=["newsletter:Spring"])
    rows = {row.name: row for row in describe(vocabulary, {"country": 0.25})}
    assert set(rows) == {
        *vocabulary.fields, "purchase", "purchase.amount", "email_click", "email_click.url", "Spring"
    }  # fmt: skip
    assert rows["country"].fill_rate == 0.25
    assert rows["country"].source == "shop.country, newsletter.Land"
    assert rows["first_name"].fill_rate is None
    assert (rows["purchase"].type, rows["purchase.amount"].unit) == ("activity", "EUR")
    assert (rows["Spring"].type, rows["Spring"].source) == ("list", "newsletter")


KINDS = ("deal_open", "deal_won")
DEALS = RecordStates("deal", key="deal", kinds=KINDS)


def deals(*fields: StreamField, record: RecordStates | None = DEALS) -> tuple[Stream, ...]:
    return (Stream("deals", StreamKind.ACTIVITY, fields, activity_kinds=KINDS, record=record),)


def with_deals(record: RecordStates | None = DEALS) -> Streams:
    more = deals(text("deal"), StreamField("amount", FieldType.MONEY), record=record)
    return {**STREAMS, "newsletter": STREAMS["newsletter"] + more}


def test_related_records_come_from_what_connections_declare(tmp_path: Path) -> None:
    vocabulary, _ = build(load_text(tmp_path, TWO), with_deals())
    record = vocabulary.records["deal"]
    assert (record.key, record.kinds) == ("deal", KINDS)
    assert {name: field.type for name, field in record.fields.items()} == {
        "deal": Type.TEXT,
        "amount": Type.MONEY,
    }
    rows = {row.name: row for row in describe(vocabulary)}
    assert (rows["deal"].type, rows["deal"].source) == ("records", "newsletter.deals")
    assert rows["deal.amount"].unit == "EUR"


def test_the_config_declares_related_records_of_its_own_and_wins(tmp_path: Path) -> None:
    own = """
[records.contract]
kinds = ["deal_won"]
key = "amount"
meaning = "What was signed"
[records.deal]
kinds = ["deal_won", "deal_open"]
key = "deal"
"""
    vocabulary, _ = build(load_text(tmp_path, TWO + own), with_deals())
    assert vocabulary.records["contract"].kinds == ("deal_won",)
    assert vocabulary.records["contract"].meaning == "What was signed"
    assert vocabulary.records["deal"].kinds == ("deal_won", "deal_open")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ('kinds = ["deal_wom"]\nkey = "deal"', 'there is no activity "deal_wom"; did you mean "deal_won"?'),
        (
            'kinds = ["deal_won"]\nkey = "dael"',
            'the activity "deal_won" has no field "dael"; did you mean "deal"?',
        ),
        ("kinds = []\nkey = 'deal'", "kinds names the activity"),
        ('kinds = ["deal_won"]', "key is missing"),
        ('kinds = ["deal_won"]\nkey = "deal"\nkeys = 1', 'unknown key; did you mean "key"?'),
    ],
)
def test_a_wrong_declaration_of_records_says_what_is_wrong(
    tmp_path: Path, section: str, expected: str
) -> None:
    told = complaints(tmp_path, f"{TWO}[records.contract]\n{section}\n", with_deals())
    assert expected in " | ".join(told)
    assert "records.contract" in told[0]


def test_a_record_has_a_name_of_its_own(tmp_path: Path) -> None:
    own = '[records.purchase]\nkinds = ["purchase"]\nkey = "amount"\n'
    assert "is also a kind of activity" in complaints(tmp_path, TWO + own)[0]
    own = '[fields.deal]\nfrom = ["shop.first"]\n'
    assert "is also a kind of record" in complaints(tmp_path, TWO + own, with_deals())[0]


def test_the_config_makes_a_place_of_two_number_facts(tmp_path: Path) -> None:
    columns = StreamField("lat", FieldType.NUMBER), StreamField("lon", FieldType.NUMBER)
    streams = {**STREAMS, "shop": contacts(*columns)}
    place = '[places.location]\nlatitude = "shop.lat"\nlongitude = "shop.lon"\n'
    vocabulary, _ = build(load_text(tmp_path, TWO + place), streams)
    assert (vocabulary.places["location"].latitude, vocabulary.places["location"].longitude) == (
        "shop.lat",
        "shop.lon",
    )
    assert {row.name: row.type for row in describe(vocabulary)}["location"] == "place"
    wrong = place.replace("shop.lat", "shop.lta").replace("shop.lon", "newsletter.Land")
    told = " | ".join(complaints(tmp_path, TWO + wrong, streams))
    assert 'there is no fact "shop.lta"; did you mean "shop.lat"?' in told
    assert '"newsletter.Land" is text, not a number' in told
    named = place.replace("places.location", "places.country")
    assert "has another meaning already" in complaints(tmp_path, TWO + named, streams)[0]


@pytest.mark.means(
    "Calendar words (`today`, `this month`, anniversaries) use the business time zone of the config;"
)
@pytest.mark.means("is exact: integer minor units and a currency;")
def test_rules_know_the_zone_and_the_currency_of_the_business(tmp_path: Path) -> None:
    there = TWO.replace('currency = "EUR"', 'currency = "CHF"\nzone = "Asia/Tokyo"')
    vocabulary, _ = build(load_text(tmp_path, there), STREAMS)
    assert (vocabulary.zone, vocabulary.currency) == ("Asia/Tokyo", "CHF")
    assert vocabulary.kinds["purchase"].fields["amount"].unit == "CHF"
