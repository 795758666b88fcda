"""Which version of each model is in use, and when the next one is due."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from sync.config.modelling import ModelSettings
from sync.config.timing import spell_seconds
from sync.store import Store
from sync.store.models import ModelState, ModelVersion

RETRY = dt.timedelta(days=1)
"""So long after a refusal it is tried again."""


def in_use(store: Store, models: Mapping[str, ModelSettings]) -> dict[str, ModelVersion]:
    """Of the models that are on, the version whose results are facts; without those that have none."""
    stored = by_model(store)
    found = {name: used(model, stored.get(name, ())) for name, model in models.items()}
    return {name: one for name, one in found.items() if one is not None}


def by_model(store: Store) -> dict[str, list[ModelVersion]]:
    """Model → its versions, the newest first."""
    found: dict[str, list[ModelVersion]] = {}
    for one in store.models.versions():
        found.setdefault(one.model, []).append(one)
    return found


def used(model: ModelSettings, versions: Sequence[ModelVersion]) -> ModelVersion | None:
    """The newest one with parameters, by these settings, if it is better than the naive guess or forced.

    An attempt that was refused takes nothing away: the cut points from before still mean what they meant.
    """
    ours = (one for one in versions if one.settings == model.fingerprint)
    newest = next((one for one in ours if one.state is not ModelState.REFUSED), None)
    if newest is None or newest.state is ModelState.FITTED or model.force:
        return newest
    return None


def reason(model: ModelSettings, versions: Sequence[ModelVersion]) -> str:
    """Why none of its versions is in use, in words."""
    if not versions:
        return "it was never fitted; the next run, or `segsync models fit`, does it"
    newest = versions[0]
    if newest.unreadable is not None:
        return newest.unreadable
    if newest.settings != model.fingerprint:
        return "its settings were changed; the next run, or `segsync models fit`, makes it anew"
    told = [one["message"] for one in newest.document["notices"] if one["severity"] == "refusal"]
    if newest.state is ModelState.NO_BETTER:
        told.append(f"force = true in [models.{model.name}] would use it all the same.")
    return " ".join(told)


def due(model: ModelSettings, versions: Sequence[ModelVersion], *, as_of: dt.datetime) -> str | None:
    """Why the model is to be fitted now; None: it is not."""
    if not versions:
        return "it was never fitted"
    newest = versions[0]
    if newest.settings != model.fingerprint:
        return "its settings were changed"
    if as_of < due_at(model, newest):
        return None
    refused = newest.state is ModelState.REFUSED
    return (
        "the last attempt was refused" if refused else f"it is made anew every {spell_seconds(model.refit_s)}"
    )


def due_at(model: ModelSettings, newest: ModelVersion) -> dt.datetime:
    """When it is fitted next, if nothing comes before."""
    refused = newest.state is ModelState.REFUSED
    return newest.fitted_at + (RETRY if refused else dt.timedelta(seconds=model.refit_s))
