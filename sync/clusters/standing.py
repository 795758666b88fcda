"""Which version of a clustering is in use, and what people decided about its clusters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rules.ruleset import Clustering
from sync.config.modelling import ModelSettings
from sync.models.standing import used
from sync.store import Store
from sync.store.models import ModelState, ModelVersion


@dataclass(frozen=True, slots=True)
class AsModel(ModelSettings):
    """A clustering in the form in which models are fitted, kept and made anew."""

    version: str = ""

    name: ClassVar[str] = "clustering"

    @property
    def fingerprint(self) -> str:
        """What decides which clusters are found."""
        return self.version


def as_model(clustering: Clustering) -> AsModel:
    """When it is due, and which of its versions count."""
    return AsModel(refit_s=clustering.refit_s, version=clustering.version)


def in_use(clustering: Clustering, versions: Collection[ModelVersion]) -> ModelVersion | None:
    """The newest version by these settings."""
    return used(as_model(clustering), list(versions))


def newest(versions: Collection[ModelVersion]) -> ModelVersion | None:
    """The newest one that found clusters, by whatever settings."""
    return next((one for one in versions if one.state is not ModelState.REFUSED), None)


@dataclass(frozen=True, slots=True)
class Decisions:
    """Cluster's id → the name under which it was accepted, and those that were rejected; ids are never given
    again. All else waits for a decision."""

    accepted: Mapping[int, str] = field(default_factory=dict)
    rejected: frozenset[int] = frozenset()

    def state(self, cluster: int) -> str:
        """accepted, rejected or proposed."""
        if cluster in self.accepted:
            return "accepted"
        return "rejected" if cluster in self.rejected else "proposed"


def decisions(store: Store, clustering: str) -> Decisions:
    """What people decided so far."""
    told = _noted(store, clustering)
    last = {int(each["cluster"]): each for each in told}
    return Decisions(
        {number: str(each["name"]) for number, each in last.items() if each["name"] is not None},
        frozenset(number for number, each in last.items() if each["name"] is None),
    )


def decide(
    store: Store, clustering: str, clusters: Mapping[int, str | None], *, by: str, at: dt.datetime
) -> None:
    """Accept clusters under a name, or reject them (None). Every decision is kept, with who made it."""
    more = [
        {"cluster": number, "name": name, "by": by, "at": at.isoformat()} for number, name in clusters.items()
    ]
    store.notes.set(_key(clustering), [*_noted(store, clustering), *more])


def _noted(store: Store, clustering: str) -> list[dict[str, Any]]:
    noted = store.notes.get(_key(clustering))
    return noted if isinstance(noted, list) else []


def _key(clustering: str) -> str:
    return f"clusters:{clustering}"
