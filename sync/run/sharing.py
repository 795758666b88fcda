"""Steps that are shared out by connection: each connection's part is a task that any process may claim.

Whoever holds the run writes the tasks, works on them with threads of its own, and waits for those that other
processes took. What came of a task travels as JSON in its row, so the report is whole whoever did the work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from dataclasses import asdict
from typing import Any

from connectors.errors import BadSource, ConnectorError, Frozen
from sync.doing import doing
from sync.observe import field_written
from sync.progress import SILENT, Progress
from sync.pull import Pulled, pull
from sync.push import Addresses, Pushed, push
from sync.run.marking import mark_audiences
from sync.run.workspace import Workspace
from sync.store import Lease, LeaseLost, Run, Step, Store, StoreError, Task, TaskState
from sync.store.leases import Stop
from sync.whereabouts import READ, Whereabouts

POLL_S = 0.5
"""How often we look whether another process is done with its task, or dead."""

Part = Callable[[Workspace, Task, Lease, Progress], Mapping[str, Any]]
"""(workspace under the task's lease, task, its lease, progress) → the result, as JSON."""


def share(
    workspace: Workspace,
    run: Run,
    step: Step,
    work: Mapping[str, Mapping[str, Any]],
    *,
    part: Part,
    stopping: threading.Event,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> list[Task]:
    """Do the step for all connections of `work`; all tasks the run has in this step, each done.

    `threads`: how many of ours at most (None: one for each task). A fault of ours in one task ends the
    others after the call they are at, and is raised; `Stopped` if we were asked to end.
    """
    store, halt = workspace.store, Stop(stopping)
    store.tasks.write(run.id, step, work)

    def labour() -> None:
        while not halt.is_set() and (task := store.tasks.claim(run_id=run.id, step=step)) is not None:
            perform(workspace, task, part=part, stopping=halt, progress=progress)

    hands = max(1, min(len(work), threads or len(work)))
    with ThreadPoolExecutor(max_workers=hands, thread_name_prefix=f"{step} of run {run.id}") as pool:
        try:
            for ended in as_completed([pool.submit(labour) for _ in range(hands)]):
                ended.result()
            while any(task.state is not TaskState.DONE for task in store.tasks.of(run.id, step)):
                store.go_on()
                labour()  # what a process left that is dead by now
                halt.wait(POLL_S)
        except BaseException:
            halt.set()
            raise
    store.go_on()
    return store.tasks.of(run.id, step)


def perform(
    workspace: Workspace,
    task: Task,
    *,
    stopping: threading.Event,
    part: Part | None = None,
    progress: Progress = SILENT,
) -> None:
    """Do one task that this process has claimed. If it cannot be finished, others may have it at once."""
    tasks = workspace.store.tasks
    lease = tasks.lease(task)
    lease.stopping = Stop(stopping)
    try:
        with (
            doing(run=task.run_id, connection=task.connection, step=task.step.value),
            lease.kept(),
            workspace.under(lease, connection=task.connection) as mine,
        ):
            result = (part or PARTS[task.step])(mine, task, lease, progress)
            mine.store.tasks.finish(task, result)
    except BaseException:
        with suppress(LeaseLost, StoreError):  # then it is another's, or it is once our lease ends
            tasks.release(task)
        raise


def pull_part(workspace: Workspace, task: Task, lease: Lease, progress: Progress) -> Mapping[str, Any]:
    """Read one source. A failure of its platform is part of the result."""
    store, name = workspace.store, task.connection
    run = store.runs.get(task.run_id)
    try:
        workspace.features(name)
        pulled = pull(
            store,
            name,
            workspace.connector(name),
            run_id=run.id,
            at=run.as_of,
            halt=lease.stopping,
            progress=progress,
        )
    except ConnectorError as error:
        pulled = Pulled(name, stopped=str(error), unusable=isinstance(error, BadSource))
    if pulled.stopped is not None:
        lease.go_on()
    rows, rejected = store.inbox.arrived(name, run.id)  # also what earlier attempts read
    pulled.rows |= rows
    pulled.rejected = max(pulled.rejected, rejected)
    return asdict(pulled)


def push_part(
    workspace: Workspace,
    task: Task,
    lease: Lease,
    progress: Progress,
    *,
    addresses: Addresses | None = None,
) -> Mapping[str, Any]:
    """Send one connection's part of the plan the task names; `addresses`: if somebody looked them up."""
    store, name, plan_id = workspace.store, task.connection, int(task.work["plan"])
    if addresses is None:
        with closing(store.lake.connect()) as database:
            return push_part(
                workspace, task, lease, progress, addresses=whereabouts(store, database).addresses
            )
    connector = workspace.connector(name)
    rows = {row.id: row for row in store.ledger.audiences(name)}
    sent = {b.audience_id for b in store.plans.open_batches(plan_id) if b.audience_id in rows}
    at = store.runs.get(task.run_id).as_of
    try:
        with workspace.writing(name):
            (pushed,) = push(
                store,
                plan_id,
                connectors={name: connector},
                addresses=addresses,
                at=at,
                progress=progress,
                only=name,
                may_send=workspace.may_write,
            )
    except Frozen as frozen:
        return asdict(Pushed(name, stopped=str(frozen), frozen=True))
    field_written(store, [rows[audience] for audience in sent], at=workspace.clock.utc_now())
    mark_audiences(store, name, connector, pushed=sent)
    return asdict(pushed)


def whereabouts(store: Store, database: Any) -> Whereabouts:
    """Who is where, by the lake as it is now; `database` is a DuckDB connection of the lake."""
    lake = store.lake
    return Whereabouts(database, contacts=lake.relation("contacts", only=READ), links=lake.relation("links"))


PARTS: Mapping[Step, Part] = {Step.PULL: pull_part, Step.PUSH: push_part}
