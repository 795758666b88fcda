"""The cases in rule files: run by both evaluators, explained when they fail.

A case is a world of its own with one person (number 1): ranks compare that person with nobody else, so
whoever has the value is in the top and in quintile 1; `random` is that of person 1.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rules import ir
from rules.engine.activity import Row
from rules.engine.evaluation import evaluate
from rules.engine.explain import Explanation, Render, explain, one_person
from rules.engine.periods import Clock, edge_of
from rules.engine.person import Context, PersonFacts, holds
from rules.engine.population import Population
from rules.engine.relations import relations
from rules.engine.standing import Standing
from rules.engine.walk import Rank, nodes, ranks
from rules.ruleset import RuleSet

if TYPE_CHECKING:
    import duckdb
    from pyroaring import BitMap

    from rules.language.cases import Case
    from rules.vocabulary import Vocabulary

_NO_TIER = "none"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of a case. `explanations` are of the segments concerned, for a failed case."""

    case: Case
    passed: bool
    message: str = ""
    explanations: tuple[Explanation, ...] = ()


def run_cases(
    cases: Sequence[Case],
    rules: RuleSet,
    vocabulary: Vocabulary,
    *,
    render: Render,
    connection: duckdb.DuckDBPyConnection,
) -> list[CaseResult]:
    """Every case, in order: what the plain evaluator says, and that the engine says the same."""
    conditions = {id_: segment.when for id_, segment in rules.segments.items()}
    worlds = [_World.of(case, conditions, vocabulary) for case in cases]
    by_engine: dict[int, set[str]] = {}
    for batch in _batches(worlds):
        by_engine |= _by_engine([worlds[number] for number in batch], batch, rules, vocabulary, connection)
    return [world.result(by_engine[number], render) for number, world in enumerate(worlds)]


def _batches(worlds: Sequence[_World]) -> Iterator[list[int]]:
    """Cases that the engine can decide together: of one instant, nobody compared with anybody."""
    together: dict[dt.datetime, list[int]] = {}
    for number, world in enumerate(worlds):
        if world.alone:
            yield [number]
        else:
            together.setdefault(world.case.as_of, []).append(number)
    yield from together.values()


def _by_engine(
    worlds: Sequence[_World],
    numbers: Sequence[int],
    rules: RuleSet,
    vocabulary: Vocabulary,
    connection: duckdb.DuckDBPyConnection,
) -> dict[int, set[str]]:
    """The segments of each case's person according to DuckDB."""
    needed = {id_ for world in worlds for id_ in world.conditions}
    subset = RuleSet({id_: segment for id_, segment in rules.segments.items() if id_ in needed})
    people = [world.person_as(1 + place) for place, world in enumerate(worlds)]
    with relations(connection, people, vocabulary) as tables:
        as_of = worlds[0].case.as_of
        standing, held = _standing(worlds), _held(worlds, Clock(as_of, vocabulary.zone))
        found = evaluate(
            connection, subset, tables, as_of=as_of, zone=vocabulary.zone, standing=standing, held=held
        ).members
    return {
        number: {id_ for id_ in world.concerned if 1 + place in found[id_]}
        for place, (number, world) in enumerate(zip(numbers, worlds, strict=True))
    }


def _standing(worlds: Sequence[_World]) -> dict[str, Standing]:
    """Who was in what before, as the cases say; the people are numbered by their place, from 1."""
    from pyroaring import BitMap

    found: dict[str, Standing] = {}
    for person, world in enumerate(worlds, 1):
        segment, since = world.case.segment_id, world.case.was_member_since
        condition = world.conditions.get(segment)
        if since is not None and isinstance(condition, ir.Lasting):
            before = found.setdefault(segment, Standing(BitMap(), BitMap()))
            before.members.add(person)
            if world.case.as_of < since + dt.timedelta(hours=condition.stay or 0):
                before.held.add(person)
    return found


