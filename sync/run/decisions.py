"""Carrying out a plan that was shown: `apply` sends what is open, `approve` also what a brake holds.

Before anything is sent the destinations are looked at again. What then is to be done must be part of
what was shown; otherwise the plan is stale and nothing is sent.
"""

from __future__ import annotations

from pyroaring import BitMap

from rules.ruleset import RuleSet
from sync.errors import UserError
from sync.plan import Plan
from sync.progress import SILENT, Progress
from sync.run.pipeline import begin
from sync.run.report import Report
from sync.run.rulebook import known_rules
from sync.run.steps import Pipeline
from sync.run.workspace import Workspace
from sync.store.plans import Plan as StoredPlan
from sync.store.plans import PlanState, StoredBatch
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


def approve(workspace: Workspace, plan_id: int, *, progress: Progress = SILENT) -> Report:
    """Let the held part of plan `plan_id` go and send it. UserError if it waits for nothing or is stale."""
    store = workspace.store
    shown = store.plans.get(plan_id)
    if shown.state not in (PlanState.OPEN, PlanState.HELD):
        newest = store.plans.unfinished()
        hint = f"plan {newest.id} waits now" if newest else "no plan waits for an approval"
        raise UserError(f"plan {plan_id} is {shown.state.value}; {hint}")
    holds = any(batch.held for batch in store.plans.batches(plan_id))
    if not holds and not any(one.held for one in store.opt_outs.of_plan(plan_id)):
        raise UserError(f"plan {plan_id} holds nothing back; `segsync apply` sends it")
    with begin(workspace, "approve", scope=_scope(shown), progress=progress) as pipeline:
        store = pipeline.store
        fresh = _again(pipeline, shown, approved=True)
        store.plans.approve(fresh, at=pipeline.as_of)
        sources = shown.summary.get("sources")
        for name, count in sources.items() if isinstance(sources, dict) else ():
            store.notes.set(f"good:{name}", count)
        pipeline.push(fresh)
    return pipeline.report


def _scope(shown: StoredPlan | None) -> Scope:
    """What the plan was about: looking again must look at just that."""
    known = shown.summary.get("scope") if shown is not None else None
    return Scope.read(known) if isinstance(known, dict) else EVERYTHING


def _only_prepares(plan: StoredPlan) -> bool:
    """Whether the plan had nobody to move, but audiences to rename, which are renamed by carrying it out."""
    told = plan.summary.get("forecast")
    parts = told.values() if isinstance(told, dict) else ()
    return bool(parts) and not any(part["calls"] for part in parts)


def _again(pipeline: Pipeline, shown: StoredPlan, *, approved: bool = False) -> int:
    """Look at the destinations again; store what is left of the shown plan and return its id."""
    workspace = pipeline.workspace
    _, rules = known_rules(workspace)
    _must_be_same_rules(shown, rules)
    latest = workspace.store.segments.latest()
    members = {name: latest[name].members for name in rules.segments}
    pipeline.report.segments = {name: len(some) for name, some in members.items()}
    pipeline.report.people = workspace.store.lake.rows("people")
    pipeline.remember_living()
    opt_outs = pipeline.store.opt_outs.of_plan(shown.id)
    plan, _ = pipeline.look(rules, members, approved=approved, shown=opt_outs)
    _must_be_part(plan, workspace.store.plans.batches(shown.id), shown.id)
    counts = {"changes": plan.changes, "held": plan.held, "forecast": pipeline.report.forecasts()}
    summary = {**shown.summary, **counts}
    pipeline.report.plan_id = pipeline.save(plan, as_of=shown.as_of, summary=summary)
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


def _must_be_part(plan: Plan, shown: list[StoredBatch], plan_id: int) -> None:
    """Every change that would be sent now was shown, under the same audience and with the same hold."""
    known: dict[tuple[int, bool], tuple[BitMap, BitMap]] = {}
    for batch in shown:
        adds, removes = known.get((batch.audience_id, batch.held), (BitMap(), BitMap()))
        known[batch.audience_id, batch.held] = (adds | batch.adds, removes | batch.removes)
    new = 0
    for now in plan.batches:
        adds, removes = known.get((now.audience, now.held), (BitMap(), BitMap()))
        new += len(now.adds - adds) + len(now.removes - removes)
    if new:
        raise UserError(
            f"plan {plan_id} is stale: {new} changes are due that it did not show, because a destination "
            "changed since; nothing was sent, run `segsync plan` again"
        )
