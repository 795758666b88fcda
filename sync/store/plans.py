"""Plans: stored whole, as batches, before the first write; sent, resumed, held, approved, rejected."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pyroaring import BitMap
from sqlalchemy import Connection, func, insert, select, update

from sync.store.database import Database
from sync.store.errors import PlanNotOpen
from sync.store.optouts import OptOut, plan_opt_outs, release_opt_outs, waiting_opt_outs
from sync.store.tables import batches, brakes, plans

UNDO = "undo"
"""Scopes of plans that put a run back begin so."""
OVER = ("done", "rejected")
"""States of batches that nothing is sent of any more."""


class PlanState(StrEnum):
    """OPEN: batches to send. HELD: only batches that wait for a person are left."""

    OPEN = "open"
    HELD = "held"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """One call's worth of changes to one audience. `held`: waits for `approve`. `rejected`: never sent."""

    audience_id: int
    adds: BitMap
    removes: BitMap
    held: bool = False
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class Brake:
    """Why something is held (or was let pass): `audience_id` None means the whole plan."""

    kind: str
    message: str
    audience_id: int | None = None
    data: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A stored plan; its batches are read with `batches`."""

    id: int
    run_id: int
    as_of: dt.datetime
    state: PlanState
    plan_hash: str
    created_at: dt.datetime
    approved_at: dt.datetime | None
    summary: Mapping[str, object]
    scope: str = ""  # `Scope.key`: which audiences it is about; "" all


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch as stored. What is still to do: `adds − done_adds`, `removes − done_removes`, less refused."""

    id: int
    plan_id: int
    audience_id: int
    sequence: int
    held: bool
    state: str  # pending, sent (outcome unknown), done, rejected (by a person; never sent)
    adds: BitMap
    removes: BitMap
    done_adds: BitMap
    done_removes: BitMap
    calls: int


