"""`leave_when` and `stay` in rule files: what they mean, what is odd about them, and their cases."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from rules import ir
from rules.engine.cases import run_cases
from rules.language import Loaded, compile_expression, describe, load, render
from rules.ruleset import Segment
from tests.rules.vocabulary import VOCABULARY

SEGMENT = "[[segment]]\nid = 'a'\n"


def loaded(folder: Path, text: str) -> Loaded:
    (folder / "a.toml").write_text(text, "utf-8")
    return load(folder, VOCABULARY)


def segment(folder: Path, keys: str) -> Segment:
    found = loaded(folder, SEGMENT + keys)
    assert found.ruleset is not None, found.problems
    return found.ruleset.segments["a"]


@pytest.mark.parametrize(
    ("stay", "hours"), [("7 days", 168), ("1 day", 24), ("12 hours", 12), ("2 weeks", 336), ("1 hour", 1)]
)
def test_a_segment_lasts_by_leave_when_and_stay(stay: str, hours: int, tmp_path: Path) -> None:
    found = segment(tmp_path, f"when = 'score > 9'\nleave_when = 'score < 5'\nstay = '{stay}'")
    when, leave = (compile_expression(text, VOCABULARY) for text in ("score > 9", "score < 5"))
    assert found.when == ir.Lasting("a", when, leave, hours)  # type: ignore[arg-type]
    assert segment(tmp_path, "when = 'score > 9'").when == when


def test_the_whole_rule_is_shown(tmp_path: Path) -> None:
    found = segment(tmp_path, "when = 'score > 9'\nleave_when = 'score < 5'\nstay = '2 weeks'")
    assert describe(found) == "a (a): score > 9; leave_when score < 5; stay 14 days"
    assert found.source == "score > 9\nleave_when: score < 5\nstay: 2 weeks"


def test_the_version_covers_leave_when_and_stay_and_tells_who_enters_apart(tmp_path: Path) -> None:
    keys = [
        "when = 'score > 9'",
        "when = 'score > 9'\nleave_when = 'score < 5'",
        "when = 'score > 9'\nleave_when = 'score < 6'",
        "when = 'score > 9'\nstay = '7 days'",
        "when = 'score > 9'\nleave_when = 'score < 5'\nstay = '7 days'",
    ]
    found = [segment(tmp_path, each) for each in keys]
    assert len({each.version for each in found}) == 5
    assert all(one.lets_in_as(other.version) for one in found for other in found)
    other = segment(tmp_path, "when = 'score > 8'\nleave_when = 'score < 5'")
    assert not any(other.lets_in_as(each.version) or each.lets_in_as(other.version) for each in found)
    assert segment(tmp_path, "when = 'score > 9'\nstay = '168 hours'").version == found[3].version


ODD = {
    "when = 'score > 9'\nleave_when = 'score < 5 and score > 7'": (
        "a.toml:4:15: warning: can never be true: score < 5 and score > 7"
    ),
    "when = 'score > 9'\nleave_when = 'false'": (
        "a.toml:4:14: warning: leave_when is true of nobody, so nobody ever leaves"
    ),
    "when = 'score > 9'\nleave_when = 'true'": (
        "a.toml:4:14: warning: leave_when is true of everybody, so nobody ever enters"
    ),
    "when = 'vip'\nleave_when = 'not vip'": (
        "a.toml:4:14: warning: leave_when is the opposite of when, which is what happens without it; "
        "leave it out"
    ),
    "when = 'score > 50'\nleave_when = 'score < 60 or vip'": (
        "a.toml:4:14: warning: when and leave_when can be true at once: score > 50 and score < 60; "
        "leave_when wins, so whoever is there neither enters nor stays"
    ),
    "when = 'days since purchase > 60 and vip'\nleave_when = 'days since purchase <= 90'": (
        "a.toml:4:14: warning: when and leave_when can be true at once: "
        "days since purchase > 60 and days since purchase <= 90; "
        "leave_when wins, so whoever is there neither enters nor stays"
    ),
    "when = 'score > 50 and vip'\nleave_when = 'score > 40'": (
        "a.toml:4:14: warning: nobody ever enters: who is let in by when leaves by score > 40"
    ),
    "when = 'vip'\nleave_when = 'vip'": (
        "a.toml:4:14: warning: nobody ever enters: who is let in by when leaves by vip"
    ),
    'when = \'country in ["DE", "AT"]\'\nleave_when = \'country = "AT"\'': (
        'a.toml:4:14: warning: when and leave_when can be true at once: country in ["de", "at"] and '
        'country = "at"; leave_when wins, so whoever is there neither enters nor stays'
    ),
}


@pytest.mark.parametrize(("keys", "message"), ODD.items())
def test_a_leave_when_that_is_odd_beside_its_when_is_told(keys: str, message: str, tmp_path: Path) -> None:
    assert [str(each) for each in loaded(tmp_path, SEGMENT + keys).problems] == [message]


@pytest.mark.parametrize(
    "keys",
    [
        "when = 'score > 50'\nleave_when = 'score <= 50'",
        "when = 'days since purchase > 60 and ltv > 5'\nleave_when = 'days since purchase <= 30 or ltv < 2'",
        "when = 'score > 50'\nleave_when = 'score < 60 and vip'\nstay = '3 hours'",
        "when = 'country = \"DE\"'\nleave_when = 'country = \"AT\" or suppressed'",
    ],
)
def test_a_leave_when_that_is_apart_from_when_is_fine(keys: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, SEGMENT + keys).problems == ()


WRONG = {
    SEGMENT + "when = 'vip'\nstay = '2 months'": (
        'a.toml:4:8: stay must be a time in hours, days or weeks, such as "7 days"'
    ),
    SEGMENT + "when = 'vip'\nstay = '366 days'": "a.toml:4:8: stay is at most 365 days",
    SEGMENT + "when = 'vip'\nleave_when = 'contry = 1'": (
        'a.toml:4:15: unknown fact "contry"; did you mean "country"?'
    ),
    SEGMENT + "when = 'vip'\nleave_when = 'in segment \"a\"'": (
        "a.toml:4:26: segments use each other in a circle: a → a"
    ),
    "[[tiers]]\nid = 't'\nstay = '1 day'\n[[tiers.tier]]\nid = 'x'\notherwise = true": (
        "a.toml:3:1: stay is for [[segment]]; of tiers, the first that matches now is taken"
    ),
    "[[tiers]]\nid = 't'\n[[tiers.tier]]\nid = 'x'\nwhen = 'vip'\nleave_when = 'not vip'": (
        "a.toml:6:1: leave_when is for [[segment]]; of tiers, the first that matches now is taken"
    ),
    SEGMENT
    + "when = 'vip'\n[[segment.case]]\nas_of = 2026-01-02\nmember = true\nwas_member_since = 2026-01-01": (
        "a.toml:7:1: was_member_since matters only to a segment with leave_when or stay"
    ),
    SEGMENT
    + "when = 'vip'\nstay = '1 day'\n[[segment.case]]\nas_of = 2026-01-02\nmember = true\n"
    + "was_member_since = 2026-01-02": "a.toml:8:20: was_member_since is not before as_of",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items())
def test_what_is_wrong_is_told_at_its_place(text: str, message: str, tmp_path: Path) -> None:
    assert [str(each) for each in loaded(tmp_path, text).problems] == [message]


def test_cases_say_since_when_a_person_was_in(tmp_path: Path) -> None:
    case = "[[segment.case]]\nas_of = 2026-03-02T09:00:00Z\n"
    found = loaded(
        tmp_path,
        SEGMENT
        + "when = 'score > 9'\nleave_when = 'score < 5'\nstay = '7 days'\n"
        + case + "person = { score = 7 }\nmember = false\n"
        + case + "person = { score = 7 }\nwas_member_since = 2025-01-01\nmember = true\n"
        + case + "person = { score = 4 }\nwas_member_since = 2025-01-01\nmember = false\n"
        + case + "person = { score = 4 }\nwas_member_since = 2026-02-23T09:00:00Z\nmember = false\n"
        + case + "person = { score = 4 }\nwas_member_since = 2026-02-23T09:00:01Z\nmember = true\n"
        + case + "person = { score = 4, suppressed = true }\nwas_member_since = 2026-03-01\nmember = false\n"
        + case + "person = { score = 4 }\nwas_member_since = 2026-03-01\nmember = false\n"
        + "[[segment]]\nid = 'b'\nwhen = 'in segment \"a\"'\n"
        + case + "person = { score = 7 }\nmember = false\n",
    )  # fmt: skip
    assert found.ruleset is not None, found.problems
    assert found.cases[1].was_member_since == dt.datetime(2024, 12, 31, 23, tzinfo=dt.UTC)
    results = run_cases(found.cases, found.ruleset, VOCABULARY, render=render, connection=duckdb.connect())
    assert [one.passed for one in results] == [True] * 6 + [False, True]
    assert results[6].message == "expected no member, found one"
    assert next(results[6].explanations[0].lines()).startswith(
        "✓ stays because it entered less than 7 days ago, until 2026-03-07 23:00 UTC"
    )
