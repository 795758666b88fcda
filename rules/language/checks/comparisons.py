"""Comparisons: the types of both sides, constants taking the type of the other side."""

from __future__ import annotations

import datetime as dt

from rules import ir
from rules.language.checks.scope import TYPE_WORDS, Scope
from rules.language.checks.values import as_money, check_value, literal, same_amount, type_of
from rules.language.problems import Finding
from rules.language.render import render
from rules.language.syntax import periods, tree
from rules.language.syntax.amounts import in_days, length
from rules.vocabulary import Type

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_AMOUNTS = (Type.NUMBER, Type.MONEY)
_DATES = (Type.DATE, Type.DATETIME)
_NOTHING = ("null", "none", "nil", "empty", "missing", "unknown")
_TRUTHS = ("yes", "no", "on", "off")
_INSTEAD = {
    Type.TEXT: "use =, !=, in, contains, starts with, ends with or matches",
    Type.BOOLEAN: "write the name alone, or not before it",
    Type.TEXTS: 'use has "…", has any of […], has all of […]',
}


def check_comparison(node: tree.Comparison, scope: Scope) -> ir.Predicate | None:
    """`left operator right`; a constant on the left changes sides."""
    left, right = check_value(node.left, scope), _other_side(node, scope)
    if left is None or right is None:
        return None
    trees, operator = (node.left, node.right), node.operator
    if isinstance(left, ir.Literal):
        if isinstance(right, ir.Literal):
            scope.report(node.at, "both sides are fixed values")
            return None
        left, right, trees, operator = right, left, (node.right, node.left), _MIRRORED[operator]
    type_ = type_of(left)
    if type_ is Type.TEXTS or (type_ in (Type.TEXT, Type.BOOLEAN) and operator not in ("=", "!=")):
        message = f'"{operator}" does not fit {render(left)}, which is {TYPE_WORDS[type_]}; {_INSTEAD[type_]}'
        scope.report(node.at, message)
        return None
    if isinstance(right, ir.Literal) and not _literal_fits(left, right, trees[1], scope):
        return None
    if type_ in _AMOUNTS and type_of(right) in _AMOUNTS:
        pair = same_amount(left, right, (trees[0].at, trees[1].at, node.at), scope)
        return None if pair is None else _compare(operator, *pair)
    if type_ is not type_of(right) and not (type_ in _DATES and isinstance(right, ir.Literal)):
        other = f"{render(right)} is {TYPE_WORDS[type_of(right)]}"
        scope.report(node.at, f"{render(left)} is {TYPE_WORDS[type_]}, but {other}: they cannot be compared")
        return None
    if type_ in _DATES and isinstance(right, ir.Literal):
        return _dated(operator, left, trees[1])
    if type_ is Type.BOOLEAN and right == ir.Literal(True, Type.BOOLEAN):
        return ir.IsTrue(left) if operator == "=" else ir.Not(ir.IsTrue(left))
    return _compare(operator, left, right)


def _other_side(node: tree.Comparison, scope: Scope) -> ir.Value | None:
    """The right side; where it is a name that nothing has, it may be a text without its quotes."""
    told = len(scope.findings)
    value = check_value(node.right, scope)
    if value is not None or not isinstance(node.right, tree.Name) or len(scope.findings) != told + 1:
        return value
    problem, name = scope.findings[-1], node.right.name
    left = check_value(node.left, scope.silent())
    if left is None or not problem.message.startswith("unknown "):
        return None
    plain = problem.message.partition(";")[0].partition(" (")[0]
    if name.lower() in _NOTHING:
        scope.findings[-1] = Finding(
            problem.at, f"{plain}; write {'is known' if node.operator == '!=' else 'is missing'}"
        )
    elif type_of(left) is Type.TEXT:
        then = " A" if problem.message.endswith("?") else "; a"
        scope.findings[-1] = Finding(problem.at, f'{problem.message}{then} text stands in quotes: "{name}"')
    elif type_of(left) is Type.BOOLEAN and name.lower() in _TRUTHS:
        scope.findings[-1] = Finding(problem.at, f"{plain}; {_INSTEAD[Type.BOOLEAN]}")
    return None


