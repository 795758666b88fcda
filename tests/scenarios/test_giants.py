"""Giant segments with planted kinds of people, from the export to what `segsync evaluate` advises."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rules.language import compile_expression
from tests.scenarios.company import SHOP, Company, email, segment

TODAY = dt.date(2026, 3, 2)
SPLIT = TODAY - dt.timedelta(days=90)
EACH = 150
Person = tuple[int, float, float, bool]
"""Orders until the day of the split, amount of each, days from the last of them to that day; and whether
another one follows after the day."""
Kind = Callable[[int, np.random.Generator], Person]


def kinds(*, first: float, second: float) -> Kind:
    """Two kinds of people, half of everybody each, and how many of them order after the day."""

    def one(number: int, draw: np.random.Generator) -> Person:
        orders, amount, quiet, answers = ((9, 90.0, 12.0, first), (3, 15.0, 150.0, second))[number % 2]
        wide = draw.lognormal(0, 0.15, 2)
        return orders + int(draw.integers(-1, 2)), amount * wide[0], quiet * wide[1], draw.random() < answers

    return one


def cloud(number: int, draw: np.random.Generator) -> Person:
    """Of one kind: all shades from few small orders long ago to many; who has more orders answers more."""
    shade, *wide = draw.normal(0, 1, 4)
    orders = max(1, round(20 * np.exp(0.5 * shade + 0.3 * wide[0])))
    quiet = 60 + 12 * (wide[1] - shade)
    return (
        orders,
        40 * np.exp(0.4 * shade + 0.3 * wide[2]),
        max(quiet, 1.0),
        draw.random() < 0.3 + 0.2 * shade,
    )


def planted(firm: Company, kind: Kind, *, seed: int = 3, rules: str | None = None) -> list[Person]:
    """A shop of such customers, after its first run."""
    draw = np.random.default_rng(seed)
    people = [kind(number, draw) for number in range(2 * EACH)]
    firm.write_config()
    firm.rules(rules or segment("buyers", "count(purchase) > 0", to="[]"))
    firm.customers((f"c{n}", email(n), "DE") for n in range(2 * EACH))
    rows = []
    for number, (orders, amount, quiet, answers) in enumerate(people):
        last = dt.datetime.combine(SPLIT, dt.time(12)) - dt.timedelta(days=quiet)
        made = [last - dt.timedelta(days=30 * place) for place in range(orders)]
        made += [dt.datetime.combine(SPLIT, dt.time(12)) + dt.timedelta(days=1 + number % 89)] * bool(answers)
        rows += [(f"{number}-{at}", f"c{number}", f"{at}Z", f"{amount:.2f}") for at in made]
    firm.orders(rows)
    firm.run()
    return people


def judged(firm: Company) -> tuple[dict[str, Any], str]:
    """The one split, and what is said of the giant."""
    answer = firm.segsync("evaluate", "--smallest", "20", "--format", "json")
    assert answer.code == 0, answer.said
    found = answer.document
    (split,) = found["splits"]
    (told,) = [one["message"] for one in found["warnings"] if one["code"] == "seg.giant"]
    assert "@" not in answer.said
    return split, told


def test_two_kinds_that_answer_differently_are_found_and_told_with_rules_to_adopt(firm: Company) -> None:
    people = planted(firm, kinds(first=0.5, second=0.1))
    split, told = judged(firm)
    keen, others = ([one[3] for one in people[place::2]] for place in (0, 1))
    assert (split["natural"], split["proposed"], split["people"]) == (True, True, 2 * EACH)
    assert split["stability"] >= 0.75
    assert split["stability"] > split["cloud"]
    assert [part["people"] for part in split["parts"]] == [EACH, EACH]
    did = {one["words"]: one for one in split["responses"]}
    assert did["ordered"]["means"] == pytest.approx([sum(keen) / EACH, sum(others) / EACH])
    spent = [sum(round(100 * p[1]) * p[3] for p in people[place::2]) / EACH for place in (0, 1)]
    assert did["revenue per person"]["means"] == pytest.approx(spent, rel=1e-3)
    assert f"in the 90 days after {SPLIT}: ordered {sum(keen) / EACH:.1%} against" in told
    assert "A split in two is stable" in told
    assert "Consider a segment for each" in told
    with firm.open() as workspace:
        vocabulary = workspace.vocabulary()[0]
    text = firm.segsync("evaluate").out
    assert f"Parts of buyers, by what was known of 300 people on {SPLIT}, and what they did in the 90" in text
    for part in split["parts"]:
        assert part["rule"].startswith('in segment "buyers" and ')
        assert part["name"] in told
        assert f"which hits it by 100%: {part['rule']}" in text
        assert not isinstance(compile_expression(part["rule"], vocabulary), tuple)
    assert told in text
    assert judged(firm) == (split, told)
    (small,) = firm.segsync("evaluate", "--smallest", str(EACH + 1), "--format", "json").document["splits"]
    assert (small["proposed"], small["why_not"]) == (
        False,
        f"a part of it would have {EACH} people, fewer than {EACH + 1}",
    )


def test_two_kinds_that_answer_alike_are_left_whole(firm: Company) -> None:
    people = planted(firm, kinds(first=0.3, second=0.3))
    split, told = judged(firm)
    assert (split["natural"], split["proposed"]) == (True, False)
    shares = [sum(one[3] for one in people[place::2]) / EACH for place in (0, 1)]
    ordered = next(one for one in split["responses"] if one["words"] == "ordered")
    assert ordered["means"] == pytest.approx(shares)
    assert "its parts did alike" in told
    assert "leave it whole" in told


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_people_of_one_kind_are_not_split_though_some_answer_more(firm: Company, seed: int) -> None:
    planted(firm, cloud, seed=seed)
    split, told = judged(firm)
    assert (split["natural"], split["proposed"], split["responses"]) == (False, False, [])
    assert split["stability"] > 0.75  # which is no evidence
    assert "No natural split was found (by purchase count, purchase amount, days since last purchase)" in told


def test_who_left_since_counts_for_they_left_by_what_is_compared(firm: Company) -> None:
    """The giant are those without a recent order: of today's, nobody can have ordered lately."""
    people = planted(
        firm,
        kinds(first=0.5, second=0.1),
        rules=segment("quiet", "purchase ever and not purchase within last 5 days", to="[]"),
    )
    split, _ = judged(firm)
    assert split["people"] == sum(quiet >= 5 for _, _, quiet, _ in people)
    keen = [one[3] for one in people[::2] if one[2] >= 5]
    assert split["responses"][0]["means"][0] == pytest.approx(sum(keen) / len(keen))
    assert split["proposed"]


