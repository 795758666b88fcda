"""Figures of any set of people are those of pandas, and nobody is fetched from the set one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import duckdb
import numpy as np
import pandas as pd
import pytest
from pyroaring import BitMap

from sync.profiles.columns import Category, Columns, Number, Part
from sync.profiles.figures import Figures


class Unwalked(BitMap):
    """A million steps in Python for a million people is what this forbids."""

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("people are fetched one by one")

    def __getitem__(self, place: object) -> int:
        raise AssertionError("people are fetched one by one")


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_figures_of_members_are_those_of_pandas(share: float) -> None:
    draw = np.random.default_rng(6)
    people = pd.DataFrame(
        {
            "person": np.arange(1, 2_001, dtype=np.int32),
            "age": draw.integers(18, 90, 2_000),
            "country": draw.choice(["DE", "FR", "AT"], 2_000),
        }
    )
    chosen = people[draw.random(2_000) < share]
    members = Unwalked(np.append(chosen["person"], 9_999).astype(np.uint32))  # one is no person any more
    looked_at = Columns(
        (Number("age", "age", Part.WHO, "age", "years"),),
        (),
        (Category("country", "country", Part.WHO, "SELECT person, country AS level FROM everybody"),),
    )
    with closing(duckdb.connect()) as database:
        database.register("everybody", people)
        figures = Figures(database, looked_at, "everybody")
        found = figures.of(members)
    assert found.people == len(chosen)
    levels = {one.level: count for one, count in zip(figures.levels, found.levels, strict=True)}
    assert levels == {country: int((chosen["country"] == country).sum()) for country in ("DE", "FR", "AT")}
    age = found.numbers["age"]
    if share:
        expected = (chosen["age"].mean(), chosen["age"].var(ddof=0), chosen["age"].median())
        assert (age.moments.mean, age.moments.variance, age.median) == pytest.approx(expected, rel=1e-8)
    assert age.moments.count == len(chosen)
