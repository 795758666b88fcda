"""Whom a rule that asks for clusters is true of, before a run with these rules has written it anywhere.

The lake holds the id of everybody's cluster and, as a fact, the name under which the last run saw it as an
accepted one. Other rules, or later decisions, give the same ids other names, or none. Ids are never given
again: one means the same on every day. A clustering that has no clusters by its settings gives nobody a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rules.ruleset import Clustering, RuleSet
from rules.vocabulary import Vocabulary
from sync.clusters.standing import decisions, settled
from sync.facts import ClusterNames
from sync.models.standing import by_model
from sync.store import Store
from sync.store.models import ModelVersion


def names_now(store: Store, rules: RuleSet, vocabulary: Vocabulary) -> Mapping[str, ClusterNames]:
    """Fact → how it is read, as the next run with these rules would, if it finds no clusters anew."""
    return _names(store, rules, vocabulary, settled)


def names_then(
    store: Store, rules: RuleSet, vocabulary: Vocabulary, used: Mapping[str, int]
) -> Mapping[str, ClusterNames]:
    """The same of an earlier run; `used`: clustering → the version by which it assigned people. The names are
    those of today: what is asked is whom these rules, as they are accepted now, would have meant."""

    def then(clustering: Clustering, versions: Sequence[ModelVersion]) -> ModelVersion | None:
        ours = (one for one in versions if one.version == used.get(clustering.id))
        return next((one for one in ours if one.settings == clustering.version), None)

    return _names(store, rules, vocabulary, then)


def _names(
    store: Store,
    rules: RuleSet,
    vocabulary: Vocabulary,
    version: Callable[[Clustering, Sequence[ModelVersion]], ModelVersion | None],
) -> dict[str, ClusterNames]:
    by_fact = {one.fact: one for one in rules.clusterings.values()}
    asked = {name: by_fact[one.model] for name, one in vocabulary.fields.items() if one.model in by_fact}
    stored = by_model(store) if asked else {}
    found = {}
    for name, clustering in asked.items():
        using = version(clustering, stored.get(clustering.fact, ()))
        names = {} if using is None else decisions(store, clustering.id).accepted
        found[name] = ClusterNames(f"{clustering.fact}__id", names)
    return found
