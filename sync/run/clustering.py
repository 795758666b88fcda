"""The clusterings of an installation, for people: what was found, and what people decide about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from rules import ir
from rules.language import Loaded, Problem
from rules.language.problems import Severity, suggest
from rules.ruleset import CLUSTER, Clustering
from rules.text import clean, fold
from rules.vocabulary import Field, Vocabulary
from sync.assign import IDENTIFIED
from sync.clusters.standing import (
    Decisions,
    as_model,
    decide,
    decisions,
    in_use,
    settled,
    why_none,
)
from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.models.standing import by_model, due, due_at, reason
from sync.progress import SILENT, Progress
from sync.run.modelling import told_facts
from sync.run.pipeline import begin
from sync.run.rulebook import known_clusterings
from sync.run.workspace import Workspace
from sync.store import Store
from sync.store.models import ModelState, ModelVersion
from sync.store.shapes import quoted


def fit(
    workspace: Workspace,
    ids: Sequence[str],
    *,
    as_of: dt.datetime | None = None,
    progress: Progress = SILENT,
) -> list[dict[str, Any]]:
    """Find the clusters of these clusterings anew (none: all), and say who is in which; as `shown`."""
    there = known_clusterings(workspace)
    wanted = [_known(there, id_).id for id_ in ids] or list(there)
    if not wanted:
        raise UserError("there is no clustering; add a [[clustering]] to a rule file")
    if workspace.store.notes.get(IDENTIFIED) is None:
        raise UserError("nothing has been pulled yet, so there is nobody to look at; `segsync pull` is first")
    with begin(workspace, "clusters", as_of=as_of, progress=progress) as pipeline:
        pipeline.model()
        pipeline.cluster(there, asked=wanted)
    return [shown(workspace, id_) for id_ in wanted]


def listed(workspace: Workspace) -> list[dict[str, Any]]:
    """Every clustering: the version in use, what waits for a decision, and when it is made anew."""
    now, found = workspace.clock.utc_now(), []
    for clustering, versions, decided in _all(workspace):
        model, using = as_model(clustering), in_use(clustering, versions)
        why_due = due(model, versions, as_of=now)
        states = [decided.state(number) for number in _ids(using)]
        found.append(
            {
                "clustering": clustering.id,
                "name": clustering.name,
                "fact": clustering.fact,
                "in_use": using.version if using else None,
                "fitted_at": using.fitted_at.isoformat() if using else None,
                "clusters": len(states),
                **{state: states.count(state) for state in ("accepted", "proposed", "rejected")},
                "refit_due_at": None if why_due else due_at(model, versions[0]).isoformat(),
                "refit_due_because": why_due,
                "why_not": None if using else why_none(clustering, versions),
            }
        )
    return found


def shown(workspace: Workspace, id_: str) -> dict[str, Any]:
    """The clusters of one clustering with all that is known of each; of an attempt that was refused, why."""
    clustering = _known(known_clusterings(workspace), id_)
    versions = by_model(workspace.store).get(clustering.fact, [])
    if not versions:
        raise UserError(f"clusters of {id_} were never looked for; `segsync clusters fit {id_}` does it now")
    using, decided = in_use(clustering, versions), decisions(workspace.store, id_)
    found = using or versions[0]
    parameters = found.document["parameters"] or {}
    sizes = _sizes(workspace.store, clustering) if found is settled(clustering, versions) else {}
    now = sum(sizes.values())
    clusters = [
        {
            **one,
            "name": decided.accepted.get(one["id"], one["name"]),
            "state": decided.state(one["id"]),
            "people_now": sizes.get(one["id"], 0) if now else None,
            "share_now": sizes.get(one["id"], 0) / now if now else None,
        }
        for one in parameters.get("clusters", ())
    ]
    return {
        "clustering": id_,
        "name": clustering.name,
        "fact": clustering.fact,
        "features": {one.name: one.expression for one in clustering.features},
        "version": found.version,
        "fitted_at": found.fitted_at.isoformat(),
        "status": "in_use" if using else _status(found),
        "why": found.document["why"],
        "people": found.document["data"]["people"],
        "people_now": now or None,
        "clusters": clusters,
        **{key: parameters.get(key) for key in ("k", "wanted", "natural", "tried", "kept", "retired")},
        "changed": found.document.get("changed"),
        "of": found.document.get("of"),
        "notices": found.document["notices"],
        "last_attempt": None if found is versions[0] else _attempt(clustering, versions[0]),
    }


def accept(
    workspace: Workspace, id_: str, *, by: str, names: Mapping[int, str], only: Sequence[int] = ()
) -> list[dict[str, Any]]:
    """Let rules see the clusters (all that are there, or `only` these), under their own or other names.

    Returns the clusters that were accepted. From the next run on their people have the fact.
    """
    using, decided = _open(workspace, id_)
    there = {one["id"]: one["name"] for one in using.document["parameters"]["clusters"]}
    for number in (*names, *only):
        _cluster(number, there)
    wanted = [*(only or there)]
    final = {
        number: _name(names.get(number, decided.accepted.get(number, there[number])), number)
        for number in dict.fromkeys((*wanted, *names))
    }
    rest = {number: name for number, name in decided.accepted.items() if number in there}
    _different({**rest, **final})
    decide(workspace.store, id_, final, by=by, at=workspace.clock.utc_now())
    return [one for one in shown(workspace, id_)["clusters"] if one["id"] in final]


def reject(workspace: Workspace, id_: str, *, by: str, only: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Let no rule see the clusters that wait for a decision, or `only` these, accepted before or not.

    Returns the clusters that were rejected.
    """
    using, decided = _open(workspace, id_)
    there = dict.fromkeys(_ids(using), "")
    for number in only:
        _cluster(number, there)
    wanted = [*(only or (number for number in there if decided.state(number) == "proposed"))]
    if not wanted:
        raise UserError(f"no cluster of {id_} waits for a decision; --cluster names one that was accepted")
    decide(workspace.store, id_, dict.fromkeys(wanted), by=by, at=workspace.clock.utc_now())
    return [one for one in shown(workspace, id_)["clusters"] if one["id"] in wanted]