def _held(worlds: Sequence[_World], clock: Clock) -> dict[ir.HeldSegment, BitMap]:
    """The people, numbered as the engine sees them, who were in a segment since its edge."""
    from pyroaring import BitMap

    found: dict[ir.HeldSegment, BitMap] = {}
    for place, world in enumerate(worlds):
        for node in nodes(world.conditions.values()):
            if isinstance(node, ir.HeldSegment):
                since, edge = world.case.since.get(node.segment), edge_of(node, clock)
                known = found.setdefault(node, BitMap())
                if since is not None and edge is not None and since <= edge:
                    known.add(1 + place)
    return found


@dataclass(frozen=True, slots=True)
class _World:
    case: Case
    concerned: tuple[str, ...]  # the segment, or all tiers
    conditions: Mapping[str, ir.Predicate]  # of those and of all they use
    alone: bool
    zone: str

    @classmethod
    def of(cls, case: Case, conditions: Mapping[str, ir.Predicate], vocabulary: Vocabulary) -> _World:
        tiers = tuple(id_ for id_ in conditions if id_.startswith(case.segment_id + "/"))
        concerned = (case.segment_id,) if case.tier is None else tiers
        needed = _closure(concerned, conditions)
        alone = any(isinstance(node, Rank | ir.RandomShare) for node in nodes(needed.values()))
        return cls(case, concerned, needed, alone, vocabulary.zone)

    def person_as(self, number: int) -> PersonFacts:
        """The case's person under a number."""
        facts = dict(self.case.person)
        activity: dict[str, list[Row]] = {}
        for row in self.case.activity:
            activity.setdefault(str(row["kind"]), []).append(row)
        consent, lists = facts.get("consented_email"), facts.get("in_lists")
        return PersonFacts(
            person=number,
            facts=facts,
            activity=activity,
            suppressed=facts.get("suppressed") is True,
            consented={"email": consent if isinstance(consent, bool) else None},
            lists=frozenset(lists) if isinstance(lists, tuple | list) else frozenset(),
        )

    def entered(self, segment: str) -> dt.datetime | None:
        """Since when the person was in a segment that lasts."""
        return self.case.was_member_since if segment == self.case.segment_id else None

    def result(self, by_engine: set[str], render: Render) -> CaseResult:
        """What the plain evaluator says, held against the expectation and the engine."""
        person, context = (
            self.person_as(1),
            Context(Clock(self.case.as_of, self.zone), since=self.case.since.get),
        )
        population = Population(ranks(self.conditions.values()), [person], context)
        context = one_person(
            replace(context, ranks=population, entered=self.entered), person, self.conditions
        )
        found = {id_ for id_ in self.concerned if holds(self.conditions[id_], person, context)}
        message = self._message(found)
        if found != by_engine:
            message = "the two evaluators of segsync disagree; please report this case"
        if not message:
            return CaseResult(self.case, passed=True)
        trees = tuple(
            explain(self.conditions[id_], person, context, render=render, conditions=self.conditions)
            for id_ in self.concerned
        )
        return CaseResult(self.case, passed=False, message=message, explanations=trees)

    def _message(self, found: set[str]) -> str:
        """What is not as expected; empty if all is."""
        if self.case.tier is None:
            member = self.case.segment_id in found
            if member == self.case.member:
                return ""
            return f"expected {'a' if self.case.member else 'no'} member, found {'one' if member else 'none'}"
        tiers = [id_.removeprefix(self.case.segment_id + "/") for id_ in sorted(found)] or [_NO_TIER]
        return (
            "" if tiers == [self.case.tier] else f"expected tier {self.case.tier}, found {', '.join(tiers)}"
        )


def _closure(wanted: Sequence[str], conditions: Mapping[str, ir.Predicate]) -> dict[str, ir.Predicate]:
    """The conditions of the segments and of those they use."""
    found: dict[str, ir.Predicate] = {}
    waiting = list(wanted)
    while waiting:
        id_ = waiting.pop()
        if id_ not in found:
            found[id_] = conditions[id_]
            used = nodes([conditions[id_]], inside_aggregates=False)
            waiting += [node.segment for node in used if isinstance(node, ir.InSegment | ir.HeldSegment)]
    return found
