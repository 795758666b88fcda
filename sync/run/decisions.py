"""Carrying out a plan that was shown: `apply` sends what is open, `approve` also what a brake holds.

Before anything is sent the destinations are looked at again. A row that was not shown is never sent, one that
is not due any more is skipped; if too many rows differ the plan is stale and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyroaring import BitMap

from rules.ruleset import RuleSet
from sync.approval import Going, Only, Rows, Selection, Shown, going
from sync.errors import UserError
from sync.plan import Plan
from sync.progress import SILENT, Progress
from sync.push import CARRIER
from sync.run.four_eyes import checked
from sync.run.holding import expires_at, held_parts
from sync.run.pipeline import begin
from sync.run.report import Report
from sync.run.rulebook import known_rules
from sync.run.steps import Pipeline
from sync.run.undoing import due_again
from sync.run.workspace import Workspace
from sync.store import Decided, Decision
from sync.store.optouts import OptOutState
from sync.store.plans import OVER, PlannedBatch, PlanState, StoredBatch
from sync.store.plans import Plan as StoredPlan
from sync.store.scope import EVERYTHING, Scope


def apply(workspace: Workspace, *, progress: Progress = SILENT) -> Report:
    """Send what the newest plan has open, maybe nothing. UserError if there is no plan or it is stale."""
    shown = workspace.store.plans.unfinished()
    done = workspace.store.plans.latest(limit=1)
    if shown is None and not done:
        raise UserError("there is no plan yet; `segsync plan` makes one")
    if shown is None and _only_prepares(done[0]):
        shown = done[0]
    with begin(workspace, "apply", scope=_scope(shown), progress=progress) as pipeline:
        if shown is None:
            pipeline.report.notices.append(f"plan {done[0].id} is done already; nothing is left to send")
            return pipeline.report
        plan_id = _again(pipeline, shown)
        pipeline.push(plan_id)
    return pipeline.report


def approve(
    workspace: Workspace,
    plan_id: int,
    *,
    by: str,
    selection: Selection | None = None,
    plan_hash: str | None = None,
    reason: str = "",
    login: str = "",
    override: str | None = None,
    progress: Progress = SILENT,
) -> Report:
    """Let what plan `plan_id` holds go, or the part that `selection` picks, and send it.

    UserError if it waits for nothing, has expired, is stale, is not the plan with the hash `plan_hash`, or
    asks for somebody else than `by` (and `login`, whose session it is) and no `override` says why not.
    """
    selection = selection or Selection()
    shown = _waiting(workspace, plan_id, plan_hash)
    expires = expires_at(workspace, shown)
    if workspace.clock.utc_now() > expires:
        undone = shown.summary.get("undo")
        again = f"segsync undo {undone}" if undone is not None else "segsync plan"
        raise UserError(
            f"plan {plan_id} could be approved until {expires:%Y-%m-%d %H:%M} UTC; look at what is due now "
            f"with `{again}` and approve that"
        )
    picked = _picked(workspace, shown, selection)
    kept = checked(workspace, shown, selection, by=by, login=login, override=override)
    with begin(workspace, "approve", scope=_scope(shown), progress=progress) as pipeline:
        store = pipeline.store
        data = {"part": str(selection), "changes": picked, **kept}
        decision = _decision(pipeline, Decided.APPROVED, shown, by=by, reason=reason)
        store.decisions.note(Decision(**decision, data=data))  # type: ignore[arg-type]
        if kept:
            pipeline.report.notices.append("nobody else looked at the edit; the audit keeps why it went")
        fresh = _again(pipeline, shown, released=selection)
        sources = shown.summary.get("sources")
        if selection.whole:  # in part: what shrank is still to be looked at
            for name, count in sources.items() if isinstance(sources, dict) else ():
                store.notes.set(f"good:{name}", count)
        pipeline.push(fresh)
    return pipeline.report


def reject(
    workspace: Workspace,
    plan_id: int,
    *,
    by: str,
    selection: Selection | None = None,
    plan_hash: str | None = None,
    reason: str = "",
) -> int:
    """Turn the plan down, or the part of what it holds that `selection` picks; how many changes that were.

    The next plan is made from the rules as they are then: what still trips a brake is held again.
    """
    selection = selection or Selection()
    shown = _waiting(workspace, plan_id, plan_hash)
    picked = _picked(workspace, shown, selection)
    with begin(workspace, "reject") as pipeline:
        store = pipeline.store
        decision = _decision(pipeline, Decided.REJECTED, shown, by=by, reason=reason)
        store.decisions.note(
            Decision(**decision, data={"part": str(selection), "changes": picked})  # type: ignore[arg-type]
        )
        if selection.whole:
            store.plans.reject(plan_id)
        else:
            store.opt_outs.move(
                [
                    one.id
                    for one in store.opt_outs.of_plan(plan_id)
                    if one.held and selection.picks_opt_outs(one.connection)
                ],
                OptOutState.REFUSED,
                at=pipeline.as_of,
                code="rejected",
                reason="a person turned it down",
            )
            store.plans.reject_part(plan_id, _rejected_rows(pipeline.workspace, plan_id, selection))
    return picked


# ── inner ────────────────────────────────────────────────────────────────────────────────────────────


def _decision(
    pipeline: Pipeline, kind: Decided, shown: StoredPlan, *, by: str, reason: str
) -> dict[str, object]:
    return {
        "at": pipeline.as_of,
        "by": by,
        "kind": kind,
        "plan_id": shown.id,
        "run_id": pipeline.run.id,
        "plan_hash": shown.plan_hash,
        "reason": reason,
    }


def _waiting(workspace: Workspace, plan_id: int, plan_hash: str | None) -> StoredPlan:
    store = workspace.store
    shown = store.plans.get(plan_id)
    if shown.state not in (PlanState.OPEN, PlanState.HELD):
        newest = store.plans.unfinished()
        hint = f"plan {newest.id} waits now" if newest else "no plan waits for an approval"
        raise UserError(f"plan {plan_id} is {shown.state.value}; {hint}")
    if plan_hash is not None and plan_hash != shown.plan_hash:
        raise UserError(f"plan {plan_id} has the hash {shown.plan_hash}, not {plan_hash}; look at it again")
    return shown


def _picked(workspace: Workspace, shown: StoredPlan, selection: Selection) -> int:
    """How many held changes a person decides on; UserError if none."""
    store = workspace.store
    rows = {row.id: row for row in store.ledger.audiences()}
    held = [b for b in store.plans.batches(shown.id) if b.held and b.state not in OVER]
    opt_outs = [one for one in store.opt_outs.of_plan(shown.id) if one.held]
    if not held and not opt_outs:
        raise UserError(f"plan {shown.id} holds nothing back; `segsync apply` sends it")
    count = len({one.contact for one in opt_outs if selection.picks_opt_outs(one.connection)})
    for batch in held:
        row = rows[batch.audience_id]
        if row.segment == CARRIER:
            continue
        for half, some in ((Only.ADDS, batch.adds), (Only.REMOVES, batch.removes)):
            count += len(some) if selection.picks(row.segment, row.connection, half) else 0
    if not count:
        raise UserError(f"plan {shown.id} holds nothing of {selection}; `segsync held {shown.id}` shows it")
    return count


def _rejected_rows(
    workspace: Workspace, plan_id: int, selection: Selection
) -> dict[int, tuple[BitMap, BitMap]]:
    """Audience → held rows that are turned down; of an owned field whoever has nothing else in it waiting."""
    store = workspace.store
    rows = {row.id: row for row in store.ledger.audiences()}
    found: dict[int, tuple[BitMap, BitMap]] = {}
    left: dict[str, BitMap] = {}
    carriers: list[StoredBatch] = []
    for batch in store.plans.open_batches(plan_id, held=True):
        row = rows[batch.audience_id]
        if row.segment == CARRIER:
            carriers.append(batch)
            continue
        adds = batch.adds if selection.picks(row.segment, row.connection, Only.ADDS) else BitMap()
        removes = batch.removes if selection.picks(row.segment, row.connection, Only.REMOVES) else BitMap()
        before = found.get(row.id, (BitMap(), BitMap()))
        found[row.id] = before[0] | adds, before[1] | removes
        if row.kind == "field":
            rest = (batch.adds - adds) | (batch.removes - removes)
            left[row.connection] = left.get(row.connection, BitMap()) | rest
    for batch in carriers:
        gone = batch.adds - left.get(rows[batch.audience_id].connection, BitMap())
        found[batch.audience_id] = found.get(batch.audience_id, (BitMap(), BitMap()))[0] | gone, BitMap()
    return found


def _scope(shown: StoredPlan | None) -> Scope:
    """What the plan was about: looking again must look at just that."""
    known = shown.summary.get("scope") if shown is not None else None
    return Scope.read(known) if isinstance(known, dict) else EVERYTHING


def _only_prepares(plan: StoredPlan) -> bool:
    """Whether the plan had nobody to move, but audiences to rename, which are renamed by carrying it out."""
    told = plan.summary.get("forecast")
    parts = told.values() if isinstance(told, dict) else ()
    return bool(parts) and not any(part["calls"] for part in parts)


def _again(pipeline: Pipeline, shown: StoredPlan, *, released: Selection | None = None) -> int:
    """Look at the destinations again; store what is left of the shown plan and return its id."""
    workspace, store = pipeline.workspace, pipeline.store
    batches = store.plans.batches(shown.id)
    rows = _shown(batches)
    kept: list[Going] = []

    def decide(now: Plan) -> Plan:
        trusted = shown.approved_at is not None
        kept.append(going(now, rows, released, trusted=trusted))
        _must_be_fresh(workspace, shown, kept[0])
        return kept[0].plan

    rules = RuleSet()
    if shown.summary.get("undo") is not None:
        plan = due_again(pipeline, shown, decide)
    else:
        _, rules = known_rules(workspace)
        _must_be_same_rules(shown, rules)
        latest = store.segments.latest()
        members = {name: latest[name].members for name in rules.segments}
        pipeline.report.segments = {name: len(some) for name, some in members.items()}
        pipeline.report.people = store.lake.rows("people")
        pipeline.remember_living()
        opt_outs = store.opt_outs.of_plan(shown.id)
        plan, _ = pipeline.look(rules, members, decide=decide, released=released, shown=opt_outs)
    if kept[0].changed:
        pipeline.report.notices.append(
            f"{kept[0].changed} changes differ from what plan {shown.id} showed; they were skipped, and the "
            "next plan shows them"
        )
    summary = {
        **shown.summary,
        "changes": plan.changes,
        "held": plan.held,
        "forecast": pipeline.report.forecasts(),
        "parts": held_parts(store, plan, rules),
    }
    pipeline.report.plan_id = pipeline.save(
        plan,
        as_of=shown.as_of,
        summary=summary,
        scope=shown.scope,
        rejected=[
            PlannedBatch(audience, one.rejected.adds, one.rejected.removes, held=True, rejected=True)
            for audience, one in rows.items()
            if len(one.rejected)
        ],
        approved_at=pipeline.as_of if released is not None else shown.approved_at,
    )
    return pipeline.report.plan_id


def _must_be_same_rules(shown: StoredPlan, rules: RuleSet) -> None:
    planned = shown.summary.get("rules")
    now = {name: segment.version for name, segment in rules.segments.items()}
    if planned != now:
        changed = sorted(
            name
            for name in {*now, *(planned if isinstance(planned, dict) else {})}
            if not isinstance(planned, dict) or planned.get(name) != now.get(name)
        )
        names = ", ".join(changed[:5]) + (" …" if len(changed) > 5 else "")
        raise UserError(
            f"plan {shown.id} is stale: the rules of {names} were edited since; run `segsync plan` again"
        )


def _shown(batches: list[StoredBatch]) -> Mapping[int, Shown]:
    """Audience → what was shown of it and is not done."""
    found: dict[int, Shown] = {}
    for batch in batches:
        rows = Rows(batch.adds - batch.done_adds, batch.removes - batch.done_removes)
        before = found.get(batch.audience_id, Shown())
        if batch.state == "rejected":
            found[batch.audience_id] = Shown(before.open, before.held, before.rejected | rows)
        elif batch.held:
            found[batch.audience_id] = Shown(before.open, before.held | rows, before.rejected)
        else:
            found[batch.audience_id] = Shown(before.open | rows, before.held, before.rejected)
    return found


def _must_be_fresh(workspace: Workspace, shown: StoredPlan, now: Going) -> None:
    """Little enough may have changed since the plan was shown; of what has changed nothing is sent."""
    share = float(workspace.settings.brakes.changed_share)
    if now.changed > share * now.shown:
        raise UserError(
            f"plan {shown.id} is stale: {now.unshown} changes are due that it did not show, and "
            f"{now.vanished} that it showed are not due any more, because a destination changed since "
            f"(the limit is {share:.0%} of {now.shown}); nothing was sent, run `segsync plan` again"
        )
