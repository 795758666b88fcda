"""Because of which change a person entered a segment: an edit of the rule, data, or time alone.

The rule is asked again as it was, over the person's data as the runs before and at the entry saw it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from rules import ir
from rules.engine import evaluate
from rules.engine.explain import Explanation
from rules.engine.explain import explain as explain_node
from rules.engine.periods import Clock
from rules.engine.person import Context
from rules.engine.ranks import KnownRanks
from rules.engine.reading import read_person
from rules.engine.walk import ranks
from rules.language import render
from rules.ruleset import RuleSet
from rules.vocabulary import Vocabulary
from sync.engines import opened, tables
from sync.run.history import Asking
from sync.run.past import Moment, moment_of
from sync.run.workspace import Workspace
from sync.store import Membership


class Cause(StrEnum):
    """What let the person in. DATA_OR_TIME, UNTOLD: what was known then is not kept."""

    EDIT = "edit"
    DATA = "data"
    TIME = "time"
    NEW_PERSON = "new_person"
    FIRST_RUN = "first_run"
    DATA_OR_TIME = "data_or_time"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Turned:
    """A part of the rule that came out otherwise; what it looked at before and then."""

    text: str
    became: bool
    before: tuple[tuple[str, str | None], ...]
    after: tuple[tuple[str, str | None], ...]

    def __str__(self) -> str:
        was = dict(self.before)
        moved = [
            f"{text} {was.get(text) or 'missing'} → {value or 'missing'}"
            for text, value in self.after
            if was.get(text) != value
        ]
        values = f"   ({'; '.join(moved)})" if moved else ""
        return f"{'✓' if self.became else '✗'} {self.text}{values}"


@dataclass(frozen=True, slots=True)
class Entry:
    """How the person came in, in run `run`. `versions`: of the rule, before and then."""

    run: int
    as_of: dt.datetime
    cause: Cause
    versions: tuple[str | None, str]
    turned: tuple[Turned, ...] = ()

    def lines(self) -> Iterator[str]:
        """For people."""
        told = {
            Cause.EDIT: f"the rule was edited (version {self.versions[0]} → {self.versions[1]})",
            Cause.DATA: "data changed",
            Cause.TIME: "time passed, and nothing else changed",
            Cause.NEW_PERSON: "the person was new",
            Cause.FIRST_RUN: "it was the first run of this segment",
            Cause.DATA_OR_TIME: "data or time; the lake as it was is not kept any more (keep_lake_days)",
            Cause.UNTOLD: "it cannot be told: the rule or the lake as they were cannot be had again",
        }
        yield f"entered in run {self.run}: {told[self.cause]}"
        for one in self.turned:
            yield f"  {one}"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run,
            "as_of": self.as_of.isoformat(),
            "cause": self.cause.value,
            "version_before": self.versions[0],
            "version": self.versions[1],
            "turned": [
                {
                    "text": one.text,
                    "became": one.became,
                    "before": dict(one.before),
                    "after": dict(one.after),
                }
                for one in self.turned
            ],
        }


def entry(
    workspace: Workspace, vocabulary: Vocabulary, rules: RuleSet, segment: str, person: int
) -> Entry | None:
    """None: the person is not in by the newest run."""
    found = _entering(workspace, segment, person)
    if found is None:
        return None
    before, then = found
    run = workspace.store.runs.get(then.run_id)
    if before is None:
        return Entry(run.id, run.as_of, Cause.FIRST_RUN, (None, then.version))
    asking = Asking(workspace, vocabulary, rules, segment)
    cause, turned = _Then(asking, person, run.as_of, before, then).cause()
    return Entry(run.id, run.as_of, cause, (before.version, then.version), turned)


def _entering(workspace: Workspace, segment: str, person: int) -> tuple[Membership | None, Membership] | None:
    """The membership with which the person came in, and the one before it."""
    limit = 8
    while True:
        history = workspace.store.segments.history(segment, limit=limit)
        if not history or person not in history[0].members:
            return None
        for after, before in pairwise(history):
            if person not in before.members:
                return before, after
        if len(history) < limit:
            return None, history[-1]
        limit *= 4


class _Then:
    """The person around the run that saw them enter."""

    def __init__(
        self, asking: Asking, person: int, as_of: dt.datetime, before: Membership, after: Membership
    ) -> None:
        runs = asking.workspace.store.runs
        self.asking, self.person, self.as_of = asking, person, as_of
        self.before, self.after = before, after
        self.earlier = moment_of(runs.get(before.last_run))
        self.later = moment_of(runs.get(after.run_id))

    def cause(self) -> tuple[Cause, tuple[Turned, ...]]:
        """Why, and which parts of the rule turned."""
        old = self.asking.rules_of(self.before.last_run)
        if self.asking.edited(self.before.last_run, self.after.run_id):
            if old is None:
                return Cause.EDIT, ()
            now = self._tree(old, self.later, self.as_of)
            if now is None or not now.result:
                return Cause.EDIT, ()
        rules = old or self.asking.rules_of(self.after.run_id)
        if rules is None or self.earlier is None:
            return Cause.UNTOLD, ()
        then = self._tree(rules, self.later, self.as_of)
        if not self.earlier.kept(self.asking.workspace.store):
            return Cause.DATA_OR_TIME, ()
        waited = self._tree(rules, self.earlier, self.as_of)
        if waited is None:
            return Cause.NEW_PERSON, ()
        if waited.result:
            was = self._tree(rules, self.earlier, self.earlier.as_of)
            return Cause.TIME, () if was is None else tuple(turned(was, waited))
        return Cause.DATA, () if then is None else tuple(turned(waited, then))

    def _tree(self, rules: RuleSet, moment: Moment | None, as_of: dt.datetime) -> Explanation | None:
        """The rule about the person over the lake of that moment; None: it is gone, or there was nobody."""
        store, vocabulary = self.asking.workspace.store, self.asking.vocabulary
        if moment is None or moment.snapshots is None or not moment.kept(store):
            return None
        conditions = {name: one.when for name, one in rules.segments.items()}
        there = tables(store, vocabulary, snapshots=moment.snapshots)
        with closing(store.lake.connect()) as database:
            facts = read_person(database, there, person=self.person, conditions=conditions.values())
            if facts is None:
                return None
            known = KnownRanks({})
            if ranks(conditions.values()):
                settings, then = self.asking.workspace.settings.rules, moment.snapshots
                with opened(store, rules, vocabulary, settings, snapshots=then) as (session, relations):
                    everybody = evaluate(session, rules, relations, as_of=as_of, zone=vocabulary.zone)
                known = KnownRanks(everybody.thresholds)
        context = Context(Clock(as_of, vocabulary.zone), known)
        condition = conditions[self.asking.segment]
        return explain_node(condition, facts, context, render=render, conditions=conditions)


def turned(before: Explanation, after: Explanation) -> Iterator[Turned]:
    """The leaves, and the segments inside, that came out otherwise; the same rule both times."""
    leaf = not after.children or isinstance(after.node, ir.InSegment)
    if leaf and before.result is not after.result:
        seen = [tuple((one.text, one.value) for one in tree.observed) for tree in (before, after)]
        yield Turned(after.text, after.result, seen[0], seen[1])
    for was, became in zip(before.children, after.children, strict=True):
        yield from turned(was, became)
