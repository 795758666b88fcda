"""Why something is held: whom it is about, which rule is behind it, and what may have caused it.

People are numbers here, never addresses. The cause is a hint for whoever approves, told from what the store
kept: wordings of the rule, counts of the sources, and when the people's records last changed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from itertools import pairwise
from typing import Any

import pyarrow as pa
from pyroaring import BitMap

from rules import ir
from rules.engine.walk import nodes
from rules.ruleset import RuleSet, Segment
from sync.brakes import BrakeKind
from sync.plan import Plan
from sync.push import CARRIER
from sync.run.workspace import Workspace
from sync.store import Membership, Store
from sync.store.plans import OVER
from sync.store.plans import Plan as StoredPlan

SAMPLES = 20
_MOVES = (
    ir.Last, ir.Next, ir.Ago, ir.Between, ir.Calendar, ir.DaysSince, ir.Anniversary, ir.InPeriod
)  # fmt: skip
"""What makes a rule's answer change while no record does."""


class Cause(StrEnum):
    """What most of the held people have in common."""

    RULE_EDIT = "rule_edit"
    SOURCE_SHRINK = "source_shrink"
    DATA = "data"
    WINDOW_SLIDE = "window_slide"
    UNKNOWN = "unknown"


def held_parts(store: Store, plan: Plan, rules: RuleSet) -> list[dict[str, Any]]:
    """Every audience that something of is held, as JSON: counts, samples, the rule's lines, the cause."""
    shrunk = [
        brake.message
        for brake in plan.brakes
        if brake.kind in (BrakeKind.SOURCE_SHRANK, BrakeKind.SOURCE_INCOMPLETE)
    ]
    found: list[dict[str, Any]] = []
    for part in plan.audiences:
        if not (part.held_adds or part.held_removes):
            continue
        segment = rules.segments.get(part.source.segment)
        cause, told = Cause.UNKNOWN, "the audience is put back; no rule is behind it"
        if segment is not None:
            cause, told = _cause(store, segment, part.held_adds, part.held_removes, shrunk)
        found.append(
            {
                "segment": part.source.segment,
                "connection": part.source.connection,
                "adds": len(part.held_adds),
                "removes": len(part.held_removes),
                "sample_adds": list(part.held_adds)[:SAMPLES],
                "sample_removes": list(part.held_removes)[:SAMPLES],
                "rule": None
                if segment is None
                else {
                    "file": segment.place.file,
                    "line": segment.place.line,
                    "when": segment.source,
                    "version": segment.version,
                },
                "cause": cause.value,
                "why": told,
            }
        )
    return found


def held(workspace: Workspace, plan_id: int | None = None) -> list[dict[str, Any]]:
    """Plans that wait for a person (or the one asked for), as JSON."""
    store = workspace.store
    plans = store.plans.waiting() if plan_id is None else [store.plans.get(plan_id)]
    found = [_document(workspace, plan) for plan in plans]
    return found if plan_id is not None else [one for one in found if one["held"]]


def expires_at(workspace: Workspace, plan: StoredPlan) -> dt.datetime:
    """Until when the plan may be approved."""
    return plan.created_at + dt.timedelta(hours=workspace.settings.brakes.approval_hours)


def _document(workspace: Workspace, plan: StoredPlan) -> dict[str, Any]:
    store = workspace.store
    segments = {row.id: row.segment for row in store.ledger.audiences()}
    batches = [
        batch
        for batch in store.plans.batches(plan.id)
        if batch.held and batch.state not in OVER and segments[batch.audience_id] != CARRIER
    ]
    opt_outs = {one.contact for one in store.opt_outs.of_plan(plan.id) if one.held}
    brakes = store.plans.brakes(plan.id)
    expires = expires_at(workspace, plan)
    parts = plan.summary.get("parts")
    return {
        "plan": plan.id,
        "state": plan.state.value,
        "hash": plan.plan_hash,
        "made": plan.created_at.isoformat(timespec="seconds"),
        "expires": expires.isoformat(timespec="seconds"),
        "expired": workspace.clock.utc_now() > expires,
        "undoes": plan.summary.get("undo"),
        "held": sum(len(b.adds) + len(b.removes) for b in batches) + len(opt_outs),
        "opt_outs": len(opt_outs),
        "brakes": [b.message for b in brakes if (b.data or {}).get("holds") != "nothing"],
        "dropped": [b.message for b in brakes if (b.data or {}).get("holds") == "nothing"],
        "parts": parts if isinstance(parts, list) else [],
    }


