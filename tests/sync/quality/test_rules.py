"""Each rule finds the bad record planted for it, and nothing else."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sync.quality.finding import FINDINGS
from sync.quality.rules import RULES, Dimension
from tests.sync.quality.records import AS_OF, contact, found, look_at

GOOD: dict[str, Any] = {
    "email": "ann@firm.example",
    "phone": "+493012345678",
    "country": "DE",
    "first_name": "Ann",
    "last_name": "Berg",
    "birthday": dt.date(1980, 5, 17),
    "signed_up": AS_OF - dt.timedelta(days=100),
    "email_consent": "opted_in",
}
KINDS = ("purchase", "email_sent", "email_open", "email_click")
BOUGHT = {"kind": "purchase", "at": AS_OF - dt.timedelta(days=30)}


def good(number: int, connection: str = "shop", **said: Any) -> dict[str, Any]:
    own = {"email": f"ann{number}@firm.example", "phone": f"+4930123456{number:02}"}
    return contact(number, connection, **{**GOOD, **own, **said})


ALONE = [
    ("email-invalid", {"email": "ann@firm"}),
    ("email-invalid", {"email": "ann@firm.test"}),  # nobody can be reached there
    ("email-invalid", {"email": "ann..berg@firm.example"}),
    ("email-invalid", {"email": "ann@firm.c"}),  # no ending has one letter
    ("email-invalid", {"email": f"{'l' * 65}@firm.example"}),
    ("email-missing", {"email": None}),
    ("email-typo", {"email": "ann@gmial.com"}),
    ("email-disposable", {"email": "ann@mailinator.com"}),
    ("email-disposable", {"email": "ann@mx.mailinator.com"}),
    ("email-role", {"email": "Info+shop@firm.example"}),
    ("phone-invalid", {"phone": "555-1234", "country": "US"}),  # possible there, and not valid
    ("phone-invalid", {"phone": "+49 1"}),
    ("phone-invalid", {"phone": "1.23E+10"}),  # from a spreadsheet
    ("phone-no-country", {"phone": "030 12345678", "country": None}),
    ("phone-spelling", {"phone": "030 12345678"}),
    ("country-unknown", {"country": "Atlantis"}),
    ("country-unknown", {"country": "XX"}),  # no country, and nothing is guessed
    ("country-missing", {"country": None}),
    ("country-spelling", {"country": "Deutschland"}),
    ("name-placeholder", {"first_name": "TEST"}),
    ("name-placeholder", {"last_name": "Test  TEST"}),
    ("name-placeholder", {"last_name": "ann@firm.example"}),
    ("name-placeholder", {"last_name": "123"}),
    ("name-missing", {"first_name": None, "last_name": None}),
    ("name-spelling", {"last_name": "VON BERG"}),
    ("name-spelling", {"first_name": "Ann  Mary"}),
    ("birthday-impossible", {"birthday": dt.date(2026, 3, 3)}),
    ("birthday-impossible", {"birthday": dt.date(1906, 3, 1)}),
    ("birthday-placeholder", {"birthday": dt.date(1900, 1, 1)}),
    ("signed-up-in-future", {"signed_up": AS_OF + dt.timedelta(days=2)}),
    ("consent-unknown", {"email_consent": None}),
    ("not-updated", {"changed_at": dt.datetime(2024, 3, 2, 8, 59, tzinfo=dt.UTC)}),
]
ALSO = {"phone-no-country": {"country-missing"}, "country-missing": set(), "country-unknown": set()}
"""What else is true of the planted record."""


@pytest.mark.parametrize(("rule", "said"), ALONE)
def test_a_rule_finds_the_record_planted_for_it_and_no_other(rule: str, said: dict[str, Any]) -> None:
    rows = [good(1), good(2, **said), good(3)]
    made, checked = look_at(rows, [{"person": n, **BOUGHT} for n in (1, 2, 3)], kinds=KINDS)
    expected = {rule: [2]} | {name: [2] for name in ALSO.get(rule, ())}
    assert found(made) == expected
    assert 1 <= checked[rule] <= 3


@pytest.mark.parametrize(
    ("phone", "rule"),
    [
        ("030 12345678", "phone-no-country"),
        ("0049 30 12345678", "phone-no-country"),
        ("800-35-FLOWERS", "phone-no-country"),
        ("12345", "phone-no-country"),
        ("--", "phone-invalid"),
        ("n/a", "phone-invalid"),
        ("555", "phone-invalid"),
        ("1.23E+10", "phone-invalid"),
        ("4,93E+11", "phone-invalid"),
    ],
)
def test_without_a_country_a_number_is_told_from_what_is_none_anywhere(phone: str, rule: str) -> None:
    made, _ = look_at([good(1, phone=phone, country=None)], [{"person": 1, **BOUGHT}], kinds=KINDS)
    assert set(found(made)) == {rule, "country-missing"}


def test_a_good_record_is_found_by_nothing() -> None:
    made, checked = look_at([good(1)], [{"person": 1, **BOUGHT}], kinds=KINDS)
    assert found(made) == {}
    assert set(checked) == set(RULES) - {"date-impossible", "date-as-text"}  # there is no column of dates


def test_a_person_has_what_one_of_their_records_says() -> None:
    rows = [good(1, person=7), contact(2, "news", person=7, email_consent="opted_in"), contact(3, "news")]
    made, _ = look_at(rows, [{"person": n, **BOUGHT} for n in (7, 3)], kinds=KINDS)
    missing = {rule: who for rule, who in found(made).items() if rule.endswith("-missing")}
    assert missing == {"email-missing": [3], "country-missing": [3], "name-missing": [3]}


def test_a_record_alone_lacks_what_it_does_not_say() -> None:
    rows = [good(1, person=7), contact(2, "news", person=7)]
    made, _ = look_at(rows, alone=True)
    assert found(made)["email-missing"] == [2]


def test_contacts_of_one_connection_that_share_an_address_are_found() -> None:
    rows = [good(1, email="a@x.example"), good(2, email="A@x.example"), good(3, "news", email="a@x.example")]
    made, _ = look_at(rows)
    assert found(made) == {"email-shared": [1, 2]}


def test_persons_who_share_a_number_are_found_unless_it_is_a_switchboard() -> None:
    several = [good(n, phone="+49 30 5550000") for n in range(10, 15)]
    desks = [good(n, phone=f"+493055511111 ext. {n}") for n in (20, 21)]
    rows = [
        good(1, phone="+493099999999"),
        good(2, phone="030 99999999"),
        good(3, person=1),
        *several,
        *desks,
    ]
    made, _ = look_at(rows)
    assert found(made)["phone-shared"] == [1, 2]


def test_records_of_one_person_that_differ_are_found() -> None:
    rows = [
        good(1, person=1, country="DE"),
        good(2, "news", person=1, country="Deutschland"),  # the same country
        good(3, person=2, country="AT", birthday=dt.date(1980, 5, 17)),
        good(4, "news", person=2, country="CH", birthday=dt.date(1980, 5, 18)),
    ]
    made, _ = look_at(rows)
    differing = {"countries-differ": [3, 4], "birthdays-differ": [3, 4]}
    assert found(made) == {"country-spelling": [2], **differing}


def test_who_does_nothing_although_written_to_is_stale_and_who_is_unknown_is_not() -> None:
    def event(person: int, kind: str, days: int) -> dict[str, Any]:
        return {"person": person, "kind": kind, "at": AS_OF - dt.timedelta(days=days)}

    rows = [good(n) for n in range(1, 7)]
    events = [
        *(event(n, "email_sent", days) for n in (1, 2, 3, 4) for days in (700, 20)),
        event(1, "email_open", 10),  # a mail program does that by itself
        event(2, "email_click", 10),
        event(3, "purchase", 600),
        event(4, "email_click", 500),
        event(5, "email_sent", 20),  # written to since lately only
    ]
    made, _ = look_at(rows, events, kinds=KINDS)
    assert found(made)["stale"] == [1, 3]
    assert found(made)["activity-missing"] == [6]
    assert found(made)["purchase-missing"] == [1, 2, 4, 5, 6]


def test_days_kept_as_texts_are_found_and_the_impossible_among_them() -> None:
    days = [f"19{50 + n}{n % 12 + 1:02}{n % 28 + 1:02}" for n in range(30)]
    rows = [good(n + 1, born=day, postcode=f"4{n:04}") for n, day in enumerate(days)]
    rows[4]["shop.born"] = "19551192"
    made, checked = look_at(rows)
    assert found(made)["date-impossible"] == [5]
    assert found(made)["date-as-text"] == [n for n in range(1, 31) if n != 5]
    assert checked["date-impossible"] == 30
    better = dict(
        made.database.sql(f"SELECT value, better FROM {FINDINGS} WHERE better IS NOT NULL").fetchall()
    )
    assert better["19500101"] == "1950-01-01"


def test_days_before_months_are_told_from_months_before_days() -> None:
    rows = [good(n, born=f"{n % 28 + 1:02}/{n % 12 + 1:02}/1980") for n in range(1, 41)]
    made, _ = look_at(rows)
    assert "date-impossible" not in found(made)
    query = f"SELECT better FROM {FINDINGS} WHERE rule = 'date-as-text' AND contact = 20"
    assert made.database.sql(query).fetchall() == [("1980-09-21",)]


def test_a_day_that_may_be_another_is_not_guessed() -> None:
    rows = [good(n, born=f"{n % 12 + 1:02}/{(n * 5) % 12 + 1:02}/1980") for n in range(1, 31)]
    made, _ = look_at(rows)
    assert found(made)["date-as-text"] == list(range(1, 31))
    assert "date-impossible" not in found(made)
    query = f"SELECT contact, better FROM {FINDINGS} WHERE rule = 'date-as-text' ORDER BY contact"
    better = dict(made.database.sql(query).fetchall())
    for n in range(1, 31):
        month, day = n % 12 + 1, (n * 5) % 12 + 1
        assert better[n] == (f"1980-{month:02}-{day:02}" if month == day else None)

    rows[3]["shop.born"] = "17/05/1980"  # one that says which comes first tells the others
    made, _ = look_at(rows)
    better = dict(made.database.sql(query).fetchall())
    assert (better[4], better[1]) == ("1980-05-17", "1980-06-02")


def test_deleted_contacts_are_passed_over() -> None:
    made, checked = look_at([good(1, email="none", deleted=True)])
    assert found(made) == {}
    assert set(checked.values()) == {0}


def test_every_dimension_has_rules_and_every_rule_says_what_to_do() -> None:
    assert {rule.dimension for rule in RULES.values()} == set(Dimension)
    for rule in RULES.values():
        assert rule.fault
        assert rule.fix
        assert not rule.fix.endswith(".")
