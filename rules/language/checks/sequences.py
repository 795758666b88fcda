"""Activity in order: sequences, what must not follow, regularity, what stopped and what restarted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from rules import ir
from rules.language.checks.scope import Scope
from rules.language.checks.values import moment
from rules.language.problems import Finding
from rules.language.syntax import periods, tree
from rules.vocabulary import NUMBER_SCALE, Type

AsActivity: TypeAlias = Callable[[tree.Tree, Scope], tree.Activity | None]
"""Reads `KIND [where …] [WINDOW]`; None: it is something else."""

_FIXED = (ir.Unit.HOUR, ir.Unit.DAY, ir.Unit.WEEK)
_MOST_SLICES = 400
_LAST = ir.AggregateFunction.LAST_AT


def check_order(
    node: tree.Sequence | tree.Regular | tree.Pausing, scope: Scope, activity: AsActivity
) -> ir.Predicate | None:
    """One of these forms, or None after reporting every problem in it."""
    if scope.kind is not None:
        word = {tree.Sequence: "a sequence", tree.Regular: "in at least"}.get(type(node))
        word = node.word if isinstance(node, tree.Pausing) else word
        scope.report(node.at, f"{word} cannot stand inside where; where sees one activity at a time")
        return None
    match node:
        case tree.Sequence():
            return _sequence(node, scope, activity)
        case tree.Regular():
            return _regular(node, scope, activity)
        case tree.Pausing():
            return _pausing(node, scope, activity)


def check_spanned(node: tree.Spanned, scope: Scope) -> None:
    """A length of time where a window is needed."""
    span = f"{node.span.number.number} {node.span.unit}"
    if node.word == "after":
        scope.report(node.at, f"after needs a date; for a window write last {span}")
    else:
        scope.report(node.at, f"within {span} of what? Write within last {span} or within next {span}")


# ── sequences ──


def _sequence(node: tree.Sequence, scope: Scope, activity: AsActivity) -> ir.Predicate | None:
    links = node.links
    fine = True
    for link in links[:-1]:
        if link.negated:
            scope.report(link.at, "not followed by comes last; what must not happen ends a sequence")
            fine = False
        if link.window is not None:
            fine = _window_comes_last(link.window, scope)
    first = _step(node.of, scope, activity, link=None, last=False)
    found = [_step(_tree(link.step), scope, activity, link=link, last=link is links[-1]) for link in links]
    gaps = [None if link.span is None else _within(link.span, scope) for link in links]
    if any(gap is None and link.span is not None for gap, link in zip(gaps, links, strict=True)):
        fine = False
    if not fine or first is None or None in found:
        return None
    pairs = [(step, gap) for step, gap in zip(found, gaps, strict=True) if step is not None]
    period = pairs[-1][0].period
    unless = ir.Unless(pairs[-1][0].kind, pairs[-1][0].where, pairs[-1][1]) if links[-1].negated else None
    then = pairs[:-1] if unless else pairs
    steps = (ir.Step(first.kind, first.where, None), *(ir.Step(a.kind, a.where, gap) for a, gap in then))
    return ir.Sequence(steps, unless, period)


def _step(
    node: tree.Tree, scope: Scope, activity: AsActivity, *, link: tree.Link | None, last: bool
) -> ir.Aggregate | None:
    """Kind, condition and, of the last step, the window; as the latest such activity."""
    window = link.window if link is not None and last else None
    if isinstance(window, tree.Broken):
        return None
    found = _activity(node, scope, activity, "then joins activities, such as cart_add then purchase")
    if found is None:
        return None
    if found.period is not None and (not last or window is not None):
        _window_comes_last(found.period, scope)
        return None
    if isinstance(window, tree.Period):
        found = tree.Activity(found.at, found.name, found.where, window)
    return _latest(found, scope)


def _window_comes_last(window: tree.Tree, scope: Scope) -> bool:
    if not isinstance(window, tree.Broken):
        scope.report(
            window.at, "the window comes once, at the end of a sequence, and applies to all its steps"
        )
    return False


def _tree(step: tree.Activity) -> tree.Tree:
    return step.name if step.where is None else tree.Filtered(step.where.at, step.name, step.where)


def _activity(node: tree.Tree, scope: Scope, activity: AsActivity, advice: str) -> tree.Activity | None:
    found = activity(node, scope)
    if found is not None:
        return found
    while isinstance(node, tree.Group):
        node = node.of
    match node:
        case tree.Name() as name:  # unknown, or a fact: told by whoever looks it up
            return tree.Activity(name.at, name, None, None)
        case tree.Filtered(_, tree.Name() as name):
            return tree.Activity(name.at, name, None, None)
        case tree.Broken():
            return None
    scope.report(node.at, advice)
    return None


def _latest(found: tree.Activity, scope: Scope) -> ir.Aggregate | None:
    """The instant of the latest such activity: has checked kind, condition and window."""
    value = moment(_LAST, found, scope)
    if isinstance(value, ir.RecordAggregate):
        kinds = " or ".join(value.states)
        scope.report(found.name.at, f"{value.kind} is a record, not an activity; write {kinds}")
        return None
    return value if isinstance(value, ir.Aggregate) else None


def _within(span: tree.Span, scope: Scope) -> ir.Within | None:
    counted = _counted(span.number, span.unit, scope)
    if counted is None:
        return None
    n, unit = counted
    if unit not in _FIXED:
        days = 30 * n if unit is ir.Unit.MONTH else 365 * n
        scope.report(
            span.number.at, f"the time between activities counts hours, days or weeks; write {days} days"
        )
        return None
    return ir.Within(n, unit)


def _counted(number: tree.Number, unit: str, scope: Scope) -> tuple[int, ir.Unit] | None:
    counted = periods.count(number, unit, least=1)
    if isinstance(counted, Finding):
        scope.report(counted.at, counted.message)
        return None
    return counted


# ── regularity ──


def _regular(node: tree.Regular, scope: Scope, activity: AsActivity) -> ir.Predicate | None:
    advice = "in at least needs an activity, such as purchase in at least 3 of the last 4 months"
    found = _activity(node.of, scope, activity, advice)
    counted = _counted(node.number, node.unit, scope)
    if found is None or counted is None:
        return None
    if found.period is not None:
        scope.report(found.period.at, "in at least … of the last … is the window already")
        return None
    latest = _latest(found, scope)
    n, unit = counted
    least = node.least.number
    if least != int(least) or least < 1:
        scope.report(node.least.at, f"write a whole number of {unit}s, from 1")
        return None
    if least > n:
        scope.report(node.least.at, f"there are only {n} {unit}s in the last {n} {unit}s")
        return None
    if n > _MOST_SLICES:
        scope.report(
            node.number.at, f"at most {_MOST_SLICES} {unit}s can be told apart; count in longer units"
        )
        return None
    if latest is None:
        return None
    slices = ir.Aggregate(
        ir.AggregateFunction.SLICES, latest.kind, None, latest.where, ir.Last(n, unit), Type.NUMBER
    )
    return ir.Compare(ir.Comparison.GE, slices, ir.Literal(int(least) * NUMBER_SCALE, Type.NUMBER))


# ── stopped and restarted ──


def _pausing(node: tree.Pausing, scope: Scope, activity: AsActivity) -> ir.Predicate | None:
    stopped = node.word == "stopped"
    example = "stopped purchase for 60 days" if stopped else "restarted purchase after 90 days"
    found = _activity(_tree(node.step), scope, activity, f"{node.word} needs an activity, such as {example}")
    if node.span is None:
        scope.report(node.at, f"{node.word} needs a length of time, such as {example}")
        return None
    if found is None or isinstance(node.window, tree.Broken):
        return None
    if stopped and found.period is not None:
        scope.report(found.period.at, "stopped has no window beside its length of time")
        return None
    if isinstance(node.window, tree.Period):
        if found.period is not None:
            scope.report(found.period.at, "write one window, at the end")
            return None
        found = tree.Activity(found.at, found.name, found.where, node.window)
    latest = _latest(found, scope)
    if stopped:
        counted = _counted(node.span.number, node.span.unit, scope)
        return None if latest is None or counted is None else ir.Stopped(latest, ir.Last(*counted))
    pause = _within(node.span, scope)
    if latest is None or pause is None:
        return None
    return ir.Restarted(latest.kind, latest.where, pause, latest.period)