def warnings(
    workspace: Workspace, loaded: Loaded, vocabulary: Vocabulary, *, in_force: bool = True
) -> tuple[Problem, ...]:
    """Where rules ask for clusters that were not found or accepted, or for a name that none has.

    `in_force`: they are the rules of the config, not edited ones beside them.
    """
    if loaded.ruleset is None:
        return ()
    told = [one for one in told_facts(loaded, vocabulary) if _of_a_clustering(one[0])]
    mine = {one.fact: one for one in loaded.ruleset.clusterings.values()}
    beside = {} if all(fact.model in mine for fact, _, _ in told) else _beside(workspace)
    stored, found = by_model(workspace.store), set[Problem]()
    for fact, part, place in told:
        model = fact.model or ""
        clustering = mine.get(model, beside.get(model))
        if clustering is None:
            continue
        versions, decided = stored.get(clustering.fact, []), decisions(workspace.store, clustering.id)
        there = in_force or model not in mine
        message = _unseen(clustering, versions, decided, fact.name, part, in_force=there)
        if message is not None:
            found.add(Problem(place.file, place.line, place.column, message, Severity.WARNING))
    return tuple(sorted(found))


def _of_a_clustering(fact: Field) -> bool:
    return (fact.model or "").startswith(CLUSTER)


def _beside(workspace: Workspace) -> Mapping[str, Clustering]:
    """Fact → the clustering in force, which a lone rule file may name; of rules with errors `check` tells."""
    try:
        return {one.fact: one for one in known_clusterings(workspace).values()}
    except UserError:
        return {}


