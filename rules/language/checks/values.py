"""The types of values: facts, constants, aggregates over activity, arithmetic."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from rules import ir
from rules.language.checks.scope import TYPE_WORDS, Scope
from rules.language.problems import suggest
from rules.language.render import render
from rules.language.syntax import tree
from rules.text import clean, fold
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Kind, Record, Type

_LARGEST = 2**63 - 1
_LONGEST = 40
"""Digits of a number shown in a message."""
_CENT = NUMBER_SCALE // MONEY_SCALE
_AMOUNTS = (Type.NUMBER, Type.MONEY)
_ORDERED = (Type.NUMBER, Type.MONEY, Type.DATE, Type.DATETIME)
_SINGLE = (*_ORDERED, Type.TEXT, Type.BOOLEAN)
_F = ir.AggregateFunction
_FIELD_TYPES: dict[ir.AggregateFunction, tuple[tuple[Type, ...], str]] = {
    _F.SUM: (_AMOUNTS, "a number or money"),
    _F.AVG: (_AMOUNTS, "a number or money"),
    _F.MIN: (_ORDERED, "a number, money or a date"),
    _F.MAX: (_ORDERED, "a number, money or a date"),
    _F.DISTINCT: (_SINGLE, "a single value"),
    _F.LATEST: (_SINGLE, "a single value"),
    _F.EARLIEST: (_SINGLE, "a single value"),
    _F.MOST_FREQUENT: (_SINGLE, "a single value"),
    _F.LIST: ((Type.TEXT,), "text"),
}


def type_of(value: ir.Value) -> Type:
    """The type of a value."""
    return Type.NUMBER if isinstance(value, ir.DaysSince) else value.type


def check_value(node: tree.Tree, scope: Scope) -> ir.Value | None:
    """The value a tree stands for, or None after reporting why it is none."""
    match node:
        case tree.Name():
            found = scope.fact(node)
            if found is None or isinstance(found, ir.Value):
                return found
            scope.report(node.at, f"{node.name} is a condition, not a value")
            return None
        case tree.Group(_, of):
            return check_value(of, scope)
        case tree.Text() | tree.Number() | tree.Day() | tree.Instant() | tree.Truth():
            return literal(node, scope)
        case tree.Call():
            return _call(node, scope)
        case tree.Moment():
            return moment(node.function, tree.Activity(node.at, node.name, None, None), scope)
        case tree.Filtered(_, tree.Moment() as first, where):
            return moment(first.function, tree.Activity(first.at, first.name, where, None), scope)
        case tree.Since():
            return _since(node, scope)
        case tree.Arithmetic():
            return _arithmetic(node, scope)
        case tree.Minus(at, of):
            zero = tree.Number(at, Decimal(0))
            return _arithmetic(tree.Arithmetic(at, ir.Operator.SUBTRACT, zero, of), scope)
        case tree.Broken():
            return None
        case _:
            scope.report(node.at, "here stands a condition where a value is needed")
            return None


def literal(node: tree.Tree, scope: Scope) -> ir.Literal | None:
    """A constant in its physical unit; numbers as millionths until `as_money` turns them."""
    match node:
        case tree.Text(at, text):
            if clean(text) is None:
                scope.report(at, "an empty text is the same as missing; write is missing or is known")
                return None
            return ir.Literal(fold(text), Type.TEXT)
        case tree.Number(at, number):
            scaled = millionths(node, scope)
            if scaled is not None and abs(scaled) > _LARGEST:
                scope.report(at, f"{_shown(number)} is too large")
                return None
            return None if scaled is None else ir.Literal(scaled, Type.NUMBER)
        case tree.Day(_, day):
            return ir.Literal(day, Type.DATE)
        case tree.Instant(_, instant):
            return ir.Literal(instant, Type.DATETIME)
        case tree.Truth(_, value):
            return ir.Literal(value, Type.BOOLEAN)
        case _:
            if not isinstance(node, tree.Broken):
                scope.report(node.at, "only fixed values may stand here")
            return None


def millionths(node: tree.Number, scope: Scope) -> int | None:
    """A number as a whole number of millionths, however many digits it has; None and a finding if it is none.

    In fractions: decimals are rounded to 28 digits when they are multiplied.
    """
    scaled = Fraction(node.number) * NUMBER_SCALE
    if scaled.denominator != 1:
        scope.report(node.at, f"{_shown(node.number)} has more than 6 decimals")
        return None
    return scaled.numerator


def _shown(number: Decimal) -> str:
    text = str(number)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def as_money(value: ir.Value, at: int, scope: Scope) -> ir.Value | None:
    """A NUMBER made of constants read as money (`100 * count(purchase)`): the value retyped.

    Returns `value` itself if it holds no constant that may be money; reports more than 2 decimals.
    """
    match value:
        case ir.Literal(int() as millionths, Type.NUMBER):
            if millionths % _CENT:
                scope.report(at, f"{render(value)} has more than 2 decimals; money has 2")
                return None
            return ir.Literal(millionths // _CENT, Type.MONEY)
        case ir.Arithmetic(operator, left, right, Type.NUMBER):
            money_left, money_right = as_money(left, at, scope), as_money(right, at, scope)
            if money_left is None or money_right is None:
                return None
            took_left, took_right = money_left is not left, money_right is not right
            match operator:
                case ir.Operator.ADD | ir.Operator.SUBTRACT if took_left and took_right:
                    return ir.Arithmetic(operator, money_left, money_right, Type.MONEY)
                case ir.Operator.MULTIPLY if took_left:
                    return ir.Arithmetic(operator, money_left, right, Type.MONEY)
                case ir.Operator.MULTIPLY if took_right:
                    return ir.Arithmetic(operator, left, money_right, Type.MONEY)
                case ir.Operator.DIVIDE if took_left:
                    return ir.Arithmetic(operator, money_left, right, Type.MONEY)
    return value


def same_amount(
    left: ir.Value, right: ir.Value, at: tuple[int, int, int], scope: Scope
) -> tuple[ir.Value, ir.Value] | None:
    """Both NUMBER or both MONEY, constants adapting; `at` are the places of left, right and operator."""
    types = type_of(left), type_of(right)
    if types == (Type.MONEY, Type.NUMBER):
        adapted = as_money(right, at[1], scope)
        if adapted is None or type_of(adapted) is Type.MONEY:
            return None if adapted is None else (left, adapted)
    elif types == (Type.NUMBER, Type.MONEY):
        adapted = as_money(left, at[0], scope)
        if adapted is None or type_of(adapted) is Type.MONEY:
            return None if adapted is None else (adapted, right)
    else:
        return left, right
    scope.report(at[2], f"{_is(left)} and {_is(right)}: they do not mix")
    return None


def _arithmetic(node: tree.Arithmetic, scope: Scope) -> ir.Value | None:
    left, right = check_value(node.left, scope), check_value(node.right, scope)
    if left is None or right is None:
        return None
    wrong = [value for value in (left, right) if type_of(value) not in _AMOUNTS]
    if wrong:
        scope.report(node.at, f'"{node.operator}" needs numbers or money, but {_is(wrong[0])}')
        return None
    if node.operator in (ir.Operator.ADD, ir.Operator.SUBTRACT):
        pair = same_amount(left, right, (node.left.at, node.right.at, node.at), scope)
        if pair is None:
            return None
        return ir.Arithmetic(node.operator, *pair, type_of(pair[0]))
    types = type_of(left), type_of(right)
    if node.operator is ir.Operator.MULTIPLY and types == (Type.MONEY, Type.MONEY):
        scope.report(node.at, "money times money is nothing one can compare")
        return None
    if node.operator is ir.Operator.DIVIDE and types == (Type.NUMBER, Type.MONEY):
        divided = as_money(left, node.left.at, scope)
        if divided is None:
            return None
        if type_of(divided) is not Type.MONEY:
            scope.report(node.at, "a number divided by money is nothing one can compare")
            return None
        left, types = divided, (Type.MONEY, Type.MONEY)
    money = types.count(Type.MONEY) == 1
    return ir.Arithmetic(node.operator, left, right, Type.MONEY if money else Type.NUMBER)


def _call(node: tree.Call, scope: Scope) -> ir.Value | None:
    """`sum(purchase.amount where …, last 365 days)` and the like."""
    function = node.function
    found = _activity(node.activity, scope, node.at, f"{function}(…)")
    if found is None:
        return None
    of, column, where, period = found
    kind, fields = of.name, of.fields
    name = node.activity.name
    if function is _F.COUNT:
        if column is not None:
            message = f"count counts activities: write count({kind}) or distinct({name.name})"
            scope.report(name.at, message)
            return None
        return aggregate(function, of, None, where, period, Type.NUMBER)
    allowed, words = _FIELD_TYPES[function]
    if column is None:
        fitting = next((field for field in fields.values() if field.type in allowed), None)
        example = f", such as {function}({kind}.{fitting.name})" if fitting else ""
        scope.report(name.at, f"{function} needs a field of {kind}{example}")
        return None
    type_ = fields[column].type
    if type_ not in allowed:
        scope.report(name.at, f"{function} needs {words}, but {name.name} is {TYPE_WORDS[type_]}")
        return None
    result = {_F.DISTINCT: Type.NUMBER, _F.LIST: Type.TEXTS}.get(function, type_)
    return aggregate(function, of, column, where, period, result)


def aggregate(
    function: ir.AggregateFunction,
    kind: Kind,
    column: str | None,
    where: ir.Predicate | None,
    period: ir.Period,
    type_: Type,
) -> ir.Aggregate:
    """A function over activity, or over the present states of records."""
    if isinstance(kind, Record):
        return ir.RecordAggregate(function, kind.name, column, where, period, type_, kind.key, kind.kinds)
    return ir.Aggregate(function, kind.name, column, where, period, type_)


def moment(function: ir.AggregateFunction, activity: tree.Activity, scope: Scope) -> ir.Value | None:
    """The instant of the first or last activity."""
    found = _activity(activity, scope, activity.at, "an activity")
    if found is None:
        return None
    kind, column, where, period = found
    if column is not None:
        scope.report(activity.name.at, f"write {kind.name} alone, without .{column}")
        return None
    return aggregate(function, kind, None, where, period, Type.DATETIME)


def count(activity: tree.Activity, scope: Scope) -> ir.Value | None:
    """How many there were: for `did KIND` and its shorter forms."""
    return _call(tree.Call(activity.at, _F.COUNT, activity), scope)


def counted(activity: tree.Activity, scope: Scope) -> tuple[str, ir.Predicate | None, ir.Period] | None:
    """Kind, filter and window of an activity that is only counted."""
    value = count(activity, scope)
    if not isinstance(value, ir.Aggregate):
        return None
    if isinstance(value, ir.RecordAggregate):
        kind = value.kind
        message = (
            f"{kind} is a kind of record, not an activity; write if = 'any({kind} where …)', without when"
        )
        scope.report(activity.name.at, message)
        return None
    return value.kind, value.where, value.period


def _since(node: tree.Since, scope: Scope) -> ir.Value | None:
    inner = node.of
    while isinstance(inner, tree.Group):
        inner = inner.of
    value: ir.Value | None
    if isinstance(inner, tree.Name) and scope.is_kind(inner.name):
        value = moment(_F.LAST_AT, tree.Activity(inner.at, inner, None, None), scope)
    elif (
        isinstance(inner, tree.Filtered)
        and isinstance(inner.value, tree.Name)
        and scope.is_kind(inner.value.name)
    ):
        activity = tree.Activity(inner.value.at, inner.value, inner.where, None)
        value = moment(_F.LAST_AT, activity, scope)
    else:
        value = check_value(inner, scope)
    if value is not None and type_of(value) not in (Type.DATE, Type.DATETIME):
        scope.report(inner.at, f"days since needs a date or an activity, but {_is(value)}")
        return None
    return None if value is None else ir.DaysSince(value)


def _activity(
    activity: tree.Activity, scope: Scope, at: int, what: str
) -> tuple[Kind, str | None, ir.Predicate | None, ir.Period] | None:
    """Kind, field, filter and window; every part is checked even if an earlier one is wrong."""
    name = activity.name
    if scope.kind is not None:
        scope.report(at, f"{what} cannot stand inside where; where sees one activity at a time")
        return None
    split = scope.activity(name.name)
    period: ir.Period | None = ir.Ever()
    if activity.period is not None:
        period = _past(activity.period, scope)
    if split is None:
        every = {**scope.vocabulary.kinds, **scope.vocabulary.records}
        known = list(every)
        if name.name in scope.vocabulary.fields or name.name in scope.named_ids:
            scope.report(name.at, f"{name.name} is a fact of the person, not an activity")
        elif "." in name.name:
            names = [f"{kind.name}.{field}" for kind in every.values() for field in kind.fields]
            scope.report(name.at, f'unknown activity "{name.name}"{suggest(name.name, names)}')
        else:
            scope.report(name.at, f'unknown activity "{name.name}"{suggest(name.name, known)}')
        return None
    kind, column = split
    known_column = column is None or column in kind.fields
    if not known_column:
        known = [f"{kind.name}.{each}" for each in kind.fields]
        scope.report(name.at, f'unknown field "{column}" of {kind.name}{suggest(name.name, known)}')
    where = None
    if activity.where is not None:
        where = scope.condition(activity.where, scope.inside(kind))
        if where is None:
            return None
    return (kind, column, where, period) if known_column and period is not None else None


def _past(period: tree.Period, scope: Scope) -> ir.Period | None:
    match period.period:
        case ir.Next() | ir.Calendar(_, 1):
            scope.report(period.at, "activity lies in the past; next and tomorrow are for dates of a person")
            return None
        case found:
            return found


def _is(value: ir.Value) -> str:
    return f"{render(value)} is {TYPE_WORDS[type_of(value)]}"
