"""One segment beside everybody, put together from counts. Pure: numbers in, documents out.

Nothing is told of fewer than 30 people: of no smaller segment, of no number or level that fewer of its people
or of the others have, and of no segment that leaves out so few: the difference to everybody would tell of
these.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rules.models.traits import SUPPORT, Trait, level_trait, not_chance, number_trait, strongest_first
from sync.profiles.columns import Category, Number, Part
from sync.profiles.figures import Counts, Level


@dataclass(frozen=True, slots=True)
class Measured:
    """A number beside everybody's. `difference`: of the means, in standard deviations of everybody; None:
    nobody differs. `people`: of the segment who have it. `total` and its `share` of everybody's: of worth."""

    number: Number
    people: int
    mean: float
    median: float
    everybody_mean: float
    everybody_median: float
    difference: float | None
    total: float | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """A level: how many of the segment have it, their share, and everybody's."""

    category: Category
    level: str
    people: int
    share: float
    everybody: float


@dataclass(frozen=True, slots=True)
class Size:
    """From `at` on the segment had so many people. `edited`: its rule meant something else before."""

    at: dt.datetime
    size: int
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """`size`: as the run left it, `share`: of everybody. `hidden`: why no more is told; None: all is."""

    segment: str
    name: str
    as_of: dt.datetime
    size: int
    everybody: int
    share: float
    trend: tuple[Size, ...]
    hidden: str | None = None
    numbers: tuple[Measured, ...] = ()
    levels: tuple[Shared, ...] = ()
    traits: tuple[Trait, ...] = ()

    @property
    def called(self) -> dict[str, str]:
        """Number or category → its words."""
        words = {one.number.name: one.number.words for one in self.numbers}
        return words | {one.category.name: one.category.words for one in self.levels}

    def spans(self, part: Part) -> str:
        """What is to be said of the sums of money in this part; "": it has none."""
        summed = [one.number for one in self.numbers_of(part) if one.number.span]
        if not summed:
            return ""
        return (
            f"{', '.join(one.words for one in summed)}: {summed[0].span}. The revenue that segsync evaluate"
            " and kpis tell is of the last 365 days, and refunds are not taken off."
        )

    def numbers_of(self, part: Part) -> tuple[Measured, ...]:
        """Told in this part."""
        return tuple(one for one in self.numbers if one.number.part is part)

    def levels_of(self, part: Part) -> tuple[Shared, ...]:
        """Told in this part."""
        return tuple(one for one in self.levels if one.category.part is part)


def profile(
    segment: str,
    name: str,
    *,
    as_of: dt.datetime,
    size: int,
    trend: Sequence[Size],
    inside: Counts,
    everybody: Counts,
    numbers: Sequence[Number],
    levels: Sequence[Level],
) -> Profile:
    """`levels`: in the order in which both counts have them."""
    share = size / everybody.people if everybody.people else 0.0
    hidden = _hidden(size, inside.people, everybody.people)
    base = Profile(segment, name, as_of, size, everybody.people, share, tuple(trend), hidden)
    if hidden is not None:
        return base
    measured, traits = [], []
    for one in numbers:
        mine, all_ = inside.numbers[one.name], everybody.numbers[one.name]
        others = all_.moments.count - mine.moments.count
        if mine.moments.count < SUPPORT or 0 < others < SUPPORT or not all_.moments.variance:
            continue  # where all have the same there is nothing to tell
        medians = mine.median, all_.median
        trait = number_trait(one.name, mine.moments, all_.moments, medians=medians)
        means = mine.moments.mean, all_.moments.mean
        total = share_of = None
        if one.part is Part.VALUE:
            # no more digits than the means have: 34,496.03, and not 34,496.0299827
            total, every = (float(f"{one.moments.mean * one.moments.count:.9g}") for one in (mine, all_))
            share_of = total / every if every else None
        measured.append(
            Measured(
                one,
                mine.moments.count,
                means[0],
                medians[0],
                means[1],
                medians[1],
                None if trait is None else trait.size,
                total,
                share_of,
            )
        )
        traits += [] if trait is None else [trait]
    shared = []
    for level, both in zip(levels, inside.levels, strict=True):
        if 0 < level.people - both < SUPPORT:
            continue  # the difference of the two shares would tell of the few others who have it
        trait = level_trait(
            level.category.name,
            level.level,
            both=both,
            inside=inside.people,
            having=level.people,
            everybody=everybody.people,
        )
        if trait is not None:
            shared.append(Shared(level.category, level.level, both, trait.inside, trait.everybody))
            traits.append(trait)
    real = not_chance([one.p for one in traits])
    told = [one for one, holds in zip(traits, real, strict=True) if holds and one.tells]
    return Profile(
        segment,
        name,
        as_of,
        size,
        everybody.people,
        share,
        tuple(trend),
        None,
        tuple(measured),
        tuple(sorted(shared, key=lambda one: (one.category.name, -one.people, one.level))),
        strongest_first(told),
    )


def _hidden(size: int, there: int, everybody: int) -> str | None:
    if min(size, there) < SUPPORT:
        return f"Nothing more is told of fewer than {SUPPORT} people."
    if 0 < everybody - there < SUPPORT:
        return (
            f"Fewer than {SUPPORT} people are not in it, and what sets it apart from everybody would tell of"
            " these: nothing more is told."
        )
    return None


def document(made: Profile, *, sentence: str) -> dict[str, Any]:
    """For scripts."""
    told: dict[str, Any] = {
        "segment": made.segment,
        "name": made.name,
        "as_of": made.as_of.isoformat(),
        "size": made.size,
        "everybody": made.everybody,
        "share": made.share,
        "sentence": sentence,
        "hidden": made.hidden,
        "trend": [{"at": one.at.isoformat(), "size": one.size, "edited": one.edited} for one in made.trend],
    }
    if made.hidden is not None:
        return told
    told["apart"] = [
        {
            "fact": one.feature,
            "level": one.level,
            "size": one.size,
            "measure": "standard deviations" if one.level is None else "ratio of shares",
            "inside": one.inside,
            "everybody": one.everybody,
            "people": one.support,
            "p": one.p,
        }
        for one in made.traits
    ]
    told["numbers"] = [
        {
            "fact": one.number.name,
            "part": one.number.part.value,
            "unit": one.number.unit,
            "span": one.number.span or None,
            "people": one.people,
            "mean": one.mean,
            "median": one.median,
            "everybody_mean": one.everybody_mean,
            "everybody_median": one.everybody_median,
            "difference": one.difference,
            "total": one.total,
            "share_of_total": one.share,
        }
        for one in made.numbers
    ]
    told["levels"] = [
        {
            "fact": one.category.name,
            "part": one.category.part.value,
            "level": one.level,
            "people": one.people,
            "share": one.share,
            "everybody": one.everybody,
        }
        for one in made.levels
    ]
    return told
