"""The row of a person: which value survives, checked against pandas; consent; where a value came from."""

from __future__ import annotations

import datetime as dt
import random

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from rules.text import fold
from rules.vocabulary import Type
from sync.fields import FieldSpec
from sync.identify.people import build_all_people, build_people, people_schema, provenance

FIELDS = [
    FieldSpec("email", Type.TEXT, sources=(("shop", "mail"), ("news", "address"))),
    FieldSpec("city", Type.TEXT, sources=(("news", "city"), ("shop", "town"), ("shop", "place"))),
    FieldSpec("visits", Type.NUMBER, sources=(("shop", "visits"), ("news", "visits"))),
    FieldSpec("interests", Type.TEXTS, sources=(("news", "interests"), ("shop", "tags"))),
    FieldSpec("birthday", Type.DATE, sources=(("crm", "born"), ("shop", "born"))),
    FieldSpec("seen", Type.DATETIME, sources=(("shop", "seen"), ("news", "seen"))),
    FieldSpec("never", Type.MONEY, sources=(("nowhere", "x"),)),
]
COLUMNS: dict[str, pa.DataType] = {
    "shop.mail": pa.string(), "news.city": pa.string(), "shop.town": pa.string(), "shop.place": pa.string(),
    "shop.visits": pa.int64(), "news.visits": pa.int64(), "news.interests": pa.list_(pa.string()),
    "shop.tags": pa.list_(pa.string()), "shop.born": pa.date32(), "shop.seen": pa.timestamp("us", tz="UTC"),
    "news.seen": pa.timestamp("us", tz="UTC"),
}  # fmt: skip
FIXED: dict[str, pa.DataType] = {
    "contact": pa.int32(), "connection": pa.string(), "external_id": pa.string(), "address": pa.string(),
    "changed_at": pa.timestamp("us", tz="UTC"), "deleted": pa.bool_(), "email_consent": pa.string(),
    "lists": pa.list_(pa.string()),
}  # fmt: skip
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def value_of(column: str, chance: random.Random) -> object:
    if chance.random() < 0.4:
        return None
    kind = COLUMNS[column]
    if kind == pa.string():
        return chance.choice(["", "K\u00f6ln", "BONN", "\u0130zmir", "ROME", "Stra\u00dfe"])
    if kind == pa.int64():
        return chance.randrange(5) * 1_000_000
    if kind == pa.date32():
        return dt.date(1980, 1, 1) + dt.timedelta(days=chance.randrange(9000))
    if pa.types.is_list(kind):
        return chance.choice([[], ["A", "b"], ["\u00c9clair"]])
    return START + dt.timedelta(seconds=chance.randrange(10**6))


