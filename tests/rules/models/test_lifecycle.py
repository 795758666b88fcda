"""Lifecycle by the store's gaps: Online Retail's figures, textbook survival, and one person at a time."""

from __future__ import annotations

import random
from functools import cache
from math import prod

import numpy as np
import pandas as pd
import pytest

from rules.models.columns import InputError, Ints
from rules.models.lifecycle import Gaps, Limits, State, gaps, limits, open_after, states
from tests.rules.models import cdnow
from tests.rules.models.one_by_one import one_by_one
from tests.rules.models.retail import clean_lines

AS_OF = cdnow.day("2011-12-10")


@cache
def orders() -> tuple[Ints, Ints]:
    lines = clean_lines()
    return lines["CustomerID"].to_numpy(np.int64), cdnow.day_number(lines["InvoiceDate"]).to_numpy(np.int64)


@cache
def order_days() -> pd.DataFrame:
    people, days = orders()
    return pd.DataFrame({"person": people, "day": days}).drop_duplicates().sort_values(["person", "day"])


def test_the_limits_of_online_retail_are_those_of_the_reference() -> None:
    found = limits(*orders(), as_of=AS_OF)
    assert (found.at_risk, found.lapsed) == (131, 290)
    assert [notice.message for notice in found.notices] == [
        "Only 93.6% of gaps ever close; the lapsed limit uses the 90 % level (290 days) instead of 95 %."
    ]


def test_completed_gaps_are_those_of_pandas_and_too_short_for_limits() -> None:
    found = gaps(*orders(), as_of=AS_OF)
    expected = order_days().groupby("person")["day"].diff().dropna()
    assert sorted(found.days[found.closed]) == sorted(expected)
    assert np.quantile(expected, [0.8, 0.95], method="higher").tolist() == [70, 155]
    last = AS_OF - order_days().groupby("person")["day"].max()
    assert sorted(found.days[~found.closed]) == sorted(last)


def test_the_share_of_open_gaps_is_the_product_over_all_days() -> None:
    found = gaps(*orders(), as_of=AS_OF)
    at, share = open_after(found)
    for place in (0, 10, 130, len(at) - 1):
        until = range(1, int(at[place]) + 1)
        one_by_one = prod(
            1 - ((found.days == t) & found.closed).sum() / (found.days >= t).sum() for t in until
        )
        assert share[place] == pytest.approx(one_by_one, rel=1e-12)
    assert share[-1] == pytest.approx(0.064, abs=5e-4)


def test_the_survival_of_the_textbook_example_is_found() -> None:
    """Remission with 6-mercaptopurine (Freireich 1963), as Kaplan-Meier is usually taught."""
    closed, running = [6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    over = np.array([True] * 9 + [False] * 12)
    at, share = open_after(Gaps(np.array(closed + running), over, np.arange(21)))
    assert at.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert share == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)


def test_a_level_that_is_just_reached_counts_in_spite_of_rounding() -> None:
    """Of 125 gaps 20 close after 5 days and 80 after 10: one in five stays open, in doubles a hair more."""
    people = [*np.repeat(np.arange(100), 2), *range(100, 125)]
    days = [*[45, 50] * 20, *[40, 50] * 80, *[0] * 25]
    _, share = open_after(gaps(people, days, as_of=50))
    assert share[-1] > 0.2
    found = limits(people, days, as_of=50)
    assert (found.at_risk, found.lapsed) == (10, 10)
    assert ["lapsed limit uses the 80 % level" in notice.message for notice in found.notices] == [True]


def test_few_who_came_back_have_fixed_limits() -> None:
    few = limits(np.repeat(np.arange(99), 2), np.tile([0, 10], 99), as_of=10)
    assert (few.at_risk, few.lapsed) == (40, 90)
    assert [notice.code for notice in few.notices] == ["lifecycle.fallback"]
    assert "Fewer than 100 returning customers (99)" in few.notices[0].message


def test_where_hardly_a_gap_closes_the_limits_are_fixed() -> None:
    once = np.arange(1000, 11_000)
    people = np.concatenate([np.repeat(np.arange(100), 2), once])
    days = np.concatenate([np.tile([0, 10], 100), np.zeros(len(once), np.int64)])
    found = limits(people, days, as_of=400)
    assert (found.at_risk, found.lapsed) == (40, 90)
    assert "Only 1.0% of gaps ever close" in found.notices[0].message


def test_everybody_stands_where_the_sentences_say_one_person_at_a_time() -> None:
    of = limits(*orders(), as_of=AS_OF)
    by_person = {int(person): own.tolist() for person, own in order_days().groupby("person")["day"]}
    everybody = [*by_person, 1, 10**9]
    found = tuple(states(everybody, *orders(), of, as_of=AS_OF - 60).tolist())
    assert found == tuple(one_by_one(by_person.get(each, []), of, AS_OF - 60) for each in everybody)
    assert set(found) == set(State)


def test_made_up_people_stand_where_the_sentences_say() -> None:
    choice = random.Random(1)
    histories = [[choice.randrange(120) for _ in range(choice.randrange(8))] for _ in range(2000)]
    people = [at for at, own in enumerate(histories) for _ in own]
    days = [each for own in histories for each in own]
    of = Limits(at_risk=20, lapsed=45)
    found = tuple(states(list(range(2000)), people, days, of, as_of=100).tolist())
    assert found == tuple(one_by_one(own, of, 100) for own in histories)


def test_a_regular_buyer_is_at_risk_earlier_than_the_store_says_and_never_later() -> None:
    of = Limits(at_risk=60, lapsed=120)
    regular = [0, 10, 20, 32, 42, 54]  # gaps 10 10 12 10 12
    quick = states([1], [1] * 6, regular, of, as_of=54 + 12)
    later = states([1], [1] * 6, regular, of, as_of=54 + 13)
    assert (quick, later) == ((State.ACTIVE,), (State.LAPSED,))
    slow = [0, 200, 400, 600, 800]
    assert states([1], [1] * 5, slow, of, as_of=861).tolist() == [State.AT_RISK]
    assert states([1], [1] * 3, [0, 10, 20], of, as_of=80).tolist() == [State.ACTIVE]
    assert states([1], [1] * 3, [0, 10, 20], of, as_of=81).tolist() == [State.AT_RISK]


def test_who_comes_back_after_lapsing_is_reactivated_until_the_next_order() -> None:
    of = Limits(at_risk=60, lapsed=120)
    assert states([1], [1, 1], [0, 121], of, as_of=181).tolist() == [State.REACTIVATED]
    assert states([1], [1, 1], [0, 121], of, as_of=182).tolist() == [State.AT_RISK]
    assert states([1], [1, 1, 1], [0, 121, 130], of, as_of=140).tolist() == [State.ACTIVE]
    assert states([1], [1, 1], [0, 120], of, as_of=140).tolist() == [State.ACTIVE]


def test_without_orders_everybody_is_a_prospect() -> None:
    assert states([3, 4], [], [], Limits(40, 90), as_of=0).tolist() == [State.PROSPECT, State.PROSPECT]
    assert states([3], [3], [5], Limits(40, 90), as_of=4).tolist() == [State.PROSPECT]
    with pytest.raises(InputError, match="everybody: whole numbers are needed"):
        states(["a"], [], [], Limits(40, 90), as_of=0)  # type: ignore[list-item]
