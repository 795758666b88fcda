"""What `segsync evaluate` found of segments, as values and for scripts. Sets of people leave it as counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rules.models.clusters.shifts import Shift
from rules.models.columns import Notice
from rules.models.worth.attractiveness import Attraction
from rules.models.worth.moved import Moved
from rules.models.worth.overlaps import Overlap
from rules.models.worth.psi import Psi
from rules.models.worth.splits import Split
from rules.models.worth.wilson import Share
from sync.models.model import said
from sync.run.roi import Roi


@dataclass(frozen=True, slots=True)
class Growth:
    """By the same definition. `new`: of those who entered, who was nobody's person then; None: the lake as it
    was is not kept."""

    since: dt.datetime
    before: int
    entered: int
    left: int
    new: int | None

    @property
    def rate(self) -> float:
        """How much larger it is now, as a share of what it was."""
        return (self.entered - self.left) / self.before if self.before else 0.0


@dataclass(frozen=True, slots=True)
class Mean:
    """Of the `people` who have a value: the mean with its 95 % interval (None: of one), and the total."""

    people: int
    mean: float
    low: float | None
    high: float | None
    total: float


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """By `answers` of all members. `score`: -100 to 100 (NPS) or 0 to 100 (CSAT); hidden (None) under 30
    answers. `shares`: promoters and detractors, or the satisfied, with intervals."""

    scale: str
    answers: int
    response_rate: float
    score: float | None
    shares: Mapping[str, Share]


@dataclass(frozen=True, slots=True)
class Worth:
    """One segment. Money is minor units. None: not measured."""

    segment: str
    size: int
    share: float
    growth: Growth | None
    growth_note: str
    revenue: int
    revenue_share: float
    margin: int | None
    margin_share: float | None
    buyers: Share | None
    retention: Mapping[int, float | None]
    clv: Mean | None
    engagement: Mean | None
    satisfaction: tuple[Satisfaction, ...]
    roi: Roi
    reach: float
    badge: str | None
    faulty: float | None
    knocked_out: tuple[str, ...] = ()

    @property
    def revenue_per_person(self) -> float:
        """Minor units."""
        return self.revenue / self.size if self.size else 0.0


@dataclass(frozen=True, slots=True)
class Drift:
    """`segment`: None for everybody who ever ordered."""

    segment: str | None
    feature: str
    found: Psi


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything, as of an instant. `explained`: outcome → group of segments ("": all) → the share of the
    variance that lies between them. `shares`: group or segment → how its shares of people moved. `centres`:
    of clusters, by column. `unmeasured`: what is not measured → what turns it on."""

    run: int | None
    as_of: dt.datetime
    people: int
    currency: str
    compare_days: int
    revenue_days: int
    segments_a_person: float
    worth: tuple[Worth, ...]
    weights: Mapping[str, float]
    ranking: tuple[Attraction, ...]
    overlaps: tuple[Overlap, ...]
    splits: tuple[Split, ...]
    explained: Mapping[str, Mapping[str, float]]
    drift: tuple[Drift, ...]
    shares: Mapping[str, Moved]
    centres: tuple[Shift, ...]
    unmeasured: Mapping[str, str]
    warnings: tuple[Notice, ...]

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "run": self.run,
            "as_of": self.as_of.isoformat(),
            "people": self.people,
            "currency": self.currency,
            "compare_days": self.compare_days,
            "revenue_days": self.revenue_days,
            "segments_a_person": self.segments_a_person,
            "segments": [_worth(one) for one in self.worth],
            "attractiveness": {
                "weights": dict(self.weights),
                "ranking": [asdict(one) for one in self.ranking],
                "knocked_out": {one.segment: list(one.knocked_out) for one in self.worth if one.knocked_out},
            },
            "overlaps": [asdict(one) for one in self.overlaps],
            "splits": [_split(one) for one in self.splits],
            "explained": [
                {"outcome": outcome, "group": group or None, "share": share}
                for outcome, groups in self.explained.items()
                for group, share in groups.items()
            ],
            "drift": [
                {
                    "segment": one.segment,
                    "feature": one.feature,
                    **asdict(one.found),
                    "too_small": one.found.too_small,
                    "alarm": one.found.alarm,
                }
                for one in self.drift
            ],
            "shares": [{"of": name, **asdict(one), "alarm": one.alarm} for name, one in self.shares.items()],
            "centres": [
                {**asdict(one), "too_small": one.too_small, "alarm": one.alarm} for one in self.centres
            ],
            "unmeasured": dict(self.unmeasured),
            "warnings": [said(one) for one in self.warnings],
        }


def _worth(one: Worth) -> dict[str, Any]:
    growth = None
    if one.growth is not None:
        growth = {**asdict(one.growth), "since": one.growth.since.isoformat(), "rate": one.growth.rate}
    return {
        "segment": one.segment,
        "size": one.size,
        "share": one.share,
        "growth": growth,
        "growth_note": one.growth_note,
        "revenue": one.revenue,
        "revenue_share": one.revenue_share,
        "margin": one.margin,
        "margin_share": one.margin_share,
        "revenue_per_person": one.revenue_per_person,
        "buyers": None if one.buyers is None else _share(one.buyers),
        "retention": {str(days): share for days, share in one.retention.items()},
        "clv": None if one.clv is None else asdict(one.clv),
        "engagement": None if one.engagement is None else asdict(one.engagement),
        "satisfaction": [
            {
                "scale": each.scale,
                "answers": each.answers,
                "response_rate": each.response_rate,
                "score": each.score,
                "shares": {name: _share(share) for name, share in each.shares.items()},
            }
            for each in one.satisfaction
        ],
        "roi": one.roi.document(),
        "roi_not_measured": None if one.roi.missing is None else one.roi.missing.why,
        "reach": one.reach,
        "trust": None if one.badge is None else {"badge": one.badge, "faulty": one.faulty},
        "knocked_out": list(one.knocked_out),
    }


def _split(one: Split) -> dict[str, Any]:
    parts = [{**asdict(part), "rule": one.rule(part) if part.rule else None} for part in one.parts]
    did = [{**asdict(each), "differs": each.differs} for each in one.responses]
    more = {"until": one.until.isoformat(), "parts": parts, "responses": did, "proposed": one.proposed}
    return {**asdict(one), **more, "why_not": one.why_not or None}


def _share(one: Share) -> dict[str, float]:
    return {"value": one.value, **asdict(one)}
