"""What a plan is made from beside members: where the rules lead to, how many contacts the sources hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from connectors.base import Features
from connectors.errors import ConnectorError
from rules.ruleset import RuleSet
from sync.brakes import SourceCount
from sync.intend import Wanted, wanted_audiences
from sync.run.workspace import Workspace
from sync.store import Store


def wanted_of(
    workspace: Workspace, rules: RuleSet, *, features: Callable[[str], Features]
) -> tuple[tuple[Wanted, ...], dict[str, str]]:
    """Every audience of the rules; and, with why, destinations that do not answer: their part is left out."""
    asked = {target.connection for segment in rules.segments.values() for target in segment.to}
    known: dict[str, Features] = {}
    silent: dict[str, str] = {}
    for name in workspace.destinations:
        if name in asked:
            try:
                known[name] = features(name)
            except ConnectorError as error:
                silent[name] = str(error)
    prefix = workspace.settings.audience_prefix
    return wanted_audiences(rules, known, prefix=prefix, without=silent), silent


def source_counts(
    store: Store, sources: Iterable[str], *, living: Mapping[str, int], ended_early: Collection[str] = ()
) -> list[SourceCount]:
    """Contacts of each source now and at the last good pull. `living`: those that are not deleted."""
    counts = []
    for name in sources:
        now = living.get(name, 0)
        good = store.notes.get(f"good:{name}")
        before = good if isinstance(good, int) else now
        counts.append(SourceCount(name, before, now, ended_early=name in ended_early))
    return counts
