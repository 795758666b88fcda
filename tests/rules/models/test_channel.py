"""Preferred channel: rates by the formula of engagement, and who is never given one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.models.channel import NOTHING, Answers, preferred
from rules.models.columns import InputError
from rules.models.engagement import DAY_S, Deliveries, Events, Status, engagement


def answers(points: list[float], exposure: list[float], *, out: tuple[int, ...] = ()) -> Answers:
    there = np.arange(len(points))
    return Answers(np.array(points), np.array(exposure), np.isin(there, out), np.zeros(len(points), np.bool_))


def test_a_rate_is_that_of_faded_points_by_faded_deliveries_held_near_the_usual_one() -> None:
    as_of = 400 * DAY_S
    sent = [(1, 390), (1, 370), (2, 399), (2, 340), (3, 395)]
    clicks = [(1, 371), (2, 399)]
    scored = engagement(
        [1, 2, 3],
        Events([p for p, _ in clicks], ["click"] * 2, [0, 1], [day * DAY_S for _, day in clicks]),
        Deliveries([p for p, _ in sent], [0] * 5, [day * DAY_S for _, day in sent]),
        as_of_s=as_of,
        half_life_days=30,
    )
    faded = {n: sum(2 ** -((400 - day) / 30) for who, day in sent if who == n) for n in (1, 2, 3)}
    worth = {n: sum(2 ** -((400 - day) / 30) for who, day in clicks if who == n) for n in (1, 2, 3)}
    assert scored.points.tolist() == pytest.approx(list(worth.values()))
    usual = sum(worth.values()) / sum(faded.values())
    found = preferred([answers(list(worth.values()), list(faded.values()))])
    assert found.usual == (pytest.approx(usual),)
    expected = [(worth[n] + 20 * usual) / (faded[n] + 20) for n in (1, 2, 3)]
    assert found.rate[0].tolist() == pytest.approx(expected)


def test_one_answered_message_of_two_makes_no_favourite() -> None:
    """Raw rates would send the first to the second channel: 1 of 2 is more than 12 of 40."""
    mail = answers([12, *[3] * 50], [40, *[40] * 50])
    text = answers([1, *[1] * 50], [2, *[20] * 50])
    found = preferred([mail, text])
    assert found.choice[0] == 0
    keen = preferred([mail, answers([20, *[1] * 50], [40, *[20] * 50])])
    assert keen.choice[0] == 1


def test_who_stopped_on_a_channel_is_never_given_it_however_keen_before() -> None:
    mail = answers([30, 30, 2, 0], [40, 40, 40, 0], out=(0, 1))
    text = answers([1, 9, 1, 0], [40, 40, 40, 0], out=(1,))
    found = preferred([mail, text])
    assert found.choice.tolist() == [1, NOTHING, 0, NOTHING]
    assert found.status == (Status.SCORED, Status.NOT_SCORABLE, Status.SCORED, Status.NO_DATA)
    assert np.isnan(found.rate[:, 1]).all()


def test_nothing_sent_lately_is_no_data_and_not_a_low_rate() -> None:
    found = preferred([answers([0.0, 1], [0.01, 30]), answers([0.0, 0], [30, 0.01])])
    assert np.isnan(found.rate).tolist() == [[True, False], [False, True]]
    assert found.choice.tolist() == [1, 0]


def test_opens_alone_are_no_data() -> None:
    opener = Answers(np.zeros(1), np.full(1, 30.0), np.zeros(1, np.bool_), np.ones(1, np.bool_))
    assert preferred([opener]).status == (Status.NO_DATA,)
    with pytest.raises(InputError, match="at least one"):
        preferred([])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_neither_the_order_of_people_nor_that_of_channels_matters(seed: int) -> None:
    draw = np.random.default_rng(seed)
    people = 30
    channels = []
    for _ in range(3):
        exposure = draw.random(people) * 40 * (draw.random(people) < 0.8)
        points = exposure * draw.random(people) * 0.3
        out, opens = draw.random((2, people)) < 0.15
        channels.append(Answers(points, exposure, out, opens))
    found = preferred(channels)
    order, turned = draw.permutation(people), [2, 0, 1]
    other = preferred(
        [
            Answers(one.points[order], one.exposure[order], one.out[order], one.only_opens[order])
            for one in (channels[place] for place in turned)
        ]
    )
    names = np.array([*turned, NOTHING])
    assert names[other.choice].tolist() == found.choice[order].tolist()
    assert [found.status[place] for place in order] == list(other.status)
    for place in range(3):
        assert not (found.choice == place)[channels[place].out].any()
