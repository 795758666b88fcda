"""Step 3 of a run: which people are in which segment, by the rule files, at one instant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyroaring import BitMap

from rules import ir
from rules.engine import Evaluation, evaluate
from rules.engine.periods import Clock, edge_of
from rules.engine.standing import Memory, Standing
from rules.engine.walk import nodes
from rules.language import Loaded, Problem, load
from rules.ruleset import RuleSet
from rules.vocabulary import Vocabulary
from sync.authors import authors
from sync.config.settings import RulesSettings
from sync.engines import READ, opened
from sync.errors import UserError
from sync.facts import ClusterNames
from sync.standing import standing
from sync.store import SegmentVersion, Store
from sync.store.shapes import NO_SNAPSHOT

IDENTIFIED = "identified"
"""The note that `people` has been made, and from what."""


def read_rules(folder: Path, vocabulary: Vocabulary) -> Loaded:
    """All rule files, checked. UserError if the folder is missing; problems are in the answer."""
    if not folder.exists():
        raise UserError(f"there is no rules folder {folder}; `segsync init` makes one with examples")
    return load(folder, vocabulary)


def rules_or_problems(folder: Path, vocabulary: Vocabulary) -> RuleSet:
    """The checked rules; UserError with every error, so that nothing runs on half a set of rules."""
    return checked(read_rules(folder, vocabulary))


def checked(loaded: Loaded) -> RuleSet:
    """The rules, if all of them are right; else as above."""
    if loaded.ruleset is None:
        errors = [problem for problem in loaded.problems if is_error(problem)]
        noun = "problem" if len(errors) == 1 else "problems"
        raise UserError(
            f"{len(errors)} {noun} in the rule files; nothing was changed anywhere",
            problems=tuple(str(problem) for problem in errors),
        )
    return loaded.ruleset


def is_error(problem: Problem) -> bool:
    """False for a warning."""
    return str(problem.severity) == "error"


def is_note(problem: Problem) -> bool:
    """True for what may well be meant."""
    return str(problem.severity) == "note"


def assign(
    store: Store,
    rules: RuleSet,
    *,
    vocabulary: Vocabulary,
    as_of: dt.datetime,
    settings: RulesSettings,
    told: Earlier | None = None,
    clusters: Mapping[str, ClusterNames] | None = None,
) -> Evaluation:
    """The members of every segment, over the lake as it is now. UserError if nothing was ever pulled.

    `told`: who was in before; by default by all runs there are. `clusters`: see `sync.engines.opened`.
    """
    if store.notes.get(IDENTIFIED) is None:
        raise UserError(
            "nothing has been pulled yet, so there is nobody to look at; `segsync pull` comes first"
        )
    told = told or earlier(store, rules, Clock(as_of, vocabulary.zone))
    with opened(store, rules, vocabulary, settings, clusters=clusters) as (session, there):
        return evaluate(
            session,
            rules,
            there,
            as_of=as_of,
            zone=vocabulary.zone,
            standing=told.standing,
            held=told.held,
        )


@dataclass(frozen=True, slots=True)
class Earlier:
    """Who was in before, as rules with a memory are told."""

    standing: Mapping[str, Standing]
    held: Mapping[ir.HeldSegment, BitMap]

    def memory(self, rules: RuleSet) -> Memory:
        """All that these rules go by, to be compared another time."""
        return Memory.of((one.when for one in rules.segments.values()), self.standing, self.held)


def earlier(store: Store, rules: RuleSet, clock: Clock, *, before_run: int | None = None) -> Earlier:
    """By the stored runs. `before_run`: the run that asks; what it stored itself before it was resumed is not
    what was before it."""
    return Earlier(
        standing(store, rules, as_of=clock.as_of, before_run=before_run), held(store, rules, clock)
    )


def held(
    store: Store, rules: RuleSet, clock: Clock, *, people_of: int | None = None
) -> Mapping[ir.HeldSegment, BitMap]:
    """Who was in a segment for so long, for every `for 30 days` of the rules. `people_of`: see `standing`."""
    wanted = {
        node
        for node in nodes(one.when for one in rules.segments.values())
        if isinstance(node, ir.HeldSegment)
    }
    found: dict[ir.HeldSegment, BitMap] = {}
    for node in wanted:
        edge = edge_of(node, clock)
        found[node] = BitMap()
        if edge is not None:
            found[node] = store.segments.held(
                node.segment, since=edge, before=clock.as_of, people_of=people_of
            )
    return found


def read_now(store: Store) -> dict[str, int]:
    """The states of the tables that rules read, to be able to ask them again later."""
    found = store.lake.snapshots()
    return {name: found.get(name, NO_SNAPSHOT) for name in READ}


def remember(
    store: Store, rules: RuleSet, evaluation: Evaluation, *, run_id: int, as_of: dt.datetime, folder: Path
) -> Sequence[str]:
    """Store the rule versions and memberships of a run; returns the segments whose members changed.

    `folder`: where the rules lie. A version that was not the present one until now gets its author.
    """
    before = store.segments.current()
    new = {one.id: one.place.file for one in rules.segments.values() if before.get(one.id) != one.version}
    wrote = authors(folder, new.values())
    versions = [
        SegmentVersion(
            segment=segment.id,
            version=segment.version,
            source=segment.source,
            name=segment.name,
            author=wrote[new[segment.id]] if segment.id in new else None,
        )
        for segment in rules.segments.values()
    ]
    return store.segments.save(run_id, as_of=as_of, versions=versions, members=evaluation.members)
