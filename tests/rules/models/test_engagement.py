"""Engagement on made-up channels, against pandas and against counting pairs."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from rules.models.columns import InputError
from rules.models.engagement import (
    WEIGHTS,
    Deliveries,
    Engagement,
    Events,
    Status,
    engagement,
    scanner_clicks,
)
from rules.models.half_life import choose_half_life
from rules.models.ranking import auc, least_auc

DAY = 86_400
NOW = 20_000 * DAY + 50_000
NOTHING = Events([], [], [], [])


@cache
def channel() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events and deliveries of 600 people over 120 days, of whom some are keener than others."""
    draw = np.random.default_rng(4)
    rows = 9000
    person = draw.choice(600, rows, p=(weights := draw.random(600) ** 3) / weights.sum())
    events = pd.DataFrame(
        {
            "person": person,
            "kind": draw.choice(sorted(WEIGHTS), rows),
            "message": draw.integers(-1, 6, rows),
            "at": NOW + DAY * 5 - draw.integers(0, 120 * DAY, rows),
        }
    )
    sent = pd.DataFrame(
        {"person": draw.integers(0, 580, 4000), "message": 1, "at": NOW - draw.integers(-5, 120, 4000) * DAY}
    )
    return events, sent


def given(events: pd.DataFrame, sent: pd.DataFrame) -> tuple[Events, Deliveries]:
    return (
        Events(
            events["person"].to_numpy(),
            events["kind"].tolist(),
            events["message"].to_numpy(),
            events["at"].to_numpy(),
        ),
        Deliveries(sent["person"].to_numpy(), sent["message"].to_numpy(), sent["at"].to_numpy()),
    )