# ── the cause ────────────────────────────────────────────────────────────────────────────────────────


def _cause(
    store: Store,
    segment: Segment,
    adds: BitMap,
    removes: BitMap,
    shrunk: Sequence[str],
) -> tuple[Cause, str]:
    people = adds | removes
    history = store.segments.history(segment.id, limit=20)
    edited = _by_edit(history, segment.version, adds, removes)
    if 2 * len(edited) >= len(people):
        return (
            Cause.RULE_EDIT,
            f"the rule was edited, and {len(edited)} of {len(people)} people moved with it",
        )
    if shrunk:
        return Cause.SOURCE_SHRINK, shrunk[0]
    since = _last_there(history, adds, removes)
    if since is None:
        return Cause.UNKNOWN, "nothing is known of these people from before"
    changed, untold = _changed(store, people, since=since)
    when = f"{since:%Y-%m-%d %H:%M} UTC"
    if 2 * changed >= len(people):
        return Cause.DATA, f"records or activity of {changed} of {len(people)} people changed since {when}"
    moves = any(isinstance(node, _MOVES) for node in nodes([segment.when]))
    if moves and 2 * untold < len(people):
        said = f"nothing changed for {len(people) - changed} of {len(people)} people since {when}"
        return Cause.WINDOW_SLIDE, f"{said}; the rule counts time, and time passed"
    if not moves and untold:
        return Cause.DATA, f"the rule is the same since {when} and counts no time, so the data changed"
    return Cause.UNKNOWN, f"the source does not tell when records changed; looked at what is new since {when}"


def _by_edit(history: Sequence[Membership], version: str, adds: BitMap, removes: BitMap) -> BitMap:
    """Those of them who moved when the wording became the present one."""
    for after, before in pairwise(history):
        if after.version == version and before.version != version:
            left, came = before.members - after.members, after.members - before.members
            return (removes & left) | (adds & came)
    return BitMap()


def _last_there(history: Sequence[Membership], adds: BitMap, removes: BitMap) -> dt.datetime | None:
    """When most of them were last where they were before."""
    people = len(adds) + len(removes)
    for one in history:
        before = len(removes & one.members) + len(adds - one.members)
        if 2 * before > people:
            return one.as_of
    return None


def _changed(store: Store, people: BitMap, *, since: dt.datetime) -> tuple[int, int]:
    """(people of whom a record or an activity is newer, people whose sources tell no times at all)."""
    with closing(store.lake.connect()) as database:
        database.register("held_people", pa.table({"person": pa.array(list(people), pa.int32())}))
        contacts, links = store.lake.relation("contacts"), store.lake.relation("links")
        database.execute(
            f"""CREATE TEMP TABLE times AS SELECT person, max(changed_at) AS changed_at
            FROM {contacts} AS contacts JOIN {links} AS links USING (contact)
            WHERE person IN (SELECT person FROM held_people) GROUP BY person"""
        )
        query = f"""SELECT count(DISTINCT person) FROM (
            SELECT person FROM times WHERE changed_at > $since
            UNION SELECT person FROM {store.lake.relation("activity")}
            WHERE "at" > $since AND person IN (SELECT person FROM held_people))"""
        changed = database.execute(query, {"since": since}).fetchall()[0][0]
        told = database.execute("SELECT count(*) FROM times WHERE changed_at IS NOT NULL").fetchall()[0][0]
    return int(changed), len(people) - int(told)
