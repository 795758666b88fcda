"""Splits of giants: which differences of their parts are told, by SciPy's own tests, and in which words."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from scipy.stats import false_discovery_control, mannwhitneyu

from rules.models.columns import Floats, Ints
from rules.models.worth.splits import Outcome, Part, Response, Split, responses

DAY = dt.date(2026, 3, 1)
PARTS = (Part("high orders", 400, "count(purchase) > 3 or gift", 0.97), Part("low orders", 600, "", 0.0))


def halves(*shares: float, each: int = 1_000) -> tuple[Ints, Floats]:
    """So many people of each part, of whom these shares answered."""
    part = np.repeat(np.arange(len(shares)), each)
    answered = np.concatenate([np.arange(each) < share * each for share in shares])
    return part, answered.astype(np.float64)


def shared(*shares: float, each: int = 1_000) -> Response:
    part, answered = halves(*shares, each=each)
    (((found),),) = responses([(part, [Outcome("ordered", True, answered)])])
    return found


def test_parts_differ_where_chance_does_not_explain_it_after_correction_over_all_that_is_asked() -> None:
    part, ordered = halves(0.12, 0.03)
    draw = np.random.default_rng(2)
    spent, by_chance = draw.exponential(1_000, 2_000) * ordered, draw.exponential(1_000, 2_000)
    other, clicked = halves(0.30, 0.50, 0.31)
    found = responses(
        [
            (part, [Outcome("ordered", True, ordered), Outcome("spent", False, spent)]),
            (part, [Outcome("by chance", False, by_chance)]),
            (other, [Outcome("clicked", True, clicked)]),
        ]
    )

    def p(values: Floats, parts: Ints, a: int, b: int) -> float:
        asked = mannwhitneyu(values[parts == a], values[parts == b], method="asymptotic")
        return float(asked.pvalue)

    raw = [p(ordered, part, 0, 1), p(spent, part, 0, 1), p(by_chance, part, 0, 1)]
    raw += [p(clicked, other, 0, 1), p(clicked, other, 0, 2), p(clicked, other, 1, 2)]
    adjusted = false_discovery_control(raw)
    assert found[0][0].p == pytest.approx(adjusted[0])
    assert found[0][1].p == pytest.approx(adjusted[1])
    assert found[2][0].p == pytest.approx(min(adjusted[3], adjusted[5]))
    assert found[0][0].means == (0.12, 0.03)
    assert found[0][1].means == pytest.approx((spent[:1_000].mean(), spent[1_000:].mean()))
    assert [[one.differs for one in some] for some in found] == [[True, True], [False], [True]]


def test_a_difference_that_is_real_but_little_is_none_and_a_large_one_of_few_people_is_chance() -> None:
    assert not shared(0.120, 0.110, each=100_000).differs  # beyond chance by far
    assert shared(0.120, 0.080, each=100_000).differs  # half as much again
    assert shared(0.60, 0.45, each=1_000).differs  # fifteen points
    assert not shared(0.60, 0.51, each=100_000).differs
    assert not shared(0.20, 0.10, each=40).differs
    assert shared(0.0, 0.0).p is None
    assert responses([]) == []
    assert responses([(np.zeros(3, np.int64), [])]) == [()]


def test_what_is_advised_says_what_was_found_in_words_with_the_figures() -> None:
    split = Split("all", DAY, 90, 1_000, ("orders", "spent"), 0.86, 0.81, natural=True, parts=PARTS)
    far = Response("ordered", True, (0.12, 0.03), 0.001)
    near = Response("revenue per person", False, (1_234.0, 1_200.0), None)
    assert Split("all", DAY, 90, why_not="nothing is known").advice("EUR") == (
        "No split is proposed: nothing is known."
    )
    cloudy = Split("all", DAY, 90, 1_000, ("orders", "spent"), 0.86, 0.91, parts=PARTS)
    assert cloudy.advice("EUR").startswith("No natural split was found (by orders, spent): ")
    alike = Split("all", DAY, 90, 1_000, (), 0.86, 0.81, natural=True, parts=PARTS, responses=(near,))
    assert alike.advice("EUR").endswith(
        "but its parts did alike in the 90 days after 2026-03-01 (revenue per person 12.34 EUR against 12.00"
        " EUR): leave it whole."
    )
    told = Split("all", DAY, 90, 1_000, (), 0.86, 0.81, natural=True, parts=PARTS, responses=(far, near))
    assert told.advice("EUR") == (
        "A split in two is stable (0.860, where people without any structure reach 0.810), and its parts did"
        " differently in the 90 days after 2026-03-01: ordered 12.0% against 3.0%. What separates them: high"
        " orders; low orders. Consider a segment for each, by rules such as those that `segsync evaluate`"
        " shows for them."
    )
    assert told.rule(PARTS[0]) == 'in segment "all" and (count(purchase) > 3 or gift)'
    assert [one.proposed for one in (cloudy, alike, told, split)] == [False, False, True, False]
