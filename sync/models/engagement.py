"""Engagement over the lake: how keenly people answer what they are sent, by marks of one day's people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Bools, Floats, Notice, Severity
from rules.models.engagement import (
    NEVER_FADING,
    rates,
    usual_rate,
)
from rules.models.half_life import (
    CANDIDATES,
    FOLLOWING_DAYS,
    HalfLife,
    best_half_life,
    no_better_than_alike,
)
from rules.vocabulary import NUMBER_SCALE
from sync.config.modelling import DAY_S, EngagementSettings
from sync.models.log import Log, date_of
from sync.models.model import Facts, Fit, insufficient
from sync.models.sending import Faded, Sending, usual_points

LEAST_SCORED = 100
MARKS = 100
"""A score is how many of the hundredths of people, on the day of the fit, had no higher rate."""


class Engagement:
    """See `sync.models.model.Model`."""

    def fit(self, log: Log, settings: EngagementSettings) -> Fit:
        """Refused with fewer than 100 people who can be scored; no fact where a coin does as well."""
        sending = _sending(log, settings, settings.points or usual_points(log, settings))
        first, last, people, count = sending.deliveries()
        data = {
            "from": None if first is None else str(date_of(first)),
            "to": None if last is None else str(date_of(last)),
            "people": people,
            "deliveries": count,
        }
        own = None if settings.half_life_s is None else settings.half_life_s / DAY_S
        tried, clicked = _tried(sending, log.today, CANDIDATES if own is None else (own,))
        chosen = best_half_life(tried, clicked)
        days, baseline = chosen.days if own is None else own, _document(chosen)
        notices = list(chosen.notices) if own is None else []
        alike = no_better_than_alike(tried[days], clicked)
        now = sending.faded([days], until=log.today)
        rate = rates(now.points[days], now.exposure[days], able=now.able)
        scored = np.isfinite(rate)
        if scored.sum() < LEAST_SCORED:
            n = int(scored.sum())
            message = (
                f"{n} people were sent enough lately to be scored; {LEAST_SCORED} are needed,"
                f" {LEAST_SCORED - n} are missing."
            )
            told = insufficient("engagement", message, {"n": n, "need": LEAST_SCORED})
            return Fit(data, notices=(told,))
        usual = usual_rate(now.points[days][scored], now.exposure[days][scored])
        parameters = {
            "half_life_days": days,
            "usual": usual,
            "marks": _marks(rate[scored]),
            "points": {kind: float(worth) for kind, worth in sending.points.items()},
            "scored": int(scored.sum()),
        }
        notices += [*([] if alike is None else [alike]), *_opens_only(now)]
        return Fit(data, parameters, baseline, tuple(notices), better=alike is None)

    def score(
        self,
        log: Log,
        settings: EngagementSettings,
        parameters: Mapping[str, Any],
        people: NDArray[np.int32],
    ) -> Facts:
        """Missing for who was sent nothing lately, who only opens, and who must not be written to."""
        points = {kind: Decimal(str(worth)) for kind, worth in parameters["points"].items()}
        sending = _sending(log, settings, points)
        days = float(parameters["half_life_days"])
        now = sending.faded([days], until=log.today, people=people)
        usual = float(parameters["usual"])
        rate = rates(now.points[days], now.exposure[days], able=now.able, usual=usual)
        marks = np.searchsorted(np.array(parameters["marks"]), rate, side="left") + 1.0
        found = np.full(len(people), np.nan)
        scores = np.where(np.isfinite(rate), marks * NUMBER_SCALE, np.nan)
        found[np.searchsorted(people, now.person)] = scores
        return {"engagement": found}


def _sending(log: Log, settings: EngagementSettings, points: Mapping[str, Decimal]) -> Sending:
    key = "sending", settings.fingerprint, tuple(sorted(points.items()))
    return log.kept(key, lambda: Sending(log, settings, points))


def _tried(sending: Sending, today: int, half_lives: Sequence[float]) -> tuple[dict[float, Floats], Bools]:
    """Rates by each half-life and by none, as they stood 30 days ago, and who clicked since."""
    split = today - FOLLOWING_DAYS
    then = sending.faded([*half_lives, NEVER_FADING], until=split)
    clicked = np.isin(then.person, sending.clickers(after=split, until=today))
    tried = {days: rates(then.points[days], then.exposure[days], able=then.able) for days in then.points}
    return tried, clicked


def _marks(rate: Floats) -> list[float]:
    """The lowest rate that each hundredth of people but the first begins above."""
    ordered = np.sort(rate)
    places = np.ceil(np.arange(1, MARKS) / MARKS * len(ordered)).astype(int) - 1
    return [float(each) for each in ordered[places]]


def _document(of: HalfLife) -> dict[str, Any]:
    return {
        "naive": "points that never fade",
        "auc": {f"{days:g}": value for days, value in of.auc.items()},
        "naive_auc": of.naive_auc,
    }


def _opens_only(now: Faded) -> tuple[Notice, ...]:
    """Tells how many cannot be scored although something was sent to them."""
    out = int((~now.able).sum())
    if not out:
        return ()
    share = out / len(now.able)
    message = (
        f"{share:.1%} of the people who were sent something have opens but no other signal, or must not be"
        " written to; they have no score."
    )
    return (Notice("engagement.opens_only", Severity.NOTE, message, {"share": share}),)