def test_who_came_after_the_day_is_not_taken_for_somebody_who_had_done_nothing_until_then(
    firm: Company,
) -> None:
    """Customers come with their first order: among people of the day they would be a kind that answers."""

    def shop(number: int, draw: np.random.Generator) -> Person:
        if number % 3 == 0:
            return 0, 50.0, 1.0, True
        return cloud(number, draw)

    people = planted(firm, shop, rules=segment("all", 'country = "DE"', to="[]"))
    split, told = judged(firm)
    assert split["people"] == sum(orders > 0 for orders, *_ in people)
    assert "No natural split" in told


def unknown(firm: Company) -> dict[str, str]:
    """Giant → why it was not looked into."""
    answer = firm.segsync("evaluate", "--format", "json")
    assert answer.code == 0, answer.said
    return {one["segment"]: one["why_not"] for one in answer.document["splits"]}


def test_a_rule_on_what_only_today_tells_is_looked_into_once_runs_have_stored_its_people(
    firm: Company,
) -> None:
    shop = SHOP.replace('country = "country" }', 'country = "country", level = "level" }')
    firm.write_config(shop=shop)
    firm.rules(segment("gold", 'shop.level = "gold"', to="[]"))
    header = ("customer_id", "email", "country", "level")
    everybody = range(2 * EACH)
    firm._export("customers.csv", header, [(f"c{n}", email(n), "DE", "gold") for n in everybody])
    long_ago = dt.datetime.combine(TODAY, dt.time(12)) - dt.timedelta(days=200)
    firm.orders((f"o{n}", f"c{n}", f"{long_ago + dt.timedelta(hours=n)}Z", f"{n + 1}.00") for n in everybody)
    firm.run()
    why = unknown(firm)["gold"]
    assert why.startswith("its rule rests on shop.level, of which only today's state is known; it is looked")
    firm.later(days=91)
    firm._export(
        "customers.csv", header, [(f"c{n}", email(n), "DE", "gold" if n < 200 else "") for n in everybody]
    )
    firm.run()
    (split,) = firm.segsync("evaluate", "--format", "json").document["splits"]
    assert (split["segment"], split["why_not"], split["people"]) == ("gold", None, 2 * EACH)


def test_what_cannot_be_looked_into_says_why(firm: Company) -> None:
    same = segment("all", 'country = "DE"', to="[]") + segment("everybody", 'country in ["DE"]', to="[]")
    firm.write_config()
    firm.rules(same)
    firm.customers((f"c{n}", email(n), "DE") for n in range(19))
    firm.orders([])
    firm.run()
    twin = "it has the same people as all, of which it is told"
    assert unknown(firm) == {"all": "nothing is known that people did", "everybody": twin}
    first = dt.datetime.combine(TODAY, dt.time(12)) - dt.timedelta(days=179)
    firm.orders((f"o{n}", f"c{n}", f"{first}Z", "5.00") for n in range(19))
    firm.run()
    short = (
        "what people did is known from 2025-09-04 on, and 180 days are needed, 90 to sort people and 90 to"
    )
    assert unknown(firm)["all"] == f"{short} compare them"
    before = first - dt.timedelta(days=2)
    firm.orders((f"p{n}", f"c{n}", f"{before}Z", "5.00") for n in range(19))
    firm.run()
    assert unknown(firm)["all"] == "its people did not differ by anything that was known of them"
    firm.orders((f"q{n}", f"c{n}", f"{before}Z", f"{5 + n}.00") for n in range(19))
    sums = ("nearly >= 17", "from-20 >= 20", "from-24 >= 24", "to-24 <= 24")  # of 15 to 33
    asked = (segment(one.split()[0], f"sum(purchase.amount) {one.split(' ', 1)[1]}", to="[]") for one in sums)
    firm.rules(same + "".join(asked))
    firm.run()
    found = unknown(firm)
    few = f"{{}} of its people were known on {SPLIT}, and 20 are needed"
    assert found == {
        "all": few.format(19),
        "everybody": twin,
        "nearly": twin.replace("the same", "nearly the same"),
        "from-20": few.format(14),
        "from-24": few.format(10),
        "to-24": "only the 3 largest are looked into",
    }
