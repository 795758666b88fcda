"""Engagement: what people did on a channel, fading with age, by what they were sent.

Points halve with every half-life; they are divided by deliveries that fade alike, so that who gets more mail
does not look keener. Who was sent nothing, or nothing for long, has no score, not a low one: one click after
one forgotten letter would be the highest rate of all. And a few letters say little, so a rate is held near
the usual one, as if some more letters had been answered as they usually are. Opens are worth nothing: privacy
features and scanners open mail by themselves. Ages are days between UTC instants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from rules.models.columns import (
    Bools,
    Column,
    Floats,
    InputError,
    Ints,
    Notice,
    Severity,
    percent_ranks,
    same_length,
)
from rules.models.history import whole_numbers

DAY_S = 86_400
HALF_LIFE_DAYS = 30.0
OPEN, CLICK = "open", "click"
WEIGHTS: Mapping[str, float] = MappingProxyType(
    {OPEN: 0.0, CLICK: 1.0, "site_visit": 1.0, "reply": 2.0, "form": 2.0, "order": 3.0}
)
"""Points of one event by its kind. Give opens 0.1 only if those of machines are removed."""
SCANNER_S = 5
"""Clicks so soon after the delivery are a scanner's."""
NEVER_FADING = 1e9
"""A half-life in days that is none: the naive score beside every other."""
LEAST_EXPOSURE = 1 / 16
"""Of faded deliveries: one that is four half-lives old. Who has less has no score."""
PRIOR = 3.0
"""So many fresh deliveries more, answered as usual, are added to each person's."""


class Status(StrEnum):
    """NO_DATA: never sent anything, or nothing known but opens. NOT_SCORABLE: must not be written to."""

    SCORED = "scored"
    NO_DATA = "no_data"
    NOT_SCORABLE = "not_scorable"