def check_range(node: tree.Range, scope: Scope) -> ir.Predicate | None:
    """`x between A and B`, both included."""
    value = check_value(node.value, scope)
    if value is not None and type_of(value) in _INSTEAD:
        type_ = type_of(value)
        what = f"{render(value)}, which is {TYPE_WORDS[type_]}; {_INSTEAD[type_]}"
        scope.report(node.at, f"between does not fit {what}")
        return None
    low = check_comparison(tree.Comparison(node.at, ">=", node.value, node.low), scope)
    high = check_comparison(tree.Comparison(node.at, "<=", node.value, node.high), scope)
    if low is None or high is None:
        return None
    match low, high:
        case ir.InPeriod(value, ir.Between(start, None)), ir.InPeriod(_, ir.Between(None, end)):
            if isinstance(start, dt.datetime) == isinstance(end, dt.datetime) and start >= end:  # type: ignore[operator]
                scope.report(node.low.at, "the earlier date comes first")
                return None
            return ir.InPeriod(value, ir.Between(start, end))
        case ir.Compare(_, _, ir.Literal(int() as least)), ir.Compare(_, _, ir.Literal(int() as most)):
            if least > most:
                scope.report(node.low.at, "the smaller number comes first")
                return None
    return ir.And((low, high))


def check_listed(node: tree.Listed, scope: Scope) -> ir.Predicate | None:
    """`x in [a, b]`."""
    value = check_value(node.value, scope)
    options = [(option, literal(option, scope)) for option in node.options]
    if not options:
        scope.report(node.at, "the list is empty, nothing is in it")
        return None
    if value is None or any(option is None for _, option in options):
        return None
    type_ = type_of(value)
    if type_ in (Type.TEXTS, Type.BOOLEAN, Type.DATETIME):
        instead = _INSTEAD.get(type_, "use from … to …")
        scope.report(node.at, f"in does not fit {render(value)}, which is {TYPE_WORDS[type_]}; {instead}")
        return None
    adapted: list[ir.Literal] = []
    for place, option in options:
        assert option is not None  # noqa: S101 - checked above
        if not _literal_fits(value, option, place, scope):
            continue
        money = as_money(option, place.at, scope) if type_ is Type.MONEY else option
        if isinstance(money, ir.Literal):
            adapted.append(money)
    if len(adapted) < len(options):
        return None
    return ir.InSet(value, tuple(dict.fromkeys(adapted)))


def _compare(operator: str, left: ir.Value, right: ir.Value) -> ir.Predicate:
    if operator == "!=":
        return ir.Not(ir.Compare(ir.Comparison.EQ, left, right))
    return ir.Compare(ir.Comparison(operator), left, right)


def _dated(operator: str, value: ir.Value, day: tree.Tree) -> ir.Predicate:
    while isinstance(day, tree.Group):
        day = day.of
    test = ir.InPeriod(value, periods.compared(operator, day))
    return ir.Not(test) if operator == "!=" else test


def _literal_fits(value: ir.Value, constant: ir.Literal, place: tree.Tree, scope: Scope) -> bool:
    """Whether a constant may be compared with the value; says how to write it if not."""
    wanted, given = type_of(value), constant.type
    if wanted is given or (wanted in _AMOUNTS and given in _AMOUNTS):
        return True
    if wanted is Type.DATETIME and given is Type.DATE:
        return True
    shown, written = render(value), render(constant)
    match wanted, given:
        case Type.DATE, Type.DATETIME:
            advice = "write a date such as 2026-01-31"
        case Type.TEXT, _:
            advice = f'write "{written}" in quotes'
        case ((Type.NUMBER | Type.MONEY), Type.TEXT):
            advice = "write the number without quotes"
            if span := length(str(constant.value)):
                days = isinstance(value, ir.DaysSince)
                advice = in_days(*span) if days else f"write {span[0]}: a value has no unit here"
        case ((Type.DATE | Type.DATETIME), _):
            advice = "write a date such as 2026-01-31, without quotes"
        case _:
            advice = _INSTEAD.get(wanted, "write a number")
    scope.report(place.at, f"{shown} is {TYPE_WORDS[wanted]}, but {written} is {TYPE_WORDS[given]}; {advice}")
    return False
