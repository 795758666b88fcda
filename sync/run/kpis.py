"""What a run measures of every segment, to be compared over time: kept by run, for the first run of each day
unless the config says otherwise.

The same numbers as `segsync evaluate` tells then, but for drift, overlaps and ranks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import closing
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
from pyroaring import BitMap

from rules.models.lifecycle import gaps
from rules.models.worth.retention import of_members, retention
from rules.models.worth.wilson import Share
from sync.config.measuring import Each
from sync.models.log import Log
from sync.run.answered import Answers, Read, asked_scales
from sync.run.measured import REVENUE_DAYS, average, measured, order_model
from sync.run.returns import Returns
from sync.run.workspace import Workspace
from sync.run.worth import Mean, Satisfaction
from sync.store import Run
from sync.store.kpis import Kpi, Left


def keep(workspace: Workspace, run: Run, members: Mapping[str, BitMap]) -> list[str]:
    """Measure if it is due, and keep it in place of what the run kept before it was resumed.

    Returns what is to be told: that it failed holds no run up, for nobody's list rests on it.
    """
    before = workspace.store.kpis.before(run.id)
    if not _due(workspace, run, before=None if before is None else before[1]):
        return []
    try:
        found = _measure(workspace, run, members, before=None if before is None else before[0])
    except duckdb.Error as error:
        return [
            f"segments were not measured ({type(error).__name__}); `segsync kpis` has no values of this run"
        ]
    workspace.store.kpis.save(run.id, found)
    return []


def _measure(
    workspace: Workspace, run: Run, members: Mapping[str, BitMap], *, before: int | None
) -> dict[str, list[Kpi]]:
    with closing(workspace.store.lake.connect()) as database:
        log = Log(workspace.store.lake, database, as_of=run.as_of)
        earlier = {} if before is None else workspace.store.kpis.left_by(before)
        measuring = _Measuring(workspace, log, earlier)
        versions = workspace.store.segments.current()
        return {name: list(measuring.of(name, versions[name], those)) for name, those in members.items()}


def _due(workspace: Workspace, run: Run, *, before: dt.datetime | None) -> bool:
    """`before`: the instant of the last run that measured."""
    each = workspace.settings.measuring.each
    if each is Each.DAY and before is not None:
        zone = ZoneInfo(workspace.settings.business.zone)
        return before.astimezone(zone).date() != run.as_of.astimezone(zone).date()
    return each is not Each.NEVER


class _Measuring:
    """One run's measuring, while the lake is open: what everybody did is read once, then asked by segment.

    `earlier`: who was in each segment at the last run that measured.
    """

    def __init__(self, workspace: Workspace, log: Log, earlier: Mapping[str, Left]) -> None:
        self._earlier = earlier
        orders = order_model(workspace)
        days = log.orders(orders).days()
        recent = days["day"] > log.today - REVENUE_DAYS
        most = int(days["person"].max(initial=0))
        self._spent = np.bincount(
            days["person"][recent], weights=days["value"][recent], minlength=most + 1
        ).astype(np.float64)
        self._buyers = BitMap(np.unique(days["person"][recent]).astype(np.uint32))
        self._gaps = gaps(days["person"], days["day"], as_of=log.today)
        self._facts = measured(workspace, log.database)
        self._answers: list[tuple[Answers, Read]] = [
            (scale, scale.read(log)) for scale in asked_scales(workspace, {}).values()
        ]
        self._returns = Returns(workspace.store, log, workspace.settings.measuring.campaigns, orders)

    def of(self, segment: str, version: str, members: BitMap) -> Iterator[Kpi]:
        """Every measure of a segment, once."""
        yield Kpi("size", len(members), len(members))
        yield from self._moved(segment, version, members)
        buyers = np.asarray((members & self._buyers).to_array(), np.int64)
        yield Kpi("revenue", float(self._spent[buyers].sum()), len(buyers))
        waits = of_members(self._gaps, members)
        customers = int(np.count_nonzero(~waits.closed))  # one gap of each still runs
        for days, share in retention(waits).items():
            why = "not_watched" if share is None else None
            yield Kpi(f"retention_{days}", share, customers, why=why)
        yield from self._modelled(members)
        for scale, read in self._answers:
            asked = len(read.asked_of(members))
            yield from _satisfaction(scale.of(read, members), asked)
        yield from self._returns.of(segment).kpis()

    def _moved(self, segment: str, version: str, members: BitMap) -> Iterator[Kpi]:
        """Who entered and left since the last run that measured, by the same definition."""
        then = self._earlier.get(segment)
        if then is None or then.version != version:
            why = "first" if then is None else "edited"
            yield from (Kpi("entered", None, why=why), Kpi("left", None, why=why))
            return
        yield Kpi("entered", len(members - then.members), len(then.members))
        yield Kpi("left", len(then.members - members), len(then.members))

    def _modelled(self, members: BitMap) -> Iterator[Kpi]:
        clv = average(self._facts.clv, members)
        why = _missing(clv, asked=self._facts.clv is not None)
        if clv is None:
            yield from (Kpi("clv_mean", None, why=why), Kpi("clv_total", None, why=why))
        else:
            yield Kpi("clv_mean", clv.mean, clv.people, clv.low, clv.high)
            yield Kpi("clv_total", clv.total, clv.people)
        engaged = average(self._facts.engagement, members)
        why = _missing(engaged, asked=self._facts.engagement is not None)
        if engaged is None:
            yield Kpi("engagement", None, why=why)
        else:
            yield Kpi("engagement", engaged.mean, engaged.people, engaged.low, engaged.high)


def _missing(found: Mean | None, *, asked: bool) -> str | None:
    if found is not None:
        return None
    return "no_values" if asked else "no_model"


def _satisfaction(found: Satisfaction, asked: int) -> Iterator[Kpi]:
    scale, people = found.scale, found.answers
    why = "few_answers" if found.score is None else None
    happy = found.shares.get("satisfied")
    low, high = (None, None) if happy is None else (100 * happy.low, 100 * happy.high)
    yield Kpi(scale, found.score, people, low, high, why)
    if scale == "nps":
        for name in ("promoters", "detractors"):
            yield _share(f"nps_{name}", found.shares.get(name), people)
    nobody = None if asked else "nobody"
    yield Kpi(f"{scale}_response", found.response_rate if asked else None, asked, why=nobody)


def _share(name: str, of: Share | None, people: int) -> Kpi:
    if of is None:
        return Kpi(name, None, people, why="few_answers")
    return Kpi(name, of.value, people, of.low, of.high)
