"""What the steps did, put into the report: from tasks, from the plan, and from what earlier attempts left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pyroaring import BitMap

from rules.ruleset import RuleSet
from sync.brakes import Holds
from sync.due import late
from sync.forecast import forecast
from sync.plan import Plan
from sync.pull import Pulled
from sync.push import CARRIER, Pushed
from sync.run.report import Report
from sync.run.rulebook import left_over
from sync.run.workspace import Workspace
from sync.store import Run, Step, Store, Task


def tell_earlier(report: Report, run: Run, store: Store) -> None:
    """What earlier attempts of a resumed run did and its tasks and batches do not tell."""
    stats = cast("Mapping[str, int]", run.stats)
    report.lake_rows_changed = stats.get("lake_rows_changed", 0)
    report.merges, report.splits = stats.get("merges", 0), stats.get("splits", 0)
    if run.step not in (None, Step.PULL):  # what sources gave is told by their tasks once more
        given = sum(
            task.results[-1]["rejected"] for task in store.tasks.of(run.id, Step.PULL) if task.results
        )
        report.rejected = max(0, stats.get("rejected", 0) - given)


def tell_pulled(report: Report, tasks: Sequence[Task]) -> dict[str, Pulled]:
    """Rows and failures of each source; the sources by name."""
    found = {task.connection: Pulled(**task.results[-1]) for task in tasks}
    for name, pulled in found.items():
        part = report.connection(name)
        part.read = sum(pulled.rows.values())
        part.stopped, part.unusable = pulled.stopped, pulled.unusable
        report.rejected += pulled.rejected
    return found


def tell_plan(report: Report, plan: Plan, workspace: Workspace, *, renames: Mapping[int, str]) -> None:
    """What is to change, what is held and what it costs, who is left out, and which writes are stopped."""
    report.changes, report.held = plan.changes, plan.held
    report.brakes = [brake.message for brake in plan.brakes if brake.holds is not Holds.NOTHING]
    report.dropped = [brake.message for brake in plan.brakes if brake.holds is Holds.NOTHING]
    report.frozen = [str(freeze) for freeze in workspace.store.decisions.freezes()]
    zone = workspace.settings.business.zone
    for name in {audience.source.connection for audience in plan.audiences}:
        part = report.connection(name)
        theirs = [audience for audience in plan.audiences if audience.source.connection == name]
        rows = workspace.store.ledger.audiences(name)
        part.forecast = forecast(
            plan,
            rows,
            connector=workspace.connector(name),
            renames=sum(1 for row in rows if row.id in renames),
        )
        part.calls_left = workspace.calls_left(name)
        part.late = list(
            late((one.source for one in theirs), part.forecast.ready_s, start=report.as_of, zone=zone)
        )
        part.unreachable = len(BitMap.union(BitMap(), *(a.unreachable for a in theirs)))
        part.withheld = len(BitMap.union(BitMap(), *(a.withheld for a in theirs)))
        part.held = sum(len(a.held_adds) + len(a.held_removes) for a in theirs)


def tell_left_over(report: Report, store: Store, rules: RuleSet) -> None:
    """Audiences that no rule fills any more stay as they are until a person decides; say so."""
    for row in left_over(store, rules):
        report.notices.append(
            f'no rule fills "{row.name}" on {row.connection} any more ({row.segment}); its '
            f"{len(row.actual)} members stay until you decide: segsync audiences leave {row.segment} "
            f"--connection {row.connection} --how keep|empty|delete"
        )


def tell_pushed(report: Report, store: Store, tasks: Sequence[Task]) -> None:
    """What the platforms took, by all attempts of this run; what stopped a connection, by its last."""
    done = store.plans.done(report.run_id)
    for row in store.ledger.audiences():
        if row.id in done and row.segment != CARRIER:
            part = report.connection(row.connection)
            adds, removes = done[row.id]
            part.adds, part.removes = part.adds + adds, part.removes + removes
            part.changes += adds + removes
    for task in tasks:
        part = report.connection(task.connection)
        results = [Pushed(**result) for result in task.results]
        part.calls += sum(one.calls for one in results)
        part.preparing_calls += sum(one.preparing_calls for one in results)
        part.created += sum(one.created for one in results)
        last = results[-1]
        part.refused += last.refused
        part.unknown += last.unknown
        part.stopped = last.stopped or part.stopped
        part.frozen = last.frozen or part.frozen
        for audience in last.lost:
            row = store.ledger.get(audience)
            lost = f"{row.segment} → {row.connection}: the audience was deleted on the platform meanwhile"
            report.notices.append(f"{lost}; the next run makes it again")
            part.stopped = part.stopped or "an audience was deleted on the platform during the push"
