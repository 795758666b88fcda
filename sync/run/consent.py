"""Opt-outs in a run: part of the plan and of its cost, sent before anything else of it, and reported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from connectors.base import Connector
from connectors.errors import ConnectorError, Frozen
from sync.approval import Selection
from sync.brakes import BrakeLimits
from sync.config import Settings
from sync.optouts import (
    Evidence,
    contacts_of,
    people_per_call,
    planned,
    record,
    shown_before,
    write_calls,
)
from sync.plan import Plan
from sync.run.report import Report
from sync.run.workspace import Workspace
from sync.store import Store
from sync.store.optouts import OptOut, StoredOptOut

SETTING = "record_opt_outs"
"""Connections are asked only if their settings have this turned on."""


def brake_limits(settings: Settings) -> BrakeLimits:
    """The limits of the config."""
    return BrakeLimits(
        removals_share=float(settings.brakes.removals_share),
        removals_min=settings.brakes.removals_min,
        shrink_share=float(settings.brakes.shrink_share),
        moved_share=float(settings.brakes.moved_share),
        quota_share=float(settings.brakes.quota_share),
        hold_additions=settings.brakes.hold_additions,
        learn=settings.brakes.learn,
    )


def with_opt_outs(
    workspace: Workspace,
    store: Store,
    plan: Plan,
    report: Report,
    *,
    at: dt.datetime,
    shown: Sequence[StoredOptOut] | None = None,
    released: Selection | None = None,
) -> Plan:
    """The plan with the opt-outs that are due, and their cost in the report.

    `shown`: carry out only what was shown. `released`: what a person let go.
    """
    connectors = _recording(workspace, report)
    if not connectors:
        return plan
    lake = store.lake
    limits = brake_limits(workspace.settings)
    database = lake.connect()
    try:
        evidence = Evidence(database, contacts=lake.relation("contacts"), links=lake.relation("links"))
        for name, connector in connectors.items():
            rows, brake = planned(store, name, evidence, limits=limits, at=at)
            if shown is not None:
                rows = shown_before(rows, shown)
            approved = released is not None and released.picks_opt_outs(name)
            if approved:
                rows = [replace(one, held=False) for one in rows]
            if brake is not None and any(one.held for one in rows):
                plan = replace(plan, brakes=(*plan.brakes, brake))
                report.brakes.append(brake.message)
            plan = replace(plan, opt_outs=(*plan.opt_outs, *rows))
            _tell_cost(report, name, connector, rows)
    finally:
        database.close()
    return plan


def record_opt_outs(
    workspace: Workspace, store: Store, report: Report, plan_id: int, *, at: dt.datetime
) -> None:
    """Send what the plan has open. A connection that fails is reported; the rest goes on."""
    waiting: dict[str, list[StoredOptOut]] = {}
    for one in store.opt_outs.open(plan_id):
        waiting.setdefault(one.connection, []).append(one)
    if not waiting:
        return
    lake = store.lake
    database = lake.connect()
    try:
        evidence = Evidence(database, contacts=lake.relation("contacts"), links=lake.relation("links"))
        for name, rows in waiting.items():
            part = report.connection(name)
            try:
                with workspace.writing(name):
                    done = record(store, rows, workspace.connector(name), evidence, at=at)
            except Frozen as frozen:
                part.stopped, part.frozen = str(frozen), True
                continue
            part.opt_outs_recorded += done.done
            part.refused += done.refused
            part.unknown += done.unknown
            part.calls += done.calls
            part.stopped = done.stopped or part.stopped
            part.frozen = done.frozen or part.frozen
    finally:
        database.close()


def _recording(workspace: Workspace, report: Report) -> dict[str, Connector]:
    """The destinations that record opt-outs, opened."""
    found: dict[str, Connector] = {}
    for name in workspace.destinations:
        if workspace.settings.connections[name].values.get(SETTING) is not True:
            continue
        try:
            workspace.features(name)
        except ConnectorError as error:
            report.connection(name).stopped = str(error)
            continue
        if people_per_call(workspace.connector(name)):
            found[name] = workspace.connector(name)
    return found


def _tell_cost(report: Report, name: str, connector: Connector, rows: Sequence[OptOut]) -> None:
    """Counts of contacts, and the calls as part of the connection's forecast."""
    part = report.connection(name)
    held = len(contacts_of(one for one in rows if one.held))
    part.opt_outs = len(contacts_of(rows)) - held
    part.opt_outs_held = held
    report.held += held
    calls = write_calls(part.opt_outs, per_call=people_per_call(connector))
    seconds = round(part.forecast.seconds + calls * connector.features.seconds_per_call, 1)
    part.forecast = replace(part.forecast, calls=part.forecast.calls + calls, seconds=seconds)
