"""Send time over the lake: at which hour of their own day people click, and whether a person's own is better.

Three candidates, each tried on clicks that came later than those it was made of: one hour for everybody (the
naive guess), the hour of the person's group, and the person's own, held near the group's. The simplest one
that none of the others beats is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Ints, Notice, Severity
from rules.models.local_hours import local_hours
from rules.models.paired import Paired, Tally, paired
from rules.models.send_time import (
    HOURS,
    PRIOR_SENDS,
    Counts,
    Usual,
    around,
    best_hour,
    counts,
    fit,
    not_spread,
    rates,
)
from rules.vocabulary import NUMBER_SCALE
from sync.config.modelling import SendTimeSettings
from sync.models.log import DAY_US, Log, date_of
from sync.models.model import Facts, Fit, insufficient, unproven
from sync.models.outcomes import Outcomes
from sync.models.whose import Whose, whose_of, zone_fact

LEAST_SENDS = 12_000
"""As many as Klaviyo asks for before it chooses hours."""
LEAST_CLICKS = 100
"""Of them, before and after the split."""
TRIED_DAYS = 90
"""The newest days, or a third of all where that is less, are kept to try hours on."""
LEAST_OF_GROUP = 1_000
"""Deliveries; a smaller group goes by the store's hours. So nobody is a group alone."""
STORE, GROUP, PERSON = "store", "group", "person"


