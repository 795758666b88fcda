"""Why somebody is in a segment or not: the condition as a tree, with the result and the values at each leaf.

The texts of nodes come from the language's `render`, which is handed in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

from rules import ir
from rules.engine.activity import Known
from rules.engine.history import comeback, trace
from rules.engine.periods import instant_of, microseconds
from rules.engine.person import Context, Evaluator, Lasts, PersonFacts, holds
from rules.engine.sphere import distance, possible
from rules.engine.walk import Feature, children
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type

Render: TypeAlias = Callable[["ir.Predicate | ir.Value | ir.ScorePart | ir.Step | ir.Unless"], str]
_SCALES = {Type.NUMBER: NUMBER_SCALE, Type.MONEY: MONEY_SCALE}
_PLACES = {Type.NUMBER: 6, Type.MONEY: 2}


@dataclass(frozen=True, slots=True)
class Counted:
    """The activity behind a value: how many, and the record of the latest."""

    n: int
    kind: str
    at: dt.datetime
    connection: str | None  # None: an example written by hand
    event_id: str | None  # "***" where it has an address in it

    def __str__(self) -> str:
        which = f"{self.kind} {self.event_id} on {self.connection}, " if self.event_id else ""
        return f"of {self.n} counted, the latest {which}{self.at:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Observed:
    """A value that a leaf looked at, in the admin's units; None is missing."""

    text: str  # as the rule writes it
    value: str | None
    counted: Counted | None = None  # of activity


@dataclass(frozen=True, slots=True)
class Explanation:
    """A node of a condition and what it came to for one person."""

    node: ir.Predicate
    text: str
    result: bool
    observed: tuple[Observed, ...] = ()
    children: tuple[Explanation, ...] = ()

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The tree as indented lines: `✓ text` or `✗ text`, and the values."""
        values = "; ".join(
            f"{one.text} is {one.value or 'missing'}{f', {one.counted}' if one.counted else ''}"
            for one in self.observed
        )
        yield f"{'  ' * depth}{'✓' if self.result else '✗'} {self.text}{f'   ({values})' if values else ''}"
        for child in self.children:
            yield from child.lines(depth + 1)


def one_person(context: Context, person: PersonFacts, conditions: Mapping[str, ir.Predicate]) -> Context:
    """The context completed with this person's membership of the segments, worked out when asked."""
    known: dict[str, bool] = {}

    def in_segment(segment: str) -> bool:
        if segment not in known:
            known[segment] = holds(conditions[segment], person, complete)
        return known[segment]

    complete = Context(context.clock, context.ranks, in_segment, context.entered, context.since)
    return complete


def explain(
    predicate: ir.Predicate,
    person: PersonFacts,
    context: Context,
    *,
    render: Render,
    conditions: Mapping[str, ir.Predicate] | None = None,
) -> Explanation:
    """The tree for one person; with `conditions` (segment → condition) also inside other segments."""
    inside = conditions if context.in_segment is None else None
    return Explaining(Evaluator(person, context, inside), render, conditions).tree(predicate)