class Plans:
    """Reads and writes plans, batches and brakes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self,
        *,
        run_id: int,
        as_of: dt.datetime,
        created_at: dt.datetime,
        plan_hash: str,
        batches_: Sequence[PlannedBatch],
        brakes_: Sequence[Brake] = (),
        opt_outs: Sequence[OptOut] = (),
        summary: Mapping[str, object],
        scope: str = "",
        approved_at: dt.datetime | None = None,
    ) -> Plan:
        """Store a plan in one transaction; older plans of its scope that are not finished become SUPERSEDED.

        A plan about all audiences (`scope` "") supersedes those of every scope but undos, which wait for
        their person beside it.
        """
        with self._database.writing() as database:
            older = update(plans).where(plans.c.state.in_([PlanState.OPEN, PlanState.HELD]))
            if scope:
                older = older.where(plans.c.scope == scope)
            else:
                older = older.where(plans.c.scope.not_like(f"{UNDO}%"))
            database.execute(older.values(state=PlanState.SUPERSEDED))
            key = database.execute(
                insert(plans).values(
                    run_id=run_id,
                    as_of=as_of,
                    state=PlanState.OPEN,
                    plan_hash=plan_hash,
                    created_at=created_at,
                    approved_at=approved_at,
                    summary=dict(summary),
                    scope=scope,
                )
            ).inserted_primary_key
            assert key is not None  # noqa: S101 - an insert of one row always has one
            plan_id = int(key[0])
            if batches_:
                database.execute(insert(batches), [_row(plan_id, n, b) for n, b in enumerate(batches_)])
            if brakes_:
                database.execute(
                    insert(brakes),
                    [
                        {
                            "plan_id": plan_id,
                            "audience_id": brake.audience_id,
                            "kind": brake.kind,
                            "message": brake.message,
                            "data": dict(brake.data or {}),
                        }
                        for brake in brakes_
                    ],
                )
            plan_opt_outs(database, plan_id, opt_outs, at=created_at)
            _settle(database, plan_id)
            return _plan(database, plan_id)

    def get(self, plan_id: int) -> Plan:
        """The plan with this id; `PlanNotOpen` if there is none."""
        with self._database.reading() as database:
            return _plan(database, plan_id)

    def latest(self, *, limit: int = 20) -> list[Plan]:
        """Newest first."""
        with self._database.reading() as database:
            found = database.execute(select(plans).order_by(plans.c.id.desc()).limit(limit)).mappings()
            return [Plan(**{**row, "state": PlanState(row["state"])}) for row in found]

    def unfinished(self) -> Plan | None:
        """The newest plan that is OPEN or HELD; there is at most one for each scope."""
        return next(iter(self.waiting()), None)

    def waiting(self) -> list[Plan]:
        """All plans that are OPEN or HELD, newest first."""
        query = select(plans).where(plans.c.state.in_([PlanState.OPEN, PlanState.HELD]))
        with self._database.reading() as database:
            rows = database.execute(query.order_by(plans.c.id.desc())).mappings()
            return [Plan(**{**row, "state": PlanState(row["state"])}) for row in rows]

    def batches(self, plan_id: int, *, held: bool | None = None, done: bool = True) -> list[StoredBatch]:
        """The plan's batches in order; `held` picks, `done=False` leaves out what is done."""
        query = select(batches).where(batches.c.plan_id == plan_id).order_by(batches.c.sequence)
        if held is not None:
            query = query.where(batches.c.held == held)
        if not done:
            query = query.where(batches.c.state.not_in(OVER))
        with self._database.reading() as database:
            return [StoredBatch(**row) for row in database.execute(query).mappings()]

    def open_batches(self, plan_id: int, *, held: bool = False) -> list[StoredBatch]:
        """What is still to be sent (also what was sent without an answer), in order."""
        return self.batches(plan_id, held=held, done=False)

    def done(self, run_id: int) -> dict[int, tuple[int, int]]:
        """Audience → (added, removed) by all plans of a run, over all its attempts."""
        query = select(batches.c.audience_id, batches.c.done_adds, batches.c.done_removes)
        query = query.join(plans, plans.c.id == batches.c.plan_id).where(plans.c.run_id == run_id)
        found: dict[int, tuple[int, int]] = {}
        with self._database.reading() as database:
            for audience, adds, removes in database.execute(query):
                before = found.get(audience, (0, 0))
                found[audience] = before[0] + len(adds), before[1] + len(removes)
        return found

    def brakes(self, plan_id: int) -> list[Brake]:
        """The brakes the plan tripped."""
        query = select(brakes).where(brakes.c.plan_id == plan_id).order_by(brakes.c.id)
        with self._database.reading() as database:
            return [Brake(r.kind, r.message, r.audience_id, r.data) for r in database.execute(query)]

    def mark_sent(self, batch_ids: Sequence[int]) -> None:
        """About to go out: from here on the outcome is unknown until it is recorded."""
        with self._database.writing() as database:
            for start in range(0, len(batch_ids), 500):
                part = list(batch_ids[start : start + 500])
                database.execute(
                    update(batches)
                    .where(batches.c.id.in_(part), batches.c.state == "pending")
                    .values(state="sent")
                )

    def settle(self, plan_id: int) -> PlanState:
        """Set and return the state that the plan's batches imply: OPEN, HELD or APPLIED."""
        with self._database.writing() as database:
            return _settle(database, plan_id)

    def approve(self, plan_id: int, *, at: dt.datetime) -> Plan:
        """Let the held batches go; they are open from now on. `PlanNotOpen` if it is not a held plan."""
        with self._database.writing() as database:
            _must_wait(database, plan_id)
            database.execute(update(batches).where(batches.c.plan_id == plan_id).values(held=False))
            release_opt_outs(database, plan_id)
            database.execute(update(plans).where(plans.c.id == plan_id).values(approved_at=at))
            _settle(database, plan_id)
            return _plan(database, plan_id)

    def of_run(self, run_id: int) -> list[Plan]:
        """The run's plans, oldest first."""
        query = select(plans).where(plans.c.run_id == run_id).order_by(plans.c.id)
        with self._database.reading() as database:
            rows = database.execute(query).mappings()
            return [Plan(**{**row, "state": PlanState(row["state"])}) for row in rows]

    def reject_part(self, plan_id: int, rows: Mapping[int, tuple[BitMap, BitMap]]) -> Plan:
        """Of the held batches drop these (adds, removals) by audience; they stay on record as rejected."""
        with self._database.writing() as database:
            _must_wait(database, plan_id)
            held = select(batches).where(
                batches.c.plan_id == plan_id, batches.c.held, batches.c.state.not_in(OVER)
            )
            highest = select(func.max(batches.c.sequence)).where(batches.c.plan_id == plan_id)
            sequence = int(database.execute(highest).scalar() or 0)
            for row in database.execute(held).mappings().all():
                adds, removes = rows.get(row["audience_id"], (BitMap(), BitMap()))
                gone = row["adds"] & adds, row["removes"] & removes
                if not (gone[0] or gone[1]):
                    continue
                left = {"adds": row["adds"] - adds, "removes": row["removes"] - removes}
                one = update(batches).where(batches.c.id == row["id"])
                if not (left["adds"] or left["removes"]):
                    database.execute(one.values(state="rejected"))
                    continue
                database.execute(one.values(left))
                sequence += 1
                dropped = PlannedBatch(row["audience_id"], *gone, held=True, rejected=True)
                database.execute(insert(batches).values(_row(plan_id, sequence, dropped)))
            _settle(database, plan_id)
            return _plan(database, plan_id)

    def reject(self, plan_id: int) -> Plan:
        """Drop what the plan has not done yet."""
        with self._database.writing() as database:
            _must_wait(database, plan_id)
            database.execute(update(plans).where(plans.c.id == plan_id).values(state=PlanState.REJECTED))
            return _plan(database, plan_id)


def _row(plan_id: int, sequence: int, batch: PlannedBatch) -> dict[str, object]:
    return {
        "plan_id": plan_id,
        "audience_id": batch.audience_id,
        "sequence": sequence,
        "held": batch.held,
        "state": "rejected" if batch.rejected else "pending",
        "adds": batch.adds,
        "removes": batch.removes,
        "done_adds": BitMap(),
        "done_removes": BitMap(),
        "calls": 0,
    }


def _plan(database: Connection, plan_id: int) -> Plan:
    row = database.execute(select(plans).where(plans.c.id == plan_id)).mappings().first()
    if row is None:
        raise PlanNotOpen(f"there is no plan {plan_id}; `segsync status` lists the plans")
    return Plan(**{**row, "state": PlanState(row["state"])})


def _must_wait(database: Connection, plan_id: int) -> None:
    plan = _plan(database, plan_id)
    if plan.state not in (PlanState.OPEN, PlanState.HELD):
        raise PlanNotOpen(f"plan {plan_id} is {plan.state}; make a new plan and decide on that one")


def _settle(database: Connection, plan_id: int) -> PlanState:
    state = _plan(database, plan_id).state
    if state not in (PlanState.OPEN, PlanState.HELD):
        return state
    query = (
        select(batches.c.held, func.count())
        .where(batches.c.plan_id == plan_id, batches.c.state.not_in(OVER))
        .group_by(batches.c.held)
    )
    left = {bool(held) for held, _ in database.execute(query)} | set(waiting_opt_outs(database, plan_id))
    state = PlanState.OPEN if False in left else PlanState.HELD if True in left else PlanState.APPLIED
    database.execute(update(plans).where(plans.c.id == plan_id).values(state=state))
    return state
