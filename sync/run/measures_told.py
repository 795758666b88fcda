"""What runs measured of segments, for `segsync kpis`, `profile` and `report`: from the control database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.measures import MEASURES, WHY, outlier_driven
from sync.run.workspace import Workspace
from sync.store.kpis import Kpi, Point


def told(
    workspace: Workspace, segment: str | None = None, *, since: dt.date | None = None
) -> Mapping[str, Sequence[Point]]:
    """Segment → its points, oldest first. `since`: from this day on (of the business's zone).

    UserError if no run has computed the segment, or none has measured anything.
    """
    known = workspace.store.segments.current()
    if segment is not None and segment not in known:
        hint = did_you_mean(segment, known) or "; `segsync run` makes them"
        raise UserError(f"no run has computed a segment {segment}{hint}")
    start = None
    if since is not None:
        zone = ZoneInfo(workspace.settings.business.zone)
        start = dt.datetime.combine(since, dt.time(), tzinfo=zone)
    found = workspace.store.kpis.series(None if segment is None else [segment], since=start)
    if not found and since is None:
        raise UserError(
            "no run has measured segments yet; the first `segsync run` of a day does, unless [kpis] in the"
            " config says never"
        )
    return found


def document(points: Sequence[Point]) -> list[dict[str, Any]]:
    """For scripts: every measure of every run. Money is minor units."""
    return [
        {"run": point.run, "as_of": point.as_of.isoformat(), "kpis": _kpis(point.values)} for point in points
    ]


def _kpis(values: Mapping[str, Kpi]) -> dict[str, Any]:
    found = {name: _value(values[name]) for name in sorted(values, key=[*MEASURES, *values].index)}
    if "roi_capped" in found:
        found["roi"]["outlier_driven"] = outlier_driven(values) is not None
    return found


def why(one: Kpi) -> str:
    """Why it is not measured, in words; nothing of one that is."""
    return "" if one.why is None else WHY.get(one.why, one.why)


def _value(one: Kpi) -> dict[str, Any]:
    found: dict[str, Any] = {"value": one.value, "people": one.people}
    if one.low is not None:
        found |= {"low": one.low, "high": one.high}
    if one.why is not None:
        found |= {"not_measured": one.why, "why": why(one)}
    return found
