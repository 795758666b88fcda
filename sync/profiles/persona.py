"""A segment in words, for people who send campaigns. Says what the numbers say, and nothing of why."""

from __future__ import annotations

from rules.models.traits import Trait
from sync.profiles.columns import Part
from sync.profiles.profile import Measured, Profile

MOST_TRAITS, MOST_FACTS = 4, 4
MOST = 0.5
"""A level is typical that at least so many of the people have."""


def sentence(made: Profile) -> str:
    """Size, what sets them apart, and what is typical of them."""
    people = "person" if made.size == 1 else "people"
    said = [f"{made.size:,} {people}, {share(made.share)} of {made.everybody:,}."]
    if made.hidden is not None:
        return f"{said[0]} {made.hidden}"
    apart = list(dict.fromkeys(one.words(made.called) for one in _first(made.traits)))
    said.append(f"Set apart by: {', '.join(apart)}." if apart else "Nothing tells them from everybody.")
    if typical := _typical(made):
        said.append(f"Typical: {', '.join(typical[:MOST_FACTS])}.")
    worth = [one for one in made.numbers_of(Part.VALUE) if one.total]
    if worth:
        best = max(worth, key=lambda one: one.total or 0)
        part = f", {share(best.share)} of everybody's" if best.share is not None else ""
        span = f" {best.number.span}" if best.number.span else ""
        said.append(f"Total {best.number.words}{span}: {amount(best.total or 0, best.number.unit)}{part}.")
    return " ".join(said)


def words(trait: Trait, called: dict[str, str]) -> str:
    """`spend +1.2 sd`, `country DE ×2.1`."""
    name = called.get(trait.feature, trait.feature)
    if trait.level is not None:
        return f"{name} {trait.level} ×{trait.size:.1f}"
    return f"{name} {trait.size:+.1f} sd"


def evidence(trait: Trait) -> str:
    """What stands behind it: medians, or shares."""
    if trait.level is not None:
        return f"{share(trait.inside)} of them, {share(trait.everybody)} of everybody"
    return f"median {amount(trait.inside)}, of everybody {amount(trait.everybody)}"


def share(value: float) -> str:
    """`12.3 %`."""
    return f"{100 * value:.1f} %"


def amount(value: float, unit: str | None = None) -> str:
    """A number as people write it, with its unit if that is short."""
    text = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2f}"
    return f"{text} {unit}" if unit and len(unit) <= 6 else text


def _first(traits: tuple[Trait, ...]) -> list[Trait]:
    """The strongest, one of each feature."""
    best: dict[str, Trait] = {}
    for one in traits:
        best.setdefault(one.feature, one)
    return list(best.values())[:MOST_TRAITS]


def _typical(made: Profile) -> list[str]:
    found = [
        f"{one.category.words} {one.level} ({share(one.share)})"
        for one in made.levels_of(Part.WHO)
        if one.share >= MOST and "." not in one.category.name  # a platform's own column is no trait of people
    ]
    ages = [one for one in made.numbers_of(Part.WHO) if one.number.name == "age"]
    return [*map(_median, ages), *found]


def _median(one: Measured) -> str:
    return f"{one.number.words} {amount(one.median)} (median)"
