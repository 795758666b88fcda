"""What a condition is asked of while it is being turned: a person as they would be, or one activity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Protocol, Self

from rules import ir
from rules.engine.activity import Known, Row
from rules.engine.edits import Edit, SetFact, applied
from rules.engine.explain import one_person
from rules.engine.periods import Clock
from rules.engine.person import Context, Evaluator, PersonFacts, fits, observed
from rules.engine.walk import Feature

MOST_ASKED = 600
"""Questions to the evaluator for one condition."""
MOST_KEPT = 200_000
"""Rows of activity of people as they would be, kept from one condition to the next."""


class Scope(Protocol):
    """Answers for what the edits so far have made of it."""

    clock: Clock

    @property
    def spent(self) -> bool:
        """Whether it was asked enough."""
        ...

    def holds(self, node: ir.Predicate) -> bool:
        """Whether a predicate is true."""
        ...

    def value(self, node: ir.Value | ir.ScorePart) -> Known | None:
        """A value."""
        ...

    def plus(self, edits: Sequence[Edit]) -> Self:
        """With more edits."""
        ...


class PersonScope:
    """A person. `edits` are those that made them so, of the person as they are.

    What was found is kept for the next condition about the same person: equal edits make one scope.
    """

    def __init__(
        self,
        original: PersonFacts,
        context: Context,
        conditions: Mapping[str, ir.Predicate],
        edits: tuple[Edit, ...] = (),
        root: PersonScope | None = None,
    ) -> None:
        self.original, self.outer, self.conditions, self.edits = original, context, conditions, edits
        self.person = applied(original, edits) if edits else original
        self.context = one_person(context, self.person, conditions)
        self.clock = context.clock
        self._one = Evaluator(self.person, self.context)
        self._known: dict[ir.Predicate, bool] = {}
        self._ways: dict[tuple[ir.Predicate, bool], _Again] = {}
        self.root = self if root is None else root
        if root is None:
            self._asked, self._made = 0, _Made()

    def begin(self) -> None:
        """The next condition is asked about; nothing was asked for it yet."""
        self.root._asked = 0
        if self.root._made.rows > MOST_KEPT:
            self.root._made = _Made()
            self.root._ways.clear()

    @property
    def spent(self) -> bool:
        """Whether the evaluator was asked so often that it is time to be content with what there is."""
        return self.root._asked > MOST_ASKED

    def holds(self, node: ir.Predicate) -> bool:
        """Whether a predicate is true of the person."""
        self.root._asked += 1
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._one.holds(node, self.person.facts)
        return known

    def value(self, node: ir.Value | ir.ScorePart) -> Known | None:
        """A value of the person."""
        return self._one.value(node, self.person.facts)

    def counted(self, feature: Feature) -> list[Row]:
        """The activity that a feature counts."""
        return self._one.seen.rows(feature)

    @cached_property
    def places(self) -> Mapping[int, tuple[str, int]]:
        """Of every row of the person as they are, by its id, the kind and its place among them."""
        if self.root is not self:
            return self.root.places
        every = self.original.activity.items()
        return {id(row): (kind, place) for kind, rows in every for place, row in enumerate(rows)}

    def plus(self, edits: Sequence[Edit]) -> PersonScope:
        """With more edits."""
        return self._with((*self.edits, *edits), self.outer)

    def at(self, clock: Clock, edits: Sequence[Edit]) -> PersonScope:
        """At another instant, with these edits."""
        return self._with(tuple(edits), replace(self.outer, clock=clock))

    def _with(self, edits: tuple[Edit, ...], outer: Context) -> PersonScope:
        made = self.root._made
        key = outer.clock.as_of, *map(made.number, edits)
        scope = made.scopes.get(key)
        if scope is None:
            scope = made.scopes[key] = PersonScope(self.original, outer, self.conditions, edits, self.root)
            now, then = scope.person.activity, self.original.activity
            made.rows += sum(len(rows) for kind, rows in now.items() if rows is not then.get(kind))
        return scope

    def ways(
        self, node: ir.Predicate, target: bool, find: Callable[[], Iterator[tuple[Edit, ...]]]
    ) -> Iterator[tuple[Edit, ...]]:
        """What `find` finds of a leaf, looked for once."""
        key = node, target
        found = self._ways.get(key)
        if found is None or found.cut:
            found = self._ways[key] = _Again(self, find())
        return found.each()


class _Made:
    """Scopes that were made of one person, by the instant and the numbers of their edits; `rows`: how many
    rows of activity they hold together."""

    def __init__(self) -> None:
        self.scopes: dict[tuple[object, ...], PersonScope] = {}
        self.rows = 0
        self._numbers: dict[int, tuple[Edit, int]] = {}  # by id, with the edit, which its id stands for
        self._equal: dict[Edit, int] = {}

    def number(self, edit: Edit) -> int:
        """Equal edits have the same."""
        found = self._numbers.get(id(edit))
        if found is None:
            number = len(self._numbers)
            with suppress(TypeError):  # a fact would be a list
                number = self._equal.setdefault(edit, number)
            found = self._numbers[id(edit)] = edit, number
        return found[1]


class _Again:
    """What an iterator gives, as often as asked; what it asked of the scope counts each time."""

    def __init__(self, scope: PersonScope, source: Iterator[tuple[Edit, ...]]) -> None:
        self._root, self._source = scope.root, source
        self._found: list[tuple[tuple[Edit, ...] | None, int]] = []
        self.cut = False  # it ended because the scope was asked enough

    def each(self) -> Iterator[tuple[Edit, ...]]:
        """From the first on."""
        place = 0
        while True:
            if place == len(self._found):
                before = self._root._asked
                way = next(self._source, None)
                self._found.append((way, self._root._asked - before))
                self.cut = self.cut or (way is None and self._root.spent)
            else:
                self._root._asked += self._found[place][1]
            way = self._found[place][0]
            if way is None:
                return
            yield way
            place += 1


class RowScope:
    """One activity."""

    def __init__(self, row: Row, context: Context) -> None:
        self.row, self.context, self.clock = row, context, context.clock
        self.spent = False

    def holds(self, node: ir.Predicate) -> bool:
        """Whether a predicate over its fields is true."""
        return fits(node, self.row, self.context)

    def value(self, node: ir.Value | ir.ScorePart) -> Known | None:
        """A value of its fields."""
        return observed(node, PersonFacts(0, self.row), self.context)

    def plus(self, edits: Sequence[Edit]) -> RowScope:
        """With other fields."""
        fields = {edit.name: edit.value for edit in edits if isinstance(edit, SetFact)}
        return RowScope({**self.row, **fields}, self.context)
