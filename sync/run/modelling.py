"""The models of an installation, for people: which are in use, what they were made of, and why one is not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from rules import ir
from rules.engine.walk import nodes
from rules.language import Loaded, Problem
from rules.language.problems import Severity
from rules.ruleset import Place
from rules.vocabulary import Field, Vocabulary
from sync.assign import IDENTIFIED
from sync.config.modelling import ModelSettings, OffersSettings
from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.facts import facts_of
from sync.models.standing import by_model, due, due_at, in_use, reason, used
from sync.models.words import made_of, words
from sync.progress import SILENT, Progress
from sync.run.pipeline import begin
from sync.run.rulebook import known_clusterings
from sync.run.workspace import Workspace
from sync.store.models import ModelState, ModelVersion


def fit(
    workspace: Workspace,
    names: Sequence[str],
    *,
    as_of: dt.datetime | None = None,
    progress: Progress = SILENT,
) -> list[dict[str, Any]]:
    """Make these models anew (none: all that are on), whatever is due, and give everybody their facts.

    Returns them as `shown`. UserError if one is not on, nothing was ever pulled, or a model's own file cannot
    be read (the other models are made all the same); Busy while a run is on.
    """
    wanted = [_known(workspace, name) for name in names] or list(workspace.settings.models.values())
    clusterings = {} if names else known_clusterings(workspace)
    if not wanted and not clusterings:
        raise UserError("no model is on; add a section such as [models.rfm] to the config")
    if workspace.store.notes.get(IDENTIFIED) is None:
        raise UserError("nothing has been pulled yet, so there is nobody to look at; `segsync pull` is first")
    with begin(workspace, "models", as_of=as_of, progress=progress) as pipeline:
        pipeline.model([model.name for model in wanted])
        pipeline.cluster(clusterings, asked=list(clusterings))
    held = [f"model {name}: {why}" for name, why in pipeline.report.held_facts.items()]
    if any(model.name in pipeline.report.held_facts for model in wanted):
        raise UserError("not every model could be made; its facts stay as they were", problems=tuple(held))
    return [shown(workspace, model.name) for model in wanted]


def listed(workspace: Workspace) -> list[dict[str, Any]]:
    """Every model that is on: the version in use, when the next is due, and what its facts are called."""
    stored, found = by_model(workspace.store), []
    now = workspace.clock.utc_now()
    for name, model in workspace.settings.models.items():
        versions = stored.get(name, [])
        newest = used(model, versions)
        broken = None if newest is None else newest.unreadable
        using = None if broken else newest
        why_due = due(model, versions, as_of=now)
        found.append(
            {
                "model": name,
                "in_use": using.version if using else None,
                "fitted_at": using.fitted_at.isoformat() if using else None,
                "refit_due_at": None if why_due else due_at(model, versions[0]).isoformat(),
                "refit_due_because": why_due,
                "facts": _facts(workspace, model),
                "why_not": None if using else broken or reason(model, versions),
            }
        )
    return found


def shown(workspace: Workspace, name: str, version: int | None = None) -> dict[str, Any]:
    """One version of a model (None: the newest attempt) with everything that is known of it."""
    model = _known(workspace, name)
    versions = by_model(workspace.store).get(name, [])
    if not versions:
        raise UserError(f"model {name} was never fitted; `segsync models fit {name}` does it now")
    found = next((one for one in versions if version in (None, one.version)), None)
    if found is None:
        there = ", ".join(str(one.version) for one in reversed(versions))
        raise UserError(f"model {name} has no version {version}; there are {there}")
    using = used(model, versions)
    return {
        "model": name,
        "version": found.version,
        "fitted_at": found.fitted_at.isoformat(),
        "state": found.state.value,
        "status": status(found, using, forced=model.force),
        "in_use": using is not None and using.version == found.version,
        "facts": _facts(workspace, model),
        "made_of": made_of(found.document["data"]),
        "words": words(name, found.document, currency=workspace.settings.business.currency),
        "versions": [one.version for one in reversed(versions)],
        **found.document,
    }


def status(found: ModelVersion, using: ModelVersion | None, *, forced: bool) -> str:
    """`in use`, `forced`, `replaced`, `no_better` or `insufficient_data`."""
    if using is not None and using.version == found.version:
        return "forced" if forced and found.state is ModelState.NO_BETTER else "in_use"
    if found.state is ModelState.REFUSED:
        return "insufficient_data"
    return "no_better" if found.state is ModelState.NO_BETTER else "replaced"


def warnings(workspace: Workspace, loaded: Loaded, vocabulary: Vocabulary) -> tuple[Problem, ...]:
    """Where rules ask for a fact of a model that is not in use: it is missing for everybody. And what is
    wrong with the files of models' own."""
    models = workspace.settings.models
    if not models:
        return ()
    using, stored = in_use(workspace.store, models), by_model(workspace.store)
    found = set(_of_products(models.get(OffersSettings.name)))
    for fact, _, place in told_facts(loaded, vocabulary):
        if fact.model is None or fact.model in using or fact.model not in models:
            continue
        why = reason(models[fact.model], stored.get(fact.model, []))
        message = f"{fact.name} is missing for everybody: model {fact.model} is not in use: {why}"
        found.add(Problem(place.file, place.line, place.column, message, Severity.WARNING))
    return tuple(sorted(found))


def _of_products(offers: ModelSettings | None) -> Iterator[Problem]:
    if isinstance(offers, OffersSettings) and offers.table is not None:
        from sync.models.products import BadTable, read_products  # loads SciPy

        try:
            read_products(offers.table)
        except BadTable as error:
            why = f"{error.why}; until then the facts of model offers stay as they were"
            yield Problem(str(error.file), error.line or 1, 1, why, Severity.WARNING)


def told_facts(loaded: Loaded, vocabulary: Vocabulary) -> Iterator[tuple[Field, ir.Predicate, Place]]:
    """Every fact of a model that a rule asks for, in which part of its condition, and where that stands."""
    for asked in loaded.asked:
        for part in _leaves(asked.condition):
            for node in nodes([part], inside_aggregates=False):
                fact = vocabulary.fields.get(node.name) if isinstance(node, ir.Fact) else None
                if fact is not None and fact.model is not None:
                    yield fact, part, asked.place(part)


def _leaves(condition: ir.Predicate) -> list[ir.Predicate]:
    match condition:
        case ir.And(parts) | ir.Or(parts):
            return [leaf for part in parts for leaf in _leaves(part)]
        case ir.Not(part):
            return _leaves(part)
    return [condition]


def _known(workspace: Workspace, name: str) -> ModelSettings:
    models = workspace.settings.models
    if name not in models:
        near = did_you_mean(name, models) or f"; add [models.{name}] to turn it on"
        raise UserError(f"there is no model {name} in the config{near}")
    return models[name]


def _facts(workspace: Workspace, model: ModelSettings) -> list[str]:
    currency = workspace.settings.business.currency
    return [fact.name for fact in facts_of(model, currency=currency, source="")]
