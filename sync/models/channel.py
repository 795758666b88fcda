"""Preferred channel over the lake: which of several channels each person answers most, if that holds.

It is tried on the newest month: of people who were sent something by both, how much was answered on the
channel that was preferred before it, beside the one channel that is best for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.channel import NOTHING, Answers, Preferred, preferred
from rules.models.columns import Bools, Floats, Ints, Notice
from rules.models.engagement import Status
from rules.models.half_life import FOLLOWING_DAYS
from rules.models.paired import Paired, Tally, paired
from sync.config.modelling import DAY_S, ChannelKinds, ChannelSettings, EngagementSettings
from sync.models.log import DAY_US, Log, date_of
from sync.models.model import Facts, Fit, insufficient, unproven
from sync.models.outcomes import Outcomes
from sync.models.sending import Sending

CLICK_POINTS, REPLY_POINTS = Decimal(1), Decimal(2)
LEAST_SCORED = 100
"""People, on each of two channels at least."""
LEAST_TRIED = 100
"""People who were sent something on two channels lately."""


class PreferredChannel:
    """See `sync.models.model.Model`."""

    def fit(self, log: Log, settings: ChannelSettings) -> Fit:
        """Refused without two channels on which 100 people can be scored, and without 100 to try it on."""
        channels = settings.channels or usual_channels(log)
        of = [_Channel(log, settings, kinds) for kinds in channels]
        extents = [one.sending.deliveries() for one in of]
        days = [day for first, last, *_ in extents for day in (first, last) if day is not None]
        now = _Everybody(of, settings, until=log.today)
        data = {
            "from": str(date_of(min(days))) if days else None,
            "to": str(date_of(max(days))) if days else None,
            "people": len(now.person),
            "deliveries": sum(count for *_, count in extents),
        }
        found = now.preferred() if of else None
        scored = [] if found is None else np.isfinite(found.rate).sum(axis=1).tolist()
        refused = _too_few(channels, scored)
        if refused is not None or found is None:
            return Fit(data, notices=() if refused is None else (refused,))
        split = log.today - FOLLOWING_DAYS
        then = _Everybody(of, settings, until=split)
        judged, most, best, both = _tried(log, settings, of, then, split)
        if both < LEAST_TRIED:
            message = (
                f"{both} people were sent something on two channels after {date_of(split)}; {LEAST_TRIED} are"
                f" needed to try a preferred channel on, {LEAST_TRIED - both} are missing."
            )
            return Fit(data, notices=(insufficient("channel", message, {"n": both, "need": LEAST_TRIED}),))
        naive = min((most, best), key=lambda place: judged[place].difference)
        better = all(judged[place].better for place in {most, best})
        names = [one.name for one in channels]
        counted = np.bincount(found.choice[found.choice != NOTHING], minlength=len(names))
        status = [found.status.count(each) for each in (Status.NO_DATA, Status.NOT_SCORABLE)]
        return Fit(
            data,
            parameters={
                "channels": [asdict(one) for one in channels],
                "usual": list(found.usual),
                "half_life_days": settings.half_life_s / DAY_S,
                "scored": dict(zip(names, scored, strict=True)),
                "preferred": dict(zip(names, counted.tolist(), strict=True)),
                "no_data": status[0],
                "not_scorable": status[1],
            },
            baseline={
                "channel_from": str(date_of(split + 1)),
                "to": str(date_of(log.today)),
                "most_frequent": names[most],
                "best": names[best],
                "naive": names[naive],
                **asdict(judged[naive]),
            },
            notices=() if better else (_unproven(judged[naive], names[naive]),),
            better=better,
        )

    def score(
        self, log: Log, settings: ChannelSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The name of the channel; None without data, and for who must not be written to on any."""
        channels = [ChannelKinds(**each) for each in parameters["channels"]]
        of = [_Channel(log, settings, kinds) for kinds in channels]
        now = _Everybody(of, settings, until=log.today, people=people)
        found = now.preferred(parameters["usual"])
        names = np.array([*(one.name for one in channels), None], dtype=np.object_)
        told = np.full(len(people), None, dtype=np.object_)
        told[np.searchsorted(people, now.person)] = names[found.choice]
        return {"preferred_channel": told}


def usual_channels(log: Log) -> tuple[ChannelKinds, ...]:
    """By the names of the kinds that the lake has: whatever was sent and clicked, or replied to."""
    there = log.lake.partitions("activity")
    found = [
        ChannelKinds.usual(kind.removesuffix("_sent")) for kind in sorted(there) if kind.endswith("_sent")
    ]
    return tuple(one for one in found if one.click in there or one.reply in there)


