"""Numbers in rules that the data makes suspicious: cents instead of money, years instead of days."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from rules import ir
from rules.language import render
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type

_CENTS = 100
_YEAR = 365
_MOST_YEARS = 120
"""More years than this nobody counts; a number from here on is one of days."""
_OF_ONE = frozenset({"avg", "min", "max", "latest", "earliest"})

Typical: TypeAlias = Callable[[str | None, str], tuple[int, int] | None]
"""Of a kind of activity, or of people (None), and a money field: median and greatest value in minor units."""
Age: TypeAlias = Callable[[str], int | None]
"""Of a date of people: how many days ago its median lies."""


def cents(kind: str | None, test: ir.Node, typical: Typical) -> Iterator[str]:
    """An amount beyond all there are, at least a hundred times as much as is typical."""
    match test:
        case ir.Compare(_, ir.Fact(name, Type.MONEY) as value, ir.Literal(int() as amount)):
            owner = kind
        case ir.Compare(
            _, ir.Aggregate(function, owner, str() as name) as value, ir.Literal(int() as amount)
        ) if value.type is Type.MONEY and function in _OF_ONE:
            pass
        case _:
            return
    found = typical(owner, name)
    if found is None:
        return
    median, most = found
    if median > 0 and amount > most and amount >= _CENTS * median:
        shown = ir.Literal(amount // _CENTS, Type.MONEY)
        yield (
            f"{_money(amount)} is beyond all {_name(owner, name)} there are: "
            f"half are below {_money(median)}, the most is {_money(most)}; "
            f"if these are cents, write {render(shown)}"
        )


def years(test: ir.Node, age: Age) -> Iterator[str]:
    """`days since birthday > 18`."""
    match test:
        case ir.Compare(_, ir.DaysSince(ir.Fact(name)), ir.Literal(int() as number, Type.NUMBER)):
            pass
        case _:
            return
    count, rest = divmod(number, NUMBER_SCALE)
    days = age(name) if 0 < count < _MOST_YEARS and not rest else None
    if days is not None and days >= 2 * _YEAR and days >= _YEAR * count / 4:
        yield (
            f"days since {name} counts days, and half of the people have more than {days:,}; "
            f"if {count} years are meant, write {round(count * 365.25)}"
        )


def _money(amount: int) -> str:
    return f"{amount / MONEY_SCALE:,.2f}"


def _name(kind: str | None, name: str) -> str:
    return name if kind is None else f"{kind}.{name}"
