"""Judge all triggers by the store as it is, then send what is due. Twice does no more harm than once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from zoneinfo import ZoneInfo

from sync.alerts import measures, runs
from sync.alerts.channels import send
from sync.alerts.finding import Finding
from sync.alerts.levels import step
from sync.alerts.notices import message, over, told
from sync.alerts.posting import Undelivered
from sync.config import Settings
from sync.config.alerting import ALWAYS, AlertKind, ChannelSettings, Level
from sync.store import Store
from sync.store.alerts import AlertState, Delivery, Move

AT_ONCE = ALWAYS | {AlertKind.FROZEN, AlertKind.EVALUATION}
"""Kinds that get worse by one judgement; all others need two."""
CLAIM = dt.timedelta(minutes=2)
"""Longer than any try takes; whoever dies in one is made up for after this time."""
SOONEST, LATEST = dt.timedelta(minutes=1), dt.timedelta(hours=1)
"""Pauses between tries double within these bounds …"""
GIVE_UP = dt.timedelta(days=3)
"""… until a notice is this old."""
MOST = 20
"""Notices to one channel at a time; the rest follows at the next look."""


def judge(store: Store, settings: Settings, *, now: dt.datetime) -> list[int]:
    """Bring every trigger's state up to date; the ids of the notices that came of it."""
    found = [
        one
        for module in (runs, measures)
        for one in module.findings(store, settings, now=now)
        if one.kind not in settings.alerts.off
    ]
    return store.alerts.judge(lambda states: list(_moves(states, found, settings, now)), now=now)


def _moves(
    states: Mapping[str, AlertState], found: Sequence[Finding], settings: Settings, now: dt.datetime
) -> Iterator[Move]:
    by_trigger = {one.trigger: one for one in found}
    for trigger, state in states.items():
        if trigger not in by_trigger and (state.level != Level.OK or state.doubt is not None):
            kind, _, subject = trigger.partition(":")
            if kind in list(AlertKind):  # else a newer version of segsync has watched it
                gone = Finding(AlertKind(kind), subject, Level.OK, state.evidence + 1, over(trigger))
                by_trigger[trigger] = gone
    for trigger, one in by_trigger.items():
        before = states.get(trigger, AlertState(trigger, Level.OK.value, now))
        if one.level is None:
            continue
        after = step(before, one.level, evidence=one.evidence, at_once=one.kind in AT_ONCE, now=now)
        if after is before:
            continue
        if one.level == after.level or after.transition != before.transition:  # else it may only get there
            after = replace(after, what=one.what, advice=one.advice)
        if after.transition != before.transition:
            levels = {"before": Level(before.level), "after": Level(after.level)}
            channels = told(settings.alerts, one.kind, **levels)
            muted = {channel.name: is_muted(channel, settings, now=now) for channel in channels}
            yield Move(after, before.level, before.since, muted)
        elif _says(before) != _says(after) and (trigger in states or after.doubt is not None):
            yield Move(after)


def _says(state: AlertState) -> tuple[object, ...]:
    """What of a state is worth keeping; that it was judged the same again is not, unless words changed."""
    return state.level, state.doubt, state.what if state.level != Level.OK else ""


def is_muted(channel: ChannelSettings, settings: Settings, *, now: dt.datetime) -> bool:
    """Whether the day on which it is to be heard again has not begun in the business's zone."""
    if channel.mute_until is None:
        return False
    return now.astimezone(ZoneInfo(settings.business.zone)).date() < channel.mute_until


def send_due(
    store: Store, settings: Settings, *, now: dt.datetime, may_go_on: Callable[[], bool] = lambda: True
) -> int:
    """Send what waits, to all channels beside each other; how many notices arrived."""
    channels = settings.alerts.channels
    store.alerts.drop_others([channel.name for channel in channels])
    heard = [channel for channel in channels if not is_muted(channel, settings, now=now)]
    if not heard:
        return 0
    with ThreadPoolExecutor(max_workers=len(heard), thread_name_prefix="alerts") as pool:
        sent = [pool.submit(_to_channel, store, settings, one, now=now, may_go_on=may_go_on) for one in heard]
        return sum(one.result() for one in sent)


def _to_channel(
    store: Store,
    settings: Settings,
    channel: ChannelSettings,
    *,
    now: dt.datetime,
    may_go_on: Callable[[], bool],
) -> int:
    alerts, arrived = store.alerts, 0
    alerts.unmute(channel.name, now=now)
    while arrived < MOST and may_go_on():
        one = alerts.next_due(channel.name, now=now)
        if one is None or not alerts.claim(one, now=now, until=now + CLAIM):
            break
        try:
            send(channel, message(one), now=now, internal=settings.alerts.internal)
        except Undelivered as error:
            alerts.failed(one, why=str(error), next_at=_again(one, now))
            break  # the next one would fare no better
        alerts.sent(one, at=now)
        arrived += 1
    return arrived


def _again(one: Delivery, now: dt.datetime) -> dt.datetime | None:
    if now - one.at >= GIVE_UP:
        return None
    pause: dt.timedelta = SOONEST * (1 << min(one.tries, 10))
    return now + min(LATEST, pause)
