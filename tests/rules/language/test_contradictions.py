"""Conditions of no one and of everyone, parts that say nothing, and rules about the same people are told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from rules import ir
from rules.engine.person import PersonFacts
from rules.language.checks.logic import Logic
from tests.rules.engine.agreement import by_python
from tests.rules.engine.generated import Nodes
from tests.rules.engine.generated_people import AS_OF, ZONE
from tests.rules.language.test_file_problems import told
from tests.thorough import examples

NEVER = {
    "score > 5 and score < 3": "5: can never be true: score > 5 and score < 3",
    "vip and score > 5 and (score <= 5 and vip)": None,
    "ltv >= 10 and ltv in [1, 2]": None,
    "score in [1, 2] and score between 3 and 4": None,
    'country = "DE" and country = "AT"': '5: can never be true: country = "de" and country = "at"; '
    "did you mean or?",
    'country in ["DE", "AT"] and not country in ["AT", "de", "FR"]': None,
    'country = "DE" and country != "de"': None,
    'country is missing and country = "DE"': None,
    'country starts with "de" and country starts with "at"': None,
    'country = "AT" and country contains "x"': None,
    "vip and not vip": None,
    "vip and (score > 5 or ltv > 3) and not (score > 1 or ltv > 2)": None,
    "count(purchase) < 0": "5: can never be true: count(purchase) < 0",
    "count(purchase) > 2 and count(purchase) < 3": None,
    "purchase last 30 days and never purchase": None,
    "purchase last 30 days and days since purchase > 60": None,
    "days since purchase < 30 and never purchase": None,
    "count(purchase, last 30 days) > 3 and count(purchase, last 90 days) < 2": None,
    "purchase where gift last 9 days and never purchase last 10 days": None,
    "signed_up within last 30 days and signed_up between 40 and 60 days ago": None,
    "birthday after 2000-01-01 and birthday before 1990-01-01": None,
    "birthday is today and birthday is tomorrow": None,
    "interests has 'a' and interests has none of ['a', 'b']": None,
}
ALWAYS = {
    "score > 5 or score < 7 or score is missing": None,
    "score is known or score is missing": "5: is true of everyone: score is known or score is missing; "
    "leave it out",
    "count(purchase) >= 0": "5: is true of everyone: count(purchase) >= 0; leave it out",
    'country != "DE" or country != "AT"': '5: is true of everyone: country != "de" or country != "at"; '
    "did you mean and?",
    "did purchase or never purchase": None,
    "score != 3 or score != 4 or vip": "5: is true of everyone: score != 3 or score != 4 or vip; "
    "did you mean and?",
    "vip or not vip": None,
}
IDLE = {
    "score > 5 and score > 3": "19: score > 3 changes nothing next to score > 5; leave it out",
    'country = "DE" and country in ["AT", "de"]': None,
    "purchase last 30 days and days since purchase < 60": None,
    "vip or (vip and score > 3)": None,
}


def _warnings(folder: Path, condition: str) -> list[str]:
    text = f"[[segment]]\nid = 'a'\nwhen = '''vip\nor ltv = 7 and birthday is known or {condition}'''"
    text = f"[[segment]]\nid = 'a'\nwhen = '''\n    {condition}'''"
    return [each.removeprefix("a.toml:4:").replace("warning: ", "") for each in told(folder, text)]


@pytest.mark.parametrize(
    ("condition", "message", "begins"),
    [(c, m, "can never be true: ") for c, m in NEVER.items()]
    + [(c, m, "is true of everyone: ") for c, m in ALWAYS.items()]
    + [(c, m, "") for c, m in IDLE.items()],
)
def test_what_a_condition_says_in_vain_is_told_where_it_stands(
    condition: str, message: str | None, begins: str, tmp_path: Path
) -> None:
    found = _warnings(tmp_path, condition)
    assert len(found) == 1, found
    if message is not None:
        assert found == [message]
    elif begins:
        assert begins in found[0]
    else:
        assert "changes nothing next to" in found[0]


def test_a_part_is_told_inside_a_condition_that_is_fine(tmp_path: Path) -> None:
    found = told(tmp_path, "[[segment]]\nid = 'a'\nwhen = '''vip or\n  score > 5 and score < 3'''")
    assert found == ["a.toml:4:3: warning: can never be true: score > 5 and score < 3"]


def _segments(*conditions: str) -> str:
    return "\n".join(f"[[segment]]\nid = 's{n}'\nwhen = '''{c}'''" for n, c in enumerate(conditions))


ALIKE = [
    ("vip and score > 5", "score > 5 and vip"),
    ("vip and score > 5", "not (not vip or score <= 5 or score is missing)"),
    ("country in ['DE', 'AT']", "country = 'AT' or country = 'DE'"),
    ("not (vip or score > 5)", "not vip and not score > 5"),
    ("count(purchase) > 2", "count(purchase) >= 3"),
]


@pytest.mark.parametrize("pair", ALIKE, ids=str)
def test_rules_about_the_same_people_are_told(pair: tuple[str, str], tmp_path: Path) -> None:
    found = told(tmp_path, _segments(*pair))
    assert found == ['a.toml:6:8: warning: "s1" asks in other words for the same people as "s0"']


def test_a_rule_inside_another_is_noted(tmp_path: Path) -> None:
    found = told(tmp_path, _segments("score > 5 and vip", "vip and score > 9", "score > 7 and not vip"))
    assert found == ['a.toml:6:8: note: everyone in "s1" is also in "s0"']


def test_a_tier_for_which_no_one_is_left_is_told(tmp_path: Path) -> None:
    tiers = "[[tiers]]\nid = 't'\n" + "\n".join(
        f"[[tiers.tier]]\nid = '{id_}'\nwhen = '{when}'"
        for id_, when in {"a": "score > 5", "b": "vip and score <= 5", "c": "vip and score > 3"}.items()
    )
    assert told(tmp_path, tiers) == [
        "a.toml:11:8: warning: no one is left for this tier: the earlier tiers take everyone it asks for"
    ]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dt.datetime, list[ir.Predicate], list[PersonFacts]]:
    as_of = draw(st.sampled_from(AS_OF))
    nodes = Nodes(draw, as_of)
    leaves = [nodes.predicate(0, ()) for _ in range(3)]
    signed = st.sampled_from([*leaves, *(ir.Not(leaf) for leaf in leaves)])
    joined = [
        join(tuple(draw(st.lists(signed, min_size=2, max_size=4))))
        for join in draw(st.lists(st.sampled_from([ir.And, ir.Or]), min_size=3, max_size=5))
    ]
    return (
        as_of,
        [*leaves, *joined, ir.And((joined[0], joined[1])), ir.Or((joined[1], joined[2]))],
        nodes.people(),
    )


@settings(
    max_examples=examples(150), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(worlds())
def test_what_is_proved_holds_of_every_generated_person(
    world: tuple[dt.datetime, list[ir.Predicate], list[PersonFacts]],
) -> None:
    as_of, conditions, everyone = world
    found = by_python({str(n): each for n, each in enumerate(conditions)}, everyone, as_of=as_of, zone=ZONE)
    logic = Logic.over(conditions)
    people = {one.person for one in everyone}
    for number, one in enumerate(conditions):
        if logic.never(one):
            event("never")
            assert found[str(number)] == set(), one
        if logic.always(one):
            event("always")
            assert found[str(number)] == people, one
        for place, other in enumerate(conditions):
            if place != number and logic.within(one, other):
                event("within")
                assert found[str(number)] <= found[str(place)], (one, other)


@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        ("score in top 0.1%", "score in top 0.1% is 1,000 of a million people; if 10% is meant, write 10%"),
        ('random 0.5% of "x"', 'random 0.5% of "x" is 5,000 of a million people; if 50% is meant, write 50%'),
        ("not score in bottom 0.005%", "score in bottom 0.005% is 50 of a million people"),
    ],
)
def test_a_share_below_a_percent_is_allowed_and_told(condition: str, meant: str, tmp_path: Path) -> None:
    found = _warnings(tmp_path, condition)
    assert [each.split(": ", 1)[-1] if each[0].isdigit() else each for each in found] == [meant]
    assert (
        _warnings(tmp_path, condition.replace("0.1%", "1%").replace("0.5%", "5%").replace("0.005%", "2%"))
        == []
    )
