"""What a benchmark reports: one figure, what it was held against, and whether it holds."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` (in `unit`) must stay on the right side of `bound`; `against`: what it is compared with."""

    name: str
    value: float
    unit: str
    against: str
    bound: float | None
    holds: bool

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)
