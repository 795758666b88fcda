"""The rules asked over the lake as it was: what runs read, whether it is still kept, who was in it then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyroaring import BitMap

from rules import ir
from rules.engine import evaluate
from rules.engine.periods import Clock
from rules.engine.walk import nodes
from rules.ruleset import RuleSet
from rules.vocabulary import Vocabulary
from sync.assign import held
from sync.config.settings import RulesSettings
from sync.engines import READ, opened
from sync.facts import ClusterNames
from sync.standing import standing
from sync.store import Run, Store
from sync.store.shapes import NO_SNAPSHOT


@dataclass(frozen=True, slots=True)
class Moment:
    """What a run decided from: an instant and the states of the lake's tables; None: they were not noted."""

    run: int
    as_of: dt.datetime
    snapshots: Mapping[str, int] | None
    clusterings: Mapping[str, int] = field(default_factory=dict)
    """Clustering → the version by which the run assigned people."""

    def kept(self, store: Store) -> bool:
        """Whether the lake can still be read as it was."""
        known = self.snapshots
        return known is not None and all(store.lake.keeps(name, known[name]) for name in READ)


def moment_of(run: Run) -> Moment | None:
    """None if the run asked no rules."""
    if not run.stats.get("segments"):
        return None
    noted = run.stats.get("lake")
    snapshots = None
    if isinstance(noted, dict) and all(name in noted for name in ("people", "activity")):
        snapshots = {name: int(noted.get(name, NO_SNAPSHOT)) for name in READ}  # facts are younger than runs
    return Moment(run.id, run.as_of, snapshots, _clusterings(run))


def _clusterings(run: Run) -> Mapping[str, int]:
    models = run.stats.get("models")
    told = models.get("clusterings") if isinstance(models, dict) else None
    return {id_: int(version) for id_, version in told["in_use"].items()} if isinstance(told, dict) else {}


def members_at(
    store: Store,
    rules: RuleSet,
    vocabulary: Vocabulary,
    *,
    moment: Moment,
    as_of: dt.datetime,
    run: int,
    settings: RulesSettings,
    clusters: Mapping[str, ClusterNames] | None = None,
) -> Mapping[str, BitMap]:
    """Segment → who was in it by these rules at that instant, over the lake as it was at a moment.

    For rules that ask who was in before, that is whom the runs before `run` had stored, under the numbers
    that people had at the moment. `clusters`: see `sync.engines.opened`.
    """
    with opened(store, rules, vocabulary, settings, snapshots=moment.snapshots, clusters=clusters) as (
        session,
        then,
    ):
        before = standing(store, rules, as_of=as_of, before_run=run, people_of=moment.run)
        stayed = held(store, rules, Clock(as_of, vocabulary.zone), people_of=moment.run)
        found = evaluate(
            session, rules, then, as_of=as_of, zone=vocabulary.zone, standing=before, held=stayed
        )
    return found.members


def closure(rules: RuleSet, wanted: Iterable[str]) -> RuleSet:
    """The wanted segments with all that they use, in the same order."""
    needed: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in needed or name not in rules.segments:
            continue
        needed.add(name)
        found = nodes([rules.segments[name].when])
        waiting += [node.segment for node in found if isinstance(node, ir.InSegment | ir.HeldSegment)]
    return RuleSet({name: one for name, one in rules.segments.items() if name in needed})
