"""Cases in rule files: converted to the units of the tables, and checked against the vocabulary."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from rules.language import Case, load
from rules.ruleset import Place
from tests.rules.vocabulary import VOCABULARY

SEGMENT = '[[segment]]\nid = "a"\nwhen = "vip"\n[[segment.case]]\n'
TIERS = '[[tiers]]\nid = "t"\n[[tiers.tier]]\nid = "new"\nwhen = "vip"\n[[tiers.case]]\n'


def read(folder: Path, text: str) -> tuple[list[str], tuple[Case, ...]]:
    (folder / "a.toml").write_text(text, "utf-8")
    result = load(folder, VOCABULARY)
    return [str(each) for each in result.problems], result.cases


def test_a_case_holds_values_in_the_units_of_the_tables(tmp_path: Path) -> None:
    problems, cases = read(
        tmp_path,
        SEGMENT
        + """\
name = "everything"
as_of = 2026-03-02T10:00:00+01:00
member = false
activity = [
  { kind = "purchase", at = 2025-12-31T09:00:00Z, amount = 620, quantity = 1.5, gift = true, sku = " A-1 " },
  { kind = "purchase", at = 2025-12-31T09:00:00, amount = 0.07 },
  { kind = "page_view", at = 2025-12-31, page = "" },
]
[segment.case.person]
country = " Straße "
city = ""
birthday = 2000-02-29
signed_up = 2020-01-01
company.employees = 250
company.revenue = 1234567.89
"hubspot-eu.lifecyclestage" = "Lead"
score = -0.000001
vip = true
interests = ["Golf", ""]
suppressed = true
consented_email = false
in_lists = ["newsletter:Spring"]
""",
    )
    assert problems == []
    (case,) = cases
    assert (case.segment_id, case.name, case.member, case.tier) == ("a", "everything", False, None)
    assert case.as_of == dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    assert case.as_of.tzinfo is dt.UTC
    assert case.place == Place("a.toml", 4, 1)
    assert dict(case.person) == {
        "country": "Straße",
        "birthday": dt.date(2000, 2, 29),
        "signed_up": dt.datetime(2019, 12, 31, 23, tzinfo=dt.UTC),  # midnight in Berlin
        "company.employees": 250_000_000,
        "company.revenue": 123_456_789,
        "hubspot-eu.lifecyclestage": "Lead",
        "score": -1,
        "vip": True,
        "interests": ("Golf",),
        "suppressed": True,
        "consented_email": False,
        "in_lists": ("newsletter:spring",),
    }
    assert [dict(each) for each in case.activity] == [
        {
            "kind": "purchase",
            "at": dt.datetime(2025, 12, 31, 9, tzinfo=dt.UTC),
            "amount": 62_000,
            "quantity": 1_500_000,
            "gift": True,
            "sku": "A-1",
        },
        {"kind": "purchase", "at": dt.datetime(2025, 12, 31, 8, tzinfo=dt.UTC), "amount": 7},
        {"kind": "page_view", "at": dt.datetime(2025, 12, 30, 23, tzinfo=dt.UTC)},
    ]


def test_a_case_of_tiers_names_a_tier_or_none(tmp_path: Path) -> None:
    problems, cases = read(
        tmp_path,
        TIERS + 'as_of = 2026-01-01T00:00:00Z\ntier = "new"\n'
        '[[tiers.case]]\nas_of = 2026-01-01T00:00:00Z\ntier = "none"\n',
    )
    assert problems == []
    assert [(case.segment_id, case.name, case.tier, case.member) for case in cases] == [
        ("t", "case 1", "new", None),
        ("t", "case 2", "none", None),
    ]


AS_OF = "as_of = 2026-01-01T00:00:00Z\n"
PROBLEMS = {
    "a case needs an instant and an answer": (
        SEGMENT,
        [
            'a.toml:4:1: [[segment.case]] needs the key "as_of"',
            'a.toml:4:1: [[segment.case]] needs the key "member"',
        ],
    ),
    "unknown names": (
        SEGMENT + AS_OF + 'member = true\nperson = { contry = "DE", company.employes = 3 }\n'
        'activity = [{ kind = "purchse", at = 2026-01-01 },\n'
        '  { kind = "purchase", at = 2026-01-01, amunt = 3 }]',
        [
            'a.toml:7:12: unknown fact "contry"; did you mean "country"?',
            'a.toml:7:35: unknown fact "company.employes"; did you mean "company.employees"?',
            'a.toml:8:22: unknown activity "purchse"; did you mean "purchase"?',
            'a.toml:9:41: unknown field "amunt" of purchase; did you mean "amount"?',
        ],
    ),
    "wrong types": (
        SEGMENT + AS_OF + "member = true\n[segment.case.person]\n"
        "country = 3\nscore = '3'\nvip = 1\nltv = 1.234\nbirthday = 2026-01-01T00:00:00Z\ninterests = 'x'\n"
        "company.employees = true\nsigned_up = 07:00:00\ncity = nan\ncompany.revenue = inf",
        [
            "a.toml:8:11: country is text, not 3",
            'a.toml:9:9: score is a number, not "3"',
            "a.toml:10:7: vip is yes/no, not 1",
            "a.toml:11:7: ltv has more than 2 decimals",
            "a.toml:12:12: birthday is a date, not 2026-01-01T00:00:00+00:00",
            'a.toml:13:13: interests is a list of texts, not "x"',
            "a.toml:14:21: company.employees is a number, not true",
            "a.toml:15:13: signed_up is an instant, not 07:00:00",
            "a.toml:16:8: city is text, not NaN",
            "a.toml:17:19: company.revenue must be a finite number",
        ],
    ),
    "incomplete activity": (
        SEGMENT + AS_OF + "member = true\nactivity = [{ kind = 'purchase' }, { at = 3 }]",
        [
            'a.toml:7:13: an activity needs the key "at"',
            'a.toml:7:36: an activity needs the key "kind"',
            "a.toml:7:43: at must be an instant such as 2026-03-02T09:00:00Z",
        ],
    ),
    "an unknown tier": (
        TIERS + AS_OF + 'tier = "nwe"',
        ['a.toml:8:8: unknown tier "nwe"; did you mean "new"?'],
    ),
    "a member in tiers": (
        TIERS + AS_OF + "member = true",
        [
            'a.toml:6:1: [[tiers.case]] needs the key "tier"',
            'a.toml:8:1: unknown key "member" in [[tiers.case]]',
        ],
    ),
    "wrong shapes": (
        SEGMENT + "as_of = '2026'\nmember = 'yes'\nperson = 3\nactivity = 3",
        [
            "a.toml:5:9: as_of must be an instant such as 2026-03-02T09:00:00Z",
            "a.toml:6:10: member must be true or false",
            "a.toml:7:10: person must be a table { … }",
            "a.toml:8:12: activity must be a list of tables, { … }",
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_a_problem_of_a_case_is_told_at_its_place(tmp_path: Path, text: str, expected: list[str]) -> None:
    problems, cases = read(tmp_path, text)
    assert problems == expected
    assert cases == ()
