"""Which names an expression may use, and what they are; the findings of the check of one expression."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from rules import ir
from rules.language.problems import Finding, suggest
from rules.language.syntax import tree
from rules.vocabulary import Kind, Type, Vocabulary

Named: TypeAlias = ir.Value | ir.Predicate
Condition: TypeAlias = "Callable[[tree.Tree, Scope], ir.Predicate | None]"

TYPE_WORDS = {
    Type.TEXT: "text",
    Type.NUMBER: "a number",
    Type.MONEY: "money",
    Type.BOOLEAN: "yes/no",
    Type.DATE: "a date",
    Type.DATETIME: "an instant",
    Type.TEXTS: "a list of texts",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where names are looked up. `kind` is set inside the `where` of that activity.

    `named` gives the checked expression of a [[field]] (None: broken, and already reported).
    """

    vocabulary: Vocabulary
    condition: Condition
    named: Callable[[tree.Name, Scope], Named | None]
    named_ids: Collection[str] = ()
    segments: Collection[str] | None = None  # segments and "tiers/tier"; None: not checked
    kind: Kind | None = None
    findings: list[Finding] = field(default_factory=list)
    used: list[tuple[str, int]] = field(default_factory=list)  # segments used, and where
    places: dict[ir.Predicate, tree.Tree] = field(default_factory=dict)  # where conditions stand

    def report(self, at: int, message: str) -> None:
        """Note a problem; the caller goes on and returns None."""
        self.findings.append(Finding(at, message))

    def inside(self, kind: Kind) -> Scope:
        """The scope of a `where` over this kind."""
        return replace(self, kind=kind)

    def silent(self) -> Scope:
        """The same names; what is found is forgotten. For trying out what something is."""
        return replace(self, findings=[], used=[], places={})

    def is_kind(self, name: str) -> bool:
        """True if the name, here, means an activity."""
        return self.kind is None and self._kind(name) is not None and not self._is_fact(name)

    def _kind(self, name: str) -> Kind | None:
        return self.vocabulary.kinds.get(name) or self.vocabulary.records.get(name)

    def _is_fact(self, name: str) -> bool:
        return name in self.vocabulary.fields or name in self.named_ids

    def fact(self, name: tree.Name) -> Named | None:
        """What a bare name stands for: a fact, a [[field]], or inside `where` a field of the activity."""
        if self.kind is not None:
            return self._activity_field(name, self.kind)
        if found := self.vocabulary.fields.get(name.name):
            return ir.Fact(found.name, found.type)
        if name.name in self.named_ids:
            return self.named(name, self)
        self.report(name.at, self._why_no_fact(name.name))
        return None

    def _why_no_fact(self, name: str) -> str:
        if name in self.vocabulary.places:
            return f"{name} is a place; write {name} within 50 km of (48.14, 11.58), or {name} is known"
        if name in self.vocabulary.records:
            return f"{name} is a kind of record, not a value; write any({name} where …) or count({name})"
        if name in self.vocabulary.kinds:
            return f"{name} is an activity, not a value; write count({name}), days since {name} or did {name}"
        if split := self.activity(name):
            kind, column = split
            if column is not None and column in kind.fields:
                if kind.name in self.vocabulary.records:
                    return (
                        f"{name} is a field of a record, and a person may have many: "
                        f"write any({kind.name} where {column} …)"
                    )
                total = "sum" if kind.fields[column].type in (Type.NUMBER, Type.MONEY) else "distinct"
                return (
                    f"{name} is a field of an activity, and a person may have many: "
                    f"write latest({name}), {total}({name}) or {kind.name} where {column} …"
                )
            known = [f"{kind.name}.{each}" for each in kind.fields]
            return f'unknown field "{column}" of {kind.name}{suggest(name, known)}'
        every = (*self.vocabulary.kinds.values(), *self.vocabulary.records.values())
        owners = [kind for kind in every if name in kind.fields]
        if owners:
            owner = owners[0].name
            return (
                f'unknown fact "{name}"; it is a field of {owner}: '
                f"put all conditions on {owner} in parentheses after where, {owner} where (…)"
            )
        return f'unknown fact "{name}"{suggest(name, self.all_names())}'

    def _activity_field(self, name: tree.Name, kind: Kind) -> ir.Fact | None:
        column = name.name.removeprefix(f"{kind.name}.")
        if found := kind.fields.get(column):
            return ir.Fact(found.name, found.type)
        if self._is_fact(name.name):
            message = f"{name.name} is a fact of the person; where sees only fields of {kind.name}"
            self.report(name.at, message + _listing(kind))
        elif hint := suggest(column, kind.fields):
            self.report(name.at, f'unknown field "{column}" of {kind.name}{hint}')
        else:
            self.report(name.at, f'unknown field "{column}" of {kind.name}{_listing(kind)}')
        return None

    def activity(self, name: str) -> tuple[Kind, str | None] | None:
        """`purchase` or `purchase.amount` as kind and field name (which need not exist)."""
        if kind := self._kind(name):
            return kind, None
        for cut in range(len(name) - 1, 0, -1):
            if name[cut] == "." and (kind := self._kind(name[:cut])):
                return kind, name[cut + 1 :]
        return None

    def all_names(self) -> list[str]:
        """Everything that may stand for a fact or an activity."""
        known = self.vocabulary
        return [*known.fields, *self.named_ids, *known.kinds, *known.records, *known.places]


def _listing(kind: Kind) -> str:
    return f" ({', '.join(sorted(kind.fields))})" if kind.fields else " (it has none)"
