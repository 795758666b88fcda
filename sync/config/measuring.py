"""What is measured of segments over time, and from what, as settings: frozen values, no calculation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from sync.config.modelling import DAY_S

MONTH_S = 30 * DAY_S
SCALES: Mapping[str, tuple[int, int]] = {"nps": (0, 10), "csat": (1, 5)}
"""Scale → the lowest and the highest answer."""


class Each(StrEnum):
    """When runs measure segments. DAY: the first run of each day (of the business's zone)."""

    DAY = "day"
    RUN = "run"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ScaleSettings:
    """Where answers are: in a number that a person has (`fact`), or in the `field` of an `activity`, of which
    each person's latest in `within_s` seconds counts. `asked`: the activity that tells who was asked; None:
    everybody."""

    fact: str | None = None
    activity: str | None = None
    field: str | None = None
    asked: str | None = None
    within_s: int = 365 * DAY_S


@dataclass(frozen=True, slots=True)
class Campaign:
    """Sent at `started` to whom `segment` had then, but not to the holdout: whom another segment had then, or
    who has a value in a text fact. What was bought within `within_s` seconds counts. `share`: how many were
    to be held out (0 to 1), if that is to be checked. `cost`: of all, or `each`: of one message."""

    name: str
    started: dt.datetime
    segment: str
    holdout: str | None = None
    holdout_fact: str | None = None
    holdout_value: str | None = None
    share: Decimal | None = None
    cost: Decimal | None = None
    each: Decimal | None = None
    within_s: int = MONTH_S

    @property
    def ends(self) -> dt.datetime:
        """From then on purchases count no more."""
        return self.started + dt.timedelta(seconds=self.within_s)


@dataclass(frozen=True, slots=True)
class CampaignSettings:
    """`margin`: the share of revenue that is kept. `sent`: the activity of which each is one message,
    `message`: its field with the campaign's name, `cost`: its field with what the message cost."""

    margin: Decimal = Decimal(1)
    sent: str | None = None
    message: str = "campaign"
    cost: str | None = None
    campaigns: tuple[Campaign, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuringSettings:
    """All three sections. `satisfaction`: scale → where its answers are."""

    each: Each = Each.DAY
    satisfaction: Mapping[str, ScaleSettings] = field(default_factory=dict)
    campaigns: CampaignSettings = CampaignSettings()
