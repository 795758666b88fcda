"""Rules → short readable text in the admin's units; it reads back as the same rule."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from functools import lru_cache

from rules import ir
from rules.language.syntax.parser import keyword
from rules.ruleset import Segment
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type

_OR, _AND, _NOT, _TEST, _SUM, _PRODUCT, _ATOM = range(7)
_PLAIN_NAME = re.compile(r"[^\W\d]\w*(?:[-.]\w+)*")
_DAY = dt.timedelta(days=1)
_MICROSECOND = dt.timedelta(microseconds=1)
_CALENDAR_DAYS = {0: "today", -1: "yesterday", 1: "tomorrow"}
_SHIFTS = {-1: "last", 0: "this", 1: "next"}


@lru_cache(maxsize=4096)
def render(node: ir.Predicate | ir.Value | ir.ScorePart | ir.Step | ir.Unless) -> str:
    """The node as an expression, e.g. `sum(purchase.amount, last 365 days) >= 500`; a score by its name, a
    step of a sequence as its part of one, e.g. `checkout within 2 days`."""
    if isinstance(node, ir.ScorePart):
        return _points(node)
    if isinstance(node, ir.Step | ir.Unless):
        return _step(node)
    return _show(node, _OR)


def describe(segment: Segment) -> str:
    """One line about a segment: its name, id and condition."""
    return f"{segment.name} ({segment.id}): {render(segment.when)}"


def render_literal(literal: ir.Literal) -> str:
    """A constant as the admin would write it: `499.90`, `"de"`, `2026-01-31`, `true`."""
    value = literal.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _decimal(value, literal.type)
    if isinstance(value, dt.datetime):
        return _instant(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    return _quoted(value)


def render_period(period: ir.Period) -> str:
    """`last 90 days`, `between 3 and 10 days ago`, `since 2026-01-01`, `this month`, `ever`."""
    match period:
        case ir.Last(n, unit):
            return f"last {n} {_units(n, unit)}"
        case ir.Next(n, unit):
            return f"next {n} {_units(n, unit)}"
        case ir.Ago(n, m, unit):
            return f"between {n} and {m} {_units(m, unit)} ago"
        case ir.Calendar(ir.CalendarUnit.DAY, shift):
            return _CALENDAR_DAYS[shift]
        case ir.Calendar(unit, shift):
            return f"{_SHIFTS[shift]} {unit}"
        case ir.Between(start, end):
            return _between(start, end)
        case _:
            return "ever"


def _show(node: ir.Predicate | ir.Value, outer: int) -> str:
    level, text = _level(node)
    return f"({text})" if level < outer else text


def _level(node: ir.Predicate | ir.Value) -> tuple[int, str]:
    """How tightly the text binds, and the text."""
    match node:
        case ir.Or(parts):
            return _OR, " or ".join(_show(part, _AND) for part in parts)
        case ir.And(parts):
            return _AND, " and ".join(_show(part, _NOT) for part in parts)
        case ir.Not(part):
            return _negated(part)
        case ir.Literal():
            text = render_literal(node)
            return (_PRODUCT if text.startswith("-") else _ATOM), text
        case ir.Fact(name):
            return _ATOM, _name(name)
        case ir.Aggregate():
            return _aggregate(node)
        case ir.DaysSince(value):
            return _ATOM, f"days since {_show_since(value)}"
        case ir.Score(name):
            return _ATOM, _name(name)
        case ir.Arithmetic(operator, left, right):
            level = _SUM if operator in (ir.Operator.ADD, ir.Operator.SUBTRACT) else _PRODUCT
            return level, f"{_show(left, level)} {operator} {_show(right, level + 1)}"
        case _:
            return _test(node)


def _test(node: ir.Predicate | ir.Value) -> tuple[int, str]:
    match node:
        case ir.Constant(value):
            return _ATOM, "true" if value else "false"
        case ir.Compare(ir.Comparison.GE, ir.RecordAggregate() as records, ir.Literal(n)) if (
            records.function is ir.AggregateFunction.COUNT and n == NUMBER_SCALE
        ):
            return _TEST, f"any({_counted(records)})"
        case ir.Sequence() | ir.Stopped() | ir.Restarted():
            return _TEST, _ordered(node)
        case ir.Compare(
            ir.Comparison.GE, ir.Aggregate(ir.AggregateFunction.SLICES) as slices, ir.Literal() as n
        ):
            return (
                _TEST,
                f"{_activity(slices)} in at least {render_literal(n)} of the {render_period(slices.period)}",
            )
        case ir.Compare(operator, left, right):
            return _TEST, f"{_show(left, _SUM)} {operator} {_show(right, _SUM)}"
        case ir.InSet(value, options):
            return _TEST, f"{_show(value, _SUM)} in {_list(options)}"
        case ir.TextTest(kind, value, text):
            return _TEST, f"{_show(value, _SUM)} {kind} {_quoted(text)}"
        case ir.Matches(value, pattern):
            return _TEST, f"{_show(value, _SUM)} matches {_quoted(pattern)}"
        case ir.IsKnown(value):
            return _TEST, f"{_show(value, _SUM)} is known"
        case ir.IsTrue(value):
            return _level(value)
        case ir.InPeriod(value, period):
            return _TEST, f"{_show(value, _SUM)} {_within(period)}"
        case ir.Anniversary(value, period):
            return _TEST, f"{_show(value, _SUM)} anniversary {_within(period)}"
        case ir.ListTest(kind, value, options):
            if len(options) == 1 and kind is ir.ListTestKind.ANY:
                return _TEST, f"{_show(value, _SUM)} has {_quoted(options[0])}"
            return _TEST, f"{_show(value, _SUM)} has {kind} of {_texts(options)}"
        case ir.RankShare(side, ppm, value, by):
            return _TEST, f"{_show(value, _SUM)} in {side} {_percent(ppm)}{_by(by)}"
        case ir.RankCount(side, n, value, by):
            return _TEST, f"{_show(value, _SUM)} in {side} {n}{_by(by)}"
        case ir.Quintile(q, value, by):
            return _TEST, f"{_show(value, _SUM)} in quintile {q}{_by(by)}"
        case ir.InSegment(segment):
            return _TEST, f"in {'tier' if '/' in segment else 'segment'} {_quoted(segment)}"
        case ir.HeldSegment(segment, n, unit):
            return _TEST, f"{render(ir.InSegment(segment))} for {n} {_units(n, unit)}"
        case ir.Near(place, _, _, distance, unit, north, east):
            point = f"({_decimal(north, Type.NUMBER)}, {_decimal(east, Type.NUMBER)})"
            return _TEST, f"{_name(place)} within {_decimal(distance, Type.NUMBER)} {unit} of {point}"
        case ir.Placed(place):
            return _TEST, f"{_name(place)} is known"
        case ir.InList(name):
            return _TEST, f"in list {_quoted(name)}"
        case ir.Lasting():
            return _OR, _lasting(node)
        case ir.Consented(channel):
            return _TEST, f"consented to {channel}"
        case ir.AllRecords(matching):
            return _TEST, f"all({_counted(matching)})"
        case ir.RandomShare(ppm, salt):
            return _TEST, f"random {_percent(ppm)} of {_quoted(salt)}"
        case _:
            return _TEST, "suppressed"


def _lasting(node: ir.Lasting) -> str:
    """A whole segment; for people to read, as these are keys of the file and no expression."""
    text = render(node.when)
    if node.leave_when is not None:
        text += f"; leave_when {render(node.leave_when)}"
    if node.stay is not None:
        number, unit = (node.stay, ir.Unit.HOUR) if node.stay % 24 else (node.stay // 24, ir.Unit.DAY)
        text += f"; stay {number} {_units(number, unit)}"
    return text


def _negated(part: ir.Predicate) -> tuple[int, str]:
    """`not` inside the test where the language has a form for it."""
    match part:
        case ir.Compare(ir.Comparison.EQ, left, right):
            return _TEST, f"{_show(left, _SUM)} != {_show(right, _SUM)}"
        case ir.Compare(ir.Comparison.GE, ir.RecordAggregate() as records, ir.Literal(n)) if (
            records.function is ir.AggregateFunction.COUNT and n == NUMBER_SCALE
        ):
            return _TEST, f"none({_counted(records)})"
        case ir.IsKnown(value):
            return _TEST, f"{_show(value, _SUM)} is missing"
        case ir.Placed(place):
            return _TEST, f"{_name(place)} is missing"
        case ir.InSet(value, options):
            return _TEST, f"{_show(value, _SUM)} not in {_list(options)}"
        case ir.ListTest(ir.ListTestKind.ANY, value, options) if len(options) > 1:
            return _TEST, f"{_show(value, _SUM)} has none of {_texts(options)}"
        case _:
            return _NOT, f"not {_show(part, _NOT)}"


def _aggregate(node: ir.Aggregate) -> tuple[int, str]:
    if node.function in (ir.AggregateFunction.FIRST_AT, ir.AggregateFunction.LAST_AT):
        which = "first" if node.function is ir.AggregateFunction.FIRST_AT else "last"
        if node.where is None:
            return _ATOM, f"{which} {_name(node.kind)}"
        return _ATOM, f"({which} {_name(node.kind)} where ({render(node.where)}))"
    if node.function is ir.AggregateFunction.SLICES:  # a value only in explanations
        return _ATOM, f"how many of the {render_period(node.period)} with {_activity(node)}"
    return _ATOM, f"{node.function}({_counted(node)})"


def _counted(node: ir.Aggregate) -> str:
    """What stands in the parentheses of a function."""
    inner = _name(node.kind if node.field is None else f"{node.kind}.{node.field}")
    if node.where is not None:
        inner += f" where {render(node.where)}"
    if not isinstance(node.period, ir.Ever):
        inner += f", {render_period(node.period)}"
    return inner


def _points(part: ir.ScorePart) -> str:
    """What earns points, for people to read: `5 points for email_click, at most 1 per day`. No expression."""
    points = f"{_decimal(part.points, Type.NUMBER)} points"
    if isinstance(part, ir.Granted):
        return f"{points} if {render(part.condition)}"
    text = f"{points} for {_name(part.kind)}"
    if part.where is not None:
        text += f" where ({render(part.where)})"
    if not isinstance(part.period, ir.Ever):
        text += f" {render_period(part.period)}"
    if part.at_most_per_day is not None:
        text += f", at most {part.at_most_per_day} per day"
    return text if part.half_life is None else f"{text}, halved in {part.half_life} days"


def _step(step: ir.Step | ir.Unless) -> str:
    within = step.within
    return _activity(step) + ("" if within is None else f" within {within.n} {_units(within.n, within.unit)}")


def _ordered(node: ir.Sequence | ir.Stopped | ir.Restarted) -> str:
    match node:
        case ir.Sequence(steps, unless, period):
            text = " then ".join(_step(step) for step in steps)
            if unless is not None:
                text += f" not followed by {_step(unless)}"
            return text + _closing(period)
        case ir.Stopped(last, quiet):
            return f"stopped {_activity(last)} for {quiet.n} {_units(quiet.n, quiet.unit)}"
        case ir.Restarted(_, _, pause, period):
            after = f"after {pause.n} {_units(pause.n, pause.unit)}"
            return f"restarted {_activity(node)} {after}{_closing(period)}"


def _activity(node: ir.Step | ir.Unless | ir.Restarted | ir.Aggregate) -> str:
    where = "" if node.where is None else f" where ({render(node.where)})"
    return _name(node.kind) + where


def _closing(period: ir.Period) -> str:
    return "" if isinstance(period, ir.Ever) else f", {render_period(period)}"


def _show_since(value: ir.Value) -> str:
    """After `days since`, the last activity is meant by its kind alone."""
    if isinstance(value, ir.Aggregate) and value.function is ir.AggregateFunction.LAST_AT:
        if value.where is None:
            return _name(value.kind)
        return f"({_name(value.kind)} where ({render(value.where)}))"
    return _show(value, _ATOM)


def _within(period: ir.Period) -> str:
    text = render_period(period)
    match period:
        case ir.Last() | ir.Next():
            return f"within {text}"
        case ir.Calendar():
            return text
        case _:
            return text


def _between(start: dt.date | dt.datetime | None, end: dt.date | dt.datetime | None) -> str:
    if start is None:
        return f"before {_day(end)}" if end is not None else "ever"
    if end is None:
        return f"since {_day(start)}"
    last = end - (_MICROSECOND if isinstance(end, dt.datetime) else _DAY)
    return f"on {_day(start)}" if last == start else f"from {_day(start)} to {_day(last)}"


def _day(value: dt.date | dt.datetime) -> str:
    return _instant(value) if isinstance(value, dt.datetime) else value.isoformat()


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _units(n: int, unit: ir.Unit) -> str:
    return unit.value if n == 1 else f"{unit}s"


def _decimal(value: int, type_: Type) -> str:
    """Money always with its two decimals unless they are zero; numbers without trailing zeros."""
    if type_ is Type.MONEY:
        return f"{Decimal(value) / MONEY_SCALE:.2f}".removesuffix(".00")
    text = f"{Decimal(value) / NUMBER_SCALE:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(ppm: int) -> str:
    text = f"{Decimal(ppm) / 10_000:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "%"


def _by(by: ir.Fact | None) -> str:
    return f" by {_name(by.name)}" if by else ""


def _list(options: tuple[ir.Literal, ...]) -> str:
    return f"[{', '.join(render_literal(option) for option in options)}]"


def _texts(options: tuple[str, ...]) -> str:
    return f"[{', '.join(_quoted(option) for option in options)}]"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _name(name: str) -> str:
    plain = _PLAIN_NAME.fullmatch(name) and keyword(name.lower()) is None
    return name if plain else f"`{name}`"
