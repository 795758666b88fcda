"""Planted twins, giants, growth and answers, from the export to what `segsync evaluate` says of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rules.models.worth.wilson import wilson
from tests.scenarios.company import SHOP, Company, email, segment

SCORED = SHOP.replace(
    'columns = { email = "email", country = "country" }',
    'columns = { email = "email", country = "country", score = "score" }\ntypes = { score = "number" }',
)
RULES = (
    segment("germans", 'country = "DE"', to="[]")
    + segment("also-germans", 'country in ["DE", "LI"]', to="[]")
    + segment("french", 'country = "FR"', to="[]")
    + segment("europe", 'country in ["DE", "FR"]', to="[]")
)
GERMANS, FRENCH, OTHERS = range(1, 121), range(121, 201), range(201, 261)


def score(number: int) -> int | str:
    """Of the first sixty: 10, 7 or 3; nobody else answered."""
    return (10, 7, 3)[number % 3] if number <= 60 else ""


def export(firm: Company, countries: dict[int, str]) -> None:
    rows = [(f"c{n}", email(n), country, score(n)) for n, country in countries.items()]
    firm._export("customers.csv", ("customer_id", "email", "country", "score"), rows)


def judged(firm: Company, *words: str) -> dict[str, Any]:
    answer = firm.segsync("evaluate", "--days", "7", "--nps", "shop.score", *words, "--format", "json")
    assert answer.code == 0, answer.said
    assert "@" not in answer.said
    return answer.document  # type: ignore[no-any-return]


def grown(firm: Company) -> None:
    """Two runs ten days apart: 10 French move to Germany, 5 new Germans come, 3 Germans leave for the US."""
    firm.write_config(shop=SCORED)
    firm.rules(RULES)
    firm.orders([(f"o{n}", f"c{n}", "2026-02-01T10:00:00Z", "20.00") for n in range(1, 31)])
    there = dict.fromkeys(GERMANS, "DE") | dict.fromkeys(FRENCH, "FR") | dict.fromkeys(OTHERS, "US")
    export(firm, there)
    firm.run()
    firm.later(days=10)
    moved = dict.fromkeys((*range(121, 131), *range(261, 266)), "DE") | dict.fromkeys(range(1, 4), "US")
    export(firm, there | moved)
    firm.run()


def test_growth_of_one_definition_answers_twins_and_giants_are_found_as_planted(firm: Company) -> None:
    grown(firm)
    found = judged(firm)
    segments = {one["segment"]: one for one in found["segments"]}
    growth = segments["germans"]["growth"]
    assert {key: growth[key] for key in ("before", "entered", "left", "new")} == {
        "before": 120, "entered": 15, "left": 3, "new": 5,
    }  # fmt: skip
    assert (segments["french"]["growth"]["left"], segments["french"]["growth"]["entered"]) == (10, 0)
    (nps,) = segments["germans"]["satisfaction"]
    answers = [score(n) for n in range(4, 61)]
    promoters, detractors = answers.count(10), answers.count(3)
    assert (nps["answers"], nps["response_rate"]) == (57, 57 / 132)
    assert nps["score"] == 100 * (promoters - detractors) / 57
    assert nps["shares"]["promoters"]["low"] == wilson(promoters, 57).low
    assert [one["score"] for one in segments["french"]["satisfaction"]] == [None]
    told = [(one["code"], one["severity"]) for one in found["warnings"]]
    pairs = {
        (one["evidence"]["smaller"], one["evidence"]["larger"])
        for one in found["warnings"]
        if one["code"] == "seg.duplicate"
    }
    assert pairs == {
        ("also-germans", "germans"), ("germans", "europe"), ("also-germans", "europe"), ("french", "europe"),
    }  # fmt: skip
    assert told.count(("seg.giant", "warning")) == 1  # Europe; 132 Germans of 265 are just no giant
    assert told.count(("seg.unassigned", "warning")) == 1  # 63 of 265
    assert [one["evidence"]["segment"] for one in found["warnings"] if one["code"] == "seg.too_small"] == [
        "french"
    ]
    assert {"eval.few_answers", "drift.too_small"} <= {code for code, _ in told}  # only thirty ever bought
    # of another definition nothing is said
    firm.rules(RULES.replace('country = "FR"', 'country in ["FR", "BE"]'))
    firm.later(hours=1)
    firm.run()
    segments = {one["segment"]: one for one in judged(firm)["segments"]}
    assert (segments["french"]["growth"], segments["french"]["growth_note"]) == (
        None,
        "its definition is new",
    )
    assert segments["germans"]["growth"]["entered"] == 15


def test_a_segment_is_compared_with_its_people_as_they_were_on_the_day_it_is_compared_with(
    firm: Company,
) -> None:
    """It is an hour old: nothing drifted since, though thirty days ago these people had other orders."""
    firm.write_config()
    firm.rules(segment("buyers", "count(purchase) > 0", to="[]"))
    firm.customers([(f"c{n}", email(n), "DE") for n in range(300)])
    days = [dt.date(2026, 3, 1) - dt.timedelta(days=n % 60) for n in range(300)]
    firm.orders([(f"o{n}", f"c{n}", f"{day}T10:00:00Z", "20.00") for n, day in enumerate(days)])
    firm.run()
    firm.later(hours=1)
    firm.run()
    answer = firm.segsync("evaluate", "--days", "30", "--format", "json")
    found = answer.document
    (one,) = found["segments"]
    assert one["growth"]["before"] == 300
    drift = {(of["segment"], of["feature"]): of for of in found["drift"]}
    since_then = drift["buyers", "days since the last order"]
    assert (since_then["n"], since_then["m"], since_then["value"]) == (300, 300, 0)
    # of everybody it is what changed in thirty days
    thirty_days_ago = [day for day in days if day <= dt.date(2026, 1, 31)]
    assert drift[None, "days with an order"]["n"] == len(thirty_days_ago)
    said = firm.segsync("evaluate", "--days", "30").said
    assert "entered, left and new of buyers count from 2026-03-02 09:00: it was not computed before" in said


def test_without_a_run_there_is_nothing_to_judge(firm: Company) -> None:
    firm.rules(RULES)
    answer = firm.segsync("evaluate")
    assert (answer.code, "nothing has been pulled yet" in answer.err) == (1, True)
    assert "Traceback" not in answer.said


def test_orders_of_who_is_kept_out_count_in_no_revenue(firm: Company) -> None:
    """The biggest buyer has a record that must not enter: nobody's share is of his money, nor what drifts."""
    firm.write_config('[quality]\nrefuse = ["email-typo"]\n')
    firm.rules(segment("germans", 'country = "DE"', to="[]") + segment("french", 'country = "FR"', to="[]"))
    there = [(f"c{n}", email(n), "DE" if n % 2 else "FR") for n in range(1, 21)]
    firm.customers([*there, ("c99", "person99@gmial.com", "DE")])
    firm.orders(
        [(f"o{n}", f"c{n}", "2026-02-01T10:00:00Z", "30.00" if n % 2 else "10.00") for n in range(1, 21)]
        + [("o99", "c99", "2026-02-01T10:00:00Z", "90000.00")]
    )
    firm.run()
    found = firm.segsync("evaluate", "--format", "json").document
    assert found["people"] == 20
    assert {one["segment"]: (one["revenue"], one["revenue_share"]) for one in found["segments"]} == {
        "germans": (30_000, 0.75), "french": (10_000, 0.25),
    }  # fmt: skip
    everybody = [one for one in found["drift"] if one["segment"] is None]
    assert {one["m"] for one in everybody} == {20}


