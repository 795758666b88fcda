"""Addresses: the quick way agrees with the library, and slips are told from honest neighbours."""

from __future__ import annotations

import random
import re

import duckdb
import pyarrow as pa
import pytest
from email_validator import SPECIAL_USE_DOMAIN_NAMES

from sync.quality.addresses import PLAIN, RESERVED, build_addresses, valid_address
from sync.quality.domains import PROVIDERS, disposable_domains

LETTERS = "abzAZ09._-+!#$%&'*/=?^`{|}~@@ ,;:<>()[]\\\"äß例\t"


def verdicts(*texts: str) -> dict[str, tuple[bool, str | None, bool, bool]]:
    database = duckdb.connect()
    database.register("said", pa.table({"value": pa.array(texts, pa.string())}))
    build_addresses(database, "said")
    rows = database.sql("SELECT value, valid, provider, disposable, role FROM quality_addresses").fetchall()
    return {value: tuple(rest) for value, *rest in rows}


def random_texts(chance: random.Random, count: int) -> set[str]:
    """Addresses of all sorts: well-formed ones, and such with one letter other than it was."""
    found = set()
    for _ in range(count):
        local = "".join(chance.choice(LETTERS[:25]) for _ in range(chance.choice([1, 3, 8, 63, 64, 65])))
        labels = [
            "".join(chance.choice("abz09-") for _ in range(chance.choice([1, 2, 5, 62, 64])))
            for _ in range(2)
        ]
        ending = chance.choice(["com", "de", "museum", "c", "x1", "1x", "test", "LOCAL", "invalid"])
        text = f"{local}@{'.'.join(labels[: chance.choice([0, 1, 2])])}.{ending}"
        place = chance.randrange(len(text))
        found |= {text, text[:place] + chance.choice(LETTERS) + text[place + 1 :]}
    return found


def test_the_quick_way_and_the_library_agree_on_every_address() -> None:
    texts = random_texts(random.Random(7), 1_500)
    quick = {text for text in texts if re.fullmatch(PLAIN, text)}
    assert len(quick) > 150  # the way is walked
    judged = verdicts(*texts)
    assert {text: one[0] for text, one in judged.items()} == {
        text: valid_address(text) is not None for text in texts
    }
    assert any(one[0] for text, one in judged.items() if text not in quick)
    assert not all(one[0] for text, one in judged.items() if text in quick)  # too long, or a reserved ending


def test_endings_that_no_mail_goes_to_are_those_the_library_knows() -> None:
    assert set(RESERVED) == set(SPECIAL_USE_DOMAIN_NAMES)


@pytest.mark.parametrize(
    ("domain", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("hotmial.com", "hotmail.com"),
        ("yaho.com", "yahoo.com"),
        ("t-onlin.de", "t-online.de"),
        ("wbe.de", "web.de"),
        ("web.de", None),
        ("wab.de", None),  # of so short a name nearly every neighbour is somebody's
        ("mail.com", None),
        ("ymail.com", None),
        ("email.com", None),
        ("hotmail.nl", None),  # the provider in another country
        ("yahoo.se", None),
        ("firm.example", None),
        ("igmal.com", None),  # a letter that moved over three others is no slip
        ("outlok.com", "outlook.com"),
    ],
)
def test_a_slip_is_told_from_an_honest_neighbour(domain: str, meant: str | None) -> None:
    assert verdicts(f"ann@{domain}")[f"ann@{domain}"][1] == meant


def test_no_provider_is_a_slip_of_another() -> None:
    assert {one[1] for one in verdicts(*(f"ann@{domain}" for domain in PROVIDERS)).values()} == {None}
    assert len(set(PROVIDERS)) == len(PROVIDERS)


def test_throw_away_domains_are_flagged_and_slips_among_them_are_not() -> None:
    known = disposable_domains()
    assert len(known) > 3_000
    assert not known & set(PROVIDERS)
    some = {*sorted(known)[:: len(known) // 200], "gmial.com"}
    assert "gmial.com" in known
    judged = verdicts(*(f"ann@{domain}" for domain in some))
    assert {text for text, one in judged.items() if one[0]} == {
        text for text, one in judged.items() if one[2] or one[1]
    }
    assert judged["ann@gmial.com"][1:3] == ("gmail.com", False)
    assert sum(one[2] for one in judged.values()) > 190