class SendTime:
    """See `sync.models.model.Model`."""

    def fit(self, log: Log, settings: SendTimeSettings) -> Fit:
        """Refused with fewer than 12,000 deliveries at known hours, or 100 clicks to learn from or try on."""
        outcomes = _outcomes(log, settings)
        first, last, people, count = outcomes.extent()
        data = {
            "from": None if first is None else str(date_of(first)),
            "to": None if last is None else str(date_of(last)),
            "people": people,
            "deliveries": count,
        }
        split = log.today if first is None else log.today - min(TRIED_DAYS, (log.today - first) // 3)
        early, late, nowhere = _totals(log, settings, outcomes, split)
        refused = _too_few(early, late, people - nowhere, count)
        if refused is not None:
            return Fit(data, notices=(refused,))
        everything = {
            name: Counts(early[name].sends + late[name].sends, early[name].clicks + late[name].clicks)
            for name in early
        }
        usual = fit(everything, least_sends=LEAST_OF_GROUP)
        tried = _tried(log, settings, outcomes, split, fit(early, least_sends=LEAST_OF_GROUP))
        by, better = _chosen(tried)
        total = Counts(
            np.array([one.sends for one in everything.values()]),
            np.array([one.clicks for one in everything.values()]),
        ).total()
        return Fit(
            data,
            parameters={
                "by": by,
                "store": usual.store.tolist(),
                "groups": {name: each.tolist() for name, each in usual.groups.items()},
                "tried": usual.tried.tolist(),
                "hour": usual.store_hour,
                "group_hours": usual.group_hours(),
                "prior_sends": PRIOR_SENDS,
                "rate": float(total.clicks.sum() / total.sends.sum()),
                "group": settings.group,
                "home": settings.home if zone_fact(log, settings) is None else None,
            },
            baseline={
                "send_from": str(date_of(split + 1)),
                "to": str(date_of(log.today)),
                **{name: asdict(one) for name, one in tried.items()},
            },
            notices=(
                *not_spread(total.sends),
                *_unknown_zones(nowhere, people),
                *(() if better else (_unproven(tried[by], by),)),
            ),
            better=better,
        )

    def score(
        self, log: Log, settings: SendTimeSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The hour of everybody who may be written to; the group's for whose zone is not known."""
        usual = Usual(
            np.array(parameters["store"]),
            {name: np.array(each) for name, each in parameters["groups"].items()},
            np.array(parameters["tried"], dtype=np.bool_),
        )
        whose = whose_of(log, settings, people)
        hour = _usual_hours(usual, whose)
        if parameters["by"] == PERSON:
            early, late = _counts(_outcomes(log, settings), whose, split=log.today)
            own = Counts(early.sends + late.sends, early.clicks + late.clicks)
            hour = _own_hours(usual, whose, own)  # whose zone is not known has no counts, so the group's
        return {"send_hour": np.where(whose.suppressed, np.nan, hour * float(NUMBER_SCALE))}


def _outcomes(log: Log, settings: SendTimeSettings) -> Outcomes:
    def make() -> Outcomes:
        return Outcomes(
            log,
            sent=settings.sent,
            answers=[settings.click],
            message=settings.message,
            within_s=settings.within_s,
        )

    return log.kept(("send_time", settings.fingerprint), make)


def _counts(outcomes: Outcomes, whose: Whose, *, split: int) -> tuple[Counts, Counts]:
    """(people, 24) each, of deliveries up to the end of the day `split`, and after it. Whose zone is not
    known has none."""
    person, at_s, clicked = outcomes.rows(whose.person)
    row = np.minimum(np.searchsorted(whose.person, person), len(whose.person) - 1)
    there = (whose.person[row] == person) & (whose.zone[row] >= 0)
    row, at_s, clicked = row[there], at_s[there], clicked[there]
    hour, late = local_hours(at_s, whose.zone[row], whose.zones), at_s >= (split + 1) * (DAY_US // 1_000_000)
    first, second = (
        counts(row[part], hour[part], clicked[part], people=len(whose.person)) for part in (~late, late)
    )
    return first, second


def _parts(
    log: Log, settings: SendTimeSettings, outcomes: Outcomes, split: int
) -> Iterator[tuple[Whose, Counts, Counts]]:
    for people in log.people():
        whose = whose_of(log, settings, people)
        yield whose, *_counts(outcomes, whose, split=split)


def _totals(
    log: Log, settings: SendTimeSettings, outcomes: Outcomes, split: int
) -> tuple[dict[str, Counts], dict[str, Counts], int]:
    """By group, of deliveries before and after the split; and how many people have no known zone."""
    early, late, nowhere = dict[str, Counts](), dict[str, Counts](), 0
    for whose, *both in _parts(log, settings, outcomes, split):
        names, place = np.unique(np.array(whose.group, dtype=object).astype(str), return_inverse=True)
        for found, one in zip((early, late), both, strict=True):
            sums = np.zeros((2, len(names), HOURS))
            for each, of in zip(sums, (one.sends, one.clicks), strict=True):
                np.add.at(each, place, of)
            for name, sends, clicks in zip(names.tolist(), *sums, strict=True):
                before = found.get(name, Counts(np.zeros(HOURS), np.zeros(HOURS)))
                found[name] = Counts(before.sends + sends, before.clicks + clicks)
        unknown = whose.person[whose.zone < 0]
        if len(unknown):
            nowhere += int(np.isin(np.unique(outcomes.rows(whose.person)[0]), unknown).sum())
    return early, late, nowhere


def _usual_hours(usual: Usual, whose: Whose) -> Ints:
    hours = usual.group_hours()
    return np.array([hours.get(name, usual.store_hour) for name in whose.group], dtype=np.int64)


def _own_hours(usual: Usual, whose: Whose, own: Counts) -> Ints:
    names, place = np.unique(np.array(whose.group, dtype=object).astype(str), return_inverse=True)
    around_them = np.array([usual.of(name) for name in names.tolist()]).reshape(-1, HOURS)[place]
    return best_hour(rates(own, around_them), usual.tried)


def _tried(
    log: Log, settings: SendTimeSettings, outcomes: Outcomes, split: int, usual: Usual
) -> dict[str, Paired]:
    """`person` and, with a group, `group`: each against the store's hour; `own`: the person's against the
    group's. Of people whose two hours differ, by what was sent after the split."""
    pairs: dict[str, list[tuple[Tally, Tally]]] = {}
    for whose, early, late in _parts(log, settings, outcomes, split):
        store = np.full(len(whose.person), usual.store_hour)
        of_group, own = _usual_hours(usual, whose), _own_hours(usual, whose, early)
        sides = {PERSON: (own, store)}
        if settings.group is not None:
            sides |= {GROUP: (of_group, store), "own": (own, of_group)}
        for name, (first, second) in sides.items():
            differ = first != second
            those = Counts(late.sends[differ], late.clicks[differ])
            pairs.setdefault(name, []).append((around(those, first[differ]), around(those, second[differ])))
    return {
        name: paired(*(_together([pair[side] for pair in found]) for side in (0, 1)))
        for name, found in pairs.items()
    }


def _together(of: list[Tally]) -> Tally:
    return Tally(np.concatenate([one.sent for one in of]), np.concatenate([one.answered for one in of]))


def _chosen(tried: Mapping[str, Paired]) -> tuple[str, bool]:
    """By whom the hour is chosen, and whether that is better than one hour for everybody."""
    if tried[PERSON].better and tried.get("own", tried[PERSON]).better:
        return PERSON, True
    if GROUP not in tried:
        return PERSON, False
    return GROUP, tried[GROUP].better


def _too_few(
    early: Mapping[str, Counts], late: Mapping[str, Counts], people: int, count: int
) -> Notice | None:
    sends = sum(float(one.sends.sum()) for part in (early, late) for one in part.values())
    before, after = (sum(float(one.clicks.sum()) for one in part.values()) for part in (early, late))
    if sends < LEAST_SENDS:
        n = int(sends)
        message = (
            f"{n:,} of {count:,} deliveries were made to people whose time zone is known ({people:,} of them)"
            f" and had their time to be clicked; {LEAST_SENDS:,} are needed, {LEAST_SENDS - n:,} are missing."
        )
        return insufficient("sendtime", message, {"n": n, "need": LEAST_SENDS})
    if min(before, after) < LEAST_CLICKS:
        n, when = int(min(before, after)), "to try hours on" if after < before else "to learn from"
        message = f"{n} clicks are there {when}; {LEAST_CLICKS} are needed, {LEAST_CLICKS - n} are missing."
        return insufficient("sendtime", message, {"n": n, "need": LEAST_CLICKS})
    return None


def _unknown_zones(nowhere: int, people: int) -> tuple[Notice, ...]:
    if not nowhere:
        return ()
    share = nowhere / people
    message = (
        f"Of {share:.1%} of the people who were sent something the time zone is not known: nothing is learned"
        ' from them, and they have the hour of their group or of everybody; zone = "" takes the business\'s.'
    )
    return (Notice("sendtime.unknown_zone", Severity.NOTE, message, {"share": share}),)


def _unproven(one: Paired, by: str) -> Notice:
    personal = "hour of the group" if by == GROUP else "personal hour"
    return unproven("sendtime", one, personal=f"The {personal}", usual="one hour for everybody")
