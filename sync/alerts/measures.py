"""Triggers that are read off the store: sizes of segments, drift, quotas, plans that wait, frozen writes,
evaluations that differ."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Iterator

from sync.again import differed
from sync.alerts.finding import Finding, counted, minute, spell
from sync.config import Settings
from sync.config.alerting import AlertKind, Level
from sync.push import CARRIER
from sync.quarantine import Standing, standing
from sync.store import Store
from sync.store.signs import Signs

SIZE_SHARE, SIZE_PEOPLE = 0.20, 10
"""A segment differs from its median by this share, and by so many people at least."""
DRIFT, BAD_DRIFT = 0.01, 0.10
USED, BADLY_USED = 0.80, 0.95
TOLD_FOR = dt.timedelta(hours=24)
"""After this time a quota that nobody has told again is another day's."""
WAITING = dt.timedelta(hours=4)


def findings(store: Store, settings: Settings, *, now: dt.datetime) -> Iterator[Finding]:
    """Of every kind this module knows."""
    yield from _sizes(store, now=now)
    yield from _drift(store, settings)
    yield from _given_up(store, settings, now=now)
    yield from _quotas(store, settings, now=now)
    yield from _waiting(store, settings, now=now)
    yield from _frozen(store, now=now)
    yield from _evaluation(store, now=now)


def _sizes(store: Store, *, now: dt.datetime) -> Iterator[Finding]:
    """Against the median of the last seven days, each at this hour."""
    for one in Signs(store.database).sizes(now=now):
        if not one.before:
            continue
        usual = statistics.median(one.before)
        away = abs(one.size - usual)
        level = Level.OK
        if one.size == 0 and usual > 0:
            level = Level.CRITICAL
        elif away > SIZE_SHARE * usual and away >= SIZE_PEOPLE:
            level = Level.WARNING
        what = (
            f"The segment {one.segment} has {one.size:,} people; the median of the last"
            f" {counted(len(one.before), 'day')} is {usual:,.0f}."
        )
        advice = (
            f"`segsync preview {one.segment}` shows who is in it by the rules as they are; see whether"
            " its rule was edited or a source has sent less."
        )
        yield Finding(AlertKind.SEGMENT_SIZE, one.segment, level, one.run_id, what, advice)


def _drift(store: Store, settings: Settings) -> Iterator[Finding]:
    """Members and values that we wrote and that others have taken away."""
    runs = store.runs.latest(limit=1)
    newest = runs[0].id if runs else 0
    owned: dict[str, int] = dict.fromkeys(settings.connections, 0)
    gone = dict(owned)
    for row in store.ledger.audiences():
        if row.segment != CARRIER and row.connection in owned:
            owned[row.connection] += len(row.owned)
            gone[row.connection] += len(row.owned - row.actual)
    for name, total in owned.items():
        share = gone[name] / total if total else 0.0
        level = Level.CRITICAL if share >= BAD_DRIFT else Level.WARNING if share >= DRIFT else Level.OK
        what = f"Others have taken away {gone[name]:,} of {total:,} memberships that we wrote on {name}."
        advice = "Find out which tool or person does it there; each is put back once and then left alone."
        yield Finding(AlertKind.DRIFT, name, level, newest, what, advice)


def _given_up(store: Store, settings: Settings, *, now: dt.datetime) -> Iterator[Finding]:
    """Changes that platforms refused for so long that nothing is tried any more."""
    names = {row.id: row.connection for row in store.ledger.audiences()}
    counts = dict.fromkeys(settings.connections, 0)
    for one in store.ledger.refusals():
        name = names[one.audience_id]
        if name in counts and standing(one, at=now) is Standing.GIVEN_UP:
            counts[name] += 1
    for name, count in counts.items():
        level = Level.WARNING if count else Level.OK
        what = f"{name} has refused {counted(count, 'change')} for good: given up, not tried any more."
        advice = (
            "`segsync status` lists the reasons; each is tried again when the person's record or the rule"
            " changes."
        )
        yield Finding(AlertKind.GIVEN_UP, name, level, minute(now), what, advice)


def _quotas(store: Store, settings: Settings, *, now: dt.datetime) -> Iterator[Finding]:
    for one in Signs(store.database).quotas():
        names = [c.name for c in settings.connections.values() if c.platform == one.platform]
        subject = names[0] if len(names) == 1 else f"{one.platform}-{one.account[:8]}"
        share = one.used / one.most if now - one.told_at < TOLD_FOR else 0.0
        level = Level.CRITICAL if share >= BADLY_USED else Level.WARNING if share >= USED else Level.OK
        what = f"{one.used:,} of the day's {counted(one.most, 'call')} to {subject} are used ({share:.0%})."
        advice = "What does not fit goes out tomorrow; see which other tools call the account."
        yield Finding(AlertKind.QUOTA, subject, level, minute(now), what, advice)


def _waiting(store: Store, settings: Settings, *, now: dt.datetime) -> Iterator[Finding]:
    expiry = dt.timedelta(hours=settings.brakes.approval_hours)
    for one in Signs(store.database).waiting(not_before=now - 2 * max(expiry, WAITING)):
        waited = now - one.since
        level = Level.CRITICAL if waited >= expiry else Level.WARNING if waited >= WAITING else Level.OK
        what = f"Changes wait for a person for {spell(waited)}; the newest plan is {one.plan_id}."
        if level is Level.CRITICAL:
            what += " What is not approved in time is planned anew and asked again."
        advice = (
            f"`segsync held {one.plan_id}` shows them; `segsync approve {one.plan_id}` or"
            f" `segsync reject {one.plan_id}` decides."
        )
        yield Finding(AlertKind.PLAN_WAITING, one.scope[:16], level, minute(now), what, advice)


def _frozen(store: Store, *, now: dt.datetime) -> Iterator[Finding]:
    for one in store.decisions.freezes():
        where = f"on {one.connection}" if one.connection else "everywhere"
        lift = f"segsync thaw --connection {one.connection}" if one.connection else "segsync thaw"
        what = f"A person has stopped all writes {where} at {one.at:%Y-%m-%d %H:%M} UTC."
        advice = f"`segsync status` says who and why; `{lift}` lets them go on."
        yield Finding(AlertKind.FROZEN, one.connection, Level.WARNING, minute(now), what, advice)


def _evaluation(store: Store, *, now: dt.datetime) -> Iterator[Finding]:
    found = differed(store.notes)
    if found is not None:
        what = (
            f"In run {found.run} asking only people of whom something may have changed told otherwise than"
            f" asking everybody, in {counted(found.segments, 'segment')}. The run went by everybody, and so"
            " do all that follow."
        )
        advice = "`segsync backup` keeps what shows it; report it with the next version of segsync in mind."
        yield Finding(AlertKind.EVALUATION, "", Level.CRITICAL, minute(now), what, advice)
