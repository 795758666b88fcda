"""RFM on Online Retail, against the figures of the reference and against pandas' ranks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from rules.models.columns import InputError, Ints, Severity
from rules.models.groups import Group, standard, uncovered
from rules.models.rfm import (
    FIXED_FREQUENCY,
    CutPoints,
    Dimension,
    Scores,
    age_of_edges,
    cut_points,
    empty_scores,
    floor,
    grouped_by_name,
    moved,
    score,
)
from tests.rules.models.retail import buyers, clean_lines


def columns(frame: pd.DataFrame) -> tuple[Ints, Ints, Ints]:
    return frame["days"].to_numpy(), frame["orders"].to_numpy(), frame["spend"].to_numpy()


@cache
def cuts(*, fixed_frequency: bool = False) -> CutPoints:
    return cut_points(*columns(buyers()), made_on=0, fixed_frequency=fixed_frequency)


def sizes(scores: Ints) -> list[int]:
    return np.bincount(scores, minlength=6)[1:].tolist()


def test_online_retail_is_cleaned_to_the_lines_of_the_reference() -> None:
    lines = clean_lines()
    assert (len(lines), lines["CustomerID"].nunique(), lines["InvoiceNo"].nunique()) == (
        397_884,
        4338,
        18_532,
    )
    assert lines["value"].sum() == pytest.approx(8_911_407.90, abs=0.01)


def test_the_scores_of_online_retail_have_the_sizes_of_the_reference() -> None:
    found = score(cuts(), *columns(buyers()))
    assert sizes(found.recency) == [869, 858, 863, 880, 868]
    assert sizes(found.frequency) == [1493, 0, 1343, 630, 872]
    assert sizes(found.money) == [867, 868, 867, 868, 868]


def test_fixed_edges_of_frequency_have_the_sizes_of_the_reference() -> None:
    found = score(cuts(fixed_frequency=True), *columns(buyers()))
    assert sizes(found.frequency) == [1493, 835, 508, 802, 700]


def test_every_score_is_the_fifth_of_pandas_average_rank() -> None:
    frame = buyers()
    found = score(cuts(), *columns(frame))
    fifths = np.ceil(5 * frame[["days", "orders", "spend"]].rank(method="average", pct=True))
    assert found.recency.tolist() == (6 - fifths["days"]).tolist()
    assert found.frequency.tolist() == fifths["orders"].tolist()
    assert found.money.tolist() == fifths["spend"].tolist()


def test_few_people_with_refunds_are_scored_by_the_same_ranks() -> None:
    spend = pd.Series([-20.0, -20.0, -5.0, 0.0])
    cuts_of_few = cut_points([1, 2, 3, 4], [1, 1, 1, 2], spend.to_numpy(), made_on=0)
    found = score(cuts_of_few, [1, 2, 3, 4], [1, 1, 1, 2], spend.to_numpy())
    assert found.money.tolist() == np.ceil(5 * spend.rank(pct=True)).tolist() == [2, 2, 4, 5]


def test_cut_points_stay_whoever_comes_later() -> None:
    frame = buyers()
    everyone, some = score(cuts(), *columns(frame)), score(cuts(), *columns(frame[:50]))
    assert some.recency.tolist() == everyone.recency[:50].tolist()
    assert some.money.tolist() == everyone.money[:50].tolist()
    new = score(cuts(), [0, 10_000], [1000, 1], [1e9, 0.0])
    assert (new.recency.tolist(), new.frequency.tolist(), new.money.tolist()) == ([5, 1], [5, 1], [5, 1])


def test_the_order_of_people_changes_no_score() -> None:
    mixed = buyers().sample(frac=1, random_state=5)
    assert cut_points(*columns(mixed), made_on=0, fixed_frequency=False) == cuts()


def test_cut_points_made_anew_tell_how_many_people_they_move() -> None:
    frame = buyers()
    before, after = (score(each, *columns(frame)) for each in (cuts(), cuts(fixed_frequency=True)))
    assert moved(before, after) == {
        Dimension.RECENCY: 0,
        Dimension.FREQUENCY: (before.frequency != after.frequency).sum(),
        Dimension.MONEY: 0,
    }
    assert moved(before, after)[Dimension.FREQUENCY] > 0


@pytest.mark.parametrize("fixed_frequency", [True, False])
def test_equal_people_have_equal_scores_however_few_there_are(fixed_frequency: bool) -> None:
    for people in (1, 2, 3, 7):
        alike = ([12] * people, [1] * people, [40.0] * people)
        made = cut_points(*alike, made_on=0, fixed_frequency=fixed_frequency)
        found = score(made, *alike)
        assert {len(set(each.tolist())) for each in (found.recency, found.frequency, found.money)} == {1}
    made = cut_points([1, 400], [5, 1], [10, 900], made_on=0, fixed_frequency=fixed_frequency)
    found = score(made, [1, 400], [5, 1], [10, 900])
    assert found.recency[0] > found.recency[1]
    assert found.frequency[0] > found.frequency[1]
    assert found.money[0] < found.money[1]


def test_who_never_bought_is_no_buyer_and_moves_no_edge() -> None:
    days, orders, spend = columns(buyers())
    with_others = (np.append(days, [0, -1]), np.append(orders, [0, 0]), np.append(spend, [0, 0]))
    assert cut_points(*with_others, made_on=0, fixed_frequency=False) == cuts()
    found = score(cuts(), *with_others)
    assert [int(each[-1]) for each in (found.recency, found.frequency, found.money)] == [0, 0, 0]
    assert grouped_by_name(found, standard())[-2:].tolist() == ["Prospects", "Prospects"]
    with pytest.raises(InputError, match="orders: nobody has any"):
        cut_points([0], [0], [0], made_on=0)


def test_every_buyer_is_in_exactly_one_group_the_first_that_fits() -> None:
    assert uncovered(standard()) == []
    scores = Scores(
        *(np.array(each) for each in ([5, 5, 5, 1, 1, 2], [5, 5, 1, 5, 1, 1], [5, 1, 1, 5, 5, 1]))
    )
    assert grouped_by_name(scores, standard()).tolist() == [
        "Champions",
        "Loyal",
        "New",
        "Previously loyal",
        "Dormant",
        "Almost lost",
    ]
    found = grouped_by_name(score(cuts(fixed_frequency=True), *columns(buyers())), standard())
    assert set(found) == {group.name for group in standard()}


def test_groups_that_leave_scores_out_are_refused() -> None:
    only = (Group("Champions", recency=(5, 5)), Group("Others", recency=(2, 4)))
    assert len(uncovered(only)) == 25
    with pytest.raises(InputError, match=r"no group fits recency 1, frequency 1, money 1 \(25 combinations"):
        grouped_by_name(score(cuts(), [1], [1], [1.0]), only)


def test_an_empty_score_is_told_with_the_value_that_most_share() -> None:
    found = empty_scores(score(cuts(), *columns(buyers())), *columns(buyers()))
    assert [notice.message for notice in found] == [
        "No one has frequency score 2: 34.4% of buyers share the value 1."
    ]
    assert empty_scores(score(cuts(), [0], [0], [0]), [0], [0], [0]) == ()


def test_scores_of_few_buyers_or_days_are_not_to_be_written() -> None:
    days, orders, _ = columns(buyers())
    assert floor(days, orders, history_days=373) == ()
    for short in (
        floor(days, orders, history_days=179),
        floor(days[:499], orders[:499], history_days=373),
        floor(days + 31, orders, history_days=373),
        floor(days, np.minimum(orders, 2), history_days=373),
    ):
        assert [(notice.code, notice.severity) for notice in short] == [("rfm.floor", Severity.REFUSAL)]
    assert "this store has 499, 373" in floor(days[:499], orders[:499], history_days=373)[0].message


def test_old_cut_points_are_told() -> None:
    made = CutPoints((1,), FIXED_FREQUENCY, (1,), made_on=100, buyers=1)
    assert age_of_edges(made, today=192) == ()
    assert [notice.code for notice in age_of_edges(made, today=193)] == ["rfm.edges_old"]


def test_days_that_are_none_are_refused_by_row() -> None:
    with pytest.raises(InputError, match=r"^recency_days\[1\] is -1: whole days"):
        score(cuts(), [1, -1], [1, 1], [1, 1])
    with pytest.raises(InputError, match=r"^recency_days\[0\] is 1.5: whole days"):
        score(cuts(), [1.5], [1], [1])
    with pytest.raises(InputError, match=r"^orders\[0\] is -2: 0 or more"):
        score(cuts(), [1], [-2], [1])
