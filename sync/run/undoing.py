"""`undo`: a plan that puts back what one run changed, under the same brakes as any other plan.

The next ordinary run would do it all again, because the rules still say so. So every audience that is put
back is paused: ordinary plans show what they would change there, and hold it, until the segment's rule is
edited or a person says `segsync resume`. Undoing an undo ends that pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from pyroaring import BitMap

from connectors.base import AudienceKind
from connectors.errors import ConnectorError
from rules.ruleset import Mode, RuleSet
from sync.audience import AudienceInput
from sync.errors import UserError
from sync.look import Look, Sought, unsettled_by_audience
from sync.persons import suppressed_people
from sync.plan import Plan, make
from sync.progress import SILENT, Progress
from sync.push import CARRIER
from sync.run.consent import brake_limits
from sync.run.holding import held_parts
from sync.run.pipeline import begin
from sync.run.report import Report
from sync.run.steps import Pipeline
from sync.run.telling import tell_plan
from sync.run.workspace import Workspace
from sync.store import AudienceRow, Decided, Decision, Pause, Store
from sync.store.outcomes import Done, done_by, opt_outs_of
from sync.store.plans import UNDO
from sync.store.plans import Plan as StoredPlan
from sync.whereabouts import Whereabouts

FIELD = AudienceKind.FIELD


@dataclass(frozen=True, slots=True)
class Skipped:
    """People who are not put back, and why."""

    segment: str
    connection: str
    reason: str
    people: int


@dataclass(slots=True)
class Undo:
    """What is to be put back, and what cannot be."""

    run_id: int
    inputs: list[AudienceInput] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(slots=True)
class Undone:
    """What an undo did or (dry run) would do."""

    report: Report
    plan: Plan
    skipped: list[Skipped]
    notes: list[str]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **self.report.document(),
            "audiences": [
                {
                    "segment": part.source.segment,
                    "connection": part.source.connection,
                    "add": len(part.adds) + len(part.held_adds),
                    "remove": len(part.removes) + len(part.held_removes),
                    "held": len(part.held_adds) + len(part.held_removes),
                }
                for part in self.plan.audiences
            ],
            "skipped": [
                {"segment": s.segment, "connection": s.connection, "reason": s.reason, "people": s.people}
                for s in self.skipped
            ],
            "notes": self.notes,
        }


def undo(
    workspace: Workspace,
    run_id: int,
    *,
    by: str,
    reason: str = "",
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> Undone:
    """Put back what run `run_id` changed; brakes hold what is risky. `dry_run`: only look and tell.

    UserError if the run changed nothing.
    """
    done = done_by(workspace.store.database, run_id)
    if not done:
        raise UserError(f"run {run_id} changed nothing on any platform; `segsync status` lists the runs")
    with begin(workspace, "undo", progress=progress) as pipeline:
        store = pipeline.store
        found = _look(pipeline, run_id, done)
        plan = make(found.inputs, limits=brake_limits(workspace.settings), quotas=_quotas(pipeline, found))
        tell_plan(pipeline.report, plan, pipeline.workspace, renames={})
        again = any(one.summary.get("undo") is not None for one in store.plans.of_run(run_id))
        notes = list(_notes(store, run_id, again=again))
        if dry_run:
            return Undone(pipeline.report, plan, found.skipped, notes)
        touched = [p.source for p in plan.audiences if p.adds or p.removes or p.held_adds or p.held_removes]
        decision = Decision(pipeline.as_of, by, Decided.UNDONE, run_id=run_id, reason=reason)
        store.decisions.note(decision)
        if again:
            store.decisions.resume([one.audience for one in touched])
        else:
            store.decisions.pause(_pauses(pipeline, touched, undone=run_id, by=by))
        summary = {
            "undo": run_id,
            "changes": plan.changes,
            "held": plan.held,
            "forecast": pipeline.report.forecasts(),
            "parts": held_parts(store, plan, RuleSet()),
        }
        scope = f"{UNDO}:{run_id}"
        pipeline.report.plan_id = pipeline.save(plan, as_of=pipeline.as_of, summary=summary, scope=scope)
        pipeline.push(pipeline.report.plan_id)
    return Undone(pipeline.report, plan, found.skipped, notes)


def due_again(pipeline: Pipeline, shown: StoredPlan, decide: Callable[[Plan], Plan]) -> Plan:
    """What an undo that was shown would still put back, as `decide` lets it go."""
    run_id = int(str(shown.summary["undo"]))
    found = _look(pipeline, run_id, done_by(pipeline.store.database, run_id))
    limits = brake_limits(pipeline.workspace.settings)
    plan = decide(make(found.inputs, limits=limits, quotas=_quotas(pipeline, found)))
    tell_plan(pipeline.report, plan, pipeline.workspace, renames={})
    return plan


# ── inner ────────────────────────────────────────────────────────────────────────────────────────────


def _look(pipeline: Pipeline, run_id: int, done: dict[int, Done]) -> Undo:
    """Look at every destination that the run changed, and find what can be put back there."""
    store, undo_ = pipeline.store, Undo(run_id)
    rows = [row for row in store.ledger.audiences() if row.id in done and row.segment != CARRIER]
    open_batches = unsettled_by_audience(store)
    lake = store.lake
    with closing(lake.connect()) as database:
        whereabouts = Whereabouts(database, contacts=lake.relation("contacts"), links=lake.relation("links"))
        suppressed = suppressed_people(database, lake.relation("people"))
        for name in dict.fromkeys(row.connection for row in rows):
            theirs = [row for row in rows if row.connection == name]
            connector = pipeline.workspace.connector(name)
            sought = [
                Sought(row.segment, AudienceKind(row.kind), row.name, row.include_suppressed)
                for row in theirs
            ]
            try:
                seen = Look(store, name, connector, whereabouts, open_batches).at(sought)
                shapes = connector.features.audiences
            except ConnectorError as error:
                pipeline.report.connection(name).stopped = str(error)
                continue
            carrier = next((row.id for row in seen if row.segment == CARRIER), None)
            reachable = whereabouts.reachable(name)
            for row in seen:
                if row.id not in done or row.segment == CARRIER:
                    continue
                kind = AudienceKind(row.kind)
                prefix = shapes[kind].type_prefix
                out, back = _possible(undo_, row, done[row.id], reachable=reachable, suppressed=suppressed)
                ours = row.owned & reachable
                undo_.inputs.append(
                    AudienceInput(
                        audience=row.id,
                        connection=name,
                        segment=row.segment,
                        name=row.name,
                        kind=kind,
                        mode=Mode.MIRROR,
                        shape=shapes[kind],
                        desired=((ours & row.actual) - out) | back,
                        owned=ours,
                        actual=row.actual,
                        reachable=reachable,
                        not_mailable=BitMap(),  # whoever must not be marketed to is not among `back`
                        include_suppressed=True,
                        people=lake.rows("people"),
                        carrier=carrier if kind is FIELD else None,
                        record_types=whereabouts.record_types(name, prefix) if prefix else (),
                        first=not row.written,
                    )
                )
    return undo_


def _possible(
    undo_: Undo, row: AudienceRow, done: Done, *, reachable: BitMap, suppressed: BitMap
) -> tuple[BitMap, BitMap]:
    """(who can be taken out again, who can be put in again); the others are listed with their reason."""
    out, back = BitMap(done.added), BitMap(done.removed)
    since = BitMap.union(BitMap(), *done.since.values())

    def skip(some: BitMap, reason: str) -> BitMap:
        if some:
            undo_.skipped.append(Skipped(row.segment, row.connection, reason, len(some)))
        return some

    for run, people in sorted(done.since.items()):
        skip((out | back) & people, f"run {run} changed them since")
    out, back = out - since, back - since
    gone = row.state == "lost" or (row.remote_id is None and row.kind != FIELD)
    if gone:
        skip(out | back, "the audience was deleted on the platform since")
        return BitMap(), BitMap()
    out -= skip(out - row.actual, "others took them out since")
    out -= skip(out - row.owned, "they are others' members now")
    out -= skip(out - reachable, "they have no contact there any more")
    back -= skip(back & row.actual, "others put them in since")
    back -= skip(back - reachable, "they have no contact there any more")
    if not row.include_suppressed:
        back -= skip(back & suppressed, "they must not be marketed to")
    return out, back


def _quotas(pipeline: Pipeline, found: Undo) -> dict[str, int]:
    names = {one.connection for one in found.inputs}
    left = {name: pipeline.workspace.calls_left(name) for name in names}
    return {name: calls for name, calls in left.items() if calls is not None}


def _pauses(pipeline: Pipeline, touched: Sequence[AudienceInput], *, undone: int, by: str) -> Iterator[Pause]:
    latest = pipeline.store.segments.latest()
    for one in touched:
        version = latest[one.segment].version if one.segment in latest else ""
        yield Pause(one.audience, version, pipeline.run.id, undone, pipeline.as_of, by)


def _notes(store: Store, run_id: int, *, again: bool) -> Iterator[str]:
    opt_outs = opt_outs_of(store.database, run_id)
    if opt_outs:
        yield f"{opt_outs:,} opt-outs that the run recorded stay: segsync never opts anybody in"
    yield "what a platform did when people entered or left (an e-mail, a workflow) cannot be taken back"
    if again:
        yield "the audiences follow their rules again"
    else:
        yield (
            "the rules still say otherwise, so the audiences are paused: plans hold what they would change "
            "there until the segment's rule is edited, or until `segsync resume SEGMENT`"
        )