def _unseen(
    clustering: Clustering,
    versions: Sequence[ModelVersion],
    decided: Decisions,
    fact: str,
    part: ir.Predicate,
    *,
    in_force: bool,
) -> str | None:
    """Why this part of a rule is true of nobody, if it is."""
    using = settled(clustering, versions)
    if using is None:
        why = why_none(clustering, versions, in_force=in_force)
        return f"{fact} is missing for everybody: clustering {clustering.id} has no clusters: {why}"
    names = [decided.accepted[number] for number in _ids(using) if number in decided.accepted]
    if not names:
        return (
            f"{fact} is missing for everybody: no cluster of {clustering.id} was accepted;"
            f" `segsync clusters show {clustering.id}` shows them, `accept` lets rules see them"
        )
    if isinstance(part, ir.Compare) and isinstance(part.right, ir.Literal):
        wanted = str(part.right.value)
        if wanted not in {fold(name) for name in names}:
            near = suggest(wanted, names) or f"; there are {', '.join(names)}"
            return f'no accepted cluster of {clustering.id} is called "{wanted}"{near}'
    return None


def _sizes(store: Store, clustering: Clustering) -> dict[int, int]:
    """Cluster → how many people the last run put there."""
    column = f"{clustering.fact}__id"
    if column not in store.lake.columns("facts"):
        return {}
    with closing(store.lake.connect()) as database:
        rows = database.sql(
            f"SELECT {quoted(column)}, count(*) FROM {store.lake.relation('facts')}"
            f" WHERE {quoted(column)} IS NOT NULL GROUP BY 1"
        ).fetchall()
    return {int(id_): int(count) for id_, count in rows}


def _all(workspace: Workspace) -> list[tuple[Clustering, list[ModelVersion], Decisions]]:
    stored, store = by_model(workspace.store), workspace.store
    return [
        (one, stored.get(one.fact, []), decisions(store, one.id))
        for one in known_clusterings(workspace).values()
    ]


def _ids(version: ModelVersion | None) -> list[int]:
    return [] if version is None else list(version.document["parameters"]["ids"])


def _known(there: Mapping[str, Clustering], id_: str) -> Clustering:
    if id_ not in there:
        near = did_you_mean(id_, there) or "; add a [[clustering]] to a rule file"
        raise UserError(f"there is no clustering {id_} in the rule files{near}")
    return there[id_]


def _open(workspace: Workspace, id_: str) -> tuple[ModelVersion, Decisions]:
    """The version in use, to decide about."""
    clustering = _known(known_clusterings(workspace), id_)
    versions = by_model(workspace.store).get(clustering.fact, [])
    using = in_use(clustering, versions)
    if using is None:
        raise UserError(f"clustering {id_} has no clusters to decide about: {why_none(clustering, versions)}")
    return using, decisions(workspace.store, id_)


def _cluster(number: int, there: Mapping[int, str]) -> None:
    if number not in there:
        raise UserError(f"there is no cluster {number}; there are {', '.join(map(str, there))}")


def _name(name: str, number: int) -> str:
    found = clean(name)
    if found is None:
        raise UserError(f'cluster {number} needs a name: --name {number}="bargain hunters"')
    return found


def _different(names: Mapping[int, str]) -> None:
    """Rules know clusters by their names."""
    seen: dict[str, int] = {}
    for number, name in names.items():
        if fold(name) in seen:
            raise UserError(f'clusters {seen[fold(name)]} and {number} cannot both be called "{name}"')
        seen[fold(name)] = number


def _status(found: ModelVersion) -> str:
    return "insufficient_data" if found.state is ModelState.REFUSED else "replaced"


def _attempt(clustering: Clustering, found: ModelVersion) -> dict[str, Any]:
    return {
        "fitted_at": found.fitted_at.isoformat(),
        "status": _status(found),
        "reason": reason(as_model(clustering), [found]),
    }