class Explaining:
    """Of one person, about as many conditions as are asked: what stands in several is told once."""

    def __init__(self, one: Evaluator, render: Render, conditions: Mapping[str, ir.Predicate] | None) -> None:
        self.one, self.render, self.conditions = one, render, conditions
        self.facts = one.person.facts
        self._trees: dict[ir.Predicate, Explanation] = {}
        self._observed: dict[ir.Value | ir.ScorePart, Observed] = {}

    def tree(self, predicate: ir.Predicate) -> Explanation:
        """The tree below a condition."""
        found = self._trees.get(predicate)
        if found is None:
            found = self._trees[predicate] = self._tree(predicate)
        return found

    def _tree(self, predicate: ir.Predicate) -> Explanation:
        if isinstance(predicate, ir.Lasting):
            return self._lasting(predicate)
        inner: tuple[ir.Predicate, ...] = ()
        match predicate:
            case ir.And(parts) | ir.Or(parts):
                inner = parts
            case ir.Not(part):
                inner = (part,)
            case ir.InSegment(segment) | ir.HeldSegment(segment) if self.conditions is not None:
                inner = (self.conditions[segment],)
        seen: dict[str, Observed] = {}
        since = self.one.context.since
        match predicate:
            case ir.HeldSegment(segment) if since is not None:
                begun = since(segment)
                told = None if begun is None else begun.isoformat(" ", "minutes")
                seen["member"] = Observed("member without a break since", told)
            case ir.Near():
                seen["distance"] = Observed("distance", self._distance(predicate))
        if isinstance(predicate, ir.Sequence | ir.Restarted):
            for text, when in self._in_order(predicate).items():
                seen[text] = Observed(text, when, None)
        elif not inner:
            for value in _values(predicate):
                observed = self._of_value(value)
                seen[observed.text] = observed
        children = tuple(map(self.tree, inner))
        return Explanation(
            node=predicate,
            text=self.render(predicate),
            result=self._result(predicate, children),
            observed=tuple(seen.values()),
            children=children,
        )

    def _of_value(self, value: ir.Value | ir.ScorePart) -> Observed:
        found = self._observed.get(value)
        if found is None:
            known = shown(self.one.value(value, self.facts), _type(value))
            found = self._observed[value] = Observed(self.render(value), known, self._counted(value))
        return found

    def _result(self, predicate: ir.Predicate, children: tuple[Explanation, ...]) -> bool:
        match predicate:
            case ir.And():
                return all(child.result for child in children)
            case ir.Or():
                return any(child.result for child in children)
            case ir.Not():
                return not children[0].result
        return self.one.holds(predicate, self.facts)

    def _counted(self, node: ir.Value | ir.ScorePart) -> Counted | None:
        if not isinstance(node, Feature):
            return None
        rows = self.one.rows(node)
        if not rows:
            return None
        latest = max(rows, key=lambda row: (row["at"], str(row.get("event_id") or "")))
        connection, event = latest.get("connection"), latest.get("event_id")
        return Counted(
            n=len(rows),
            kind=node.kind,
            at=instant_of(microseconds(latest["at"])),  # type: ignore[arg-type]
            connection=None if connection is None else str(connection),
            event_id=None if event is None else "***" if "@" in str(event) else str(event),
        )

    def _in_order(self, node: ir.Sequence | ir.Restarted) -> dict[str, str | None]:
        """When each step happened, of the latest sequence or of the latest that came furthest."""
        if isinstance(node, ir.Restarted):
            before, after = comeback(node, self.one.instants, self.one.clock) or (None, None)
            return {"before the pause": _instant(before), "after the pause": _instant(after)}
        found = trace(node, self.one.instants, self.one.clock)
        seen: dict[str, str | None] = {}
        for number, (step, at) in enumerate(zip(node.steps, found.steps, strict=True), 1):
            seen[f"step {number} {self.render(step)}"] = _instant(at)
        if node.unless is not None and found.steps[-1] is not None:
            followed = _instant(found.followed) or "none"
            if found.open_until is not None and found.followed is None:
                followed = f"none yet, open until {_instant(found.open_until)}"
            seen[f"then {self.render(node.unless)}"] = followed
        return seen

    def _lasting(self, node: ir.Lasting) -> Explanation:
        """A segment that lasts: what keeps the person in or out and until when, then both conditions."""
        one, person, since = self.one, self.one.person, self.one.context.entered
        why = one.lasting(node, self.facts)
        entered = None if since is None else since(node.segment)
        until = None if entered is None or node.stay is None else entered + dt.timedelta(hours=node.stay)
        leaves = node.leave_when is not None and one.holds(node.leave_when, self.facts)
        match why:
            case Lasts.HELD:
                text = f"stays because it entered less than {span(node.stay)} ago, until {_minute(until)}"
            case Lasts.STAYS:
                text = "stays because it was in, until leave_when is true"
            case Lasts.ENTERS:
                text = "is in because when is true"
            case Lasts.NOT:
                text = "is not in because " + ("leave_when is true" if leaves else "when is not true")
                if entered is not None and person.suppressed:
                    text += "; was in, but whoever is suppressed does not stay"
        parts = [("when", node.when)]
        parts += [] if node.leave_when is None else [("leave_when", node.leave_when)]
        trees = []
        for name, part in parts:
            tree = self.tree(part)
            trees.append(replace(tree, text=f"{name}: {tree.text}"))
        if entered is not None:
            text += f"; a member since {_minute(entered)}"
        return Explanation(node, text, why is not Lasts.NOT, (), tuple(trees))

    def _distance(self, near: ir.Near) -> str | None:
        """How far the place is from the point, in the unit of the rule."""
        north, east = (self.one.value(fact, self.facts) for fact in (near.latitude, near.longitude))
        if not isinstance(north, int) or not isinstance(east, int) or not possible(north, east):
            return None
        return f"{distance(near, north, east):.1f} {near.unit}"


def _instant(microseconds: int | None) -> str | None:
    return None if microseconds is None else shown(instant_of(microseconds), Type.DATETIME)


def span(hours: int | None) -> str:
    """A time in the admin's words: `7 days`, `1 day`, `12 hours`."""
    number, unit = (hours or 0, "hour") if hours is None or hours % 24 else (hours // 24, "day")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _minute(instant: dt.datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"


@lru_cache(maxsize=4096)
def _values(node: ir.Node) -> tuple[ir.Value | ir.ScorePart, ...]:
    """The values a leaf looks at: the whole ones first, then what they are made of; no constants."""
    return tuple(_found(node))


def _found(node: ir.Node) -> Iterator[ir.Value | ir.ScorePart]:
    for child in children(node):
        if isinstance(child, ir.Fact | ir.Aggregate):
            yield child
        elif isinstance(child, ir.Score):
            yield child
            yield from child.parts
        elif isinstance(child, ir.DaysSince | ir.Arithmetic):
            yield child
            yield from _found(child)


def _type(value: ir.Value | ir.ScorePart) -> Type | None:
    if isinstance(value, ir.Arithmetic):
        return None
    return Type.NUMBER if isinstance(value, ir.DaysSince | ir.ScorePart) else value.type


def shown(value: Known | None, type_: Type | None) -> str | None:
    """A value in the admin's units: `620.00`, `3`, `2026-03-01`, `yes`; `type_` None: a double."""
    match value:
        case None:
            return None
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case dt.date():
            return value.isoformat()
        case float():
            return f"{value:.6f}".rstrip("0").rstrip(".")
        case int() if type_ is Type.MONEY:
            major, minor = divmod(abs(value), MONEY_SCALE)
            return f"{'-' if value < 0 else ''}{major}.{minor:02d}"
        case int() if type_ is Type.NUMBER and value % NUMBER_SCALE == 0:
            return str(value // NUMBER_SCALE)
        case int() | Fraction() if type_ is not None:
            exact = Fraction(value) / _SCALES[type_]
            rounded = round(exact, _PLACES[type_])
            text = f"{Decimal(rounded.numerator) / Decimal(rounded.denominator):.{_PLACES[type_]}f}"
            return text if type_ is Type.MONEY else text.rstrip("0").rstrip(".")
        case list() | tuple():
            return ", ".join(value)
    return str(value)