def made(count: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """Contacts in disorder and links, three contacts a person on average, several on one connection."""
    chance = random.Random(seed)
    rows, links = [], []
    for contact in chance.sample(range(count), count):
        connection = chance.choice(["shop", "news", "news", "crm"])
        row: dict[str, object] = {
            "contact": contact,
            "connection": connection,
            "external_id": f"{connection}-{contact}",
            "address": f"p{contact}@x.example",
            "changed_at": None if chance.random() < 0.2 else START + dt.timedelta(days=chance.randrange(4)),
            "deleted": chance.random() < 0.1,
            "email_consent": chance.choice(
                [None, None, "opted_in", "opted_in", "never_asked", "pending", "opted_out", "undeliverable"]
            ),
            "lists": chance.choice([None, [], ["VIP"], ["vip", "\u00c9lite"]]),
        }
        row |= {c: value_of(c, chance) if c.startswith(f"{connection}.") else None for c in COLUMNS}
        rows.append(row)
        links.append({"contact": contact, "person": chance.randrange(count // 3)})
    schema = pa.schema([*FIXED.items(), *COLUMNS.items()])
    links_schema = pa.schema([("contact", pa.int32()), ("person", pa.int32())])
    return pa.Table.from_pylist(rows, schema), pa.Table.from_pylist(links, links_schema)


def expected_people(contacts: pa.Table, links: pa.Table) -> list[dict[str, object]]:
    """The same by pandas: sort by recency, then take the first known value of each source in order."""
    frame = pd.DataFrame(contacts.to_pylist()).merge(pd.DataFrame(links.to_pylist()), on="contact")
    frame = frame[~frame["deleted"]]
    frame["age"] = [
        pd.Timestamp.max.value if pd.isna(t) else -pd.Timestamp(t).value for t in frame["changed_at"]
    ]
    frame = frame.sort_values(["person", "age", "contact"])
    people = []
    for person, theirs in frame.groupby("person"):
        records = contacts_in_order(theirs["contact"].tolist(), contacts)
        row: dict[str, object] = {"person": person}
        for field in FIELDS:
            row[field.name] = next(
                (
                    value
                    for connection, column in field.sources
                    for record in records
                    if record["connection"] == connection
                    and (value := record.get(column if column == "address" else f"{connection}.{column}"))
                    not in (None, "", [])
                ),
                None,
            )
        for field in FIELDS:
            if field.type is Type.TEXT:
                text = row[field.name]
                row[f"{field.name}__ci"] = None if text is None else fold(str(text))
            elif field.type is Type.TEXTS:
                texts = row[field.name]
                row[f"{field.name}__ci"] = None if texts is None else [fold(t) for t in texts]  # type: ignore[attr-defined]
        consents = {record["email_consent"] for record in records}
        row["suppressed"] = bool(consents & {"opted_out", "undeliverable"})
        row["consented_email"] = "opted_in" in consents and not consents & {
            "opted_out", "undeliverable", "pending",
        }  # fmt: skip
        row["in_lists"] = sorted(
            {fold(f"{record['connection']}:{name}") for record in records for name in record["lists"] or []}
        )
        people.append(row)
    return people


def contacts_in_order(numbers: list[int], contacts: pa.Table) -> list[dict[str, object]]:
    by_number = {row["contact"]: row for row in contacts.to_pylist()}
    return [by_number[number] for number in numbers]


def database_with(contacts: pa.Table, links: pa.Table) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    database.execute("SET TimeZone = 'America/New_York'")  # the machine's zone must not matter
    database.register("contacts", contacts)
    database.register("links", links)
    return database


@pytest.mark.parametrize("seed", [1, 2])
def test_the_surviving_values_are_those_pandas_finds(seed: int) -> None:
    contacts, links = made(300, seed)
    people = build_people(database_with(contacts, links), contacts="contacts", links="links", fields=FIELDS)
    assert people.schema == people_schema(FIELDS)
    assert people.to_pylist() == [
        {name: row[name] for name in people.schema.names} for row in expected_people(contacts, links)
    ]


def test_people_made_in_portions_are_those_made_at_once() -> None:
    contacts, links = made(300, seed=1)
    database = database_with(contacts, links)
    whole = build_people(database, contacts="contacts", links="links", fields=FIELDS)
    parts = build_all_people(database, contacts="contacts", links="links", fields=FIELDS, portion=16)
    assert len(whole) > 2 * 16
    assert parts == whole
    nobody = links.slice(0, 0)
    database.register("links", nobody)
    none = build_all_people(database, contacts="contacts", links="links", fields=FIELDS)
    assert none.schema == people_schema(FIELDS)
    assert len(none) == 0


def test_provenance_names_the_contact_each_value_came_from() -> None:
    contacts, links = made(120, seed=3)
    database = database_with(contacts, links)
    people = build_people(database, contacts="contacts", links="links", fields=FIELDS)
    by_id = {(row["connection"], row["external_id"]): row for row in contacts.to_pylist()}
    for person in people.to_pylist():
        numbers = f"SELECT contact FROM links WHERE person = {person['person']}"
        theirs = database.sql(f"SELECT * FROM contacts WHERE contact IN ({numbers})").to_arrow_table()
        origins = provenance(database, theirs, FIELDS)
        assert [o.field for o in origins] == sorted(f.name for f in FIELDS if person[f.name] is not None)
        for origin in origins:
            record = by_id[origin.connection, origin.external_id]
            name = origin.column if origin.column == "address" else f"{origin.connection}.{origin.column}"
            assert record[name] == person[origin.field]
            assert record["changed_at"] == origin.changed_at


def one(column: str, kind: str, value: str, field: FieldSpec) -> object:
    database = duckdb.connect()
    database.execute("SET TimeZone = 'Asia/Tokyo'")
    database.execute(
        f"""CREATE TABLE contacts AS SELECT 1::INTEGER contact, 'shop' connection, 'x' external_id,
        'x' address, NULL::TIMESTAMPTZ changed_at, false deleted, NULL::VARCHAR email_consent,
        NULL::VARCHAR[] lists,
        CAST({value} AS {kind}) AS "{column}" """
    )
    database.execute("CREATE TABLE links AS SELECT 1::INTEGER contact, 5::INTEGER person")
    people = build_people(database, contacts="contacts", links="links", fields=[field])
    return people.to_pylist()[0][field.name]


@pytest.mark.parametrize(
    ("wanted", "kind", "value", "result"),
    [
        (Type.TEXT, "BIGINT", "4711000000", "4711"),
        (Type.TEXT, "BIGINT", "-1500000", "-1.5"),
        (Type.NUMBER, "VARCHAR", "'1.25'", 1_250_000),
        (Type.MONEY, "VARCHAR", "'-3.5'", -350),
        (Type.NUMBER, "VARCHAR", "'many'", None),
        (Type.BOOLEAN, "VARCHAR", "'true'", True),
        (Type.DATE, "VARCHAR", "'2024-02-29'", dt.date(2024, 2, 29)),
        (Type.DATE, "VARCHAR", "'2023-02-29'", None),
        (Type.DATE, "TIMESTAMPTZ", "'2024-01-01 23:30:00+00'", dt.date(2024, 1, 1)),
        (Type.DATETIME, "DATE", "'2024-01-01'", START),
        (Type.DATETIME, "VARCHAR", "'2024-01-01T02:00:00+02:00'", START),
        (Type.DATETIME, "VARCHAR", "'2023-12-31T19:00:00.0-0500'", START),
        (Type.DATETIME, "VARCHAR", "'2024-01-01 00:00:00'", START),
        (Type.DATETIME, "VARCHAR", "'2024-01-01'", START),
        (Type.DATETIME, "VARCHAR", "'2024-01-01T00:00:00Z'", START),
        (Type.TEXTS, "VARCHAR", "'red'", ["red"]),
    ],
)
def test_columns_of_another_type_are_read_as_the_field_wants(
    wanted: Type, kind: str, value: str, result: object
) -> None:
    assert one("shop.it", kind, value, FieldSpec("it", wanted, sources=(("shop", "it"),))) == result


def test_types_that_do_not_go_together_are_refused_with_both_names() -> None:
    with pytest.raises(ValueError, match=r"'it' is date.*shop\.it.*BOOLEAN"):
        one("shop.it", "BOOLEAN", "true", FieldSpec("it", Type.DATE, sources=(("shop", "it"),)))


@pytest.mark.parametrize(
    ("said", "code"),
    [("Germany", "DE"), ("de", "DE"), ("\u00d6sterreich", "AT"), ("United Kingdom", "GB"), ("UK", "GB"),
     ("united states", "US"), ("Espa\u00f1a", "ES"), ("EIRE", "IE"), ("Unspecified", "Unspecified")],
)  # fmt: skip
def test_countries_become_codes_and_unknown_ones_stay(said: str, code: str) -> None:
    field = FieldSpec("country", Type.TEXT, sources=(("shop", "land"),))
    assert one("shop.land", "VARCHAR", f"'{said}'", field) == code
