"""Conditions that no one or everyone fulfils, parts that say nothing, and rules about the same people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import and_

from rules import ir
from rules.language.checks.logic import Logic
from rules.language.render import render

_MOST_PARTS = 30


def contradictions(predicate: ir.Predicate, logic: Logic | None = None) -> Iterator[tuple[ir.Predicate, str]]:
    """The outermost conditions that are true of no one, or of everyone, with what to say about each."""
    logic = logic or Logic.over([predicate])
    if isinstance(predicate, ir.Constant):
        return
    if logic.never(predicate):
        culprit = _culprit(predicate, logic)
        parts = culprit.parts if isinstance(culprit, ir.And) else (culprit,)
        swapped = isinstance(culprit, ir.And) and _same_value(parts) and not logic.always(ir.Or(parts))
        advice = "; did you mean or?" if swapped else ""
        yield parts[0], f"can never be true: {render(culprit)}{advice}"
        return
    if logic.always(predicate):
        swapped = isinstance(predicate, ir.Or) and not logic.never(ir.And(predicate.parts))
        advice = "; did you mean and?" if swapped else "; leave it out"
        yield predicate, f"is true of everyone: {render(predicate)}{advice}"
        return
    match predicate:
        case ir.And(parts) | ir.Or(parts):
            for part in parts:
                yield from contradictions(part, logic)
            yield from _idle(parts, logic, every=isinstance(predicate, ir.And))
        case ir.Not(part):
            yield from contradictions(part, logic)


def agree(parts: tuple[ir.Predicate, ...], other: ir.Predicate) -> bool | None:
    """Whether `other`, a plain test, can be true beside all parts, as far as that can be told; None: they are
    about other things."""
    if isinstance(other, ir.And | ir.Or | ir.Not):
        return None
    logic = Logic.over([*parts, other])
    if not any(logic.related(part, other) for part in parts):
        return None
    return not logic.never(*parts, other)


def _culprit(predicate: ir.Predicate, logic: Logic) -> ir.Predicate:
    """The smallest part that already can never be true."""
    if not isinstance(predicate, ir.And):
        return predicate
    for part in predicate.parts:
        if logic.never(part):
            return _culprit(part, logic)
    kept = list(predicate.parts)
    for part in predicate.parts:
        fewer = [each for each in kept if each is not part]
        if fewer and logic.never(*fewer):
            kept = fewer
    return ir.And(tuple(kept)) if len(kept) > 1 else kept[0]


def _same_value(parts: tuple[ir.Predicate, ...]) -> bool:
    """`country = "DE" and country = "AT"`: one value cannot be both."""
    same = {part.left if isinstance(part, ir.Compare) else part for part in parts}
    equal = all(isinstance(part, ir.Compare) and part.operator is ir.Comparison.EQ for part in parts)
    return equal and len(same) == 1


def _idle(
    parts: tuple[ir.Predicate, ...], logic: Logic, *, every: bool
) -> Iterator[tuple[ir.Predicate, str]]:
    """Parts that another part already says."""
    if len(parts) > _MOST_PARTS:
        return
    told: set[int] = set()
    for number, part in enumerate(parts):
        for place, other in enumerate(parts):
            if place == number or place in told or not logic.related(part, other):
                continue
            stronger, weaker = (other, part) if every else (part, other)
            if logic.never(stronger, unless=weaker):
                told.add(number)
                yield part, f"{render(part)} changes nothing next to {render(other)}; leave it out"
                break


def alike(rules: Mapping[str, ir.Predicate], logic: Logic) -> Iterator[tuple[str, str, bool]]:
    """Rules about the same people (True), or that lie within another (False): the rule and the other one.

    Only rules that ask about the same things are compared, and each is told once, with the first that fits.
    """
    groups: dict[frozenset[int], list[str]] = {}
    for id_, predicate in rules.items():
        if not isinstance(predicate, ir.Constant) and not logic.never(predicate):
            groups.setdefault(logic.variables(predicate), []).append(id_)
    for group in groups.values():
        inside = _insides(group, rules, logic)
        for number, id_ in enumerate(group):
            within = None
            for place, other in enumerate(group):
                if within is not None and place > number:
                    break
                if place == number or not inside(number, place):
                    continue
                if not inside(place, number):
                    within = within or other
                elif place < number:
                    yield id_, other, True
                    within = None
                    break
            if within is not None:
                yield id_, within, False


def _insides(group: list[str], rules: Mapping[str, ir.Predicate], logic: Logic) -> Callable[[int, int], bool]:
    """Whether the one rule of a group lies within another, quick for the many that are plain."""
    cells = [logic.cells(rules[id_]) for id_ in group]
    beyond = [None if each is None else tuple(~mask for mask in each) for each in cells]

    def inside(one: int, other: int) -> bool:
        mine, theirs = cells[one], beyond[other]
        if mine is None or theirs is None:
            return logic.within(rules[group[one]], rules[group[other]])
        return not any(map(and_, mine, theirs))

    return inside
