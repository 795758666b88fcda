"""Alerts as rows: the state of each trigger, one notice per change of it, and the outbox of channels.

A change of state, its notice and what is to be delivered are one transaction. A delivery is claimed before it
is sent and recorded after: whoever dies in between leaves it claimed, and when the claim is over it goes out
again under the same key. What decides is handed in: this module knows neither levels nor channels.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Update,
    func,
    insert,
    select,
    text,
    update,
)

from sync.store.alert_tables import alert_deliveries, alert_notices, alert_states
from sync.store.database import Database, upsert

_JUDGING = 5_712_043_121
"""Judgements take turns under this lock of PostgreSQL; on SQLite every writing transaction does."""


@dataclass(frozen=True, slots=True)
class AlertState:
    """Where a trigger stands. `doubt`: another level, seen once; `evidence`: what it was judged by last."""

    trigger: str
    level: str
    since: dt.datetime
    transition: int = 0
    doubt: str | None = None
    evidence: int = -1
    what: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A state to keep. `before`: the level it had, if it changes; then `told` are the channels to tell.

    `told`: channel → whether it is muted. `since`: since when the level before had held.
    """

    state: AlertState
    before: str | None = None
    since: dt.datetime | None = None
    told: Mapping[str, bool] | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice on its way to a channel. `key` is its name to the outside; `tries` counts those begun."""

    notice_id: int
    channel: str
    state: str
    tries: int
    next_at: dt.datetime
    failure: str | None
    key: str
    trigger: str
    transition: int
    at: dt.datetime
    since: dt.datetime
    before: str
    level: str
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """A channel that could not be reached at the last try. `since`: its oldest notice that waits."""

    channel: str
    notices: int
    tries: int
    since: dt.datetime
    failure: str


class Alerts:
    """Judge, deliver, list."""

    def __init__(self, database: Database) -> None:
        self._database = database.unguarded  # what is told of a run outlives its lease

    # ── states ───────────────────────────────────────────────────────────────────────────────────────

    def states(self) -> dict[str, AlertState]:
        """Every trigger that was ever in trouble or in doubt."""
        with self._database.reading() as database:
            return _states(database)

    def judge(
        self, decide: Callable[[Mapping[str, AlertState]], Iterable[Move]], *, now: dt.datetime
    ) -> list[int]:
        """Keep what `decide` makes of the states, in one transaction; ids of the notices that come of it."""
        with self._database.reading() as database:  # most of the time nothing changes: that waits for nobody
            if not list(decide(_states(database))):
                return []
        with self._database.writing() as database:
            if not self._database.is_sqlite:
                database.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _JUDGING})
            made = []
            for move in decide(_states(database)):
                values = asdict(move.state)
                statement = upsert(database, alert_states).values(values)
                database.execute(statement.on_conflict_do_update(index_elements=["trigger"], set_=values))
                if move.before is not None:
                    made.append(_notice(database, move, now))
            return made

    # ── the outbox ───────────────────────────────────────────────────────────────────────────────────

    def next_due(self, channel: str, *, now: dt.datetime) -> Delivery | None:
        """The channel's oldest notice that waits, if its time has come: notices keep their order."""
        query = _deliveries().where(_waiting(channel)).order_by(alert_notices.c.id).limit(1)
        with self._database.reading() as database:
            row = database.execute(query).mappings().first()
            found = Delivery(**row) if row else None
        return found if found is not None and found.next_at <= now else None

    def claim(self, one: Delivery, *, now: dt.datetime, until: dt.datetime) -> bool:
        """Begin a try; nobody else does before `until`. False if somebody else has begun, or was quicker."""
        mine = (alert_deliveries.c.tries == one.tries, alert_deliveries.c.next_at <= now)
        return self._set(one, {"tries": one.tries + 1, "next_at": until}, *mine)

    def sent(self, one: Delivery, *, at: dt.datetime) -> None:
        """It has arrived."""
        self._set(one, {"state": "sent", "sent_at": at, "failure": None})

    def failed(self, one: Delivery, *, why: str, next_at: dt.datetime | None) -> None:
        """It has not; tried again at `next_at`, or never (None)."""
        again: dict[str, object] = {"state": "dropped"} if next_at is None else {"next_at": next_at}
        self._set(one, {"failure": why, **again})

    def unmute(self, channel: str, *, now: dt.datetime) -> int:
        """The channel is not mute any more: of each trigger the last notice goes out, if it is still news.

        What was overtaken meanwhile, and what was over before anybody was told of it, is dropped.
        """
        query = _deliveries().where(alert_deliveries.c.channel == channel)
        with self._database.reading() as database:
            muted = query.where(alert_deliveries.c.state == "muted").order_by(alert_notices.c.id)
            if database.execute(muted.limit(1)).first() is None:
                return 0
        with self._database.writing() as database:
            rows = [Delivery(**row) for row in database.execute(muted.with_for_update()).mappings()]
            newest = {one.trigger: one for one in rows}
            told: dict[str, str] = {}
            before = query.where(
                alert_deliveries.c.state.in_(["sent", "waiting"]),
                alert_notices.c.trigger.in_(list(newest)),
            )
            for row in database.execute(before.order_by(alert_notices.c.id)).mappings():
                told[row["trigger"]] = row["level"]
            count = 0
            for one in rows:
                last = newest[one.trigger] is one
                news = last and one.level != told.get(one.trigger, "ok")
                values = {"state": "waiting" if news else "dropped", "next_at": now}
                database.execute(_of(one).values(values))
                count += news
            return count

    def drop_others(self, channels: Sequence[str]) -> None:
        """Nothing is sent to channels that the config does not have any more."""
        gone = update(alert_deliveries).where(
            alert_deliveries.c.state.in_(["waiting", "muted"]),
            alert_deliveries.c.channel.not_in(list(channels)),
        )
        query = select(alert_deliveries.c.channel).where(
            alert_deliveries.c.state.in_(["waiting", "muted"]),
            alert_deliveries.c.channel.not_in(list(channels)),
        )
        with self._database.reading() as database:
            if database.execute(query.limit(1)).first() is None:
                return
        with self._database.writing() as database:
            database.execute(gone.values(state="dropped"))

    def stuck(self) -> list[Stuck]:
        """Channels whose oldest notice failed at the last try."""
        table = alert_deliveries.c
        query = _deliveries().where(table.state == "waiting").order_by(alert_notices.c.id)
        counts = select(table.channel, func.count()).where(table.state == "waiting").group_by(table.channel)
        found: dict[str, Stuck] = {}
        with self._database.reading() as database:
            waiting = {row[0]: int(row[1]) for row in database.execute(counts)}
            for row in database.execute(query).mappings():
                one = Delivery(**row)
                if one.failure is not None and one.channel not in found:
                    found[one.channel] = Stuck(
                        one.channel, waiting[one.channel], one.tries, one.at, one.failure
                    )
        return list(found.values())

    def deliveries(self, *, limit: int = 100) -> list[Delivery]:
        """The newest first, whatever became of them."""
        query = _deliveries().order_by(alert_notices.c.id.desc(), alert_deliveries.c.channel).limit(limit)
        with self._database.reading() as database:
            return [Delivery(**row) for row in database.execute(query).mappings()]

    # ── inner ────────────────────────────────────────────────────────────────────────────────────────

    def _set(self, one: Delivery, values: Mapping[str, object], *only: ColumnElement[bool]) -> bool:
        with self._database.writing() as database:
            changed = _of(one).where(alert_deliveries.c.state == "waiting", *only).values(dict(values))
            return bool(database.execute(changed).rowcount)


