"""What campaigns of the config earned among the people of a segment, from their holdouts alone.

People count as they were when the campaign started: in its segment, held out or not, and in the segment that
is asked about, whatever became of them since (intention to treat). Who was held out got nothing by the
config's word; segsync itself holds nobody out.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap

from rules.models.columns import Floats
from rules.models.worth.returns import LEAST_PEOPLE, UNEVEN_P, Return, earned, together, uneven
from rules.models.worth.spread import SEED
from rules.text import fold
from rules.vocabulary import MONEY_SCALE
from sync.config.measuring import Campaign, CampaignSettings
from sync.config.modelling import OrderModel
from sync.identify.sql import text_literal
from sync.models.log import Log
from sync.run.roi import ROI, Roi
from sync.store import Store
from sync.store.kpis import Kpi, Left
from sync.store.shapes import quoted
from sync.whereabouts import bitmap

LOOKS_BACK = dt.timedelta(days=365)
"""A campaign counts for so long after its last purchase counted."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A campaign that is over. `spent` and `cost`: by person number, minor units. `blocked`: why nothing is
    said of it; then the rest is empty. `seed`: of what is drawn for it, by its name."""

    blocked: str | None
    then: Mapping[str, Left]
    treated: BitMap
    held: BitMap
    spent: Floats
    cost: Floats
    seed: tuple[int, ...] = ()


class Returns:
    """All campaigns that are over, read once; asked segment by segment."""

    def __init__(self, store: Store, log: Log, settings: CampaignSettings, orders: OrderModel) -> None:
        self._store, self._log, self._settings, self._orders = store, log, settings, orders
        self._known = set(store.segments.current())
        self.campaigns = self._over()
        self._sent = [self._read(one) for one in self.campaigns]

    def of(self, segment: str) -> Roi:
        """The return of all campaigns together among those who were in the segment when each started.

        `people` of one that is not measured: who was held out.
        """
        if not self._settings.campaigns:
            return Roi(None, Kpi(ROI, None, why="no_campaigns"))
        if not self._sent:
            return Roi(None, Kpi(ROI, None, why="not_over"))
        found = [self._one(segment, sent) for sent in self._sent]
        measured = [one for one in found if isinstance(one, Return)]
        if measured:
            return Roi(together(measured))
        return Roi(None, next(one for one in reversed(found) if isinstance(one, Kpi)))

    def _over(self) -> Sequence[Campaign]:
        """By when they ended."""
        as_of = dt.datetime.fromtimestamp(self._log.as_of_us / 1_000_000, dt.UTC)
        known = self._settings.campaigns
        over = [one for one in known if as_of - LOOKS_BACK <= one.ends <= as_of]
        return sorted(over, key=lambda one: one.ends)

    def _one(self, segment: str, sent: _Sent) -> Return | Kpi:
        if sent.blocked is not None:
            return Kpi(ROI, None, why=sent.blocked)
        if segment not in sent.then:
            return Kpi(ROI, None, why="not_kept")
        there = sent.then[segment].members
        treated, held = _numbers(there & sent.treated), _numbers(there & sent.held)
        if min(len(treated), len(held)) < LEAST_PEOPLE:
            return Kpi(ROI, None, len(held), why="few_held" if len(held) < LEAST_PEOPLE else "few_treated")
        cost = float(sent.cost[treated].sum())
        if cost <= 0:
            return Kpi(ROI, None, len(held), why="no_cost")
        margin = float(self._settings.margin)
        return earned(sent.spent[treated], sent.spent[held], margin=margin, cost=cost, seed=sent.seed)

    def _read(self, campaign: Campaign) -> _Sent:
        then = self._store.kpis.left_at(campaign.started)
        nothing = np.zeros(0)
        if not {campaign.segment, campaign.holdout or campaign.segment} <= self._known:
            return _Sent("unknown", then, BitMap(), BitMap(), nothing, nothing)
        audience, held = then.get(campaign.segment), self._held(campaign, then)
        if audience is None or held is None:
            return _Sent("not_kept", then, BitMap(), BitMap(), nothing, nothing)
        treated, left_out = audience.members - held, audience.members & held
        share = campaign.share
        if share is not None and uneven(len(treated), len(left_out), share=float(share)) < UNEVEN_P:
            return _Sent("uneven", then, BitMap(), BitMap(), nothing, nothing)
        size = 1 + max((one.max() for one in (treated, left_out) if one), default=0)
        spent = self._spent(campaign, size)
        cost = self._cost(campaign, treated, size)
        seed = SEED, zlib.crc32(campaign.name.encode())
        return _Sent(None, then, treated, left_out, spent, cost, seed)

    def _held(self, campaign: Campaign, then: Mapping[str, Left]) -> BitMap | None:
        """Who was left out; None: not known any more."""
        if campaign.holdout is not None:
            found = then.get(campaign.holdout)
            return None if found is None else found.members
        lake, name = self._log.lake, f"{campaign.holdout_fact}__ci"
        if name not in lake.columns("people"):
            return None
        value = text_literal(fold(campaign.holdout_value or ""))
        query = f"SELECT person FROM {lake.relation('people')} WHERE {quoted(name)} = {value}"
        return bitmap(self._log.database, query)

    def _spent(self, campaign: Campaign, size: int) -> Floats:
        """What everybody spent while the campaign's purchases counted."""
        if self._orders.amount not in self._log.lake.columns("activity"):
            return np.zeros(size)
        amount = quoted(self._orders.amount)
        counted = f"sum({amount}) FILTER (WHERE {amount} > 0)"
        return self._by_person(self._orders.activity, counted, campaign, size)

    def _cost(self, campaign: Campaign, treated: BitMap, size: int) -> Floats:
        """What reaching each person cost; by message, whoever got none cost nothing."""
        everybody = np.zeros(size)
        everybody[_numbers(treated)] = 1.0
        if campaign.cost is not None:
            return everybody * (_minor(campaign.cost) / max(len(treated), 1))
        sent, message = self._settings.sent, self._settings.message
        if sent is None:
            return everybody * _minor(campaign.each)
        columns = self._log.lake.columns("activity")
        counted = "count(*)" if campaign.each is not None else f"sum({quoted(self._settings.cost or '')})"
        if message not in columns or (campaign.each is None and self._settings.cost not in columns):
            return np.zeros(size)
        named = f"{quoted(message)} = {text_literal(campaign.name)}"
        found = self._by_person(sent, counted, campaign, size, where=named)
        return found * _minor(campaign.each) if campaign.each is not None else found

    def _by_person(
        self, kind: str, counted: str, campaign: Campaign, size: int, *, where: str = "true"
    ) -> Floats:
        """A sum over activity from the campaign's start to its end, by person number."""
        first, last = (_micros(at) for at in (campaign.started, campaign.ends))
        table = self._log.database.sql(
            f"""SELECT person::BIGINT AS person, ({counted})::DOUBLE AS total
            FROM {self._log.lake.relation("activity", kind)}
            WHERE person < {size} AND {where} AND epoch_us("at") >= {first} AND epoch_us("at") < {last}
            GROUP BY person"""
        ).to_arrow_table()
        found = np.zeros(size)
        found[table["person"].to_numpy()] = np.nan_to_num(table["total"].to_numpy())
        return found


def _numbers(members: BitMap) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(members.to_array(), dtype=np.int64)


def _minor(amount: object) -> float:
    return float(str(amount)) * MONEY_SCALE


def _micros(at: dt.datetime) -> int:
    return round(at.timestamp() * 1_000_000)
