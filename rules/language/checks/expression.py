"""One expression, from text to a checked condition or value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from rules import ir
from rules.language.checks.clusterings import check_feature, check_looked_at
from rules.language.checks.conditions import check_condition, check_either
from rules.language.checks.scope import Named, Scope
from rules.language.checks.scores import ScoreText, check_earned, check_granting
from rules.language.problems import Finding, Problem
from rules.language.syntax import tree
from rules.language.syntax.parser import parse
from rules.vocabulary import Vocabulary

_Checked = TypeVar("_Checked")


@dataclass(slots=True)
class Expressions:
    """Compiles the expressions of one set of files. [[field]]s are compiled on first use and inlined.

    `fields` are the texts of the [[field]]s by id, `scores` the [[score]]s; `segments` the ids
    `in segment` may name (None: any).
    """

    vocabulary: Vocabulary
    fields: Mapping[str, str] = field(default_factory=dict)
    segments: Collection[str] | None = None
    scores: Mapping[str, ScoreText] = field(default_factory=dict)
    field_findings: dict[str, list[Finding]] = field(default_factory=dict)
    field_uses: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    score_findings: dict[str, list[tuple[int, Finding]]] = field(default_factory=dict)  # part, finding
    used_fields: set[str] = field(default_factory=set)
    places: dict[str, dict[ir.Predicate, tree.Tree]] = field(default_factory=dict)
    """Text → where its conditions stand, by the condition."""
    _compiled: dict[str, Named | None] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)
    _names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        kinds = [*self.vocabulary.kinds.values(), *self.vocabulary.records.values()]
        self._names = frozenset(
            [*self.vocabulary.fields, *self.vocabulary.places, *self.fields, *self.scores]
            + [name for kind in kinds for name in (kind.name, *kind.fields)]
            + [f"{kind.name}.{name}" for kind in kinds for name in kind.fields]
        )

    def condition(self, text: str) -> tuple[ir.Predicate | None, list[Finding], list[tuple[str, int]]]:
        """The condition, what is wrong with it, and the segments it uses with their places."""
        return self._compile(text, check_condition)

    def feature(self, text: str) -> tuple[ir.Value | None, list[Finding]]:
        """The value that a [[clustering]] compares people by, and what is wrong with it."""
        found: tuple[ir.Value | None, list[Finding], object] = self._compile(text, check_feature)
        return found[:2]

    def looked_at(self, text: str) -> tuple[ir.Predicate | None, list[Finding]]:
        """Whom a [[clustering]] looks at, and what is wrong with it."""
        found: tuple[ir.Predicate | None, list[Finding], object] = self._compile(text, check_looked_at)
        return found[:2]

    def named_value(self, name: str) -> Named | None:
        """The value or condition of a [[field]]; its findings are in `field_findings`."""
        if name not in self._compiled:
            self._open.append(name)
            if name in self.scores:
                self._compiled[name] = self._score(name, self.scores[name])
                self._open.pop()
                return self._compiled[name]
            result: tuple[Named | None, list[Finding], list[tuple[str, int]]]
            result = self._compile(self.fields[name], check_either)
            self._open.pop()
            self._compiled[name], self.field_findings[name], self.field_uses[name] = result
        return self._compiled[name]

    def _score(self, name: str, text: ScoreText) -> ir.Score | None:
        """A [[score]]; its findings are in `score_findings`, by the part they are about."""
        findings = self.score_findings[name] = []
        parts: list[ir.ScorePart] = []
        for number, part in enumerate(text.parts):
            made: ir.ScorePart | None
            condition: ir.Predicate | None
            if part.earned:
                made, found, _ = self._compile(part.text, partial(check_earned, part=part, text=text))
            else:
                condition, found, _ = self._compile(part.text, check_granting)
                made = None if condition is None else ir.Granted(condition, part.points)
            findings += [(number, finding) for finding in found]
            if made is not None:
                parts.append(made)
        self.field_uses[name] = []
        return None if findings else ir.Score(name, tuple(parts), text.at_least, text.at_most)

    def _compile(
        self, text: str, check: Callable[[tree.Tree, Scope], _Checked | None]
    ) -> tuple[_Checked | None, list[Finding], list[tuple[str, int]]]:
        parsed, findings = parse(
            text, zone=self.vocabulary.zone, known=self._names, prefixes=self.vocabulary.connections.keys()
        )
        scope = Scope(
            self.vocabulary,
            condition=check_condition,
            named=self._named,
            named_ids=self.fields.keys() | self.scores.keys(),
            segments=self.segments,
            findings=findings,
        )
        checked = None if parsed is None else check(parsed, scope)
        self.places[text] = scope.places
        return (None if findings else checked), sorted(set(findings)), scope.used

    def _named(self, name: tree.Name, scope: Scope) -> Named | None:
        self.used_fields.add(name.name)
        if name.name in self._open:
            cycle = [*self._open[self._open.index(name.name) :], name.name]
            kinds = "scores" if all(each in self.scores for each in cycle) else "fields"
            scope.report(name.at, f"{kinds} use each other in a circle: {' → '.join(cycle)}")
            return None
        found = self.named_value(name.name)
        if found is not None:
            scope.used.extend((segment, name.at) for segment, _ in self.field_uses[name.name])
        return found


def compile_expression(
    text: str,
    vocabulary: Vocabulary,
    *,
    fields: Mapping[str, str] | None = None,
    segments: Collection[str] | None = None,
    file: str = "expression",
) -> ir.Predicate | tuple[Problem, ...]:
    """The condition of a single expression, or all its problems with line and column in `text`.

    `fields`: texts of [[field]]s by id. `segments`: ids that `in segment` may name; None allows any.
    """
    expressions = Expressions(vocabulary, fields or {}, segments)
    predicate, findings, _ = expressions.condition(text)
    problems = [_placed(finding, text, file) for finding in findings]
    for name, found in expressions.field_findings.items():
        problems.extend(_placed(finding, (fields or {})[name], f"{file}[{name}]") for finding in found)
    if predicate is None or problems:
        return tuple(problems)
    return predicate


def _placed(finding: Finding, text: str, file: str) -> Problem:
    before = text[: finding.at]
    line = before.count("\n") + 1
    return Problem(file, line, finding.at - (before.rfind("\n") + 1) + 1, finding.message)
