"""What the parser reads: names and words in order, with positions, before types are known.

`at` is the offset in the expression to which a message about the node points. Nodes are told apart by
identity.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from rules import ir
from rules.fixed import Fixed


class Tree(Fixed):
    """Base of all nodes."""

    at: int


def beginning(node: Tree) -> int:
    """The offset at which the text of a node begins: that of its leftmost part."""
    first = node.at
    for name in node.field_names:
        value = getattr(node, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Tree):
                first = min(first, beginning(part))
    return first


# ── values ──


class Name(Tree):
    name: str


class Text(Tree):
    text: str


class Number(Tree):
    number: Decimal


class Day(Tree):
    day: dt.date


class Instant(Tree):
    instant: dt.datetime


class Truth(Tree):
    value: bool


class Period(Tree):
    period: ir.Period


class Activity(Tree):
    """`KIND [where CONDITION] [WINDOW]`, also `KIND.field …`, inside a function."""

    name: Name
    where: Tree | None
    period: Period | None


class Call(Tree):
    function: ir.AggregateFunction
    activity: Activity


class Moment(Tree):
    """`first KIND`, `last KIND`: an instant."""

    function: ir.AggregateFunction
    name: Name


class Since(Tree):
    of: Tree


class Arithmetic(Tree):
    operator: ir.Operator
    left: Tree
    right: Tree


class Minus(Tree):
    of: Tree


class Group(Tree):
    """Something in parentheses."""

    of: Tree


# ── conditions ──


class AllOf(Tree):
    parts: tuple[Tree, ...]


class AnyOf(Tree):
    parts: tuple[Tree, ...]


class Negation(Tree):
    part: Tree


class Happened(Tree):
    """`did KIND …`."""

    of: Tree


class Comparison(Tree):
    """`operator` as written: = != < <= > >=."""

    operator: str
    left: Tree
    right: Tree


class Range(Tree):
    value: Tree
    low: Tree
    high: Tree


class Listed(Tree):
    value: Tree
    options: tuple[Tree, ...]


class Ranked(Tree):
    """`percent` is set for `top 10%`, `count` for `top 500`, `quintile` for `quintile 5`."""

    value: Tree
    side: ir.Side
    percent: Number | None
    count: Number | None
    quintile: Number | None
    by: Name | None


class Look(Tree):
    """`word`: contains, starts, ends, matches."""

    word: str
    value: Tree
    text: Text


class Has(Tree):
    kind: ir.ListTestKind
    value: Tree
    options: tuple[Tree, ...]


class Known(Tree):
    value: Tree


class During(Tree):
    value: Tree
    period: Period


class Yearly(Tree):
    value: Tree
    period: Period


class Filtered(Tree):
    value: Tree
    where: Tree


# ── activity in order ──


class Span(Tree):
    """`2 days`, without a direction."""

    number: Number
    unit: str


class Spanned(Tree):
    """`of within 2 days`, `of after 2 days`: only in the last condition of a step, which takes it along."""

    of: Tree
    word: str
    span: Span


class Link(Tree):
    """`then KIND …` (or `not followed by`); a window belongs behind the last one."""

    negated: bool
    step: Activity
    span: Span | None
    window: Tree | None


class Sequence(Tree):
    """The first step and what follows."""

    of: Tree
    links: tuple[Link, ...]


class Regular(Tree):
    """`of in at least LEAST of the last OF UNIT`; `number` as written."""

    of: Tree
    least: Number
    number: Number
    unit: str


class Pausing(Tree):
    """`word`: stopped (for a span), restarted (after it, in a window)."""

    word: str
    step: Activity
    span: Span | None
    window: Tree | None


# ── the person ──


class InGroup(Tree):
    """`word`: segment, tier, list, cluster. `held`: number and unit of `for 30 days`."""

    word: str
    name: Text
    held: tuple[Number, ir.Unit] | None


class Near(Tree):
    """`PLACE within 50 km of (48.14, 11.58)`."""

    place: Tree
    distance: Number
    unit: ir.DistanceUnit
    north: Number
    east: Number


class Related(Tree):
    """`word`: any, all, none."""

    word: str
    records: Activity


class Suppressed(Tree):
    pass


class Consented(Tree):
    channel: Name


class Random(Tree):
    percent: Number
    salt: Text


class Broken(Tree):
    """Something already reported; everything that contains it stays silent."""
