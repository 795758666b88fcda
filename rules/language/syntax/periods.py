"""Windows as written → the representation's periods, with what is wrong with their numbers.

The bounds are symbolic here; `rules.engine.periods` puts as_of and the zone in.
"""

from __future__ import annotations

import datetime as dt

from rules import ir
from rules.language.problems import Finding
from rules.language.syntax import tree

_LONGEST = {
    ir.Unit.HOUR: 876_600,
    ir.Unit.DAY: 36_525,
    ir.Unit.WEEK: 5_218,
    ir.Unit.MONTH: 1_200,
    ir.Unit.YEAR: 100,
}
"""A hundred years of each; more would leave the calendar."""

_DAY_WORDS = {"today": 0, "yesterday": -1, "tomorrow": 1}
_SHIFTS = {"last": -1, "this": 0, "next": 1}
_MICROSECOND = dt.timedelta(microseconds=1)
_DAY = dt.timedelta(days=1)


def rolling(at: int, direction: str, number: tree.Number, unit: str) -> tree.Period | Finding:
    """`last N units`, `next N units`."""
    counted = count(number, unit, least=1)
    if isinstance(counted, Finding):
        return counted
    n, whole = counted
    return tree.Period(at, ir.Last(n, whole) if direction == "last" else ir.Next(n, whole))


def ago(at: int, low: tree.Number, high: tree.Number, unit: str, _word: str = "ago") -> tree.Period | Finding:
    """`between N and M units ago`."""
    near, far = count(low, unit, least=0), count(high, unit, least=0)
    if isinstance(near, Finding):
        return near
    if isinstance(far, Finding):
        return far
    if near[0] >= far[0]:
        return Finding(low.at, f"the smaller number comes first: between {far[0]} and {near[0]} {unit} ago")
    return tree.Period(at, ir.Ago(near[0], far[0], near[1]))


def calendar(at: int, words: list[str]) -> tree.Period | Finding:
    """`today`, `yesterday`, `tomorrow`, `this/last/next week/month/quarter/year`."""
    if words[0] in _DAY_WORDS:
        return tree.Period(at, ir.Calendar(ir.CalendarUnit.DAY, _DAY_WORDS[words[0]]))
    direction, unit = words
    if unit.endswith("s"):
        return Finding(at, f'how many {unit}? Write "{direction} 3 {unit}", or "{direction} {unit[:-1]}"')
    if unit == "hour":
        return Finding(at, f'"{direction} hour" is no calendar word; write "{direction} 1 hour"')
    if unit == "day":
        day = {"last": "yesterday", "this": "today", "next": "tomorrow"}[direction]
        return Finding(at, f'write "{day}" (in the business time zone), or "{direction} 24 hours"')
    return tree.Period(at, ir.Calendar(ir.CalendarUnit(unit), _SHIFTS[direction]))


def bounded(at: int, word: str, day: tree.Tree) -> tree.Period | Finding:
    """`since D` (D included), `before D`, `after D` (D excluded), `on D`, as start <= x < end."""
    start, end = _value(day), _after(day)
    match word:
        case "since":
            return tree.Period(at, ir.Between(start, None))
        case "before":
            return tree.Period(at, ir.Between(None, start))
        case "after":
            return tree.Period(at, ir.Between(end, None))
        case _:
            return tree.Period(at, ir.Between(start, end))


def from_to(at: int, start: tree.Tree, end: tree.Tree) -> tree.Period | Finding:
    """`from D to D`, both included."""
    if type(start) is type(end) and _value(start) > _value(end):
        return Finding(start.at, "the earlier date comes first")
    return tree.Period(at, ir.Between(_value(start), _after(end)))


def compared(operator: str, day: tree.Tree) -> ir.Between:
    """`x < D` and so on for a date or instant: the same periods as the words."""
    start, end = _value(day), _after(day)
    match operator:
        case "<":
            return ir.Between(None, start)
        case "<=":
            return ir.Between(None, end)
        case ">":
            return ir.Between(end, None)
        case ">=":
            return ir.Between(start, None)
        case _:
            return ir.Between(start, end)


def _value(day: tree.Tree) -> dt.date | dt.datetime:
    if isinstance(day, tree.Instant):
        return day.instant
    assert isinstance(day, tree.Day)  # noqa: S101 - the grammar allows nothing else here
    return day.day


def _after(day: tree.Tree) -> dt.date | dt.datetime:
    """The first day or instant (of microseconds) after this one."""
    value = _value(day)
    return value + (_MICROSECOND if isinstance(value, dt.datetime) else _DAY)


def count(number: tree.Number, unit: str, *, least: int) -> tuple[int, ir.Unit] | Finding:
    """So many whole units, not more than a hundred years of them."""
    name = unit.lower().removesuffix("s")
    if name == "quarter":
        return Finding(number.at, "a window counts hours, days, weeks, months or years; write 3 months")
    whole = ir.Unit(name)
    if number.number != int(number.number):
        return Finding(number.at, f"a window needs a whole number of {name}s")
    n = int(number.number)
    if n < least:
        return Finding(number.at, f"a window needs at least {least} {name}{'s' if least != 1 else ''}")
    if n > _LONGEST[whole]:
        return Finding(number.at, f"a window is at most {_LONGEST[whole]} {name}s long")
    return n, whole
