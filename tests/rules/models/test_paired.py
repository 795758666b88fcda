"""Two choices within each person, against the sums of Mantel and Haenszel, one person after the other."""

from __future__ import annotations

import numpy as np
import pytest

from rules.models.columns import InputError
from rules.models.paired import NOBODY, Tally, paired


def drawn(better: float, *, people: int = 800, seed: int = 1) -> tuple[Tally, Tally]:
    """Keen people, who are sent more by the usual choice; `better`: how much more the personal one gets."""
    draw = np.random.default_rng(seed)
    keen = draw.random(people) * 0.5
    sent = draw.integers(0, 6, people), draw.integers(0, 6, people) + (keen * 20).astype(int)
    answered = draw.binomial(sent[0], keen + better), draw.binomial(sent[1], keen)
    personal, usual = (Tally(n.astype(float), k.astype(float)) for n, k in zip(sent, answered, strict=True))
    return personal, usual


def test_the_difference_is_mantels_and_haenszels_one_person_after_the_other() -> None:
    personal, usual = drawn(0.1)
    top = bottom = 0.0
    rows = zip(personal.sent, personal.answered, usual.sent, usual.answered, strict=True)
    for n1, k1, n2, k2 in rows:
        if n1 and n2:
            top += (k1 * n2 - k2 * n1) / (n1 + n2)
            bottom += n1 * n2 / (n1 + n2)
    found = paired(personal, usual)
    assert found.difference == pytest.approx(top / bottom)
    assert found.people == int(((personal.sent > 0) & (usual.sent > 0)).sum())
    assert found.low < found.difference < found.high
    assert found.better


def test_keen_people_who_are_sent_more_make_no_choice_better() -> None:
    personal, usual = drawn(0.0)
    pooled = usual.answered.sum() / usual.sent.sum() - personal.answered.sum() / personal.sent.sum()
    assert pooled > 0.04  # people mixed, the usual choice would seem to win
    assert abs(paired(personal, usual).difference) < 0.02


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """95 % of 400 draws, give or take 2.5 standard errors."""
    hits = 0
    for seed in range(400):
        found = paired(*drawn(0.05, people=150, seed=seed))
        hits += found.low <= 0.05 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_without_two_people_there_is_no_comparison_and_nothing_is_better() -> None:
    one = Tally(np.array([1.0, 3.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    other = Tally(np.array([0.0, 2.0, 4.0]), np.zeros(3))
    assert paired(one, other) == NOBODY
    assert not NOBODY.better
    with pytest.raises(InputError, match="more than was sent"):
        paired(Tally(np.ones(1), np.full(1, 2.0)), Tally(np.ones(1), np.ones(1)))
