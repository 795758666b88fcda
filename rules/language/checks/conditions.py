"""The types of conditions: what is true or false of a person, or of one activity inside `where`."""

from __future__ import annotations

from rules import ir
from rules.language.checks.comparisons import check_comparison, check_listed, check_range
from rules.language.checks.groups import check_group, check_ranked, check_share
from rules.language.checks.near import check_near, check_placed, place_of
from rules.language.checks.patterns import pattern_problem
from rules.language.checks.related import check_related
from rules.language.checks.scope import TYPE_WORDS, Named, Scope
from rules.language.checks.sequences import check_order, check_spanned
from rules.language.checks.values import check_value, count, type_of
from rules.language.problems import suggest
from rules.language.render import render
from rules.language.syntax import tree
from rules.text import clean, fold
from rules.vocabulary import NUMBER_SCALE, Type

_LOOKS = {
    "contains": ir.TextTestKind.CONTAINS,
    "starts": ir.TextTestKind.STARTS,
    "ends": ir.TextTestKind.ENDS,
}
_WHOLE_DAYS = (ir.Last, ir.Next, ir.Ago)


def check_condition(node: tree.Tree, scope: Scope) -> ir.Predicate | None:
    """The condition a tree stands for, or None after reporting every problem in it."""
    found = _condition(node, scope)
    if found is not None:
        scope.places.setdefault(found, node)
    return found


def _condition(node: tree.Tree, scope: Scope) -> ir.Predicate | None:
    match node:
        case tree.AllOf(_, parts):
            return _joined(ir.And, [check_condition(part, scope) for part in parts])
        case tree.AnyOf(_, parts):
            return _joined(ir.Or, [check_condition(part, scope) for part in parts])
        case tree.Negation(_, part):
            return negate(check_condition(part, scope))
        case tree.Group(_, of):
            return check_condition(of, scope)
        case tree.Truth(_, value):
            return ir.Constant(value)
        case tree.Happened(_, tree.Sequence() | tree.Regular() as of):
            return check_condition(of, scope)
        case tree.Happened(at, of):
            if found := activity(of, scope):
                return _happened(found, scope)
            if _is_broken(of):
                return None
            scope.report(at, "did and never need an activity, such as did purchase last 30 days")
            return None
        case tree.Sequence() | tree.Regular() | tree.Pausing():
            return check_order(node, scope, activity)
        case tree.Spanned():
            check_spanned(node, scope)
            return None
        case tree.Comparison():
            return check_comparison(node, scope)
        case tree.Range():
            return check_range(node, scope)
        case tree.Listed():
            return check_listed(node, scope)
        case tree.Look():
            return _look(node, scope)
        case tree.Has():
            return _has(node, scope)
        case tree.Near():
            return check_near(node, scope)
        case tree.Known(_, of):
            if place := place_of(of, scope):
                return check_placed(place)
            known = check_value(of, scope)
            return None if known is None else ir.IsKnown(known)
        case tree.Yearly():
            return _yearly(node, scope)
        case tree.Ranked():
            return check_ranked(node, scope)
        case tree.InGroup():
            return check_group(node, scope)
        case tree.Related():
            return check_related(node, scope)
        case tree.Suppressed() | tree.Consented() | tree.Random():
            return check_share(node, scope)
        case tree.Broken():
            return None
        case _:
            return _alone(node, scope)


def _is_broken(node: tree.Tree) -> bool:
    while isinstance(node, tree.Group):
        node = node.of
    return isinstance(node, tree.Broken)


def check_either(node: tree.Tree, scope: Scope) -> Named | None:
    """A value or a condition, as a [[field]] may be either."""
    while isinstance(node, tree.Group):
        node = node.of
    if isinstance(node, tree.Name) and not scope.is_kind(node.name):
        return scope.fact(node)
    if isinstance(node, tree.Call | tree.Moment | tree.Since | tree.Arithmetic | tree.Minus):
        return check_value(node, scope)
    if isinstance(node, tree.Number | tree.Text | tree.Day | tree.Instant):
        return check_value(node, scope)
    return check_condition(node, scope)


