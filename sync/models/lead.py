"""Lead points over the lake: who somebody is, by points set by hand or learned from earlier leads.

Learned points are judged by leads that came later than those they were learned from, beside the points set by
hand; whichever is better gives the fact. What somebody does is another fact, `engagement`; the two are never
added up, but stand beside each other in a matrix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Bools, Floats, Notice, Severity
from rules.models.lead import Backtest, Band, Coded, Features, Scorecard, backtest, leaks, learn, matrix
from rules.vocabulary import NUMBER_SCALE
from sync.config.modelling import LeadSettings
from sync.models.log import DAY_US, Ints, Log, date_of
from sync.models.model import Facts, Fit
from sync.store.shapes import quoted

if TYPE_CHECKING:
    import pyarrow as pa

LEARNED_SHARE = 0.7
"""Of the leads in order of time; the others judge."""
_ENGAGEMENT = "engagement"


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
        by_hand = _card(settings.points, settings) if settings.points else None
        until = int(len(created) * LEARNED_SHARE)
        known = {name: _coded(leads[f"{name}__ci"]) for name in settings.features}
        early: Features = {name: coded.part(0, until) for name, coded in known.items()}
        late: Features = {name: coded.part(until, len(created)) for name, coded in known.items()}
        empty = _card({}, settings)
        learned, notices = learn(early, outcome[:until], groups=empty.groups, caps=empty.caps)
        if learned is None:
            told = [replace(one, severity=Severity.WARNING) for one in notices] if by_hand else notices
            return Fit(data, _parameters(log, settings, by_hand, learned=False), notices=tuple(told))
        leaking = _leaking(log, settings)
        judged = _judged(learned, by_hand, early, late, outcome[until:])
        baseline = {
            "naive": "points set by hand" if by_hand else "a coin",
            "auc_leads": judged.auc,
            "naive_auc": judged.naive_auc,
            "leads": len(created) - until,
            "lift": judged.lift,
            "base_rate": judged.base_rate,
            "bands": [_band(one) for one in judged.bands],
        }
        if judged.better or by_hand is None:
            parameters = _parameters(log, settings, learned, learned=True)
            return Fit(data, parameters, baseline, (*leaking, *judged.notices), better=judged.better)
        message = f"{judged.notices[0].message} The points set by hand are used."
        note = Notice("lead.baseline_wins", Severity.NOTE, message, judged.notices[0].evidence)
        parameters = _parameters(log, settings, by_hand, learned=False)
        return Fit(data, parameters, baseline, (*leaking, note))

    def score(
        self, log: Log, settings: LeadSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The points of everybody; a value without points has none. The grade by these and engagement."""
        points = _points(log, _card(parameters["points"], settings), people).astype(np.float64)
        grade = np.full(len(people), None, dtype=np.object_)
        bounds = settings.fit_at_least or parameters.get("fit_at_least")
        if bounds:  # versions from before there were grades have none
            grade = _grades(log, settings, points, tuple(bounds), people)
        return {"fit": points * NUMBER_SCALE, "lead_grade": grade}


def _card(points: Mapping[str, Mapping[str, int]], settings: LeadSettings) -> Scorecard:
    """With the groups of the config, each called by its features."""
    called = {" + ".join(one.features): one for one in settings.groups}
    groups = {feature: name for name, one in called.items() for feature in one.features}
    return Scorecard(points, groups, {name: one.most for name, one in called.items()})


def _points(log: Log, card: Scorecard, people: NDArray[np.int32]) -> Ints:
    columns = ", ".join(["person", *(quoted(f"{name}__ci") for name in card.points)])
    table = log.database.sql(
        f"""SELECT {columns} FROM {log.lake.relation("people")}
        WHERE person BETWEEN {int(people[0])} AND {int(people[-1])} ORDER BY person"""
    ).to_arrow_table()
    return card.score({name: _coded(table[f"{name}__ci"]) for name in card.points})


def _grades(
    log: Log, settings: LeadSettings, points: Floats, bounds: tuple[int, int], people: NDArray[np.int32]
) -> NDArray[np.object_]:
    """Without a model of engagement in use nobody is scored by it."""
    engaged = np.full(len(people), np.nan)
    if _ENGAGEMENT in log.told:
        engaged = log.told[_ENGAGEMENT](people).astype(np.float64) / NUMBER_SCALE
    found = matrix(points, engaged, fit_at_least=bounds, engaged_at_least=settings.engaged_at_least)
    return np.array(found, dtype=np.object_)


def _leaking(log: Log, settings: LeadSettings) -> tuple[Notice, ...]:
    """Of the features of which the config says where it stands when they were filled."""
    if not settings.filled:
        return ()
    filled = ", ".join(
        f"epoch_us(CAST(max({quoted(fact)}) AS TIMESTAMP))::DOUBLE AS f{place}"
        for place, fact in enumerate(settings.filled.values())
    )
    within, created = settings.within_s * 1_000_000, _instant(settings.created)
    table = log.database.sql(
        f"""SELECT min(epoch_us(did."at"))::DOUBLE AS won, {filled}
        FROM {log.lake.relation("people")} AS lead
        JOIN {log.activity(settings.converted)} AS did USING (person)
        WHERE epoch_us(did."at") BETWEEN {created} AND {created} + {within}
            AND {created} <= {log.as_of_us - within} GROUP BY person"""
    ).to_arrow_table()
    filled_at = {name: table[f"f{place}"].to_numpy() for place, name in enumerate(settings.filled)}
    return leaks(filled_at, table["won"].to_numpy())


def _instant(fact: str) -> str:
    return f"epoch_us(CAST({quoted(fact)} AS TIMESTAMP))"


def _leads(log: Log, settings: LeadSettings) -> pa.Table:
    """Everybody whose outcome is known by now, in order of time."""
    names = ", ".join(quoted(f"{name}__ci") for name in settings.features)
    within = settings.within_s * 1_000_000
    created = _instant(settings.created)
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


def _band(of: Band) -> dict[str, Any]:
    """As JSON, which holds no infinity: the lowest band begins nowhere."""
    return {**asdict(of), "at_least": of.at_least if np.isfinite(of.at_least) else None}


def _parameters(
    log: Log, settings: LeadSettings, card: Scorecard | None, *, learned: bool
) -> dict[str, Any] | None:
    """A begins at the upper tenth of everybody's points on the day of the fit, B at the upper half."""
    if card is None:
        return None
    pieces = [(people, _points(log, card, people)) for people in log.people()]
    bounds = settings.fit_at_least or _bounds(
        np.concatenate([np.zeros(0, np.int64), *(p for _, p in pieces)])
    )
    grades: Counter[str] = Counter()
    for people, points in pieces:
        grades.update(_grades(log, settings, points.astype(np.float64), bounds, people).tolist())
    return {
        "learned": learned,
        "points": {name: dict(points) for name, points in card.points.items()},
        "groups": [asdict(one) for one in settings.groups],
        "fit_at_least": list(bounds),
        "engaged_at_least": list(settings.engaged_at_least),
        "grades": dict(sorted(grades.items())),
    }


def _bounds(points: Ints) -> tuple[int, int]:
    """Two different ones: where few values are taken, B has the width of a point."""
    if not len(points):
        return 1, 0
    high, low = (int(np.quantile(points, share, method="higher")) for share in (0.9, 0.5))
    return high, min(low, high - 1)
