"""What a condition is asked of while it is being turned: a person as they would be, or one activity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """A person. `edits` are those that made them so, of the person as they are."""

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
        self._root = self if root is None else root
        self._asked, self._made = 0, dict[tuple[int, ...], PersonScope]()  # the root's, by what its edits are
        self._known: dict[int, tuple[ir.Predicate, bool]] = {}  # with the node, which its number stands for

    @property
    def spent(self) -> bool:
        """Whether the evaluator was asked so often that it is time to be content with what there is."""
        return self._root._asked > MOST_ASKED

    def holds(self, node: ir.Predicate) -> bool:
        """Whether a predicate is true of the person."""
        self._root._asked += 1
        known = self._known.get(id(node))
        if known is None:
            known = self._known[id(node)] = node, self._one.holds(node, self.person.facts)
        return known[1]

    def value(self, node: ir.Value | ir.ScorePart) -> Known | None:
        """A value of the person."""
        return self._one.value(node, self.person.facts)

    def counted(self, feature: Feature) -> list[Row]:
        """The activity that a feature counts."""
        return self._one.seen.rows(feature)

    def plus(self, edits: Sequence[Edit]) -> PersonScope:
        """With more edits."""
        together = (*self.edits, *edits)
        key, made = tuple(map(id, together)), self._root._made
        if key not in made:
            made[key] = PersonScope(self.original, self.outer, self.conditions, together, self._root)
        return made[key]


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