def negate(part: ir.Predicate | None) -> ir.Predicate | None:
    """The complement; two of them are none."""
    if part is None:
        return None
    return part.part if isinstance(part, ir.Not) else ir.Not(part)


def _joined(join: type[ir.And] | type[ir.Or], parts: list[ir.Predicate | None]) -> ir.Predicate | None:
    flat: list[ir.Predicate] = []
    for part in parts:
        if part is None:
            return None
        flat.extend(part.parts if isinstance(part, join) else (part,))
    return join(tuple(flat))


def _alone(node: tree.Tree, scope: Scope) -> ir.Predicate | None:
    """Something without an operator: an activity that happened, a yes/no value, a named condition."""
    if done := activity(node, scope):
        return _happened(done, scope)
    if isinstance(node, tree.During):
        return _during(node, scope)
    if isinstance(node, tree.Filtered) and isinstance(node.value, tree.Moment):
        where, period = _window_outside(node.value.name.name, node.where, scope)
        if period is not None:
            filtered = tree.Filtered(node.at, node.value, where)
            return _during(tree.During(period.at, filtered, period), scope)
    elif isinstance(node, tree.Filtered):
        _not_an_activity(node, scope)
        return None
    found: Named | None
    found = scope.fact(node) if isinstance(node, tree.Name) else check_value(node, scope)
    if found is None or not isinstance(found, ir.Value):
        return found
    if type_of(found) is Type.BOOLEAN:
        return ir.IsTrue(found)
    shown = render(found)
    if isinstance(node, tree.Text):
        message = f'"{node.text}" is text, not a condition; several are allowed by in ["…", "{node.text}"]'
        scope.report(node.at, message)
        return None
    message = (
        f"{shown} is {TYPE_WORDS[type_of(found)]}, not a condition; compare it, or write {shown} is known"
    )
    scope.report(node.at, message)
    return None


def _not_an_activity(node: tree.Filtered, scope: Scope) -> None:
    if scope.kind is not None:
        scope.report(node.at, "where cannot stand inside where")
    elif isinstance(node.value, tree.Name):
        name = node.value
        if name.name not in scope.all_names():
            known = [*scope.vocabulary.kinds, *scope.vocabulary.records]
            scope.report(name.at, f'unknown activity "{name.name}"{suggest(name.name, known)}')
        elif scope.fact(name) is not None:
            scope.report(node.at, f"where belongs to an activity, but {name.name} is a fact of the person")
    else:
        scope.report(node.at, "where belongs to an activity: purchase where category = …")


def activity(node: tree.Tree, scope: Scope) -> tree.Activity | None:
    """`KIND [where …] [WINDOW]` written without a function, or None if the tree is something else."""
    match node:
        case tree.Group(_, of):
            return activity(of, scope)
        case tree.Name(at, name) if scope.is_kind(name):
            return tree.Activity(at, node, None, None)
        case tree.Filtered(_, tree.Name(at, name) as kind, where) if scope.is_kind(name):
            return tree.Activity(at, kind, *_window_outside(kind.name, where, scope))
        case tree.During(_, of, period):
            inner = activity(of, scope)
            if inner is not None and inner.period is None:
                return tree.Activity(inner.at, inner.name, inner.where, period)
    return None


def _window_outside(name: str, where: tree.Tree, scope: Scope) -> tuple[tree.Tree, tree.Period | None]:
    """`purchase where gift within last 90 days` means purchases of that time unless gift is a date."""
    during = where.part if isinstance(where, tree.Negation) else where
    found = scope.activity(name)
    kind = found[0] if found else None
    if not isinstance(during, tree.During) or kind is None:
        return where, None
    value = check_value(during.value, scope.inside(kind).silent())
    if value is not None and type_of(value) in (Type.DATE, Type.DATETIME):
        return where, None
    inner = during.value
    return (tree.Negation(where.at, inner) if where is not during else inner), during.period


