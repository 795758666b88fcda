"""Keys: one spelling per address, in whole columns as for a single text; nothing else is made equal."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.vocabulary import Type
from sync.fields import FieldSpec
from sync.identify.keys import blocked_values, build_keys, email_key, match_rules

EMAILS = FieldSpec("email", Type.TEXT, sources=(("shop", "mail"), ("shop", "address"), ("gone", "mail")))


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        (" ann@example.com\t", "ann@example.com"),
        ("a.n.n+news@gmail.com", "a.n.n+news@gmail.com"),  # no dots or tags are taken out
        ("Jo\u0308rg@example.com", "j\u00f6rg@example.com"),
        ("ann@M\u00fcller.example", "ann@xn--mller-kva.example"),
        ("ann@xn--mller-kva.example", "ann@xn--mller-kva.example"),
        ("ann@\uff45xample.com", "ann@example.com"),  # a full-width letter
        ("ann@stra\u00dfe.example", "ann@xn--strae-oqa.example"),  # not strasse.example: another domain
        ("o'hara@sub.example.co.uk", "o'hara@sub.example.co.uk"),
        *(
            (bad, None)
            for bad in (
                "", "@", "ann", "ann@", "@example.com", "ann@localhost", "ann@@example.com",
                "a b@example.com",
                "ann@exa mple.com", "ann@-x.com", "ann@x-.com", "ann@1.2.3.4", ".ann@x.com", "ann.@x.com",
                "a..n@x.com", "ann@x..com", "ann@example.com, bob@example.com", "<ann@example.com>",
                "mailto:ann@example.com", "ann@\u2003.com", f"{'a' * 250}@x.com",
            )
        ),
    ],
)  # fmt: skip
def test_an_address_has_one_spelling_and_what_is_none_gives_no_key(said: str, key: str | None) -> None:
    assert email_key(said) == key


def keys_of(values: list[str | None]) -> list[list[str]]:
    """Keys of one contact per value, through the columns."""
    database = duckdb.connect()
    count = len(values)
    database.register(
        "contacts",
        pa.table(
            {
                "contact": pa.array(range(count), pa.int32()),
                "connection": pa.array(["shop"] * count, pa.string()),
                "external_id": pa.array([str(n) for n in range(count)], pa.string()),
                "address": pa.array([None] * count, pa.string()),
                "deleted": pa.array([None] * count, pa.bool_()),
                "shop.mail": pa.array(values, pa.string()),
            }
        ),
    )
    build_keys(database, "contacts", rules=match_rules([EMAILS]), into="found")
    return [keys for (keys,) in database.sql("SELECT keys FROM found ORDER BY contact").fetchall()]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.none()
        | st.text(max_size=8)
        | st.from_regex(r"\A[ -~]{0,4}[a-zA-Z.+_'-]{1,5}@[a-zA-Z0-9.-]{1,8}\.[a-zA-Z]{1,3}\s?\Z")
        | st.builds("{}@{}.com".format, st.text(max_size=3), st.text(max_size=3)),
        max_size=20,
    )
)
def test_columns_give_the_keys_of_single_texts(values: list[str | None]) -> None:
    single = [email_key(value) if value else None for value in values]
    assert keys_of(values) == [[f"email:{key}"] if key else [] for key in single]


def test_the_record_itself_can_carry_a_key_and_placeholders_are_none() -> None:
    database = duckdb.connect()
    database.execute(
        """CREATE TABLE contacts AS SELECT * FROM (VALUES
            (1, 'shop', '77', 'A@x.example', false, 'b@x.example', NULL),
            (2, 'news', '77', 'c@x.example', false, NULL, 'N/A'),
            (3, 'news', '88', 'd@x.example', true, NULL, '88'),
            (4, 'news', '99', NULL, false, NULL, ' 99 ')
        ) AS t(contact, connection, external_id, address, deleted, "shop.mail", "news.it's")"""
    )
    ids = {"it's id": [("shop", "external_id"), ("news", "it's")]}
    build_keys(database, "contacts", rules=match_rules([EMAILS], shared_ids=ids), into="found")
    assert database.sql("SELECT contact, keys FROM found ORDER BY contact").fetchall() == [
        (1, ["email:a@x.example", "email:b@x.example", "it's id:77"]),
        (2, []),
        (4, ["it's id:99"]),
    ]


def test_blocked_values_are_told_apart_and_nonsense_is_refused() -> None:
    blocked = blocked_values(["Info@", "@M\u00fcller.example", "Ann@Example.com"])
    assert blocked.local_parts == {"info"}
    assert blocked.domains == {"xn--mller-kva.example"}
    assert blocked.addresses == {"ann@example.com"}
    for nonsense in ("info", "@", "", "a b@"):
        with pytest.raises(ValueError, match="blocked value"):
            blocked_values([nonsense])
    for name in ("email", "crm:id", ""):
        with pytest.raises(ValueError, match="named"):
            match_rules([EMAILS], shared_ids={name: []})
