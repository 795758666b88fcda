"""The most calls a campaign may have taken: the bound of the reliability reference, with every term shown.

    writes ≤ 1.25 · LB / (1 − p)  +  c · K  +  A  +  Σ (2 · ⌈log2 b⌉ + 1)  +  N  +  5       per account

LB the fewest possible calls for what was really changed, p how likely a call has to be sent again, c requests
that a kill can lose, K kills, A logins refused, N batches of which some items came back. The sum goes over
all times that a life met a poison person, in a batch of b people: a plan tries them again when they or their
rule have changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tests.scenarios.campaign.weather import REPEATED

IN_FLIGHT = 2
"""`connections` of every platform in the campaign's config."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The terms for one account."""

    connection: str
    writes: int
    fewest: int
    tries: float
    kills: int
    logins: int
    halving: int
    items: int
    slack: int = 5

    @property
    def most(self) -> int:
        return math.floor(self.tries + self.kills + self.logins + self.halving + self.items + self.slack)

    def document(self) -> dict[str, object]:
        return {**asdict(self), "tries": round(self.tries, 1), "bound": self.most}


def bounds(traffic: Mapping[str, Mapping[str, int]], *, kills: int) -> list[Bound]:
    """One for each account; `traffic` as the platforms tell it."""
    return [
        Bound(
            connection=name,
            writes=one["writes"],
            fewest=one["fewest"],
            tries=1.25 * one["fewest"] / (1 - REPEATED),
            kills=IN_FLIGHT * kills,
            logins=one["logins"],
            halving=one["halving"],
            items=one["partial"],
        )
        for name, one in traffic.items()
    ]