def by_pandas(as_of: int, half_life: float) -> pd.DataFrame:
    """Points, exposure and rate of the people 0 to 599."""
    events, sent = channel()
    events = events[events["at"] <= as_of].assign(day=events["at"] // DAY)
    once = events.groupby(["person", "kind", "message", "day"], as_index=False)["at"].max()
    once["points"] = once["kind"].map(dict(WEIGHTS)) * 0.5 ** ((as_of - once["at"]) / DAY / half_life)
    sent = sent[sent["at"] <= as_of]
    sent = sent.assign(faded=0.5 ** ((as_of - sent["at"]) / DAY / half_life))
    found = pd.DataFrame(
        {
            "points": once.groupby("person")["points"].sum().reindex(range(600), fill_value=0),
            "exposure": sent.groupby("person")["faded"].sum().reindex(range(600)),
        }
    )
    opens = once.groupby("person")["kind"].agg(lambda kinds: set(kinds) == {"open"}).reindex(range(600))
    known = (found["exposure"] >= 1 / 16) & ~opens.fillna(False).astype(bool)
    usual = found.loc[known, "points"].sum() / found.loc[known, "exposure"].sum()
    found["rate"] = ((found["points"] + 3 * usual) / (found["exposure"] + 3)).where(known)
    return found


def scored(*, as_of: int = NOW, half_life: float = 30.0) -> Engagement:
    return engagement(range(600), *given(*channel()), as_of_s=as_of, half_life_days=half_life)  # type: ignore[arg-type]


@pytest.mark.parametrize("half_life", [7.0, 30.0])
def test_points_rates_and_ranks_are_those_of_pandas(half_life: float) -> None:
    found, expected = scored(half_life=half_life), by_pandas(NOW, half_life)
    assert found.points == pytest.approx(expected["points"].to_numpy())
    assert found.rate == pytest.approx(expected["rate"].to_numpy(), nan_ok=True)
    ranks = expected["rate"].rank(method="average", pct=True)
    assert found.rank == pytest.approx(ranks.to_numpy(), nan_ok=True)
    assert [each is Status.NO_DATA for each in found.status] == expected["rate"].isna().tolist()


def test_the_order_of_rows_changes_no_bit_of_a_score() -> None:
    events, sent = channel()
    mixed = given(events.sample(frac=1, random_state=1), sent.sample(frac=1, random_state=2))
    found = engagement(np.arange(600), *mixed, as_of_s=NOW)
    assert np.array_equal(found.rate, scored().rate, equal_nan=True)


def test_points_halve_with_every_half_life_and_by_what_was_sent() -> None:
    done = Events([1, 1, 2], ["order", "click", "reply"], [-1, 7, -1], [NOW, NOW - 30 * DAY, NOW - 60 * DAY])
    sent = Deliveries([1, 2, 2], [7, 7, 8], [NOW - 30 * DAY, NOW - 30 * DAY, NOW - 60 * DAY])
    found = engagement([1, 2], done, sent, as_of_s=NOW)
    assert found.points.tolist() == [3 + 0.5, 2 * 0.25]
    usual = (3.5 + 0.5) / (0.5 + 0.75)  # three letters more of each that were answered so
    assert found.rate.tolist() == pytest.approx(
        [(3.5 + 3 * usual) / (0.5 + 3), (0.5 + 3 * usual) / (0.75 + 3)], rel=1e-12
    )
    assert found.rank.tolist() == [1.0, 0.5]


def test_only_the_latest_event_of_a_kind_message_and_utc_day_counts() -> None:
    midnight = 20_000 * DAY
    at = [midnight - 1, midnight, midnight + 100, midnight + 100, midnight + 100]
    done = Events([1] * 5, ["click", "click", "click", "click", "reply"], [7, 7, 7, 8, 7], at)
    sent = Deliveries([1], [7], [midnight - DAY])
    found = engagement([1], done, sent, as_of_s=midnight + 100, half_life_days=1e9)
    assert found.points[0] == pytest.approx(1 + 1 + 1 + 2)


def test_nobody_without_a_delivery_or_with_opens_alone_is_scored_low() -> None:
    done = Events([1, 2, 3, 4], ["order", "open", "click", "click"], [-1, 5, 5, 5], [NOW - DAY] * 4)
    sent = Deliveries([2, 3, 4, 5], [5] * 4, [NOW - 2 * DAY] * 3 + [NOW + 1])
    found = engagement([1, 2, 3, 4, 5], done, sent, as_of_s=NOW, not_scorable=[4])
    assert found.status == (
        Status.NO_DATA,
        Status.NO_DATA,
        Status.SCORED,
        Status.NOT_SCORABLE,
        Status.NO_DATA,
    )
    assert np.isnan(found.rank).tolist() == [True, True, False, True, True]
    (notice,) = found.notices
    assert (notice.code, notice.evidence) == ("engagement.opens_only", {"share": 0.2})


def test_who_was_sent_mail_and_did_nothing_has_a_low_score() -> None:
    found = engagement([1], NOTHING, Deliveries([1], [5], [NOW - DAY]), as_of_s=NOW)
    assert (found.status, found.rate.tolist()) == ((Status.SCORED,), [0.0])


def test_one_click_after_one_forgotten_letter_is_no_rate_and_few_letters_say_little() -> None:
    """The first was sent one letter ten months ago, the second one last week, the third forty, and half of
    them were clicked; all three clicked yesterday. By points over letters the first had a thousand."""
    weekly = [NOW - week * 7 * DAY for week in range(1, 41)]
    person = [1, 2, *[3] * 20, 3]
    at = [NOW - DAY] * 2 + weekly[::2] + [NOW - DAY]
    done = Events(person, ["click"] * len(person), list(range(len(person))), at)
    others = np.arange(4, 104)  # who were sent ten letters each, and never did anything
    sent = Deliveries(
        np.concatenate([[1, 2], [3] * 40, np.repeat(others, 10)]),
        np.full(42 + 1000, 1),
        np.concatenate([[NOW - 300 * DAY, NOW - 7 * DAY], weekly, np.tile(weekly[:10], 100)]),
    )
    found = engagement([1, 2, 3, *others], done, sent, as_of_s=NOW)
    assert found.status[:3] == (Status.NO_DATA, Status.SCORED, Status.SCORED)
    assert np.isnan(found.rate[0])
    keen_once, keen_always = found.rate[1:3]
    assert keen_once < keen_always < 1
    assert keen_once > found.rate[3:].max()


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    draw = np.random.default_rng(2)
    scores, positive = draw.integers(0, 8, 80).astype(float), draw.random(80) < 0.3
    pairs = [(a > b) + (a == b) / 2 for a in scores[positive] for b in scores[~positive]]
    assert auc(scores, positive) == pytest.approx(np.mean(pairs))
    assert auc(scores, np.zeros(80, np.bool_)) == 0.5


def test_the_interval_of_auc_is_that_of_many_draws_of_people() -> None:
    draw = np.random.default_rng(8)
    positive = draw.random(400) < 0.3
    scores = np.round(draw.normal(size=400) + 0.5 * positive, 1).astype(np.float64)
    drawn = [auc(scores[some], positive[some]) for some in draw.integers(0, 400, (400, 400))]
    half = auc(scores, positive) - least_auc(scores, positive)
    assert half == pytest.approx(1.96 * np.std(drawn), rel=0.12)
    assert least_auc(scores, np.zeros(400, np.bool_)) == 0.0


def test_half_lives_are_judged_by_who_clicks_next_and_where_none_helps_points_do_not_fade() -> None:
    split = NOW - 40 * DAY
    events, _ = channel()
    later = events[(events["at"] > split) & (events["at"] <= split + 30 * DAY)]
    clicked = np.isin(np.arange(600), later.loc[later["kind"] == "click", "person"])
    found = choose_half_life(np.arange(600), *given(*channel()), split_s=split)
    every = {days: by_pandas(split, days)["rate"].to_numpy() for days in (*found.auc, 1e9)}
    known = ~np.isnan(np.stack(list(every.values()))).any(axis=0)
    for days, measured in {**found.auc, 1e9: found.naive_auc}.items():
        rate = every[days]
        ranks = pd.Series(rate[known]).rank().to_numpy()[clicked[known]]  # Mann and Whitney's U
        hits, misses = clicked[known].sum(), (~clicked[known]).sum()
        expected = (ranks.sum() - hits * (hits + 1) / 2) / (hits * misses)
        assert measured == pytest.approx(expected, abs=1e-6)
    assert found.days == 1e9  # they click as ever
    assert [notice.code for notice in found.notices] == ["engagement.baseline_wins"]


def test_of_equal_half_lives_the_one_nearest_30_days_is_taken() -> None:
    """Half of the people clicked today and will tomorrow, the others twice, months ago."""
    keen, gone = np.arange(200), np.arange(200, 400)
    person = np.concatenate([keen, keen, gone, gone])
    at = np.repeat([NOW, NOW + DAY, NOW - 100 * DAY, NOW - 101 * DAY], 200)
    sent = Deliveries(np.arange(400), np.full(400, 1), np.full(400, NOW))
    found = choose_half_life(
        np.arange(400),
        Events(person, ["click"] * 800, np.full(800, 1), at),
        sent,
        split_s=NOW,
        candidates=(7.0, 60.0, 14.0, 20.0, 900.0),
    )
    assert found.auc == {7.0: 1.0, 60.0: 1.0, 14.0: 1.0, 20.0: 1.0, 900.0: 0.0}
    assert (found.days, found.naive_auc, found.notices) == (20.0, 0.0, ())


def test_few_clickers_choose_no_half_life() -> None:
    found = choose_half_life(np.arange(600), *given(*channel()), split_s=NOW + 5 * DAY)
    assert (found.days, found.auc) == (30.0, {})
    assert [notice.code for notice in found.notices] == ["engagement.few_clickers"]


def test_scanners_click_at_once_or_click_everything() -> None:
    sent = Deliveries([1, 2, 3, 1], [7, 7, 7, 8], [NOW, NOW, NOW, NOW])
    clicks = Events(
        [1, 1, 2, 2, 3, 1, 9],
        ["click"] * 7,
        [7, 7, 7, 7, 7, 8, 7],
        [NOW + 5, NOW + 6, NOW + 60, NOW + 61, NOW + 60, NOW + 60, NOW],
    )
    found = scanner_clicks(clicks, [1, 1, 1, 2, 1, 1, 1], {7: 2, 8: 1}, sent)
    assert found.tolist() == [True, False, True, True, False, False, False]


def test_what_cannot_be_scored_is_refused_by_row() -> None:
    sent = Deliveries([1], [1], [NOW])
    with pytest.raises(InputError, match=r"kind\[1\] is clik: it has no weight; weights know click, form"):
        engagement([1], Events([1, 1], ["click", "clik"], [1, 1], [NOW, NOW]), sent, as_of_s=NOW)
    with pytest.raises(InputError, match="message has 0,"):
        engagement([1], Events([1], ["click"], [], [NOW]), sent, as_of_s=NOW)
    with pytest.raises(InputError, match="half_life_days is 0"):
        engagement([1], NOTHING, sent, as_of_s=NOW, half_life_days=0)