class _Channel:
    """One channel's activity, read once."""

    def __init__(self, log: Log, settings: ChannelSettings, kinds: ChannelKinds) -> None:
        self.log, self.kinds = log, kinds
        told = EngagementSettings(
            sent=kinds.sent, click=kinds.click, open=kinds.open, message=settings.message
        )
        points = {kinds.click: CLICK_POINTS, kinds.reply: REPLY_POINTS}
        self.sending = log.kept(
            ("channel", *astuple(kinds), settings.message), lambda: Sending(log, told, points)
        )

    def stopped(self, *, until: int) -> Ints:
        """Who, by the end of that day, had unsubscribed, complained, or bounced without an answer since."""
        end = f'epoch_us("at") < {(until + 1) * DAY_US}'

        def of(*kinds: str) -> str:
            return " UNION ALL ".join(
                f"""SELECT person::BIGINT AS person, epoch_us("at") AS us
                FROM {self.log.activity(kind)} WHERE {end}"""
                for kind in kinds
            )

        kinds = self.kinds
        table = self.log.database.sql(
            f"""SELECT person FROM ({of(kinds.unsubscribe, kinds.complaint)}) UNION
            SELECT person FROM (SELECT person, max(us) AS us FROM ({of(kinds.bounce)}) GROUP BY person) AS hit
            WHERE NOT EXISTS (SELECT 1 FROM ({of(kinds.click, kinds.reply)}) AS did
                WHERE did.person = hit.person AND did.us > hit.us)"""
        ).to_arrow_table()
        found: Ints = table["person"].to_numpy()
        return found


class _Everybody:
    """Who was sent anything on any channel up to the end of a day, ascending, and the answers by channel."""

    def __init__(
        self,
        channels: Sequence[_Channel],
        settings: ChannelSettings,
        *,
        until: int,
        people: NDArray[np.int32] | None = None,
    ) -> None:
        days = settings.half_life_s / DAY_S
        faded = [one.sending.faded([days], until=until, people=people) for one in channels]
        self.person: Ints = np.unique(np.concatenate([np.zeros(0, np.int64), *(one.person for one in faded)]))
        suppressed = _suppressed(channels[0].log) if channels else np.zeros(0, np.int64)
        self.answers = []
        for channel, one in zip(channels, faded, strict=True):
            place = np.searchsorted(self.person, one.person)

            def spread(values: Floats | Bools, place: Ints = place) -> Floats:
                found = np.zeros(len(self.person))
                found[place] = values
                return found

            out = np.isin(self.person, np.union1d(channel.stopped(until=until), suppressed))
            self.answers.append(
                Answers(spread(one.points[days]), spread(one.exposure[days]), out, spread(~one.able) > 0)
            )

    def preferred(self, usual: Sequence[float] | None = None) -> Preferred:
        """Of each of them."""
        return preferred(self.answers, usual=usual)


def _suppressed(log: Log) -> Ints:
    query = f"SELECT person::BIGINT AS person FROM {log.lake.relation('people')} WHERE suppressed"
    found: Ints = log.database.sql(query).to_arrow_table()["person"].to_numpy()
    return found


@dataclass(frozen=True, slots=True)
class _Later:
    """One channel's deliveries after the split, by person: how many, and how many were answered."""

    sent: Floats
    answered: Floats


def _tried(
    log: Log, settings: ChannelSettings, of: Sequence[_Channel], then: _Everybody, split: int
) -> tuple[list[Paired], int, int, int]:
    """The preferred channel against each as one channel for everybody; which of them most was sent on, which
    has the highest rate; and how many people were sent something on two."""
    before = then.preferred()
    later = [_later(log, settings, one.kinds, then.person, split) for one in of]
    sent, answered = (np.array([getattr(one, name) for one in later]) for name in ("sent", "answered"))
    column = np.arange(len(then.person))
    judged = []
    for place in range(len(of)):
        differ = (before.choice != NOTHING) & (before.choice != place)
        rows = before.choice[differ], column[differ]
        judged.append(
            paired(Tally(sent[rows], answered[rows]), Tally(sent[place, differ], answered[place, differ]))
        )
    most = int(np.argmax([one.sending.deliveries()[3] for one in of]))
    return judged, most, int(np.argmax(before.usual)), int(((sent > 0).sum(axis=0) > 1).sum())


def _later(log: Log, settings: ChannelSettings, kinds: ChannelKinds, everybody: Ints, split: int) -> _Later:
    outcomes = Outcomes(
        log,
        sent=kinds.sent,
        answers=[kinds.click, kinds.reply],
        message=settings.message,
        within_s=settings.within_s,
        after=split,
    )
    person, sent, answered = outcomes.by_person()
    known = np.isin(person, everybody)
    place = np.searchsorted(everybody, person[known])
    found = np.zeros((2, len(everybody)))
    found[0, place], found[1, place] = sent[known], answered[known]
    return _Later(found[0], found[1])


def _too_few(channels: Sequence[ChannelKinds], scored: Sequence[int]) -> Notice | None:
    enough = sum(n >= LEAST_SCORED for n in scored)
    if enough > 1:
        return None
    told = ", ".join(f"{one.name} has {n:,}" for one, n in zip(channels, scored, strict=True))
    message = (
        f"Two channels are needed on which {LEAST_SCORED} people were sent something lately;"
        f" {told or 'nothing was sent and answered on any'}, so {2 - enough} more channel"
        f"{'s are' if enough == 0 else ' is'} missing."
    )
    return insufficient("channel", message, {"n": enough, "need": 2})


def _unproven(one: Paired, naive: str) -> Notice:
    return unproven("channel", one, personal="The preferred channel", usual=f"{naive} for everybody")
