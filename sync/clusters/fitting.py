"""Clusters are found: how many, where, which of them were there before, and what there is to say of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rules import ir
from rules.language import render, render_literal
from rules.models.clusters import choice
from rules.models.clusters.centres import assigned, fit
from rules.models.clusters.choice import Choice, Effort, choose
from rules.models.clusters.distilling import distil
from rules.models.clusters.identity import Matched, match, partners
from rules.models.clusters.naming import names, traits
from rules.models.clusters.scaling import Scaling, fit_scaling
from rules.models.columns import Floats, InputError, Ints, Notice, Severity
from rules.models.traits import Trait
from rules.ruleset import ClusterFeature, Clustering
from rules.vocabulary import Type
from sync.clusters.document import Frozen
from sync.clusters.people import People
from sync.models.model import Fit, insufficient

SEED = 20_070_901
EFFORT: Effort = choice.ENOUGH
LEAST_PEOPLE = 10
"""For each cluster that is tried and each column, as a rule of thumb: with fewer, clusters are chance."""
EXAMINED = 100_000
"""So many people are enough to distil a rule from."""
_COUNTS = (ir.AggregateFunction.COUNT, ir.AggregateFunction.DISTINCT)
_DRAW = 6_007
"""Names the stream of random numbers that draws them."""


@dataclass(frozen=True, slots=True)
class Before:
    """The fit before, if people are compared by the same; and the names that its clusters go by."""

    frozen: Frozen
    names: Mapping[int, str]


def find(
    clustering: Clustering,
    people: People,
    *,
    before: Before | None,
    next_id: int,
    most: int = choice.MOST,
    effort: Effort | None = None,
    told: Callable[[float], None] = lambda _: None,
) -> Fit:
    """The clusters of these people. Refused for too few of them, or if they do not differ.

    `next_id`: the first one that no cluster ever had. `most`: so many are tried, unless a number is given.
    `effort`: EFFORT if not given. `told`: the share of the work that is done.
    """
    count = len(people.person)
    data = {"people": count}
    logged = [one.name for one in clustering.features if one.logged]
    try:
        scaling = fit_scaling(people.numbers, people.categories, logged=logged)
        enough = _most(clustering, count, columns=len(scaling.columns))
        matrix = Frozen(scaling, np.empty((0, 0)), ()).matrix(people)
        ks = range(2, min(enough, most) + 1) if clustering.k is None else ()
        chosen = choose(matrix, seed=SEED, ks=ks, wanted=clustering.k, effort=effort or EFFORT, told=told)
        begin = None if before is None else _rescaled(before.frozen, scaling)
        same = begin is not None and len(begin) == chosen.k
        centres = fit(matrix, chosen.k, seed=SEED, begin=begin if same else None)
    except InputError as error:
        return Fit(data, notices=(insufficient("cluster", f"No clusters were found: {error}.", data),))
    except _TooFew as error:
        return Fit(data, notices=(error.notice,))
    there = assigned(matrix, centres)
    matched = Matched(tuple(range(next_id, next_id + chosen.k)), (), ())
    if before is not None and begin is not None:
        was = assigned(before.frozen.matrix(people), before.frozen.centres)
        matched = match(begin, before.frozen.ids, centres, before=was, after=there, next_id=next_id)
    frozen = Frozen(scaling, centres, matched.ids)
    clusters = _clusters(clustering, people, frozen, there, chosen, before)
    parameters = {
        **frozen.document(),
        "k": chosen.k,
        "wanted": clustering.k,
        "natural": chosen.natural,
        "tried": [_tried(one) for one in chosen.tried],
        "clusters": clusters,
        "kept": list(matched.kept),
        "retired": list(matched.retired),
        "next_id": max((next_id, *(one + 1 for one in matched.ids))),
    }
    return Fit(data, parameters=parameters, notices=(*scaling.notices, *_notices(chosen, clusters)))


class _TooFew(Exception):
    def __init__(self, notice: Notice) -> None:
        super().__init__(notice.message)
        self.notice = notice


def _most(clustering: Clustering, people: int, *, columns: int) -> int:
    """The most clusters to try among so many people."""
    least = clustering.k or 2
    need = LEAST_PEOPLE * columns * least
    if people < need:
        message = (
            f"{least} clusters by {columns} columns need {need:,} people; there are {people:,},"
            f" {need - people:,} are missing."
        )
        raise _TooFew(insufficient("cluster", message, {"people": people, "need": need}))
    return min(choice.MOST, people // (LEAST_PEOPLE * columns))


def _rescaled(before: Frozen, scaling: Scaling) -> Floats:
    """Where the centres from before lie as people are scaled today; a column that is new is in the middle."""
    old = {name: before.centres[:, at] for at, name in enumerate(before.scaling.columns)}
    numbers = {one.name: one for one in before.scaling.numbers}
    today = {one.name: one for one in scaling.numbers}
    found = np.zeros((len(before.centres), len(scaling.columns)))
    for at, name in enumerate(scaling.columns):
        if name in today and name in numbers:
            was, now = numbers[name], today[name]
            found[:, at] = (old[name] * was.spread + was.middle - now.middle) / now.spread
        elif name in old and name not in today:
            found[:, at] = old[name]
    return found


def _clusters(
    clustering: Clustering,
    people: People,
    frozen: Frozen,
    there: Ints,
    chosen: Choice,
    before: Before | None,
) -> list[dict[str, Any]]:
    """What there is to say of each cluster, as JSON, in the order of the centres."""
    found = traits(frozen.scaling, there, people.numbers, people.categories)
    found = (*found, *(((),) * (len(frozen.ids) - len(found))))
    named = _named(frozen.ids, found, {} if before is None else before.names)
    sizes = np.bincount(there, minlength=len(frozen.ids))
    held = _stability(chosen, frozen.centres)
    rules = _rules(clustering, people, frozen.scaling, there, len(frozen.ids))
    return [
        {
            "id": id_,
            "name": named[id_],
            "people": int(sizes[place]),
            "share": float(sizes[place] / len(there)),
            "stability": held[place],
            "traits": [{**asdict(one), "words": one.words({})} for one in found[place]],
            "rule": rules[place],
        }
        for place, id_ in enumerate(frozen.ids)
    ]


def _named(
    ids: Collection[int], found: tuple[tuple[Trait, ...], ...], known: Mapping[int, str]
) -> dict[int, str]:
    """A cluster that goes on keeps its name; others get one that nobody has."""
    taken = list(known.values())
    fresh = [place for place, id_ in enumerate(ids) if id_ not in known]
    made = iter(names([found[place] for place in fresh], taken=taken))
    return {id_: known[id_] if id_ in known else next(made) for id_ in ids}


def _stability(chosen: Choice, centres: Floats) -> list[float]:
    """Of each cluster that of the one among the people looked at that is nearest to it."""
    tried = next(one for one in chosen.tried if one.k == chosen.k)
    return [tried.stability[place] for place in partners(centres, np.array(tried.centres))]


def _rules(
    clustering: Clustering, people: People, scaling: Scaling, there: Ints, k: int
) -> list[dict[str, Any]]:
    """A short rule for each cluster, in the words of the rule file."""
    some = np.arange(len(there))
    if len(some) > EXAMINED:
        drawn = np.random.default_rng((SEED, _DRAW)).choice(len(there), EXAMINED, replace=False)
        some = np.sort(drawn)
    written = {one.name: one for one in clustering.features}
    features = {one.name: people.numbers[one.name][some] for one in scaling.numbers}
    conditions: dict[str, str] = {}
    for category in scaling.categories:
        levels = np.asarray(people.categories[category.name], dtype=object)[some]
        for level in category.levels:
            name = f"{category.name} = {level}"
            features[name] = (levels == level).astype(np.float64)
            text = render_literal(ir.Literal(level, Type.TEXT))
            conditions[name] = f"{_asked(written[category.name])} = {text}"
    expressions, decimals = {}, {}
    for one in scaling.numbers:
        feature = written[one.name]
        kind = _kind(feature.value)
        if kind is Type.BOOLEAN:
            conditions[one.name] = _asked(feature)
            features[one.name] = np.nan_to_num(features[one.name])
        arithmetic = isinstance(feature.value, ir.Arithmetic)
        expressions[one.name] = f"({_asked(feature)})" if arithmetic else _asked(feature)
        counts = isinstance(feature.value, ir.Aggregate) and feature.value.function in _COUNTS
        decimals[one.name] = 0 if counts else 2 if kind is Type.MONEY else 6
    found = []
    for place in range(k):
        rule = distil(features, there[some], place, seed=SEED, decimals=decimals)
        found.append(
            {
                "text": _among(clustering.when, rule.text(expressions, conditions)),
                "precision": rule.precision,
                "recall": rule.recall,
                "fidelity": rule.fidelity,
            }
        )
    return found


def _asked(feature: ClusterFeature) -> str:
    """As the admin wrote it; on one line and without comments, which would swallow what comes behind."""
    one_line = "#" not in feature.expression and "\n" not in feature.expression
    return feature.expression if one_line else render(feature.value)


def _among(when: ir.Predicate, rule: str) -> str:
    """The rule for whoever adopts it: it was made from those alone whom the clustering looks at."""
    if not rule or when == ir.Constant(True):
        return rule
    asked = f"({render(when)})" if isinstance(when, ir.Or) else render(when)
    return f"{asked} and ({rule})" if " or " in rule else f"{asked} and {rule}"


def _kind(value: ir.Value) -> Type:
    return Type.NUMBER if isinstance(value, ir.DaysSince) else value.type


def _tried(one: choice.Tried) -> dict[str, Any]:
    return {
        "k": one.k,
        "stability": list(one.stability),
        "smallest": one.smallest,
        "cloud": one.cloud,
        "verdict": one.verdict.value,
    }


def _notices(chosen: Choice, clusters: list[dict[str, Any]]) -> list[Notice]:
    """What the choice says; of clusters that do not come back, by their names."""
    found = [one for one in chosen.notices if one.code != "cluster.dissolved"]
    for one in clusters:
        if one["stability"] <= choice.DISSOLVED:
            message = (
                f"{one['name']} does not come back with other people of the same kind: Jaccard"
                f" {one['stability']:.2f}."
            )
            evidence = {"cluster": one["id"], "jaccard": one["stability"]}
            found.append(Notice("cluster.dissolved", Severity.WARNING, message, evidence))
    return found
