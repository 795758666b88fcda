"""A fitted clustering as JSON and back: how people are scaled, where the centres lie, whose ids they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rules.models.clusters.scaling import Category, Number, Scaling, scaled
from rules.models.columns import Floats
from sync.clusters.people import People


@dataclass(frozen=True, slots=True)
class Frozen:
    """What assigns people: the same for everybody and every day until the next fit. `ids` of the centres."""

    scaling: Scaling
    centres: Floats
    ids: tuple[int, ...]

    def matrix(self, people: People) -> Floats:
        """(people, columns): where everybody lies."""
        return scaled(self.scaling, people.numbers, people.categories)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        scaling = {
            "numbers": [asdict(one) for one in self.scaling.numbers],
            "categories": [{"name": one.name, "levels": list(one.levels)} for one in self.scaling.categories],
        }
        return {"scaling": scaling, "centres": self.centres.tolist(), "ids": list(self.ids)}


def frozen(parameters: Mapping[str, Any]) -> Frozen:
    """Of a version's parameters."""
    scaling = parameters["scaling"]
    return Frozen(
        Scaling(
            tuple(Number(**one) for one in scaling["numbers"]),
            tuple(Category(one["name"], tuple(one["levels"])) for one in scaling["categories"]),
        ),
        np.array(parameters["centres"], dtype=np.float64),
        tuple(parameters["ids"]),
    )
