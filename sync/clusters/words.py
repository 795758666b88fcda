"""What a run says of clusters: found anew, refused, who moved, and what waits for a decision."""

from __future__ import annotations

from collections.abc import Sequence

from rules.models.clusters.identity import Moves
from rules.ruleset import Clustering
from sync.clusters.standing import Decisions, why_none
from sync.store.models import ModelVersion


def made(clustering: Clustering, fitted: ModelVersion) -> str:
    """Clusters were found."""
    found, document = fitted.document["parameters"], fitted.document
    changed = ""
    if "changed" in document:
        share = document["changed"] / max(document["of"], 1)
        changed = f"; {document['changed']:,} people ({share:.1%}) are in another cluster because of it"
    return (
        f"clustering {clustering.id}: version {fitted.version} made, because {document['why']}:"
        f" {found['k']} clusters of {document['data']['people']:,} people{changed}"
    )


def refused(
    clustering: Clustering, attempts: Sequence[ModelVersion], using: ModelVersion | None = None
) -> str:
    """None were found, by the newest of these attempts. `using`: the version that stays."""
    why = why_none(clustering, attempts)
    if using is None:
        return f"clustering {clustering.id} has no clusters: {why}"
    return f"clustering {clustering.id}: version {using.version} stays in use; making it anew failed: {why}"


def churned(clustering: Clustering, moves: Moves, *, people: int) -> list[str]:
    """How many of so many people changed sides."""
    if not people or not moves.moved + moves.held:
        return []
    return [
        f"clustering {clustering.id}: {moves.moved:,} people ({moves.moved / people:.1%}) changed"
        f" cluster; {moves.held:,} held back until another run says the same"
    ]


def waiting(clustering: Clustering, using: ModelVersion, decided: Decisions) -> list[str]:
    """How many clusters nobody has decided about."""
    count = [decided.state(one) for one in using.document["parameters"]["ids"]].count("proposed")
    if not count:
        return []
    noun = "cluster waits" if count == 1 else "clusters wait"
    return [
        f"clustering {clustering.id}: {count} {noun} for a decision, and no rule sees them before:"
        f" `segsync clusters show {clustering.id}`"
    ]
