"""The instants at which a predicate over one person may change its mind while nothing else happens.

Windows slide, calendars turn, ages and points move. `Edges.of` names every instant worth looking at: the
answers in between are those at the edge before. It names too many rather than too few; whoever asks evaluates
the person there (`rules.engine.ahead`). Ranks, and memberships that last, are held still.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from rules import ir
from rules.engine.activity import Row
from rules.engine.periods import (
    Clock,
    calendar_start,
    date_of,
    days,
    hours_of,
    instant_of,
    length_us,
    local_day,
    microseconds,
    months_on,
    offsets,
    wall_clock,
)
from rules.engine.person import Context, PersonFacts, fits, holds
from rules.engine.walk import Feature, children

_HOUR_US = 3_600_000_000
_DAY_UNITS_US = 86_400  # microseconds in a millionth of a day
_SAMPLES = 8
_CHANGES = (dt.timedelta(0), dt.timedelta(minutes=30), dt.timedelta(hours=1))
"""By how much clocks are put forward or back."""


class Edges:
    """For one person: what may change after now, up to and including `until` (microseconds)."""

    def __init__(self, person: PersonFacts, context: Context, until: int) -> None:
        self.person, self.context, self.until = person, context, until
        self.zone = context.clock.zone
        self.now = context.clock.now
        self._first, self._last = local_day(self.now, self.zone) - 9, local_day(until, self.zone) + 9
        self._turns = {at for at, _ in offsets(self.zone) if self.now < at <= until}

    def of(self, predicate: ir.Predicate) -> list[int]:
        """In order. Segments inside are not looked into."""
        structural = self._predicate(predicate, self.person.facts)
        if isinstance(predicate, ir.Anniversary) and isinstance(predicate.value, ir.Fact):
            return self._sorted(structural | self._turns)  # of nothing but the day
        within = self._within(structural)
        tests = _moving_tests(predicate)
        return self._within({*within, *self._moving(tests, within, None)}) if tests else within

    def _within(self, found: set[int]) -> list[int]:
        wanted = found | self._turns if found else found
        return self._sorted(wanted | {at + 1 for at in wanted})

    def _sorted(self, found: set[int]) -> list[int]:
        return sorted([at for at in found if self.now < at <= self.until])

    # ── what stands in the condition ──

    def _predicate(self, node: ir.Node, row: Row) -> set[int]:
        match node:
            case ir.RankShare() | ir.RankCount() | ir.Quintile() | ir.InSegment() | ir.Lasting():
                return set()
            case ir.HeldSegment(segment, n, unit):
                since = self.context.since(segment) if self.context.since else None
                return set() if since is None else self._of_instant(microseconds(since), ir.Last(n, unit))
            case ir.InPeriod(value, period):
                return self._any(period, self._moments(value, row)) | self._predicate(value, row)
            case ir.Anniversary(value, period):
                return self._yearly(value, period, row) | self._predicate(value, row)
            case ir.Compare(_, ir.DaysSince(value), ir.Literal(bound)):
                return self._elapsed(value, bound, row) | self._predicate(value, row)
            case ir.Compare(_, ir.Literal(bound), ir.DaysSince(value)):
                return self._elapsed(value, bound, row) | self._predicate(value, row)
            case ir.Aggregate() | ir.Earned():
                return self._feature(node)
            case ir.Stopped(last, quiet):
                return self._feature(last) | self._any(quiet, self._moments(last, row))
            case ir.Sequence(steps, unless, period):
                return self._sequence(steps, unless, period)
            case ir.Restarted(kind, where, _, period):
                return self._activity(kind, where, period)
            case ir.Granted(condition):
                structural = self._predicate(condition, self.person.facts)
                moving = self._moving(_moving_tests(condition), self._within(structural), None)
                return structural | set(moving)
        found: set[int] = set()
        for child in children(node):
            found |= self._predicate(child, row)
        return found

    def _feature(self, node: Feature) -> set[int]:
        kinds = node.states if isinstance(node, ir.RecordAggregate) else (node.kind,)
        found: set[int] = set()
        for kind in kinds:
            if isinstance(node, ir.Aggregate) and node.function is ir.AggregateFunction.SLICES:
                assert isinstance(node.period, ir.Last)  # noqa: S101 - as the representation says
                for n in range(1, node.period.n):
                    found |= self._activity(kind, None, ir.Last(n, node.period.unit))
            found |= self._activity(kind, node.where, node.period)
        if isinstance(node, ir.Earned) and node.half_life is not None and found:
            first, last = (local_day(at, self.zone) for at in (self.now, self.until))
            for day in range(first, last + 2):
                found |= self._midnights(day)
        return found

    def _activity(self, kind: str, where: ir.Predicate | None, period: ir.Period) -> set[int]:
        rows = self.person.activity.get(kind, ())
        found = self._any(period, [row["at"] for row in rows])
        if where is not None:
            tests = _moving_tests(where)
            for row in rows:
                structural = self._predicate(where, row)
                found |= structural
                if tests:
                    found.update(self._moving(tests, self._within(structural), row))
        return found

    def _sequence(self, steps: Sequence[ir.Step], unless: ir.Unless | None, period: ir.Period) -> set[int]:
        found: set[int] = set()
        for step in steps:
            found |= self._activity(step.kind, step.where, period)
        if unless is not None:
            found |= self._activity(unless.kind, unless.where, ir.Ever())
            if unless.within is not None:
                gap = length_us(unless.within)
                rows = self.person.activity.get(steps[-1].kind, ())
                found |= {microseconds(row["at"]) + gap for row in rows}  # type: ignore[arg-type]
        return found

    def _moments(self, value: ir.Value, row: Row) -> list[object]:
        """Every date or instant that the value may come to be."""
        match value:
            case ir.Literal(constant):
                return [constant]
            case ir.Fact(name):
                found = [row.get(name)]
            case ir.Aggregate(_, kind, field):
                kinds = value.states if isinstance(value, ir.RecordAggregate) else (kind,)
                found = [
                    one.get(field or "at") for name in kinds for one in self.person.activity.get(name, ())
                ]
            case _:
                return []
        return [one for one in found if one is not None]

    # ── periods ──

    def _any(self, period: ir.Period, moments: Sequence[object]) -> set[int]:
        found: set[int] = set()
        for moment in moments:
            if isinstance(moment, dt.datetime):
                found |= self._of_instant(microseconds(moment), period)
            elif isinstance(moment, dt.date):
                found |= self._of_date(moment, period)
        return found

    def _of_instant(self, x: int, period: ir.Period) -> set[int]:
        """When an instant may come into the period or leave it."""
        found = {x, x + 1}
        for n, unit in _reaches(period):
            hours = hours_of(n, unit)
            found |= self._months(x, n, unit) if hours is None else {x + hours * _HOUR_US}
        if isinstance(period, ir.Calendar):
            found |= self._units(instant_of(x), period)
        return found

    def _of_date(self, x: dt.date, period: ir.Period) -> set[int]:
        found = {*self._midnights(days(x)), *self._midnights(days(x) + 1)}
        for n, unit in _reaches(period):
            hours = hours_of(n, unit)
            moved = months_on(x, n, unit) if hours is None else date_of(days(x) + int(hours / 24))
            if moved is not None and self._near(days(moved)):
                for day in range(days(moved) - 2, days(moved) + 5):
                    found |= self._midnights(day)
        if isinstance(period, ir.Calendar):
            noon = dt.datetime.combine(x, dt.time(12), tzinfo=ZoneInfo(self.zone))
            found |= self._units(noon, period)
        return found

    def _months(self, x: int, n: int, unit: ir.Unit) -> set[int]:
        """Windows of months end at a time of day and are clamped to the ends of months: so around that day an
        instant may leave and come back at every midnight and at its own time of day."""
        local = instant_of(x).astimezone(ZoneInfo(self.zone))
        moved = months_on(local.date(), n, unit)
        found: set[int] = set()
        if moved is None or not self._near(days(moved)):
            return found
        for day in range(days(moved) - 1, days(moved) + 5):
            found |= self._midnights(day)
            for change in _CHANGES:
                for at in wall_clock(date_of(day), local.time(), self.zone):
                    found |= {
                        at + change // dt.timedelta(microseconds=1),
                        at - change // dt.timedelta(microseconds=1),
                    }
        return found

    def _near(self, day: int) -> bool:
        """Whether a day is worth a closer look."""
        return self._first <= day <= self._last

    def _units(self, moment: dt.datetime, period: ir.Calendar) -> set[int]:
        found: set[int] = set()
        for shift in (-period.shift, 1 - period.shift):
            start = calendar_start(Clock(moment, self.zone), period.unit, shift)
            if start is not None:
                found |= self._midnights(days(start))
        return found

    def _midnights(self, day: int) -> frozenset[int]:
        return wall_clock(date_of(day), dt.time(), self.zone) if self._near(day) else frozenset()

    def _yearly(self, value: ir.Value, period: ir.Next | ir.Last | ir.Calendar, row: Row) -> set[int]:
        found: set[int] = set()
        first, last = instant_of(self.now).year - 2, instant_of(self.until).year + 2
        for moment in self._moments(value, row):
            if isinstance(moment, dt.datetime):
                moment = date_of(local_day(microseconds(moment), self.zone))
            assert isinstance(moment, dt.date)  # noqa: S101 - as the representation says
            dates = {(moment.month, min(moment.day, 28)), (moment.month, moment.day)}
            for year in range(max(first, 1), min(last, 9998) + 1):
                for month, day in dates:
                    leaps = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
                    if (month, day) != (2, 29) or leaps:
                        found |= self._of_date(dt.date(year, month, day), period)
        return found

    # ── days since ──

    def _elapsed(self, value: ir.Value, bound: object, row: Row) -> set[int]:
        """When so many days (millionths) will have passed."""
        assert isinstance(bound, int)  # noqa: S101 - a NUMBER
        found: set[int] = set()
        for moment in self._moments(value, row):
            if isinstance(moment, dt.datetime):
                at = microseconds(moment) + bound * _DAY_UNITS_US
                found |= {at, at + _DAY_UNITS_US}
            elif isinstance(moment, dt.date):
                day = days(moment) + bound // 1_000_000
                found |= self._midnights(day) | self._midnights(day + 1)
        return found

    def _moving(self, tests: Sequence[ir.Predicate], edges: list[int], activity: Row | None) -> Iterator[int]:
        """Comparisons with days since … on one side of more than a constant, or in arithmetic: they move all
        the time, so between the other edges their turns are found by halving."""
        for test in tests:

            def true(at: int, test: ir.Predicate = test) -> bool:
                context = Context(Clock(instant_of(at), self.zone), self.context.ranks)
                return (
                    holds(test, self.person, context) if activity is None else fits(test, activity, context)
                )

            places = [self.now, *edges, self.until]
            for start, end in pairwise(places):
                step = max((end - start) // _SAMPLES, 1)
                samples = [*range(start, end, step), end - 1]
                for low, high in pairwise(samples):
                    if low < high and true(low) != true(high):
                        yield turned(true, low, high)


def turned(true: Callable[[int], object], low: int, high: int) -> int:
    """The first instant after `low` with the answer of `high`, if the answer turns once between them."""
    after = true(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if true(middle) == after else (middle, high)
    return high


def _reaches(period: ir.Period) -> list[tuple[int, ir.Unit]]:
    """By how much after a moment it may come into the period or leave it."""
    match period:
        case ir.Last(n, unit):
            return [(n, unit)]
        case ir.Next(n, unit):
            return [(-n, unit)]
        case ir.Ago(n, m, unit):
            return [(n, unit), (m, unit)]
    return []


@lru_cache(maxsize=4096)
def _moving_tests(node: ir.Node) -> tuple[ir.Predicate, ...]:
    return tuple(_moving(node))


def _moving(node: ir.Node) -> Iterator[ir.Predicate]:
    """Of every comparison that days since … move, its two inequalities: an equality holds between them."""
    match node:
        case ir.Compare(_, ir.DaysSince(), ir.Literal()) | ir.Compare(_, ir.Literal(), ir.DaysSince()):
            return
        case ir.Compare(_, left, right):
            pairs = [(left, right)]
        case ir.InSet(value, options):
            pairs = [(value, option) for option in options]
        case ir.And() | ir.Or() | ir.Not():
            for child in children(node):
                yield from _moving(child)
            return
        case _:
            return
    for left, right in pairs:
        if _moves(left) or _moves(right):
            yield ir.Compare(ir.Comparison.LE, left, right)
            yield ir.Compare(ir.Comparison.GE, left, right)


def _moves(value: ir.Node) -> bool:
    return isinstance(value, ir.DaysSince) or (
        isinstance(value, ir.Arithmetic) and any(_moves(child) for child in children(value))
    )