@dataclass(frozen=True, slots=True)
class Events:
    """What people did, one row each. message: a number, -1 for none; at_s: seconds since 1970 in UTC."""

    person: Column
    kind: Sequence[str]
    message: Column
    at_s: Column


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What people were sent, one row each; see `Events`."""

    person: Column
    message: Column
    at_s: Column


@dataclass(frozen=True, slots=True)
class Engagement:
    """By person. points: faded; rate: by faded delivery, see `rates`; rank: above 0, to 1, in the channel.
    rate and rank are NaN for who is not scored."""

    points: Floats
    rate: Floats
    rank: Floats
    status: tuple[Status, ...]
    notices: tuple[Notice, ...]


def engagement(
    everybody: Column,
    events: Events,
    deliveries: Deliveries,
    *,
    as_of_s: int,
    half_life_days: float = HALF_LIFE_DAYS,
    weights: Mapping[str, float] = WEIGHTS,
    not_scorable: Column = (),
) -> Engagement:
    """The engagement of each of `everybody` on one channel; what is later than as_of_s is passed over.

    Of several events of one kind, message and UTC day the latest counts. not_scorable: who unsubscribed,
    bounced or complained. InputError for kinds without a weight.
    """
    if not (np.isfinite(half_life_days) and half_life_days > 0):
        raise InputError(f"half_life_days is {half_life_days:g}: more than 0 is needed")
    wanted = whole_numbers("everybody", everybody)
    person, kind, at = latest_of_a_day(events, as_of_s, sorted(weights))
    worth = np.array([weights[each] for each in sorted(weights)])[kind]
    points = _by_person(wanted, person, worth * _faded(at, as_of_s, half_life_days))
    sent_to, _, sent_at = _times(deliveries, as_of_s)
    order = np.lexsort((sent_at, sent_to))
    exposure = _by_person(wanted, sent_to[order], _faded(sent_at[order], as_of_s, half_life_days))
    is_open = kind == sorted(weights).index(OPEN) if OPEN in weights else np.zeros(len(kind), np.bool_)
    only_opens = np.isin(wanted, person[is_open]) & ~np.isin(wanted, person[~is_open])
    out = np.isin(wanted, whole_numbers("not_scorable", not_scorable))
    rate, rank = rates(points, exposure, able=~only_opens & ~out), np.full(len(wanted), np.nan)
    scored = np.isfinite(rate)
    rank[scored] = percent_ranks(rate[scored])
    status = np.select([out, scored], [Status.NOT_SCORABLE.value, Status.SCORED.value], Status.NO_DATA.value)
    return Engagement(
        points=points,
        rate=rate,
        rank=rank,
        status=tuple(Status(each) for each in status.tolist()),
        notices=_opens_only(only_opens & ~out),
    )


def rates(
    points: Floats, exposure: Floats, *, able: Bools, usual: float | None = None, prior: float = PRIOR
) -> Floats:
    """Points by delivery, both faded, with `prior` deliveries more that were answered as usual; NaN for who
    has less than `LEAST_EXPOSURE` or is not able to have a score. `usual`: if it is known already."""
    scored = able & (exposure >= LEAST_EXPOSURE)
    if usual is None:
        usual = usual_rate(points[scored], exposure[scored])
    return np.where(scored, (points + prior * usual) / (exposure + prior), np.nan)


def usual_rate(points: Floats, exposure: Floats) -> float:
    """Of everybody together; 0 where nothing was sent."""
    total = float(exposure.sum())
    return float(points.sum()) / total if total > 0 else 0.0


def scanner_clicks(clicks: Events, link: Column, links: Mapping[int, int], deliveries: Deliveries) -> Bools:
    """Which clicks are a security scanner's, to be left out before scoring. One row per click in all columns.
    Those within 5 seconds after the delivery, and all of who clicked every link of a message. links: how many
    a message has; of one with a single link, or unknown, clicking all proves nothing."""
    person, message = whole_numbers("person", clicks.person), whole_numbers("message", clicks.message)
    at, target = whole_numbers("at_s", clicks.at_s), whole_numbers("link", link)
    same_length(person=person, message=message, at_s=at, link=target)
    sent_to, what, sent_at = _times(deliveries, None)
    sent: dict[tuple[int, int], list[int]] = {}
    for to, each, when in zip(sent_to.tolist(), what.tolist(), sent_at.tolist(), strict=True):
        sent.setdefault((to, each), []).append(when)
    clicked: dict[tuple[int, int], set[int]] = {}
    pairs = list(zip(person.tolist(), message.tolist(), strict=True))
    for pair, each in zip(pairs, target.tolist(), strict=True):
        clicked.setdefault(pair, set()).add(each)
    everything = {pair for pair, of in clicked.items() if 1 < links.get(pair[1], 0) <= len(of)}
    return np.array(
        [
            pair in everything or any(0 <= when - each <= SCANNER_S for each in sent.get(pair, ()))
            for pair, when in zip(pairs, at.tolist(), strict=True)
        ],
        dtype=np.bool_,
    )


def latest_of_a_day(events: Events, as_of_s: int, kinds: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    """Person, kind and time of the latest event of each person, kind, message and UTC day, in that order."""
    code = {kind: number for number, kind in enumerate(kinds)}
    for row, kind in enumerate(events.kind):
        if kind not in code:
            raise InputError(f"kind[{row}] is {kind}: it has no weight; weights know {', '.join(kinds)}")
    codes = np.array([code[kind] for kind in events.kind], dtype=np.int64)
    person, message = whole_numbers("person", events.person), whole_numbers("message", events.message)
    at = whole_numbers("at_s", events.at_s)
    same_length(person=person, kind=codes, message=message, at_s=at)
    seen = at <= as_of_s
    person, codes, message, at = person[seen], codes[seen], message[seen], at[seen]
    order = np.lexsort((at, message, codes, person))
    person, codes, message, at = person[order], codes[order], message[order], at[order]
    keys = np.stack([person, codes, message, at // DAY_S])
    latest = np.append((keys[:, 1:] != keys[:, :-1]).any(axis=0), True)[: len(at)]
    return person[latest], codes[latest], at[latest]


def _times(deliveries: Deliveries, as_of_s: int | None) -> tuple[Ints, Ints, Ints]:
    person, at = whole_numbers("person", deliveries.person), whole_numbers("at_s", deliveries.at_s)
    message = whole_numbers("message", deliveries.message)
    same_length(person=person, message=message, at_s=at)
    seen = np.ones(len(at), np.bool_) if as_of_s is None else at <= as_of_s
    return person[seen], message[seen], at[seen]


def _faded(at: Ints, as_of_s: int, half_life_days: float) -> Floats:
    return np.exp2(-((as_of_s - at) / DAY_S) / half_life_days)


def _by_person(wanted: Ints, person: Ints, values: Floats) -> Floats:
    """The sums of values, whose rows are in an order of their own, for each wanted person."""
    known, row = np.unique(person, return_inverse=True)
    if not len(known):
        return np.zeros(len(wanted))
    sums = np.bincount(row, weights=values, minlength=len(known))
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, sums[at], 0.0)


def _opens_only(people: Bools) -> tuple[Notice, ...]:
    if not people.any():
        return ()
    share = float(people.mean())
    message = f"{share:.1%} of people have opens but no other signal; they are scored no_data."
    return (Notice("engagement.opens_only", Severity.NOTE, message, {"share": share}),)
