"""Lead points over the lake: who somebody is, by points set by hand or learned from earlier leads.

Learned points are judged by leads that came later than those they were learned from, beside the points set by
hand; whichever is better gives the fact. What somebody does is another fact, `engagement`; the two are never
added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Bools, Notice, Severity
from rules.models.lead import Backtest, Coded, Features, Scorecard, backtest, learn
from rules.vocabulary import NUMBER_SCALE
from sync.config.modelling import LeadSettings
from sync.models.log import DAY_US, Ints, Log, date_of
from sync.models.model import Facts, Fit
from sync.store.shapes import quoted

if TYPE_CHECKING:
    import pyarrow as pa

LEARNED_SHARE = 0.7
"""Of the leads in order of time; the others judge."""


class Lead:
    """See `sync.models.model.Model`."""

    def fit(self, log: Log, settings: LeadSettings) -> Fit:
        """Refused where there are neither points set by hand nor 100 conversions to learn from."""
        leads = _leads(log, settings)
        created, outcome = leads["created"].to_numpy(), leads["converted"].to_numpy()
        data = {
            "from": None if not len(created) else str(date_of(int(created[0]) // DAY_US)),
            "to": None if not len(created) else str(date_of(int(created[-1]) // DAY_US)),
            "people": len(created),
            "leads": len(created),
        }
        by_hand = Scorecard(settings.points) if settings.points else None
        until = int(len(created) * LEARNED_SHARE)
        known = {name: _coded(leads[f"{name}__ci"]) for name in settings.features}
        early: Features = {name: coded.part(0, until) for name, coded in known.items()}
        late: Features = {name: coded.part(until, len(created)) for name, coded in known.items()}
        learned, notices = learn(early, outcome[:until])
        if learned is None:
            told = [replace(one, severity=Severity.WARNING) for one in notices] if by_hand else notices
            return Fit(data, _parameters(by_hand, learned=False), notices=tuple(told))
        judged = _judged(learned, by_hand, early, late, outcome[until:])
        baseline = {
            "naive": "points set by hand" if by_hand else "a coin",
            "auc_leads": judged.auc,
            "naive_auc": judged.naive_auc,
            "leads": len(created) - until,
            "lift": judged.lift,
            "base_rate": judged.base_rate,
        }
        if judged.better or by_hand is None:
            parameters = _parameters(learned, learned=True)
            return Fit(data, parameters, baseline, judged.notices, better=judged.better)
        message = f"{judged.notices[0].message} The points set by hand are used."
        note = Notice("lead.baseline_wins", Severity.NOTE, message, judged.notices[0].evidence)
        return Fit(data, _parameters(by_hand, learned=False), baseline, (note,))

    def score(
        self,
        log: Log,
        settings: LeadSettings,  # noqa: ARG002 - the points are those of the fit
        parameters: Mapping[str, Any],
        people: NDArray[np.int32],
    ) -> Facts:
        """The points of everybody; a value without points has none."""
        points: Mapping[str, Mapping[str, int]] = parameters["points"]
        columns = ", ".join(quoted(f"{name}__ci") for name in points)
        table = log.database.sql(
            f"""SELECT person, {columns} FROM {log.lake.relation("people")}
            WHERE person BETWEEN {int(people[0])} AND {int(people[-1])} ORDER BY person"""
        ).to_arrow_table()
        total = np.zeros(len(table), np.int64)
        for name, worth in points.items():
            coded = table[f"{name}__ci"].combine_chunks().dictionary_encode()
            each = np.array(
                [worth.get(value, 0) for value in coded.dictionary.to_pylist()] + [worth.get("", 0)]
            )
            total += each[coded.indices.fill_null(len(each) - 1).to_numpy()]
        return {"fit": total.astype(np.float64) * NUMBER_SCALE}


def _leads(log: Log, settings: LeadSettings) -> pa.Table:
    """Everybody whose outcome is known by now, in order of time."""
    names = ", ".join(quoted(f"{name}__ci") for name in settings.features)
    within = settings.within_s * 1_000_000
    created = f"epoch_us(CAST({quoted(settings.created)} AS TIMESTAMP))"
    return log.database.sql(
        f"""WITH leads AS (SELECT person, {created} AS created, {names}
            FROM {log.lake.relation("people")} WHERE {quoted(settings.created)} IS NOT NULL)
        SELECT leads.*, EXISTS (SELECT 1 FROM {log.activity(settings.converted)} AS did
            WHERE did.person = leads.person
            AND epoch_us(did."at") BETWEEN leads.created AND leads.created + {within}) AS converted
        FROM leads WHERE created <= {log.as_of_us - within} ORDER BY created, person"""
    ).to_arrow_table()


def _coded(column: pa.ChunkedArray) -> Coded:
    """Never as one Python string per lead: of a million these are hundreds of megabytes."""
    coded = column.fill_null("").combine_chunks().dictionary_encode()
    return Coded(coded.dictionary.to_pylist(), coded.indices.to_numpy())


def _judged(
    learned: Scorecard, by_hand: Scorecard | None, early: Features, late: Features, outcome: Bools
) -> Backtest:
    """By later leads. Bands begin at the median and the upper tenth of earlier ones."""
    scores: Ints = learned.score(early)
    edges = np.unique(np.quantile(scores, [0.5, 0.9], method="higher")).astype(float).tolist()
    return backtest(learned, late, outcome, edges=edges, by_hand=by_hand)


def _parameters(card: Scorecard | None, *, learned: bool) -> dict[str, Any] | None:
    if card is None:
        return None
    return {"learned": learned, "points": {name: dict(points) for name, points in card.points.items()}}
