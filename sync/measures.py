"""What is measured of segments over time: names, words, units, and why something is not measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.models.worth.spread import Estimate
    from sync.store.kpis import Kpi


class Unit(StrEnum):
    """PEOPLE: a count. MONEY: minor units. SHARE: 0 to 1; of ROI from -1 on. POINTS: as it is."""

    PEOPLE = "people"
    MONEY = "money"
    SHARE = "share"
    POINTS = "points"


@dataclass(frozen=True, slots=True)
class Measure:
    """`words`: as a heading. `few`: shown where there is little room."""

    name: str
    words: str
    unit: Unit
    few: bool = True


MEASURES: Mapping[str, Measure] = {
    one.name: one
    for one in (
        Measure("size", "people", Unit.PEOPLE),
        Measure("entered", "entered", Unit.PEOPLE),
        Measure("left", "left", Unit.PEOPLE),
        Measure("revenue", "revenue in 365 days", Unit.MONEY),
        Measure("retention_30", "order again within 30 days", Unit.SHARE, few=False),
        Measure("retention_90", "order again within 90 days", Unit.SHARE),
        Measure("retention_365", "order again within 365 days", Unit.SHARE, few=False),
        Measure("clv_mean", "lifetime value each", Unit.MONEY),
        Measure("clv_total", "lifetime value in all", Unit.MONEY, few=False),
        Measure("engagement", "engagement", Unit.POINTS),
        Measure("nps", "NPS", Unit.POINTS),
        Measure("nps_promoters", "promoters", Unit.SHARE, few=False),
        Measure("nps_detractors", "detractors", Unit.SHARE, few=False),
        Measure("nps_response", "answered (NPS)", Unit.SHARE, few=False),
        Measure("csat", "CSAT", Unit.POINTS),
        Measure("csat_response", "answered (CSAT)", Unit.SHARE, few=False),
        Measure("roi", "ROI", Unit.SHARE),
        Measure("roi_bootstrap", "ROI, bootstrap", Unit.SHARE, few=False),
        Measure("roi_capped", "ROI, top 0.5 % capped", Unit.SHARE),
        Measure("roi_capped_bootstrap", "ROI, top 0.5 % capped, bootstrap", Unit.SHARE, few=False),
    )
}

WHY: Mapping[str, str] = {
    "first": "there is no earlier run to compare with",
    "edited": "its definition changed",
    "nobody": "nobody is in it",
    "not_watched": "no gap between orders was watched for so long",
    "no_model": "its model is not in use; `segsync models list` tells why",
    "no_values": "nobody in it has a value",
    "few_answers": "fewer than 30 answered",
    "no_campaigns": "no campaign with a cost and a holdout is in the config",
    "not_over": "no campaign is over yet, or the last one was over a year ago",
    "unknown": "no run has computed the segment or the holdout that [campaigns] names",
    "not_kept": "who was in it, and who was held out, when the campaign started is not known",
    "uneven": "the holdout is not of the size that was planned, so it does not stand for the others",
    "few_held": "fewer than 30 of its people were held out",
    "few_treated": "fewer than 30 of its people were not held out",
    "few_people": "it rests on fewer than 30 people",
    "no_cost": "the campaign cost nothing among its people",
}
"""Code → words."""


def resting(whole: Estimate, capped: Estimate) -> str:
    """What the largest spenders do to an ROI, in words."""
    return (
        f"{whole.value:+.0%} ({whole.low:+.0%} to {whole.high:+.0%}) with all they spent, {capped.value:+.0%}"
        f" ({capped.low:+.0%} to {capped.high:+.0%}) with the top 0.5 % capped"
    )


def outlier_driven(values: Mapping[str, Kpi]) -> str | None:
    """`exp.outlier_driven` of what a run measured, in words; None: its ROI does not rest on the largest
    spenders, or is not measured."""
    from rules.models.worth.spread import Estimate, driven

    found = [
        Estimate(one.value, one.low, one.high)
        for name in ("roi", "roi_capped")
        if (one := values.get(name)) is not None
        and not (one.value is None or one.low is None or one.high is None)
    ]
    if len(found) < 2 or not driven(*found, nothing=-1.0):
        return None
    return f"its ROI rests on the largest spenders: {resting(*found)}"


def said(name: str, value: float | None) -> str:
    """A value as a person reads it; money in major units."""
    if value is None:
        return "–"
    match MEASURES[name].unit:
        case Unit.PEOPLE:
            return f"{value:,.0f}"
        case Unit.MONEY:
            return f"{value / 100:,.2f}"
        case Unit.SHARE:
            return f"{value:.1%}"
        case Unit.POINTS:
            return f"{value:.1f}"
