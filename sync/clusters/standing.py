"""Which version of a clustering is in use, and what people decided about its clusters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from rules.language import clusterings_in
from rules.ruleset import Clustering
from sync.config.modelling import ModelSettings
from sync.models.standing import reason, used
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


def clusterings_beside(folder: Path, rules: Path | None) -> tuple[str, ...]:
    """The ids of the clusterings that these rules may ask for. `folder`: that of the rules in force; `rules`:
    a folder or file of others; a file that has no clustering, or is the folder's, is read beside those."""
    own = clusterings_in(rules) if rules is not None and rules.exists() else ()
    if rules is not None and rules.is_dir():
        return own
    if rules is None or not own or rules.resolve().is_relative_to(folder.resolve()):
        return clusterings_in(folder) if folder.exists() else ()
    return own


def as_model(clustering: Clustering) -> AsModel:
    """When it is due, and which of its versions count."""
    return AsModel(refit_s=clustering.refit_s, version=clustering.version)


def in_use(clustering: Clustering, versions: Collection[ModelVersion]) -> ModelVersion | None:
    """The newest version by these settings."""
    return used(as_model(clustering), list(versions))


def settled(clustering: Clustering, versions: Sequence[ModelVersion]) -> ModelVersion | None:
    """The version in use, if people were last assigned by it: clusters by other settings came after some."""
    using = in_use(clustering, versions)
    return using if using is newest(versions) else None


def why_none(clustering: Clustering, versions: Sequence[ModelVersion], *, in_force: bool = True) -> str:
    """Why there is no version to go by, and what to do. `in_force`: the clustering is in the rules folder."""
    if versions and versions[0].settings == clustering.version and versions[0].state is ModelState.REFUSED:
        return reason(as_model(clustering), versions)
    run = "the next run" if in_force else "the first run with these rules"
    soon = f"{run}, or `segsync clusters fit {clustering.id}`," if in_force else run
    if not versions:
        return f"it was never fitted; {soon} does it, and rules see the clusters that you accept"
    return f"its settings were changed; {soon} finds clusters anew, and rules see those that you accept"


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
