"""What the parser reads: names and words in order, with positions, before types are known.

`at` is the offset in the expression to which a message about the node points. Nodes are told apart by
identity: methods that nobody calls would cost every start of a check.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from rules import ir


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tree:
    """Base of all nodes."""

    at: int


def beginning(node: Tree) -> int:
    """The offset at which the text of a node begins: that of its leftmost part."""
    first = node.at
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Tree):
                first = min(first, beginning(part))
    return first


# ── values ──


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Name(Tree):
    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Text(Tree):
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Number(Tree):
    number: Decimal


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Day(Tree):
    day: dt.date


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Instant(Tree):
    instant: dt.datetime


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Truth(Tree):
    value: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Period(Tree):
    period: ir.Period


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Activity(Tree):
    """`KIND [where CONDITION] [WINDOW]`, also `KIND.field …`, inside a function."""

    name: Name
    where: Tree | None
    period: Period | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Tree):
    function: ir.AggregateFunction
    activity: Activity


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Moment(Tree):
    """`first KIND`, `last KIND`: an instant."""

    function: ir.AggregateFunction
    name: Name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Since(Tree):
    of: Tree


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Arithmetic(Tree):
    operator: ir.Operator
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Minus(Tree):
    of: Tree


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Group(Tree):
    """Something in parentheses."""

    of: Tree


# ── conditions ──


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AllOf(Tree):
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AnyOf(Tree):
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Negation(Tree):
    part: Tree


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Happened(Tree):
    """`did KIND …`."""

    of: Tree


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(Tree):
    """`operator` as written: = != < <= > >=."""

    operator: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Range(Tree):
    value: Tree
    low: Tree
    high: Tree


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Listed(Tree):
    value: Tree
    options: tuple[Tree, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ranked(Tree):
    """`percent` is set for `top 10%`, `count` for `top 500`, `quintile` for `quintile 5`."""

    value: Tree
    side: ir.Side
    percent: Number | None
    count: Number | None
    quintile: Number | None
    by: Name | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Look(Tree):
    """`word`: contains, starts, ends, matches."""

    word: str
    value: Tree
    text: Text


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Has(Tree):
    kind: ir.ListTestKind
    value: Tree
    options: tuple[Tree, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Known(Tree):
    value: Tree


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class During(Tree):
    value: Tree
    period: Period


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Yearly(Tree):
    value: Tree
    period: Period


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Filtered(Tree):
    value: Tree
    where: Tree


# ── activity in order ──


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Span(Tree):
    """`2 days`, without a direction."""

    number: Number
    unit: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Spanned(Tree):
    """`of within 2 days`, `of after 2 days`: only in the last condition of a step, which takes it along."""

    of: Tree
    word: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Link(Tree):
    """`then KIND …` (or `not followed by`); a window belongs behind the last one."""

    negated: bool
    step: Activity
    span: Span | None
    window: Tree | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sequence(Tree):
    """The first step and what follows."""

    of: Tree
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Regular(Tree):
    """`of in at least LEAST of the last OF UNIT`; `number` as written."""

    of: Tree
    least: Number
    number: Number
    unit: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pausing(Tree):
    """`word`: stopped (for a span), restarted (after it, in a window)."""

    word: str
    step: Activity
    span: Span | None
    window: Tree | None


# ── the person ──


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InGroup(Tree):
    """`word`: segment, tier, list, cluster. `held`: number and unit of `for 30 days`."""

    word: str
    name: Text
    held: tuple[Number, ir.Unit] | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Near(Tree):
    """`PLACE within 50 km of (48.14, 11.58)`."""

    place: Tree
    distance: Number
    unit: ir.DistanceUnit
    north: Number
    east: Number


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Related(Tree):
    """`word`: any, all, none."""

    word: str
    records: Activity


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Suppressed(Tree):
    pass


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Consented(Tree):
    channel: Name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Random(Tree):
    percent: Number
    salt: Text


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Broken(Tree):
    """Something already reported; everything that contains it stays silent."""