def _happened(done: tree.Activity, scope: Scope) -> ir.Predicate | None:
    counted = count(done, scope)
    if counted is None:
        return None
    return ir.Compare(ir.Comparison.GE, counted, ir.Literal(NUMBER_SCALE, Type.NUMBER))


def _during(node: tree.During, scope: Scope) -> ir.Predicate | None:
    """A date or instant in a window."""
    of = node.value
    value = check_value(of, scope)
    if value is None:
        return None
    period = node.period
    if type_of(value) not in (Type.DATE, Type.DATETIME):
        shown = render(value)
        hint = f"; write {shown[:-1]}, …) with the window inside" if isinstance(value, ir.Aggregate) else ""
        scope.report(node.at, f"a window needs a date, but {shown} is {TYPE_WORDS[type_of(value)]}{hint}")
        return None
    if isinstance(period.period, ir.Ever):
        scope.report(period.at, f"write {render(value)} is known")
        return None
    if type_of(value) is Type.DATE and not _fits_dates(period, render(value), scope):
        return None
    return ir.InPeriod(value, period.period)


def _fits_dates(period: tree.Period, shown: str, scope: Scope) -> bool:
    match period.period:
        case ir.Last(_, ir.Unit.HOUR) | ir.Next(_, ir.Unit.HOUR) | ir.Ago(_, _, ir.Unit.HOUR):
            scope.report(period.at, f"{shown} is a date without a time of day; count in days")
            return False
        case ir.Between(start, end) if hasattr(start, "hour") or hasattr(end, "hour"):
            scope.report(
                period.at, f"{shown} is a date without a time of day; write a date such as 2026-01-31"
            )
            return False
    return True


def _yearly(node: tree.Yearly, scope: Scope) -> ir.Predicate | None:
    value = check_value(node.value, scope)
    if value is None:
        return None
    if type_of(value) not in (Type.DATE, Type.DATETIME):
        scope.report(
            node.at, f"an anniversary needs a date, but {render(value)} is {TYPE_WORDS[type_of(value)]}"
        )
        return None
    match node.period.period:
        case (ir.Last(_, unit) | ir.Next(_, unit)) as period if unit is not ir.Unit.HOUR:
            return ir.Anniversary(value, period)
        case ir.Calendar() as period:
            return ir.Anniversary(value, period)
    message = "an anniversary falls within next or last N days, today, or this, last or next week, month, …"
    scope.report(node.period.at, message)
    return None


def _look(node: tree.Look, scope: Scope) -> ir.Predicate | None:
    value = check_value(node.value, scope)
    pattern = node.text
    if node.word == "matches":
        if problem := pattern_problem(pattern.text):
            scope.report(pattern.at, problem)
            return None
    elif clean(pattern.text) is None:
        scope.report(pattern.at, "an empty text is found nowhere; write is known")
        return None
    if value is None:
        return None
    word = node.word if node.word in ("contains", "matches") else f"{node.word} with"
    if type_of(value) is not Type.TEXT:
        hint = '; write has "…"' if type_of(value) is Type.TEXTS else ""
        scope.report(node.at, f"{word} needs text, but {render(value)} is {TYPE_WORDS[type_of(value)]}{hint}")
        return None
    if node.word == "matches":
        return ir.Matches(value, pattern.text)
    return ir.TextTest(_LOOKS[node.word], value, fold(pattern.text))


def _has(node: tree.Has, scope: Scope) -> ir.Predicate | None:
    value = check_value(node.value, scope)
    options: list[str] = []
    fine = True
    for option in node.options:
        if isinstance(option, tree.Text) and clean(option.text) is not None:
            options.append(fold(option.text))
        else:
            scope.report(option.at, "has needs texts in quotes that are not empty")
            fine = False
    if not node.options:
        scope.report(node.at, "the list is empty")
        fine = False
    if value is None:
        return None
    if type_of(value) is not Type.TEXTS:
        message = (
            f"has needs a list of texts, but {render(value)} is {TYPE_WORDS[type_of(value)]}; write = or in"
        )
        scope.report(node.at, message)
        return None
    return ir.ListTest(node.kind, value, tuple(dict.fromkeys(options))) if fine else None
