"""What is held: whom it is about, which rule is behind it and who edited it, and what may have caused it.

People are numbers here, never addresses.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from rules.ruleset import RuleSet
from sync.brakes import BrakeKind
from sync.plan import Plan
from sync.push import CARRIER
from sync.run.causes import Cause, Found, cause_of
from sync.run.four_eyes import documents
from sync.run.workspace import Workspace
from sync.store import Store
from sync.store.plans import OVER
from sync.store.plans import Plan as StoredPlan

SAMPLES = 20


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
        why = Found(Cause.UNKNOWN, "the audience is put back; no rule is behind it")
        if segment is not None:
            why = cause_of(store, segment, part.held_adds, part.held_removes, shrunk)
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
                "cause": why.cause.value,
                "why": why.told,
                "edits": list(why.edits),
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
    wrote = documents(workspace, plan)
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
        "parts": [
            {**part, "edits": wrote.get(part["segment"], [])}
            for part in (parts if isinstance(parts, list) else ())
        ],
    }
