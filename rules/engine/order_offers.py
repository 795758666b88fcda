"""What could turn a leaf over the order of activity, or over all records of a person."""

from __future__ import annotations

from collections.abc import Iterator

from rules import ir
from rules.engine.activity_offers import ActivityOffers, Offer, instant
from rules.engine.edits import Edit
from rules.engine.periods import instant_of, length_us, window
from rules.engine.person import counted
from rules.engine.scopes import PersonScope
from rules.fixed import changed


def ordered(leaf: ir.Predicate, target: bool, scope: PersonScope) -> Iterator[Offer]:
    """What could turn a leaf over the order of activity, or over all records."""
    offers, clock = ActivityOffers(scope), scope.clock
    match leaf:
        case ir.Stopped(last, quiet):
            rows = offers.rows(last)
            edge = window(quiet, clock).start
            if not target:
                yield from offers.more(last, 1, at=clock.as_of)
                yield from offers.without(last, rows)
            elif edge is not None:
                late = [row for row in rows if instant(row) >= edge]
                yield from offers.instead(last, late, at=instant_of(edge - 1))
                yield from offers.more(last, 1, at=instant_of(edge - 1))
        case ir.Restarted(kind, where, pause, _):
            now, before = clock.now, clock.now - length_us(pause)
            found = [row for _, row in counted(leaf, scope.person, scope.context)]
            if not target:
                yield from offers.gone(found)
            else:
                yield from offers.at(kind, where, [now])
                yield from offers.at(kind, where, [before, now])
        case ir.Sequence():
            yield from _sequence(leaf, offers) if target else _broken(leaf, offers)
        case ir.AllRecords(matching, of):
            fitting = {id(row) for row in offers.rows(matching)}
            others = [row for row in offers.rows(of) if id(row) not in fitting]
            if target:
                yield from offers.more(matching, 1)
                yield from offers.without(of, others)
            else:
                other = ir.Not(matching.where) if matching.where is not None else ir.Constant(False)
                yield from offers.more(changed(of, where=other), 1)
                yield from offers.without(of, offers.rows(of))


def _sequence(leaf: ir.Sequence, offers: ActivityOffers) -> Iterator[Offer]:
    """The last steps only, or all of them, as late as can be."""
    end = (window(leaf.period, offers.clock).end or offers.clock.now + 1) - 1
    if leaf.unless is not None and leaf.unless.within is not None:
        end = min(end, offers.clock.now - length_us(leaf.unless.within))
    for number in range(len(leaf.steps) - 1, -1, -1):
        steps = leaf.steps[number:]
        offer: list[Edit] = []
        for place, step in enumerate(reversed(steps)):
            offer += [edit for edits in offers.at(step.kind, step.where, [end - place]) for edit in edits]
        if len(offer) == len(steps):
            yield tuple(offer)
    if leaf.unless is not None:
        rows = counted(leaf.unless, offers.scope.person, offers.scope.context)
        yield from offers.gone([row for _, row in rows])


def _broken(leaf: ir.Sequence, offers: ActivityOffers) -> Iterator[Offer]:
    if leaf.unless is not None:
        yield from offers.at(leaf.unless.kind, leaf.unless.where, [offers.clock.now])
    for step in reversed(leaf.steps):
        rows = [row for _, row in counted(step, offers.scope.person, offers.scope.context)]
        found = window(leaf.period, offers.clock)
        yield from offers.gone([row for row in rows if instant(row) in found])
