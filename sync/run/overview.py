"""What the store knows at this moment, for `segsync status`. Reads only; may run beside a run."""

from __future__ import annotations

from typing import Any, cast

from sync.brakes import Holds
from sync.optouts import contacts_of
from sync.push import CARRIER
from sync.quality.kept_out import KeptOut, remembered
from sync.quarantine import standing
from sync.run.alerting import unreachable
from sync.run.holding import held
from sync.run.workspace import Workspace

MOST_REJECTED, MOST_LOOKED_AT = 50, 20


def overview(workspace: Workspace) -> dict[str, Any]:
    """Runs, audiences, the plan that waits, refusals by reason, rejected rows. No personal values."""
    store = workspace.store
    audiences = {row.id: row for row in store.ledger.audiences()}
    refused: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    now = workspace.clock.utc_now()
    for one in store.ledger.refusals():
        row = audiences[one.audience_id]
        state = standing(one, at=now).value
        entry = refused.setdefault(
            (row.connection, row.segment, one.reason, state),
            {
                "connection": row.connection,
                "segment": row.segment,
                "code": one.code,
                "reason": one.reason,
                "state": state,
                "people": 0,
                "tries": 0,
            },
        )
        entry["people"] += 1
        entry["tries"] = max(entry["tries"], one.tries)
    return {
        "unreachable": unreachable(workspace),
        "runs": [
            {
                "run": run.id,
                "started": run.started_at.isoformat(timespec="seconds"),
                "trigger": run.trigger,
                "state": run.state.value,
                "people": run.stats.get("people"),
                "changes": _changes(run.stats),
            }
            for run in store.runs.latest(limit=10)
        ],
        "audiences": [
            {
                "segment": row.segment,
                "connection": row.connection,
                "kind": row.kind,
                "name": row.name,
                "members": len(row.actual),
                "ours": len(row.owned),
                # segments in an owned field have no object of their own that could be made or lost
                "state": "ready" if row.state == "new" and row.actual else row.state,
            }
            for row in audiences.values()
            if row.segment != CARRIER
        ],
        "waiting": _waiting(workspace),
        "held": held(workspace),
        "frozen": [str(freeze) for freeze in store.decisions.freezes()],
        "paused": [
            {
                "segment": audiences[id_].segment,
                "connection": audiences[id_].connection,
                "undone_run": pause.undone_run,
                "by": pause.by,
            }
            for id_, pause in store.decisions.paused().items()
        ],
        "decisions": [
            {
                "at": one.at.isoformat(timespec="seconds"),
                "by": one.by,
                "kind": one.kind.value,
                "plan": one.plan_id,
                "run": one.run_id,
                "reason": one.reason,
                "override": (one.data or {}).get("override"),
            }
            for one in store.decisions.latest(limit=10)
        ],
        "refused": list(refused.values()),
        "rejected": [
            {key: row[key] for key in ("connection", "stream", "where", "reason")}
            for row in store.inbox.rejected(limit=MOST_REJECTED)
        ],
        "kept_out": {
            rule: len(contacts)
            for rule, contacts in (remembered(store) or KeptOut()).by_rule.items()
            if contacts
        },
        "rejected_count": sum(store.inbox.rejected_counts().values()),
        "held_facts": _held_facts(workspace),
    }


def _held_facts(workspace: Workspace) -> dict[str, str]:
    """Model → why its facts are as they were, by the newest run that looked at models."""
    for run in workspace.store.runs.latest(limit=MOST_LOOKED_AT):
        if "in_use" in cast("dict[str, Any]", run.stats.get("models", {})):
            return dict(cast("dict[str, str]", run.stats.get("held_facts", {})))
    return {}


def _changes(stats: object) -> int:
    parts = stats.get("connections", {}) if isinstance(stats, dict) else {}
    return sum(part.get("changes", 0) for part in parts.values())


def _waiting(workspace: Workspace) -> dict[str, Any] | None:
    store = workspace.store
    plan = store.plans.unfinished()
    if plan is None:
        return None
    held = [batch for batch in store.plans.batches(plan.id, done=False) if batch.held]
    opt_outs = contacts_of(one for one in store.opt_outs.of_plan(plan.id) if one.held)
    if not held and not opt_outs:
        return None
    return {
        "plan": plan.id,
        "held": sum(len(batch.adds) + len(batch.removes) for batch in held) + len(opt_outs),
        "brakes": [
            brake.message
            for brake in store.plans.brakes(plan.id)
            if (brake.data or {}).get("holds") != Holds.NOTHING
        ],
    }
