"""Opt-outs that segsync writes to platforms: planned with a plan, sent with it, and kept as the consent log.

A row says: this contact on this connection is to get no marketing mail, because that contact on that source
opted out. Contacts and people are numbers; no address, no name and no id of a platform's is kept here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from sync.store.database import Database
from sync.store.tables import opt_outs, plans

_PART = 500


class OptOutState(StrEnum):
    """PLANNED rows of a plan that was replaced are forgotten; everything else stays as the log."""

    PLANNED = "planned"
    SENT = "sent"  # on its way, or without an answer that says more
    DONE = "done"  # the platform was seen to say so
    REFUSED = "refused"  # tried again by the next plan
    PAST = "past"  # done, but the source says so no more: a new opt-out there counts again


OPEN = (OptOutState.PLANNED, OptOutState.SENT)


@dataclass(frozen=True, slots=True)
class OptOut:
    """One reason to opt one contact out; a contact with several reasons has several rows.

    `source_changed_at`: when the source says that its contact last changed, if it says so.
    """

    connection: str
    contact: int
    person: int
    source: str
    source_contact: int
    source_changed_at: dt.datetime | None
    held: bool = False


@dataclass(frozen=True, slots=True)
class StoredOptOut:
    """A row of the log. `at`: when it came into this state."""

    id: int
    plan_id: int
    connection: str
    contact: int
    person: int
    source: str
    source_contact: int
    source_changed_at: dt.datetime | None
    held: bool
    state: OptOutState
    code: str | None
    reason: str | None
    at: dt.datetime


class OptOuts:
    """Reads and moves rows. They are made by `Plans.save`, in one transaction with their plan."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_plan(self, plan_id: int) -> list[StoredOptOut]:
        """Everything the plan showed, in the order of contacts."""
        return self._rows(opt_outs.c.plan_id == plan_id)

    def open(self, plan_id: int) -> list[StoredOptOut]:
        """What of the plan is still to be sent and not held."""
        wanted = (opt_outs.c.plan_id == plan_id, opt_outs.c.held.is_(False), opt_outs.c.state.in_(OPEN))
        return self._rows(*wanted)

    def log(self, connection: str | None = None, *, person: int | None = None) -> list[StoredOptOut]:
        """What was sent, oldest first: to whom, when, because of which source, and what became of it."""
        wanted: list[ColumnElement[bool]] = [opt_outs.c.state != OptOutState.PLANNED]
        if connection is not None:
            wanted.append(opt_outs.c.connection == connection)
        if person is not None:
            wanted.append(opt_outs.c.person == person)
        return self._rows(*wanted)

    def move(
        self,
        ids: Collection[int],
        state: OptOutState,
        *,
        at: dt.datetime,
        code: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Give these rows a new state."""
        wanted = list(ids)
        with self._database.writing() as database:
            for start in range(0, len(wanted), _PART):
                part = wanted[start : start + _PART]
                database.execute(
                    update(opt_outs)
                    .where(opt_outs.c.id.in_(part))
                    .values(state=state, code=code, reason=reason, at=at)
                )

    def _rows(self, *wanted: ColumnElement[bool]) -> list[StoredOptOut]:
        query = select(opt_outs).where(*wanted).order_by(opt_outs.c.id)
        with self._database.reading() as database:
            found = database.execute(query).mappings().all()
        return [StoredOptOut(**{**row, "state": OptOutState(row["state"])}) for row in found]


def plan_opt_outs(database: Connection, plan_id: int, rows: Sequence[OptOut], *, at: dt.datetime) -> None:
    """Rows of a new plan; what replaced plans only intended, and what was refused then, is forgotten."""
    forgotten = (OptOutState.PLANNED, OptOutState.REFUSED)
    waiting = select(plans.c.id).where(plans.c.state.in_(("open", "held")))
    database.execute(
        delete(opt_outs).where(opt_outs.c.state.in_(forgotten), opt_outs.c.plan_id.not_in(waiting))
    )
    if rows:
        more = {"plan_id": plan_id, "state": OptOutState.PLANNED, "at": at}
        database.execute(insert(opt_outs), [{**asdict(row), **more} for row in rows])


def release_opt_outs(database: Connection, plan_id: int) -> None:
    """A person approved the plan: nothing of it is held any more."""
    database.execute(update(opt_outs).where(opt_outs.c.plan_id == plan_id).values(held=False))


def waiting_opt_outs(database: Connection, plan_id: int) -> dict[bool, int]:
    """How many rows of the plan are not settled, by whether they are held."""
    query = (
        select(opt_outs.c.held, func.count())
        .where(opt_outs.c.plan_id == plan_id, opt_outs.c.state.in_(OPEN))
        .group_by(opt_outs.c.held)
    )
    return {bool(held): count for held, count in database.execute(query)}
