"""Audiences that no rule fills any more: what becomes of them is a person's decision, never a side effect."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from pyroaring import BitMap

from connectors.base import Audience, AudienceKind, BatchShape, ManagesAudiences
from connectors.errors import ConnectorError
from rules.ruleset import Mode
from sync.config.problems import did_you_mean
from sync.errors import PlatformFailed, UserError
from sync.intend import save
from sync.plan import AudienceInput, Plan, make
from sync.progress import SILENT, Progress
from sync.run.pipeline import begin
from sync.run.report import Report
from sync.run.rulebook import known_rules, left_over
from sync.run.steps import Pipeline
from sync.run.workspace import Workspace
from sync.store import AudienceRow
from sync.whereabouts import Whereabouts


class Leaving(StrEnum):
    """KEEP: members stay, no longer ours. EMPTY: ours leave. DELETE: it goes if only ours are in it."""

    KEEP = "keep"
    EMPTY = "empty"
    DELETE = "delete"


def leave(
    workspace: Workspace, segment: str, *, connection: str, how: Leaving, progress: Progress = SILENT
) -> Report:
    """Carry out the decision for one left-over audience. UserError if a rule still fills it."""
    _, rules = known_rules(workspace)
    rows = {row.segment: row for row in left_over(workspace.store, rules) if row.connection == connection}
    if segment not in rows:
        hint = did_you_mean(segment, rows) or "; `segsync status` lists the audiences"
        raise UserError(f"no audience of {segment} is left over on {connection}{hint}")
    row = rows[segment]
    if row.kind == AudienceKind.FIELD and how is not Leaving.KEEP:
        raise UserError(
            "one field carries all segments; take the segment's value out on the platform, or keep it"
        )
    with begin(workspace, f"audience {how.value}", progress=progress) as pipeline:
        if how is not Leaving.KEEP:
            _take_out(pipeline, pipeline.workspace, row, delete=how is Leaving.DELETE)
        pipeline.store.ledger.release(row.id)
    return pipeline.report


def _take_out(pipeline: Pipeline, workspace: Workspace, row: AudienceRow, *, delete: bool) -> None:
    connector = workspace.connector(row.connection)
    audience = Audience(row.segment, row.name, AudienceKind(row.kind), row.remote_id)
    lake = workspace.store.lake
    database = lake.connect()
    try:
        whereabouts = Whereabouts(database, contacts=lake.relation("contacts"), links=lake.relation("links"))
        there, actual = 0, BitMap()
        for page in connector.members(audience):
            there += page.rows.num_rows
            actual |= whereabouts.people(row.connection, page.rows)
        reachable = whereabouts.reachable(row.connection)
    except ConnectorError as error:
        raise PlatformFailed(f"{row.connection}: {error}") from error
    finally:
        database.close()
    others = there - len(row.owned & actual)
    if delete and others > 0:
        raise UserError(
            f'"{row.name}" has {others} members that segsync did not add; it is not deleted. '
            "Empty it instead: only ours leave"
        )
    if delete and not isinstance(connector, ManagesAudiences):
        raise UserError(f"{row.connection} cannot delete audiences for us; empty it, then delete it there")
    if delete and isinstance(connector, ManagesAudiences):
        try:
            with workspace.writing(row.connection):
                connector.delete(audience)
        except ConnectorError as error:
            raise PlatformFailed(f"{row.connection}: {error}") from error
        workspace.store.ledger.lost(row.id)
        pipeline.report.notices.append(f'"{row.name}" was deleted on {row.connection}')
        return
    workspace.store.ledger.observed(row.id, actual=actual, remote_mark=None)
    plan = _emptying(replace(row, actual=actual), connector.features.audiences[audience.kind], reachable)
    plan_id = save(
        workspace.store, plan, run_id=pipeline.report.run_id, as_of=pipeline.as_of, summary={"leaving": True}
    )
    if plan.held:
        workspace.store.plans.approve(plan_id, at=pipeline.as_of)
    pipeline.report.plan_id = plan_id
    pipeline.push(plan_id)


def _emptying(row: AudienceRow, shape: BatchShape, reachable: BitMap) -> Plan:
    """Everybody we put there leaves. The person has decided, so the brakes that trip are let go at once."""
    one = AudienceInput(
        audience=row.id,
        connection=row.connection,
        segment=row.segment,
        name=row.name,
        kind=AudienceKind(row.kind),
        mode=Mode.MIRROR,
        shape=shape,
        desired=BitMap(),
        owned=row.owned & reachable,
        actual=row.actual,
        reachable=reachable,
        not_mailable=BitMap(),
    )
    return make([one])
