"""Who is told of a change of state, and in which words: what, how bad, since when, and what to do next."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sync.alerts.finding import spell
from sync.config.alerting import ALWAYS, AlertKind, AlertSettings, ChannelSettings, Level
from sync.store.alerts import Delivery

_NAMES = {
    AlertKind.RUN_FAILED: "runs",
    AlertKind.CONNECTION_FAILED: "connection",
    AlertKind.REJECTED: "rejected rows and changes",
    AlertKind.GIVEN_UP: "refused for good",
    AlertKind.NO_RUN: "no good run",
    AlertKind.RUN_TIME: "run time",
    AlertKind.SEGMENT_SIZE: "segment size",
    AlertKind.DRIFT: "drift",
    AlertKind.QUOTA: "quota",
    AlertKind.PLAN_WAITING: "plan waits",
    AlertKind.FROZEN: "writes frozen",
    AlertKind.EVALUATION: "evaluations differ",
}
_OVER = {
    AlertKind.PLAN_WAITING: "No plan waits for a person any more.",
    AlertKind.FROZEN: "Writes are not frozen any more.",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out. `key` is the same at every try; `document` is the JSON of a webhook."""

    key: str
    at: dt.datetime
    title: str
    text: str
    document: dict[str, object]


def message(one: Delivery) -> Message:
    """The notice in words and as JSON."""
    kind, _, subject = one.trigger.partition(":")
    name = called(one.trigger)
    lasted = spell(one.at - one.since)
    if one.level == Level.OK:
        how, line = "recovered", f"Recovered at {_time(one.at)} UTC after {lasted} of {one.before}."
    else:
        how, line = (
            one.level.upper(),
            f"{one.level.capitalize()} since {_time(one.at)} UTC; before that {one.before}.",
        )
    lines = [one.what, line]
    if one.level != Level.OK and one.advice:
        lines.append(f"What to do: {one.advice}")
    document: dict[str, object] = {
        "type": "alert.changed",
        "id": one.key,
        "timestamp": one.at.isoformat(timespec="seconds"),
        "data": {
            "trigger": one.trigger,
            "kind": kind,
            "subject": subject,
            "transition": one.transition,
            "level": one.level,
            "before": one.before,
            "what": one.what,
            "advice": one.advice if one.level != Level.OK else "",
        },
    }
    return Message(one.key, one.at, f"segsync: {name}: {how}", "\n".join(lines), document)


def called(trigger: str) -> str:
    """A trigger in words: `connection hubspot`."""
    kind, _, subject = trigger.partition(":")
    return " ".join(part for part in (_NAMES[AlertKind(kind)], subject) if part)


def over(trigger: str) -> str:
    """What is said of a trigger that has nothing any more that could be in trouble."""
    return _OVER.get(AlertKind(trigger.partition(":")[0]), "This is not watched any more.")


def told(settings: AlertSettings, kind: AlertKind, *, before: Level, after: Level) -> list[ChannelSettings]:
    """The channels that are told. Of a kind that cannot be switched off, all are if none would be."""
    worst = max(before.rank, after.rank)
    found = [
        one
        for one in settings.channels
        if worst >= one.minimum.rank and (one.triggers is None or kind in one.triggers)
    ]
    return found or (list(settings.channels) if kind in ALWAYS else [])


def _time(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
