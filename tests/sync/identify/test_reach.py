"""Which contact writes go to, why contacts are one person, and whom a telephone number suggests to join."""

from __future__ import annotations

import duckdb
import pytest

from rules.vocabulary import Type
from sync.fields import FieldSpec
from sync.identify.addresses import addresses
from sync.identify.explain import Relation, explain_links, masked_key
from sync.identify.keys import is_blocked, is_blocked_sql
from sync.identify.phones import e164, suggest_duplicates
from tests.sync.identify.lake import RULES, Contact, Lake

PHONE = FieldSpec("phone", Type.TEXT, sources=(("shop", "tel"), ("news", "tel")))
COUNTRY = FieldSpec("country", Type.TEXT, sources=(("shop", "land"),))


def test_of_several_contacts_the_most_mailable_then_latest_then_oldest_is_written_to() -> None:
    database = duckdb.connect()
    database.execute(
        """CREATE TABLE contacts AS SELECT contact, connection, 'x' || contact AS external_id, address,
            CAST(changed_at AS TIMESTAMPTZ) AS changed_at, deleted, email_consent
        FROM (VALUES
            (1, 'news', 'a1', '2024-01-01', false, 'opted_out'), (2, 'news', 'a2', '2023-01-01', false, NULL),
            (3, 'news', 'a3', '2025-01-01', true, 'opted_in'), (4, 'shop', 'a4', '2025-01-01', false, NULL),
            (5, 'news', NULL, '2024-01-01', false, 'opted_in'), (6, 'news', 'a6', NULL, false, 'opted_in'),
            (8, 'news', 'a8', '2024-01-01', false, NULL), (7, 'news', 'a7', '2024-01-01', false, NULL),
            (9, 'shop', 'a9', '2024-01-01', false, 'opted_in')
        ) AS t(contact, connection, address, changed_at, deleted, email_consent)"""
    )
    database.execute(
        """CREATE TABLE links AS SELECT * FROM (VALUES (1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 2),
            (7, 3), (8, 3), (9, 4)) AS t(contact, person)"""
    )
    found = addresses(database, "news", contacts="contacts", links="links")
    assert found.to_pylist() == [
        {"person": 1, "external_id": "x2", "address": "a2"},
        {"person": 2, "external_id": "x5", "address": "x5"},
        {"person": 3, "external_id": "x7", "address": "a7"},
    ]


def test_the_keys_that_join_a_person_are_told_without_being_shown() -> None:
    lake = Lake()
    lake.step(
        Contact(0, "ann.lee@x.example", crm=47110), Contact(1, "ann.lee@x.example"), Contact(3, crm=47110)
    )
    lake.step(Contact(1, "info@x.example"))
    (person,) = set(lake.persons().values())
    lake.database.register("links", lake.links)
    links = Relation(lake.database, "links")
    told = explain_links(links, person, rules=lake.rules)
    joins = {c.contact: {(k.kind, k.former, k.joins, k.blocked) for k in c.keys} for c in told}
    assert joins == {
        0: {("email", False, (1,), None), ("crm id", False, (3,), None)},
        1: {("email", True, (0,), None), ("email", False, (), "a blocked value")},
        3: {("crm id", False, (0,), None)},
    }
    assert not {"ann", "lee", "471"} & set(str(told).replace("@", " ").replace(".", " ").split())
    assert "ann" not in str(told)
    assert explain_links(links, 999, rules=lake.rules) == []


def test_what_is_blocked_is_told_as_it_is_linked() -> None:
    addresses = [
        "ann@one.example",
        "info@one.example",
        "bo@blocked.example",
        "bo@one.example",
        "info",
        "",
        "@",
    ]
    addresses += [
        "blocked.example",
        "ann@one.example@x.example",
        "infos@one.example",
        "x@info@blocked.example",
    ]
    database = duckdb.connect()
    for key in [f"{kind}:{text}" for kind in ("email", "crm id") for text in addresses]:
        sql = is_blocked_sql("key", RULES)
        (told,) = database.execute(f"SELECT {sql} FROM (SELECT ? AS key)", [key]).fetchall()[0]
        assert is_blocked(key, RULES) == told, key
    assert is_blocked("email:info@one.example", RULES)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("email:ann@x.example", ("email", "***@x.example")),
        ("crm id:12345", ("crm id", "***45")),
        ("id:12", ("id", "***")),
    ],
)
def test_keys_are_masked(key: str, shown: tuple[str, str]) -> None:
    assert masked_key(key) == shown


def test_numbers_are_read_in_their_region() -> None:
    assert e164("030 901820", "DE") == e164("+49 (0)30 901820", None) == "+4930901820"
    assert e164("030 901820", None) is None
    assert e164("12", "DE") is None


def test_an_extension_is_kept_and_read_again_as_it_was_spelled() -> None:
    spelled = "+442079460958 ext. 12"
    for said in ("+44 20 7946 0958 ext. 12", "020 7946 0958 x12", "020 7946 0958;ext=12", spelled):
        assert e164(said, "GB") == spelled
    assert e164("020 7946 0958", "GB") == "+442079460958"


def test_a_shared_telephone_suggests_and_a_switchboard_does_not() -> None:
    database = duckdb.connect()
    database.execute(
        """CREATE TABLE contacts AS SELECT *, false AS deleted FROM (VALUES
            (1, 'shop', '030 901820', 'Germany', NULL), (2, 'news', NULL, NULL, '+49 30 901820'),
            (3, 'shop', '030 901820', 'France', NULL), (4, 'news', NULL, NULL, '0049 30 901820'),
            (5, 'shop', '+44 20 7946 0000', NULL, NULL), (6, 'shop', '+442079460000', NULL, NULL),
            (7, 'shop', '+44 20 79460000', NULL, NULL), (8, 'shop', 'none', 'Germany', NULL)
        ) AS t(contact, connection, "shop.tel", "shop.land", "news.tel")"""
    )
    database.execute(
        "CREATE TABLE links AS SELECT contact, CAST(contact * 10 AS INTEGER) AS person FROM contacts"
    )
    pairs = suggest_duplicates(
        database, contacts="contacts", links="links", phone=PHONE, country=COUNTRY, region="DE",
        max_persons_per_number=3,
    ).to_pylist()  # fmt: skip
    found = {(pair["person"], pair["other_person"]) for pair in pairs}
    assert found == {(10, 20), (10, 40), (20, 40), (50, 60), (50, 70), (60, 70)}  # 30 is a French number
    fewer = suggest_duplicates(
        database, contacts="contacts", links="links", phone=PHONE, country=COUNTRY, region="DE",
        max_persons_per_number=2,
    )  # fmt: skip
    assert fewer.num_rows == 0
    assert "901820" not in str(pairs)
