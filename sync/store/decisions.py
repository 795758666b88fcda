"""What people decided: the audit, the kill switch, and audiences that an undo has paused.

A freeze is a row: whoever is about to write looks for it, in whatever process, and it is there until a person
takes it away. The audit is only ever added to; it holds no address and no name of anybody but who decided.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from sync.store.database import Database, upsert
from sync.store.tables import decisions, freezes, pauses

EVERYWHERE = ""
"""The `connection` of a freeze that stops all of them."""


class Decided(StrEnum):
    """Kinds of decisions."""

    APPROVED = "approved"
    REJECTED = "rejected"
    FROZEN = "frozen"
    THAWED = "thawed"
    UNDONE = "undone"
    RESUMED = "resumed"


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the audit. `plan_hash`: exactly which changes the person saw; `data`: counts, as JSON."""

    at: dt.datetime
    by: str
    kind: Decided
    plan_id: int | None = None
    run_id: int | None = None
    plan_hash: str | None = None
    reason: str = ""
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """All writes of `connection` are stopped; "" stands for every connection."""

    connection: str
    at: dt.datetime
    by: str
    reason: str

    def __str__(self) -> str:
        where = f"on {self.connection}" if self.connection else "everywhere"
        lift = f"segsync thaw --connection {self.connection}" if self.connection else "segsync thaw"
        why = f" ({self.reason})" if self.reason else ""
        return f"writes are frozen {where} by {self.by} since {self.at:%Y-%m-%d %H:%M} UTC{why}; {lift}"


@dataclass(frozen=True, slots=True)
class Pause:
    """Run `run_id` has undone `undone_run` in this audience; `version` is the rule's as it was then."""

    audience_id: int
    version: str
    run_id: int
    undone_run: int
    at: dt.datetime
    by: str


class Decisions:
    """Reads and writes decisions, freezes and pauses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ── the audit ────────────────────────────────────────────────────────────────────────────────────

    def note(self, decision: Decision) -> None:
        """Add one line."""
        with self._database.writing() as database:
            note(database, decision)

    def latest(self, *, limit: int = 20, plan_id: int | None = None) -> list[Decision]:
        """Newest first."""
        query = select(decisions).order_by(decisions.c.id.desc()).limit(limit)
        if plan_id is not None:
            query = query.where(decisions.c.plan_id == plan_id)
        names = Decision.__dataclass_fields__
        with self._database.reading() as database:
            rows = database.execute(query).mappings().all()
        return [
            Decision(**{**{name: row[name] for name in names}, "kind": Decided(row["kind"])}) for row in rows
        ]

    # ── the kill switch ──────────────────────────────────────────────────────────────────────────────

    def freeze(self, connection: str, *, at: dt.datetime, by: str, reason: str = "") -> bool:
        """Stop all writes of a connection ("": of all); False if they are stopped already."""
        values = {"connection": connection, "at": at, "by": by, "reason": reason}
        with self._database.writing() as database:
            if database.execute(select(freezes).where(freezes.c.connection == connection)).first():
                return False
            database.execute(insert(freezes).values(values))
            where = {"connection": connection or None}
            note(database, Decision(at, by, Decided.FROZEN, reason=reason, data=where))
            return True

    def thaw(self, connection: str, *, at: dt.datetime, by: str, reason: str = "") -> bool:
        """Take this freeze away, and no other; False if there is none."""
        with self._database.writing() as database:
            done = database.execute(delete(freezes).where(freezes.c.connection == connection)).rowcount
            if done:
                where = {"connection": connection or None}
                note(database, Decision(at, by, Decided.THAWED, reason=reason, data=where))
            return bool(done)

    def freezes(self) -> list[Freeze]:
        """Every freeze in force, that of everything first."""
        with self._database.reading() as database:
            rows = database.execute(select(freezes).order_by(freezes.c.connection)).mappings()
            return [Freeze(**row) for row in rows]

    def frozen(self, connection: str) -> Freeze | None:
        """What stops writes to the connection just now."""
        query = select(freezes).where(freezes.c.connection.in_([EVERYWHERE, connection]))
        with self._database.reading() as database:
            row = database.execute(query.order_by(freezes.c.connection).limit(1)).mappings().first()
            return Freeze(**row) if row else None

    # ── paused audiences ─────────────────────────────────────────────────────────────────────────────

    def pause(self, some: Iterable[Pause]) -> None:
        """Hold every change to these audiences from now on; the newest pause counts."""
        names = ("version", "run_id", "undone_run", "at", "by")
        with self._database.writing() as database:
            for one in some:
                values = {name: getattr(one, name) for name in names}
                statement = upsert(database, pauses).values(audience_id=one.audience_id, **values)
                database.execute(statement.on_conflict_do_update(index_elements=["audience_id"], set_=values))

    def resume(self, audience_ids: Collection[int]) -> int:
        """Let the rules go on with these audiences; how many were paused."""
        with self._database.writing() as database:
            return database.execute(
                delete(pauses).where(pauses.c.audience_id.in_(list(audience_ids)))
            ).rowcount

    def paused(self) -> dict[int, Pause]:
        """Audience → its pause."""
        with self._database.reading() as database:
            rows = database.execute(select(pauses)).mappings()
            return {row["audience_id"]: Pause(**row) for row in rows}


def note(database: Connection, decision: Decision) -> None:
    """Add a line to the audit inside the caller's transaction."""
    names = ("at", "by", "kind", "plan_id", "run_id", "plan_hash", "reason")
    values = {name: getattr(decision, name) for name in names}
    database.execute(insert(decisions).values(**values, data=dict(decision.data or {})))
