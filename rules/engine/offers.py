"""What could turn one leaf of a condition: offers, the nearest first. Whoever takes one tries it first."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import TypeAlias

from rules import ir
from rules.engine.activity import Known
from rules.engine.activity_offers import ActivityOffers
from rules.engine.edits import Edit, SetConsent, SetFact, SetList, SetSuppressed
from rules.engine.order_offers import ordered
from rules.engine.periods import date_of, days, instant_of, microseconds, resolve, returning
from rules.engine.person import rank_value
from rules.engine.ranks import KnownRanks
from rules.engine.scopes import PersonScope, Scope
from rules.engine.walk import Rank
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type

Offer: TypeAlias = tuple[Edit, ...]
_SCALES = {Type.NUMBER: NUMBER_SCALE, Type.MONEY: MONEY_SCALE}
_ANYTHING: dict[Type, object] = {
    Type.TEXT: "something else",
    Type.NUMBER: NUMBER_SCALE,
    Type.MONEY: MONEY_SCALE,
    Type.BOOLEAN: True,
    Type.TEXTS: ["something else"],
}
_MADE_OF = (ir.Arithmetic, ir.Score)
_MARKS = re.compile(r"\\(?=\W)|\(\?i\)|[\^$]")


def offers(leaf: ir.Predicate, target: bool, scope: Scope) -> Iterator[Offer]:
    """What could make the leaf come out as `target`."""
    match leaf:
        case ir.Consented(channel):
            yield (SetConsent(channel, target),)
        case ir.Suppressed():
            yield (SetSuppressed(target),)
        case ir.InList(name):
            yield (SetList(name, target),)
        case ir.Compare(_, left, right):
            yield from _compared(leaf, left, right, target, scope)
            yield from _compared(leaf, right, left, target, scope)
        case ir.InSet(value, options):
            if isinstance(value, ir.Arithmetic | ir.Score):
                yield from _made_of(leaf, value, target, scope)
            else:
                yield from _one_of(value, options, target, scope)
        case ir.TextTest(_, value, text):
            yield from _text(value, [text], target, scope)
        case ir.Matches(value, pattern):
            yield from _text(value, [_MARKS.sub("", pattern).split("|")[0]], target, scope)
        case ir.IsKnown(ir.Arithmetic() as value):
            yield from _made_of(leaf, value, target, scope)
        case ir.IsKnown(value):
            yield from reach(value, [_anything(value, scope)] if target else [None], scope)
        case ir.IsTrue(value):
            yield from reach(value, [True] if target else [False, None], scope)
        case ir.InPeriod(value, period):
            yield from reach(value, _moments(value, period, target, scope), scope)
        case ir.Anniversary(value, period):
            yield from reach(value, _days(value, period, target, scope), scope)
        case ir.ListTest(_, value, options):
            known = scope.value(value)
            entries = list(known) if isinstance(known, list | tuple) else []
            if target:
                yield from reach(value, [[*entries, options[0]], [*entries, *options]], scope, options)
            else:
                yield from reach(value, [[], None], scope, options)
        case ir.Near(_, latitude, longitude, _, _, north, east):
            yield _placed(latitude, longitude, (north, east) if target else (None, None))
        case ir.Placed(_, latitude, longitude):
            yield _placed(latitude, longitude, (0, 0) if target else (None, None))
        case ir.RankShare() | ir.RankCount() | ir.Quintile():
            yield from _ranked(leaf, scope)
        case _ if isinstance(scope, PersonScope):
            yield from ordered(leaf, target, scope)


def reach(
    value: ir.Value | ir.ScorePart, goals: Sequence[object], scope: Scope, options: Sequence[object] = ()
) -> Iterator[Offer]:
    """What could make a value become one of `goals` (or, of activity, pass it); None: missing."""
    match value:
        case ir.Fact(name):
            literals = tuple(ir.Literal(one, value.type) for one in options)  # type: ignore[arg-type]
            for goal in goals:
                yield (SetFact(name, goal, value, literals),)
        case ir.DaysSince(inner):
            moments = [moment for goal in goals for moment in _days_ago(inner, goal, scope)]
            yield from reach(inner, list(dict.fromkeys(moments)), scope)
        case ir.Aggregate() if isinstance(scope, PersonScope):
            yield from ActivityOffers(scope).reach(value, goals)


def _placed(latitude: ir.Fact, longitude: ir.Fact, point: tuple[int | None, int | None]) -> Offer:
    north, east = point
    return SetFact(latitude.name, north, latitude), SetFact(longitude.name, east, longitude)


def _compared(
    leaf: ir.Compare, side: ir.Value, other: ir.Value, target: bool, scope: Scope
) -> Iterator[Offer]:
    if isinstance(side, _MADE_OF):
        yield from _made_of(leaf, side, target, scope)
        return
    bound, type_ = scope.value(other), side.type
    if bound is None:
        known = scope.value(side)
        goal = _anything(other, scope) if known is None else known
        for first in reach(other, [goal], scope):
            yield first
            yield from ((*first, *second) for second in reach(side, [goal], scope))
        return
    if isinstance(side, ir.Literal):
        return
    if type_ in _SCALES and isinstance(bound, int | float | Fraction):
        if isinstance(other, ir.Arithmetic):
            exact = Fraction(bound) * _SCALES[type_]
        elif other.type is type_:
            exact = Fraction(bound)
        else:
            exact = Fraction(bound) * _SCALES[type_] / _SCALES[other.type]
        step = NUMBER_SCALE if _counts(side) else 1
        yield from reach(side, _around(exact, scope.value(side), step), scope)
        if not target:
            yield from reach(side, [None], scope)
    elif isinstance(bound, str):
        yield from _text(side, [bound], target, scope)
    else:
        yield from reach(side, [bound] if target else [None], scope)


def _made_of(leaf: ir.Predicate, value: ir.Value, target: bool, scope: Scope) -> Iterator[Offer]:
    if isinstance(scope, PersonScope):
        yield from ActivityOffers(scope).made_of(leaf, value, target)


def _counts(value: ir.Value) -> bool:
    """Whether it moves by whole numbers only."""
    functions = (ir.AggregateFunction.COUNT, ir.AggregateFunction.DISTINCT, ir.AggregateFunction.SLICES)
    return isinstance(value, ir.Aggregate) and value.function in functions


def _around(exact: Fraction, known: Known | None, step: int = 1) -> list[int]:
    """Multiples of `step` at a bound and just beyond it, those nearest to the present value first."""
    low = exact.numerator // (exact.denominator * step)
    found = [(low + n) * step for n in range(-2, 4)]
    at = known if isinstance(known, (int, float, Fraction)) else low
    number, parts = exact.numerator, exact.denominator  # whole numbers compare more quickly
    return [one for *_, one in sorted((abs(one - at), abs(one * parts - number), one) for one in found)]


def _one_of(value: ir.Value, options: tuple[ir.Literal, ...], target: bool, scope: Scope) -> Iterator[Offer]:
    if value.type is Type.TEXT:
        yield from _text(value, [str(one.value) for one in options], target, scope)
    elif target:
        yield from reach(value, [one.value for one in options], scope)
    else:
        step = NUMBER_SCALE if _counts(value) else 1
        bounds = [Fraction(one.value) for one in options if isinstance(one.value, int)]
        yield from reach(value, [near for one in bounds for near in _around(one, one, step)], scope)
        yield from reach(value, [None], scope)


def _text(value: ir.Value, texts: Sequence[str], target: bool, scope: Scope) -> Iterator[Offer]:
    if target:
        yield from reach(value, texts, scope, texts if len(texts) > 1 else ())
    elif isinstance(value, ir.Fact):
        literals = tuple(ir.Literal(one, Type.TEXT) for one in texts)
        for other in ("something else", "", "-", None):
            yield (SetFact(value.name, other, value, literals, other=other is not None),)
    else:
        yield from reach(value, ["something else", "", "-", None], scope)


def _anything(value: ir.Value, scope: Scope) -> object:
    match value.type:
        case Type.DATE:
            return date_of(scope.clock.today)
        case Type.DATETIME:
            return scope.clock.as_of
        case other:
            return _ANYTHING[other]


def _days_ago(inner: ir.Value, goal: object, scope: Scope) -> list[object]:
    """The moments of so many days (millionths) ago; of dates those around it."""
    if not isinstance(goal, int):
        return [None]
    if inner.type is Type.DATE:
        day = scope.clock.today - goal // NUMBER_SCALE
        return [date_of(day + more) for more in (0, -1, 1)]
    try:
        return [instant_of(scope.clock.now - goal * 86_400)]
    except OverflowError:
        return []


def _moments(value: ir.Value, period: ir.Period, target: bool, scope: Scope) -> list[object]:
    dates = value.type is Type.DATE
    found = resolve(period, scope.clock, value.type)
    here = scope.clock.today if dates else scope.clock.now
    start, end = found.start, found.end
    inside = [None if end is None else end - 1, start, here]
    outside = [None if start is None else start - 1, end]
    known = scope.value(value)
    if isinstance(known, dt.datetime):
        here = microseconds(known)
    elif isinstance(known, dt.date):
        here = days(known)
    places = sorted(
        (one for one in (inside if target else outside) if one is not None), key=lambda one: abs(one - here)
    )
    moments: list[object] = []
    for place in places:
        try:
            moments.append(date_of(place) if dates else instant_of(place))
        except OverflowError:
            continue
    return moments if target else [*moments, None]


def _days(
    value: ir.Value, period: ir.Next | ir.Last | ir.Calendar, target: bool, scope: Scope
) -> list[object]:
    fitting = returning(period, scope.clock)
    year = date_of(scope.clock.today).year - 30
    first = days(dt.date(year, 1, 1))
    every = (date_of(day) for day in range(first, first + 365))
    found = [*islice((day for day in every if ((day.month * 100 + day.day) in fitting) is target), 1)]
    if value.type is Type.DATETIME:
        found = [dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC) for day in found]
    return [*found] if target else [*found, None]


def _ranked(rank: Rank, scope: Scope) -> Iterator[Offer]:
    """Over the bound, or under it, while everybody else stays as they are."""
    if not isinstance(scope, PersonScope) or not isinstance(scope.context.ranks, KnownRanks):
        return
    bounds = scope.context.ranks.thresholds.get(rank, {})
    ranked = rank_value(rank, scope.person, scope.context)
    group = ranked[1] if ranked is not None else None
    limit = bounds.get(group)
    if limit is None:
        return
    for bound in (limit.at_least, limit.above, limit.at_most):
        if bound is None:
            continue
        exact = Fraction(bound)
        value: ir.Value = rank.value
        if isinstance(value, ir.Arithmetic | ir.Score):
            yield from ActivityOffers(scope).made_of(rank, value, not scope.holds(rank))
            return
        if value.type is Type.DATETIME:
            yield from reach(value, [instant_of(one) for one in _around(exact, exact)], scope)
        elif value.type is Type.DATE:
            yield from reach(value, [date_of(one) for one in _around(exact, exact)], scope)
        elif isinstance(value, ir.Aggregate) and value.function is ir.AggregateFunction.AVG:
            yield from reach(value, _around(exact * _SCALES[value.type], None), scope)
        else:
            step = NUMBER_SCALE if _counts(value) else 1
            yield from reach(value, _around(exact, scope.value(value), step), scope)
    yield from reach(rank.value, [None], scope)
