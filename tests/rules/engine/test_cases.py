"""Cases of rule files, run by both evaluators."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import MappingProxyType

import duckdb
import pytest

from rules import ir
from rules.engine.cases import CaseResult, run_cases
from rules.language import Case, compile_expression, load, render
from rules.ruleset import Place
from tests.rules.engine.agreement import rule_set
from tests.rules.vocabulary import VOCABULARY

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
PLACE = Place("test.toml", 3, 1)


def compiled(text: str) -> ir.Predicate:
    found = compile_expression(text, VOCABULARY)
    assert not isinstance(found, tuple), found
    return found


def case(
    segment: str,
    *,
    member: bool | None = None,
    tier: str | None = None,
    person: dict[str, object] | None = None,
    bought: tuple[tuple[int, int], ...] = (),
) -> Case:
    """A case with purchases (days ago, minor units)."""
    rows = tuple(
        MappingProxyType({"kind": "purchase", "at": AS_OF - dt.timedelta(days=days), "amount": amount})
        for days, amount in bought
    )
    return Case(segment, "a case", AS_OF, MappingProxyType(person or {}), rows, member, tier, PLACE)


CONDITIONS = {
    "lapsed": compiled(
        "sum(purchase.amount, last 365 days) >= 500 and days since purchase > 60 and not suppressed"
    ),
    "life/new": compiled("first purchase within last 30 days"),
    "life/active": ir.And((compiled("purchase within last 90 days"), ir.Not(ir.InSegment("life/new")))),
    "best": compiled("ltv in top 10%"),
    "lucky": compiled('random 50% of "x"'),
    "german": compiled('country = "DE" and consented to email and in list "newsletter:Spring"'),
}


def run(*cases: Case) -> list[CaseResult]:
    return run_cases(cases, rule_set(CONDITIONS), VOCABULARY, render=render, connection=duckdb.connect())


def test_cases_pass_when_both_evaluators_say_what_is_expected() -> None:
    subscriber = {"country": "de", "consented_email": True, "in_lists": ("newsletter:spring",)}
    found = run(
        case("lapsed", member=True, bought=((61, 620_00),)),
        case("lapsed", member=False, bought=((61, 620_00),), person={"suppressed": True}),
        case("lapsed", member=False, bought=((61, 620_00), (5, 1))),
        case("life", tier="new", bought=((5, 100),)),
        case("life", tier="active", bought=((60, 100), (5, 100))),
        case("life", tier="none"),
        case("german", member=True, person=subscriber),
        case("german", member=False, person={**subscriber, "consented_email": False}),
    )
    assert [one.message for one in found] == [""] * 8
    assert all(one.passed for one in found)


def test_a_failing_case_comes_with_its_explanation() -> None:
    wrong, tier = run(
        case("lapsed", member=True, bought=((59, 620_00),)), case("life", tier="new", bought=((60, 1),))
    )
    assert not wrong.passed
    assert wrong.message == "expected a member, found none"
    lines = "\n".join(wrong.explanations[0].lines())
    assert "✗" in lines
    assert "is 59" in lines
    assert tier.message == "expected tier new, found active"
    assert len(tier.explanations) == 2


def test_ranks_in_a_case_compare_one_person_with_nobody_else() -> None:
    poor, rich, unknown = run(
        case("best", member=True, person={"ltv": 1}),
        case("best", member=True, person={"ltv": 10**9}),
        case("best", member=False),
    )
    assert poor.passed
    assert rich.passed
    assert unknown.passed


def test_random_is_that_of_person_1_in_every_case() -> None:
    results = run(*(case("lucky", member=True) for _ in range(3)))
    assert len({one.passed for one in results}) == 1


HELD = """
[[segment]]
id = "rich"
when = "ltv > 100"
[[segment]]
id = "loyal"
when = 'in segment "rich" for 30 days'
"""


@pytest.mark.parametrize(
    ("since", "ltv", "member"),
    [
        ('since = { "rich" = 2026-01-31T09:00:00Z }', 500, "true"),
        ('since = { "rich" = 2026-01-31T09:00:01Z }', 500, "false"),
        ('since = { "rich" = 2026-01-01 }', 50, "false"),
        ("", 500, "false"),
    ],
)
def test_a_case_says_since_when_somebody_is_in_a_segment(
    tmp_path: Path, since: str, ltv: int, member: str
) -> None:
    case = f"[[segment.case]]\nas_of = 2026-03-02T09:00:00Z\nperson = {{ ltv = {ltv} }}\nmember = {member}\n"
    (tmp_path / "a.toml").write_text(f"{HELD}{case}{since}\n", "utf-8")
    read = load(tmp_path, VOCABULARY)
    assert read.problems == ()
    assert read.ruleset is not None
    (result,) = run_cases(read.cases, read.ruleset, VOCABULARY, render=render, connection=duckdb.connect())
    assert result.passed, result.message


def test_a_case_names_a_segment_that_there_is(tmp_path: Path) -> None:
    case = "[[segment.case]]\nas_of = 2026-03-02T09:00:00Z\nmember = true\n"
    case += "since = { rihc = 2026-01-01, rich = 3 }\n"
    (tmp_path / "a.toml").write_text(HELD + case, "utf-8")
    told = " | ".join(str(problem) for problem in load(tmp_path, VOCABULARY).problems)
    assert 'unknown segment "rihc"; did you mean "rich"?' in told
    assert "must be an instant such as" in told
