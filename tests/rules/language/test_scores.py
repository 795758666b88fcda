"""[[score]] in rule files: what it says, what is wrong with it and where, and what it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules import ir
from rules.language import Loaded, load, render
from rules.vocabulary import Type
from tests.rules.vocabulary import VOCABULARY

HOT = "[[segment]]\nid = 'hot'\nwhen = 'engagement >= 50'\n"
SCORE = HOT + "[[score]]\nid = 'engagement'\n"
CLICKS = 'points = [{ when = "email_click", points = 5 }]\n'
P = 1_000_000


def loaded(folder: Path, text: str) -> Loaded:
    (folder / "a.toml").write_text(text, "utf-8")
    return load(folder, VOCABULARY)


def score_of(folder: Path, text: str) -> ir.Score:
    found = loaded(folder, text)
    assert found.ruleset is not None, found.problems
    condition = found.ruleset.segments["hot"].when
    assert isinstance(condition, ir.Compare)
    assert isinstance(condition.left, ir.Score)
    return condition.left


def test_a_score_is_the_sum_of_what_its_file_says(tmp_path: Path) -> None:
    text = (
        SCORE
        + """half_life = "2 weeks"
at_least = 0
at_most = 99.5
points = [
  { when = "email_click", points = 5, at_most_per_day = 1 },
  { when = "purchase where (gift and amount > 5) last 30 days", points = -0.25 },
  { if = "vip", points = 20 },
]
"""
    )
    gift = ir.And(
        (
            ir.IsTrue(ir.Fact("gift", Type.BOOLEAN)),
            ir.Compare(ir.Comparison.GT, ir.Fact("amount", Type.MONEY), ir.Literal(500, Type.MONEY)),
        )
    )
    assert score_of(tmp_path, text) == ir.Score(
        "engagement",
        (
            ir.Earned("email_click", None, ir.Ever(), 5 * P, 1, 14),
            ir.Earned("purchase", gift, ir.Last(30, ir.Unit.DAY), -P // 4, None, 14),
            ir.Granted(ir.IsTrue(ir.Fact("vip", Type.BOOLEAN)), 20 * P),
        ),
        0,
        99_500_000,
    )


def test_conditions_show_a_score_by_its_name(tmp_path: Path) -> None:
    found = loaded(tmp_path, SCORE + CLICKS)
    assert found.ruleset is not None
    assert found.problems == ()
    assert render(found.ruleset.segments["hot"].when) == "engagement >= 50"


def test_another_wording_of_a_score_is_another_version_of_the_segments_that_use_it(tmp_path: Path) -> None:
    versions = set()
    for clicks in (
        CLICKS,
        CLICKS.replace("5", "6"),
        CLICKS + 'half_life = "30 days"\n',
        CLICKS + "at_most = 9\n",
    ):
        ruleset = loaded(tmp_path, SCORE + clicks).ruleset
        assert ruleset is not None
        versions.add(ruleset.segments["hot"].version)
    assert len(versions) == 4


def test_a_score_may_use_another_and_stand_in_ranks_and_arithmetic(tmp_path: Path) -> None:
    text = (
        "[[score]]\nid = 'fit'\npoints = [{ if = 'country = \"DE\"', points = 10 }]\n"
        "[[score]]\nid = 'engagement'\n"
        "points = [{ if = 'fit >= 10', points = 1 }, { when = 'email_click', points = 1 }]\n"
        "[[segment]]\nid = 'a'\nwhen = 'engagement in top 10% by country or fit + engagement > 12'\n"
    )
    assert loaded(tmp_path, text).problems == ()


WRONG = {
    "half_life = '12 hours'\n" + CLICKS: 'a.toml:6:13: points fade by the day; write "1 day" or more',
    "half_life = '2 months'\n" + CLICKS: (
        'a.toml:6:13: half_life must be a time in hours, days or weeks, such as "7 days"'
    ),
    "half_life = '9999 days'\n" + CLICKS: "a.toml:6:13: a half-life is at most 1000 days",
    "points = []": "a.toml:6:10: [[score]] without points",
    "": 'a.toml:4:1: [[score]] needs the key "points"',
    "at_least = 5\nat_most = 5\n" + CLICKS: "a.toml:6:12: at_least is not below at_most",
    "points = [{ when = 'email_click' }]": 'a.toml:6:11: points needs the key "points"',
    "points = [{ points = 5 }]": (
        "a.toml:6:11: points are for either when (an activity) or if (a condition)"
    ),
    "points = [{ when = 'email_click', if = 'vip', points = 5 }]": (
        "a.toml:6:11: points are for either when (an activity) or if (a condition)"
    ),
    "points = [{ when = 'email_click', points = 0 }]": "a.toml:6:44: 0 points change nothing",
    "points = [{ when = 'email_click', points = 1000000 }]": "a.toml:6:44: points is beyond 100000",
    "points = [{ when = 'email_click', points = 0.0000001 }]": "a.toml:6:44: points has more than 6 decimals",
    f"points = [{{ when = 'email_click', points = 0.{'9' * 30} }}]": (
        "a.toml:6:44: points has more than 6 decimals"
    ),
    "points = [{ when = 'email_click', points = 1, at_most_per_day = 0 }]": (
        "a.toml:6:65: at_most_per_day lies between 1 and 10000"
    ),
    "points = [{ if = 'vip', points = 1, at_most_per_day = 1 }]": (
        "a.toml:6:37: at_most_per_day counts activities; if has none, use when"
    ),
    "points = [{ when = 'email_clik', points = 1 }]": (
        'a.toml:6:21: unknown fact "email_clik"; did you mean "email_click"?'
    ),
    "points = [{ when = 'vip', points = 1 }]": (
        "a.toml:6:21: when names one activity, such as email_click where …; write if for a condition"
    ),
    "points = [{ when = 'count(email_click) > 2', points = 1 }]": (
        "a.toml:6:40: when names one activity, such as email_click where …; write if for a condition"
    ),
    "points = [{ if = 'in segment \"hot\"', points = 1 }]": (
        "a.toml:6:19: a score cannot ask for a segment; give the condition a name with [[field]] and use that"
    ),
    "points = [{ if = 'ltv in top 10%', points = 1 }]": (
        "a.toml:6:26: a score cannot compare people with people; rank by the score instead"
    ),
    "points = [{ if = 'engagement > 1', points = 1 }]": (
        "a.toml:6:19: scores use each other in a circle: engagement → engagement"
    ),
}


@pytest.mark.parametrize(("keys", "message"), WRONG.items())
def test_what_is_wrong_with_a_score_is_told_at_its_place(keys: str, message: str, tmp_path: Path) -> None:
    found = loaded(tmp_path, SCORE + keys)
    assert [str(problem) for problem in found.problems] == [message]


def test_names_are_taken_once_and_a_score_that_nobody_uses_is_told(tmp_path: Path) -> None:
    taken = loaded(tmp_path, SCORE + CLICKS + "[[field]]\nid = 'engagement'\nis = 'ltv'\n")
    assert [str(each) for each in taken.problems] == [
        'a.toml:5:6: the id "engagement" is already used at a.toml:8:6'
    ]
    known = loaded(tmp_path, "[[score]]\nid = 'score'\n" + CLICKS)
    assert [str(each) for each in known.problems] == [
        'a.toml:2:6: "score" is already a name of the vocabulary'
    ]
    unused = loaded(tmp_path, HOT.replace("engagement >= 50", "vip") + "[[score]]\nid = 'x'\n" + CLICKS)
    assert [str(each) for each in unused.problems] == ['a.toml:5:6: warning: no rule uses the score "x"']
    one = loaded(tmp_path, "[score]\nid = 'x'\n")
    assert [str(each) for each in one.problems] == [
        "a.toml:1:2: write [[score]] with two brackets: there may be many"
    ]
