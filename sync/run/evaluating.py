"""`evaluate`: what each segment is worth, which are too many or too few, and what moved. Asks no platform.

Over what the last run left. Revenue and retention are those of orders (the kind and amount that the models in
the config name, else `purchase` and `amount`), ROI that of the config's campaigns. Nothing is stored, merged
or split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from rules.models.clusters.shifts import Shift, told_clusters, told_shifts
from rules.models.columns import Floats, Notice, Severity
from rules.models.lifecycle import gaps
from rules.models.worth.attractiveness import told_unstable
from rules.models.worth.moved import told_moved
from rules.models.worth.overlaps import (
    alike,
    giants,
    overlaps,
    told_alike,
    told_many,
    told_overlaps,
    told_sizes,
)
from rules.models.worth.psi import psi, told
from rules.models.worth.retention import of_members, retention
from rules.models.worth.splits import Split
from rules.models.worth.wilson import wilson
from rules.ruleset import RuleSet
from sync.config.modelling import DAY_S
from sync.errors import UserError
from sync.models.log import Histories, Log
from sync.quality.trust import Trust, needs, trust
from sync.run.answered import Answers, asked_scales
from sync.run.centres import centres_moved
from sync.run.explains import explains
from sync.run.findings import Looked, looked
from sync.run.grown import Grown
from sync.run.margins import margins
from sync.run.measured import REVENUE_DAYS, average, measured, order_model
from sync.run.measures_told import why
from sync.run.ranked import knocked_out, ranked, weights_of, without_twins
from sync.run.returns import Returns
from sync.run.roi import told_returns
from sync.run.rulebook import known_rules
from sync.run.shifting import shifted
from sync.run.splitting import splits
from sync.run.workspace import Workspace
from sync.run.worth import Drift, Evaluation, Worth
from sync.whereabouts import bitmap


@dataclass(frozen=True, slots=True)
class Asked:
    """`weights`: in place of the usual ones. `scales`: "nps" or "csat" → the fact that holds the score."""

    compare_days: int = 30
    smallest: int = 100
    weights: Mapping[str, float] = field(default_factory=dict)
    scales: Mapping[str, str] = field(default_factory=dict)


def evaluated(workspace: Workspace, asked: Asked | None = None) -> Evaluation:
    """All of it. UserError if nothing was computed yet, or something is asked for that is not there."""
    asked = asked or Asked()
    weights = weights_of(asked.weights)
    scales = asked_scales(workspace, asked.scales)
    with looked(workspace) as look:
        return _Evaluating(workspace, look, asked, weights, scales).made()


class _Evaluating:
    """One evaluation, while the lake is open."""

    def __init__(
        self,
        workspace: Workspace,
        look: Looked,
        asked: Asked,
        weights: Mapping[str, float],
        scales: Mapping[str, Answers],
    ) -> None:
        self.workspace, self.look, self.asked, self.weights, self.scales = (
            workspace, look, asked, weights, scales,
        )  # fmt: skip
        self.store, self.database = workspace.store, look.said.database
        self.notices: list[Notice] = []
        self.rules = rules = self._rules()
        latest = self.store.segments.latest()
        self.members = {
            name: one.members for name, one in latest.items() if rules is None or name in rules.segments
        }
        if not self.members:
            raise UserError(
                "no run has computed a segment yet, so there is nothing to judge; `segsync run` does"
            )
        lake = self.store.lake
        self.everybody = bitmap(self.database, f"SELECT person FROM {lake.relation('people')}")
        self.trust = {} if rules is None else self._trust(rules)
        self.centres = () if rules is None else self._centres(rules)
        self.log = Log(lake, self.database, as_of=look.as_of)
        self.orders = self.log.orders(order_model(workspace))
        self.margins = margins(workspace, self.log, days=REVENUE_DAYS)
        self.facts = measured(workspace, self.database)
        self.answers = {name: scale.read(self.log) for name, scale in scales.items()}
        campaigns = workspace.settings.measuring.campaigns
        self.returns = Returns(self.store, self.log, campaigns, order_model(workspace))

    def made(self) -> Evaluation:
        """Asked in this order: every segment, then what they are to each other."""
        days = self.orders.days()
        recent = days["day"] > self.log.today - REVENUE_DAYS
        everywhere = BitMap.union(self.everybody, *self.members.values())
        most = max(int(days["person"].max(initial=0)), everywhere.max() if everywhere else 0)
        paid = np.bincount(days["person"][recent], weights=days["value"][recent], minlength=most + 1)
        spent = paid.astype(np.float64)
        waits = gaps(days["person"], days["day"], as_of=self.log.today)
        grown = Grown(self.store, as_of=self.look.as_of, days=self.asked.compare_days)
        mailable = self._mailable()
        before: dict[str, tuple[BitMap, int]] = {}
        bought = BitMap(np.unique(days["person"][recent]).astype(np.uint32))
        found = []
        for name, members in self.members.items():
            growth, note, then = grown.of(name, members)
            if growth is not None:
                before[name] = then, int(growth.since.timestamp()) // DAY_S
            badge = self.trust.get(name)
            size = len(members)
            revenue = int(spent[_numbers(members)].sum())
            one = Worth(
                segment=name,
                size=size,
                share=_part(size, len(self.everybody)),
                growth=growth,
                growth_note=note,
                revenue=revenue,
                revenue_share=_part(revenue, float(spent.sum())),
                margin=self.margins.of(members),
                margin_share=self.margins.share(members),
                buyers=wilson(len(members & bought), size) if size else None,
                retention=retention(of_members(waits, members)),
                clv=average(self.facts.clv, members),
                engagement=average(self.facts.engagement, members),
                satisfaction=tuple(
                    self.scales[name].of(read, members) for name, read in self.answers.items()
                ),
                roi=self.returns.of(name),
                reach=_part(len(members & mailable), size),
                badge=None if badge is None else badge.badge.value,
                faulty=None if badge is None else badge.share,
            )
            found.append(replace(one, knocked_out=knocked_out(one, smallest=self.asked.smallest)))
        return self._together(found, before, spent, grown)

    def _together(
        self, found: list[Worth], before: Mapping[str, tuple[BitMap, int]], spent: Floats, grown: Grown
    ) -> Evaluation:
        flagged = overlaps(self.members)
        found = without_twins(found, flagged)
        weights, ranking = ranked(found, self.weights)
        drift = list(self._drift(before))
        shares, unkept = shifted(
            found,
            before={name: then for name, (then, _) in before.items()},
            members=self.members,
            people=self.everybody,
            people_at=grown.people_at,
        )
        self.notices += self.margins.told()
        self.notices += told_moved(shares)
        self.notices += told_shifts(self.centres)
        self.notices += told_clusters(self.centres)
        people, currency = len(self.everybody), self.workspace.settings.business.currency
        looked_into = self._splits()
        advice = {one.segment: one.advice(currency) for one in looked_into}
        self.notices += told_sizes(self.members, self.everybody, smallest=self.asked.smallest, advice=advice)
        self.notices += told_overlaps(flagged)
        outcomes = {name: spent[_numbers(members)] for name, members in self.members.items()}
        compared = f"revenue per person in the last {REVENUE_DAYS} days"
        self.notices += told_alike(alike(outcomes), compared)
        explained, little = explains(self.members, self.everybody, spent, self.facts.clv, days=REVENUE_DAYS)
        self.notices += little
        each = _part(sum(one.size for one in found), people)
        self.notices += told_many(each)
        for one in drift:
            notice = told(one.feature if one.segment is None else f"{one.segment}: {one.feature}", one.found)
            if notice is not None and (one.segment is None or one.found.alarm):
                self.notices.append(notice)
        for name, scale in self.scales.items():
            hidden = [
                one.segment for one in found for s in one.satisfaction if s.scale == name and s.score is None
            ]
            self.notices += scale.told_few(hidden)
        unstable = told_unstable(ranking)
        self.notices += [unstable] if unstable else []
        self.notices += told_returns({one.segment: one.roi for one in found})
        return Evaluation(
            run=self.look.run,
            as_of=self.look.as_of,
            people=people,
            currency=currency,
            compare_days=self.asked.compare_days,
            revenue_days=REVENUE_DAYS,
            segments_a_person=each,
            worth=tuple(found),
            weights=weights,
            ranking=tuple(ranking),
            overlaps=tuple(flagged),
            splits=looked_into,
            explained=explained,
            drift=tuple(drift),
            shares=shares,
            centres=self.centres,
            unmeasured=self._unmeasured(found) | ({} if unkept is None else {"shares": unkept}),
            warnings=tuple(sorted(self.notices, key=lambda one: one.severity is not Severity.WARNING)),
        )

    def _rules(self) -> RuleSet | None:
        """Those in force; None while the files have errors."""
        try:
            return known_rules(self.workspace)[1]
        except UserError:
            message = (
                "The rule files have errors: segments are those of the last run, and none has a trust badge;"
                " `segsync check` lists them."
            )
            self.notices.append(Notice("eval.rules_broken", Severity.WARNING, message, {}))
            return None

    def _trust(self, rules: RuleSet) -> dict[str, Trust]:
        badges = trust(self.members, needs(rules, self.look.fields), self.look.found())
        return {one.segment: one for one in badges}

    def _centres(self, rules: RuleSet) -> tuple[Shift, ...]:
        words = self.workspace.vocabulary()[0]
        as_of, clusterings = self.look.as_of, rules.clusterings
        return tuple(centres_moved(self.workspace, clusterings, words, self.database, as_of=as_of))

    def _splits(self) -> tuple[Split, ...]:
        large = {name: self.members[name] for name in giants(self.members, self.everybody)}
        orders, smallest = order_model(self.workspace), self.asked.smallest
        return splits(self.workspace, self.look, self.rules, self.log, orders, large, smallest=smallest)

    def _mailable(self) -> BitMap:
        """Who has an address, consented and is not suppressed."""
        lake = self.store.lake
        if "email" not in lake.columns("people"):
            return BitMap()
        return bitmap(
            self.database,
            f"""SELECT person FROM {lake.relation("people")}
            WHERE email IS NOT NULL AND consented_email AND NOT coalesce(suppressed, false)""",
        )

    def _drift(self, before: Mapping[str, tuple[BitMap, int]]) -> Iterator[Drift]:
        """Of what people ordered, then and now: of everybody, and of segments that can be compared. `before`:
        who was in a segment, and the day of that: what they had ordered by then is what is compared."""
        today, then = self.log.today, self.log.today - self.asked.compare_days
        asked = {then, today, *(day for _, day in before.values())}
        known = {day: self.orders.histories(until=day) for day in sorted(asked)}
        features = {day: _features(of, day) for day, of in known.items()}
        for feature, values in features[then].items():
            yield Drift(None, feature, psi(values, features[today][feature]))
        for name, (members, day) in before.items():
            if members:
                was = np.isin(known[day].person, _numbers(members))
                now = np.isin(known[today].person, _numbers(self.members[name]))
                for feature, values in features[day].items():
                    yield Drift(name, feature, psi(values[was], features[today][feature][now]))

    def _unmeasured(self, worth: list[Worth]) -> dict[str, str]:
        found = {}
        if self.margins.by_person is None:
            found["margin"] = self.margins.why
        for name, of in (("clv", self.facts.clv), ("engagement", self.facts.engagement)):
            if of is None:
                found[name] = (
                    f"add [models.{name}] to the config, or see `segsync models list` for why it is not in"
                    " use"
                )
        if not self.scales:
            found["satisfaction"] = (
                "say in [satisfaction] where the answers are, or name the fact: --nps FACT (0 to 10) or"
                " --csat FACT (1 to 5)"
            )
        missing = [one.roi.missing for one in worth if one.roi.missing is not None]
        if len(missing) == len(worth):
            reasons = sorted({why(one) for one in missing})
            found["roi"] = f"only a holdout tells what a campaign earned: {'; '.join(reasons)}"
        return found


def _features(of: Histories, until: int) -> dict[str, Floats]:
    columns = {
        "days since the last order": until - of.last,
        "days with an order": of.days,
        "revenue so far": of.value,
    }
    return {name: values.astype(np.float64) for name, values in columns.items()}


def _numbers(members: BitMap) -> NDArray[np.int64]:
    return np.asarray(members.to_array(), dtype=np.int64)


def _part(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
