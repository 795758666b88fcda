"""The nearest change that would turn a whole condition: as few leaves as possible, as little as possible.

Found over the tree, each step on the person as the steps before have made them; tried with the evaluator; and
whatever can be left out of it again is left out. What it says is true of this very instant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from rules import ir
from rules.engine.ahead import Ahead
from rules.engine.edits import (
    LEAST,
    LEAST_OF_FACTS,
    Edit,
    Fewer,
    More,
    applied,
    beyond,
    cost,
    least_cost,
    storable,
)
from rules.engine.offers import offers
from rules.engine.person import PersonFacts
from rules.engine.scopes import PersonScope, Scope
from rules.engine.walk import kinds_in, segments_in

Way: TypeAlias = tuple[Edit, ...]
_EACH = 3
"""Ways looked at for each part of a condition."""
_OFFERS = 12
_ALL = 8
_EDGES = 24


@dataclass(frozen=True, slots=True)
class Flip:
    """Edits that turn the condition. `segments`: those inside it that turn with them, and how."""

    edits: tuple[Edit, ...]
    segments: tuple[tuple[str, bool], ...] = ()


def nearest(predicate: ir.Predicate, scope: PersonScope) -> Flip | None:
    """What would turn the condition of the person as they are; None: nothing was found that does (chance, or
    others decide)."""
    scope.begin()
    target = not scope.holds(predicate)
    best: Way | None = None
    least = LEAST if _active(predicate, scope.conditions) else LEAST_OF_FACTS
    turning: list[Way] = []
    for way in islice(ways(predicate, target, scope), _ALL):
        if best is not None and least_cost(way) >= cost(best):
            continue
        if turning and any(beyond(way, one) for one in turning):
            continue
        if scope.after(way, predicate) is not target:
            continue
        turning.append(way)
        less = _least(way, predicate, target, scope)
        if best is None or cost(less) < cost(best):
            best = less
        if cost(best) <= least:
            break
    if best is None:
        return None
    conditions = scope.conditions
    inside = dict.fromkeys(_segments(predicate, conditions))
    if not inside:
        return Flip(best)
    after = scope.plus(best)
    turned = [name for name in inside if scope.holds(conditions[name]) is not after.holds(conditions[name])]
    return Flip(best, tuple((name, after.holds(conditions[name])) for name in turned))


def deadline(
    flip: Flip,
    predicate: ir.Predicate,
    ahead: Ahead,
) -> dt.datetime | None:
    """The first instant at which more activity, if it came only then, would not be enough any more; None: no
    matter when, as far as was looked, or it is not activity that is lacking."""
    scope, clock = ahead.scope, ahead.context.clock
    if not all(isinstance(edit, More) and {*edit.ats} == {clock.as_of} for edit in flip.edits):
        return None
    target = not scope.holds(predicate)
    edges = sorted({at for leaf in ahead.leaves_of(predicate) for at in ahead.edges_of(leaf)})
    more = [edit for edit in flip.edits if isinstance(edit, More)]
    for at in edges[:_EDGES]:
        then = ahead.clock(at)
        later = [More(edit.kind, edit.n, edit.fields, (then.as_of,), edit.fresh) for edit in more]
        if scope.later(then, later, predicate) is not target:
            return then.as_of
    return None


def after(person: PersonFacts, flip: Flip) -> PersonFacts:
    """The person as they would be."""
    return applied(person, flip.edits)


def ways(node: ir.Predicate, target: bool, scope: Scope) -> Iterator[Way]:
    """Edits after which the node should come out as `target`, the nearest first as far as can be told."""
    if scope.holds(node) is target:
        yield ()
        return
    if scope.spent:
        return
    match node:
        case ir.Not(part):
            yield from ways(part, not target, scope)
        case ir.And(parts) if target:
            yield from _all([(part, True) for part in parts], scope)
        case ir.Or(parts) if not target:
            yield from _all([(part, False) for part in parts], scope)
        case ir.And(parts) | ir.Or(parts):
            yield from _any([[(part, target)] for part in parts], scope)
        case ir.InSegment(segment) | ir.HeldSegment(segment) if isinstance(scope, PersonScope):
            turning = ways(scope.conditions[segment], target, scope)
            yield from (way for way in turning if scope.after(way, node) is target)
        case ir.Lasting(_, when, leave_when):
            leave = [] if leave_when is None else [(leave_when, not target)]
            stays = [(ir.Suppressed(), True), *leave, (when, False)]
            options = [leave, [*leave, (when, True)]] if target else [leave, [(when, False)], stays]
            yield from _any([option for option in options if option], scope)
        case _ if isinstance(scope, PersonScope):
            yield from scope.ways(node, target, lambda: _tried(node, target, scope))
        case _:
            yield from _tried(node, target, scope)


def _tried(leaf: ir.Predicate, target: bool, scope: Scope) -> Iterator[Way]:
    """Those of the offers that do it."""
    taken: list[Way] = []
    for offer in islice(offers(leaf, target, scope), _OFFERS):
        if scope.spent:
            return
        if not offer or not all(map(storable, offer)):
            continue
        if (taken and any(beyond(offer, one) for one in taken)) or scope.after(offer, leaf) is target:
            taken.append(offer)
            yield offer


def _any(options: Sequence[Sequence[tuple[ir.Predicate, bool]]], scope: Scope) -> Iterator[Way]:
    found = [way for option in options for way in islice(_all(option, scope), _EACH)]
    yield from sorted(found, key=cost)


def _all(parts: Sequence[tuple[ir.Predicate, bool]], scope: Scope) -> Iterator[Way]:
    if not parts:
        yield ()
        return
    (part, target), *rest = parts
    found = islice(ways(part, target, scope), _EACH)
    if not rest:
        yield from found
        return
    for way in found:
        for others in _all(rest, scope.plus(way) if way else scope):
            yield (*way, *others)


def _least(way: Way, predicate: ir.Predicate, target: bool, scope: PersonScope) -> Way:
    """Without what can be left out: whole edits, then activity by activity."""

    def turns(edits: Way) -> bool:
        return scope.after(edits, predicate) is target

    kept = way
    for edit in way:
        without = tuple(one for one in kept if one is not edit)
        if without != kept and without and turns(without):
            kept = without
    for edit in kept:
        smaller = edit
        for less in _smaller(edit):
            trial = tuple(less if one is edit else one for one in kept)
            if not turns(trial):
                break
            smaller = less
        kept = tuple(smaller if one is edit else one for one in kept)
    return kept


def _smaller(edit: Edit) -> Iterator[Edit]:
    match edit:
        case More(_, n, _, ats):
            for fewer in range(n - 1, 0, -1):
                yield replace(edit, n=fewer, ats=ats[-fewer:])
        case Fewer(_, places):
            for number in range(len(places) - 1, 0, -1):
                yield replace(edit, places=places[:number])


def _active(predicate: ir.Predicate, conditions: Mapping[str, ir.Predicate]) -> bool:
    """Whether activity matters to the condition, or to a segment that it uses."""
    inside = (conditions[name] for name in _segments(predicate, conditions))
    return any(map(kinds_in, (predicate, *inside)))


def _segments(node: ir.Predicate, conditions: Mapping[str, ir.Predicate]) -> Iterator[str]:
    for segment in segments_in(node):
        yield segment
        yield from _segments(conditions[segment], conditions)
