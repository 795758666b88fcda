"""What a condition is asked of while it is being turned: a person as they would be, or one activity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, Self, TypeVar

from rules import ir
from rules.engine.activity import Known, Row
from rules.engine.edits import Edit, Fewer, More, SetFact, applied
from rules.engine.foreseen import Foreseen
from rules.engine.foretold import Foretold
from rules.engine.periods import Clock
from rules.engine.person import Context, Evaluator, PersonFacts
from rules.engine.walk import Feature

T = TypeVar("T")
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

    def after(self, edits: Sequence[Edit], node: ir.Predicate) -> bool:
        """Whether a predicate is true with more edits."""
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
        self.original, self.conditions, self.edits = original, conditions, edits
        self.context, self.clock = context, context.clock
        self._known: dict[ir.Predicate, bool] = {}
        self._ways: dict[tuple[ir.Predicate, bool], _Again] = {}
        self.root = self if root is None else root
        if root is None:
            self._asked, self._made = 0, _Made()
        self._one = self._evaluator()

    def _evaluator(self) -> Evaluator:
        if self._mixed_up(self.edits):
            return Evaluator(self.person, self.context, self.conditions)
        one = self.at(self.clock)
        return Foreseen(one, self.edits) if self.edits else one

    @cached_property
    def person(self) -> PersonFacts:
        """The person as the edits make them."""
        return applied(self.original, self.edits) if self.edits else self.original

    @cached_property
    def _twice(self) -> bool:
        """Whether some row of activity is there more than once, and not told apart from itself."""
        return len(self.places) < sum(map(len, self.original.activity.values()))

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
        return self.known(node)

    def known(self, node: ir.Predicate) -> bool:
        """The same, where nobody counts how often it is asked."""
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._one.holds(node, self._one.person.facts)
        return known

    def value(self, node: ir.Value | ir.ScorePart) -> Known | None:
        """A value of the person."""
        return self._one.value(node, self._one.person.facts)

    def counted(self, feature: Feature) -> Sequence[Row]:
        """The activity that a feature counts."""
        return self._one.rows(feature)

    @cached_property
    def places(self) -> Mapping[int, tuple[str, int]]:
        """Of every row of the person as they are, by its id, the kind and its place among them."""
        if self.root is not self:
            return self.root.places
        every = self.original.activity.items()
        return {id(row): (kind, place) for kind, rows in every for place, row in enumerate(rows)}

    def thought_of(self, key: tuple[object, ...], make: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
        """What is made for a key, once for everybody that the person may be; not if it cannot be a key."""
        known = self.root._made.thought_of
        try:
            found = known.get(key)
        except TypeError:  # a field would be a list
            return make()
        if found is None:
            found = known[key] = make()
        return found

    def plus(self, edits: Sequence[Edit]) -> PersonScope:
        """With more edits."""
        return self._with((*self.edits, *edits), self.context)

    def after(self, edits: Sequence[Edit], node: ir.Predicate) -> bool:
        """Whether a predicate is true of the person with more edits."""
        told = None
        if not self._mixed_up(edits):
            told = self.root._made.foretold(self._one, edits).holds(node)
        if told is None:
            return self.plus(edits).holds(node)
        self.root._asked += 1
        return told

    def later(self, clock: Clock, edits: Sequence[Edit], node: ir.Predicate) -> bool:
        """Whether a predicate is true at another instant, with these edits of the person as they are."""
        told, one = None, self.at(clock)
        if not self._mixed_up(edits):
            told = self.root._made.foretold(one, edits).holds(node)
        if told is None:
            return self._with(tuple(edits), one.context).holds(node)
        self.root._asked += 1
        return told

    def _mixed_up(self, edits: Sequence[Edit]) -> bool:
        """Whether some of it would be gone of activity whose rows cannot be told apart."""
        return self.root._twice and any(isinstance(edit, Fewer) for edit in edits)

    def at(self, clock: Clock) -> Evaluator:
        """The person as they are, at an instant."""
        ones = self.root._made.ones
        one = ones.get(clock)
        if one is None:
            now = self.context
            context = Context(clock, now.ranks, now.in_segment, now.entered, now.since, now.held)
            one = ones[clock] = Evaluator(self.original, context, self.conditions)
        return one

    def _with(self, edits: tuple[Edit, ...], outer: Context) -> PersonScope:
        made = self.root._made
        key = outer.clock.now, *map(made.number, edits)
        scope = made.scopes.get(key)
        if scope is None:
            scope = made.scopes[key] = PersonScope(self.original, outer, self.conditions, edits, self.root)
            for edit in edits:
                if isinstance(edit, More | Fewer):
                    made.rows += len(self.original.activity.get(edit.kind, ()))
                    made.rows += edit.n if isinstance(edit, More) else 0
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
    """Scopes that were made of one person, by the instant and the numbers of their edits; `rows`: how
    many rows of activity they may look at together."""

    def __init__(self) -> None:
        self.scopes: dict[tuple[int, ...], PersonScope] = {}
        self.ones: dict[Clock, Evaluator] = {}
        """The person as they are, by instant."""
        self.thought_of: dict[tuple[object, ...], tuple[Any, ...]] = {}
        self.rows = 0
        self._foretold: dict[tuple[int, ...], Foretold] = {}
        """By the id of whom, which it keeps, and the numbers of the edits: for all conditions."""
        self._numbers: dict[int, tuple[Edit, int]] = {}  # by id, with the edit, which its id stands for
        self._equal: dict[Edit, int] = {}

    def foretold(self, one: Evaluator, edits: Sequence[Edit]) -> Foretold:
        """What is told of somebody after edits; of equal edits only once."""
        key = id(one), *map(self.number, edits)
        found = self._foretold.get(key)
        if found is None:
            found = self._foretold[key] = Foretold(one, tuple(edits))
            self.rows += 1
        return found

    def number(self, edit: Edit) -> int:
        """Equal edits have the same."""
        found = self._numbers.get(id(edit))
        if found is None:
            found = self._numbers[id(edit)] = edit, self._number(edit)
            if isinstance(edit, Fewer):
                self.rows += len(edit.places)
        return found[1]

    def _number(self, edit: Edit) -> int:
        number = len(self._numbers)
        try:
            return self._equal.setdefault(edit, number)
        except TypeError:  # a fact would be a list
            return number


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
        self._one = Evaluator(PersonFacts(0, row), context)

    def holds(self, node: ir.Predicate) -> bool:
        """Whether a predicate over its fields is true."""
        return self._one.holds(node, self.row)

    def value(self, node: ir.Value | ir.ScorePart) -> Known | None:
        """A value of its fields."""
        return self._one.value(node, self.row)

    def plus(self, edits: Sequence[Edit]) -> RowScope:
        """With other fields."""
        fields = {edit.name: edit.value for edit in edits if isinstance(edit, SetFact)}
        return RowScope({**self.row, **fields}, self.context)

    def after(self, edits: Sequence[Edit], node: ir.Predicate) -> bool:
        """Whether a predicate is true with other fields."""
        return self.plus(edits).holds(node)