def _of(one: Delivery) -> Update:
    return update(alert_deliveries).where(
        alert_deliveries.c.notice_id == one.notice_id, alert_deliveries.c.channel == one.channel
    )


def _waiting(channel: str) -> ColumnElement[bool]:
    return (alert_deliveries.c.channel == channel) & (alert_deliveries.c.state == "waiting")


def _deliveries() -> Select[tuple[object, ...]]:
    own = {column.name for column in alert_deliveries.c}
    names = [name for name in Delivery.__dataclass_fields__ if name not in own]
    mine = [alert_deliveries.c[name] for name in Delivery.__dataclass_fields__ if name in own]
    return select(*mine, *(alert_notices.c[name] for name in names)).join(
        alert_notices, alert_notices.c.id == alert_deliveries.c.notice_id
    )


def _states(database: Connection) -> dict[str, AlertState]:
    rows: Iterable[RowMapping] = database.execute(select(alert_states)).mappings()
    return {row["trigger"]: AlertState(**row) for row in rows}


def _notice(database: Connection, move: Move, now: dt.datetime) -> int:
    state = move.state
    values = {
        "trigger": state.trigger,
        "transition": state.transition,
        "key": f"msg_{secrets.token_hex(16)}",
        "at": now,
        "since": move.since or now,
        "before": move.before,
        "level": state.level,
        "what": state.what,
        "advice": state.advice,
    }
    made = int(
        database.execute(insert(alert_notices).values(values).returning(alert_notices.c.id)).scalar_one()
    )
    for channel, muted in (move.told or {}).items():
        fresh = {"state": "muted" if muted else "waiting", "tries": 0, "next_at": now}
        database.execute(insert(alert_deliveries).values(notice_id=made, channel=channel, **fresh))
    return made