def test_of_very_many_findings_of_one_kind_the_first_are_read_and_the_rest_counted(firm: Company) -> None:
    """Twelve twins are sixty-six pairs; nobody consented, so none is ranked, for one reason."""
    firm.write_config()
    firm.rules("".join(segment(f"twin-{n:02}", f'country in ["DE", "C{n}"]', to="[]") for n in range(12)))
    firm.customers((f"c{n}", email(n), "DE") for n in range(120))
    firm.orders([])
    firm.run()
    said = firm.segsync("evaluate").out.splitlines()
    assert sum(line.startswith("warning seg.duplicate: twin-") for line in said) == 10
    assert "warning seg.duplicate: 56 more; --format json has all" in said
    assert "warning seg.giant: 2 more; --format json has all" in said
    out = (
        "not ranked: twin-00, twin-01, twin-02, twin-03, twin-04 and 7 more: not accessible: 0% can be mailed"
    )
    assert [line for line in said if line.startswith(("not ranked", "Weights", "Attractiveness"))] == [
        "Attractiveness: no segment is ranked",
        out,
    ]
    codes = [one["code"] for one in firm.segsync("evaluate", "--format", "json").document["warnings"]]
    assert codes.count("seg.duplicate") == 66
    profile = firm.segsync("profile", "twin-00").out
    assert "Nothing tells them from everybody." in profile
    assert "What sets them apart" not in profile
