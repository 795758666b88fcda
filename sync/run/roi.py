"""The return of campaigns among the people of a segment, what it rests on, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rules.models.columns import Notice, Severity
from rules.models.worth.returns import Return
from rules.models.worth.spread import CAPPED_SHARE, Estimate
from sync.measures import resting
from sync.store.kpis import Kpi

ROI = "roi"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Roi:
    """`found`: None: not measured, and `missing` says why."""

    found: Return | None
    missing: Kpi | None = None

    @property
    def value(self) -> float | None:
        """(gain − cost) / cost."""
        return None if self.found is None else self.found.roi

    def kpis(self) -> Iterator[Kpi]:
        """What a run keeps: with Welch's interval and the bootstrap's, as it is and with the largest capped.

        Of one that is not measured only that it is not.
        """
        if self.found is None:
            yield self.missing or Kpi(ROI, None)
            return
        for name, of in (
            (ROI, self.found.welch),
            (f"{ROI}_bootstrap", self.found.bootstrap),
            (f"{ROI}_capped", self.found.capped_welch),
            (f"{ROI}_capped_bootstrap", self.found.capped_bootstrap),
        ):
            yield Kpi(name, of.value, self.found.treated, of.low, of.high)

    def document(self) -> dict[str, Any] | None:
        """For scripts. Money is minor units."""
        found = self.found
        if found is None:
            return None
        return {
            **asdict(found.welch),
            "bootstrap": _ends(found.bootstrap),
            "people": found.treated,
            "held": found.held,
            "bought": found.bought,
            "held_bought": found.held_bought,
            "gain": found.gain.value,
            "cost": found.cost,
            "capped": {
                **asdict(found.capped_welch),
                "bootstrap": _ends(found.capped_bootstrap),
                "gain": found.capped.value,
                "share": CAPPED_SHARE,
                "caps": [asdict(cap) for cap in found.caps],
            },
            "outlier_driven": found.outlier_driven,
        }


def told_returns(found: Mapping[str, Roi]) -> Iterator[Notice]:
    """By segment: `exp.outlier_driven` of those whose ROI rests on the largest spenders, and
    `eval.unmeasured_roi` of those that have none; each once."""
    driven = {name: one.found for name, one in found.items() if one.found and one.found.outlier_driven}
    if driven:
        shown = [f"{name}: {_rests(one)}" for name, one in list(driven.items())[:_SHOWN]]
        more = f" So does that of {len(driven) - _SHOWN} more segments." if len(driven) > _SHOWN else ""
        message = (
            f"ROI rests on the largest spenders. {'. '.join(shown)}.{more} A few orders may have come by"
            " chance: wait for more of them, or judge by who bought."
        )
        yield Notice("exp.outlier_driven", Severity.WARNING, message, {"segments": len(driven)})
    missing = [name for name, one in found.items() if one.found is None]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        message = (
            f"ROI is not measured for {', '.join(missing[:_SHOWN])}{more}: what members bought is not what"
            " mail to them earned. Leave a random part of a segment without mail, name it in [campaigns], and"
            " compare."
        )
        yield Notice("eval.unmeasured_roi", Severity.NOTE, message, {"segments": len(missing)})


def _rests(found: Return) -> str:
    capped, bought = sum(cap.people for cap in found.caps), found.bought + found.held_bought
    told = f"{resting(found.welch, found.capped_welch)}; {capped:,} of the {bought:,} who bought are capped"
    return f"{told}, of spenders alone, for fewer than 0.5 % bought" if found.among_spenders else told


def _ends(of: Estimate) -> dict[str, float]:
    return {"low": of.low, "high": of.high}
