"""Commands of the service: serve, schedules."""

from __future__ import annotations

import datetime as dt
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sync.cli.output import Format, FormatOption, emit_json, say, table
from sync.cli.running import config_of
from sync.errors import UserError

if TYPE_CHECKING:
    from sync.run.workspace import Workspace
    from sync.schedule import Schedules

NameArgument = Annotated[str, typer.Argument(help="the schedule's name in the config")]
NOT_DRAINED = 1
"""Exit code of a service that was not done within its limit."""

schedules = typer.Typer(help="List the schedules, pause and resume them, run one now.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(serve)
    schedules.callback(invoke_without_command=True)(list_)
    schedules.command("pause")(pause)
    schedules.command("resume")(resume)
    schedules.command("run-now")(run_now)
    app.add_typer(schedules, name="schedules")


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="where /healthz, /readyz and /metrics answer")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 8484,
    drain: Annotated[
        float, typer.Option(min=0, help="seconds that calls under way have to end on SIGTERM")
    ] = 30.0,
    threads: Annotated[
        int, typer.Option(min=1, help="connections of one run that this process takes at a time")
    ] = 2,
) -> None:
    """Run the schedules until told to end: SIGTERM or Ctrl-C ends it cleanly, a second one at once."""
    import signal

    from sync.run.workspace import Workspace
    from sync.serve.logs import start_logging
    from sync.serve.service import Service

    with Workspace.open(config_of(context)) as workspace:
        start_logging()
        service = Service(workspace, host=host, port=port, threads=threads, drain_s=drain)

        def told(number: int, _frame: object) -> None:
            if service.stopping.is_set():
                os._exit(128 + number)
            service.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, told)
        drained = service.run()
        if not drained:  # threads that still wait for an answer must not keep the process
            sys.stderr.flush()
            os._exit(NOT_DRAINED)


def list_(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """When each schedule is due next, its last slot and its state."""
    if context.invoked_subcommand is not None:
        return
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = _listed(workspace)
    if output is Format.JSON:
        emit_json({"schedules": found})
        return
    if not found:
        say("The config has no schedule: add a section [schedules.NAME], see config.example.toml.")
        return
    columns = ["schedule", "when", "next", "last slot", "state"]
    table("Schedules", columns, ([_shown(row, column) for column in columns] for row in found))


def pause(context: typer.Context, name: NameArgument, output: FormatOption = Format.TEXT) -> None:
    """It is not due until it is resumed; a run that waits or is at work goes on."""
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        _declared(workspace, name)
        workspace.store.schedules.pause(name)
        found = _listed(workspace)
    if output is Format.JSON:
        emit_json(_one(found, name))
    else:
        say(f"{name} is paused; `segsync schedules resume {name}` goes on")


def resume(context: typer.Context, name: NameArgument, output: FormatOption = Format.TEXT) -> None:
    """It is due again from its next slot on; what it missed meanwhile is not caught up."""
    from sync.run.workspace import Workspace
    from sync.schedule import first

    with Workspace.open(config_of(context)) as workspace:
        _declared(workspace, name)
        rows = workspace.store.schedules
        rows.resume(name, first(workspace.settings.schedules[name], rows.now_ms()))
        row = _one(_listed(workspace), name)
    if output is Format.JSON:
        emit_json(row)
    else:
        say(f"{name} goes on; next: {_shown(row, 'next')}")


def run_now(context: typer.Context, name: NameArgument, output: FormatOption = Format.TEXT) -> None:
    """Queue a run as the schedule would; whoever serves or works takes it."""
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        run_id = _declared(workspace, name).run_now(name)
    if output is Format.JSON:
        emit_json({"schedule": name, "run": run_id})
    else:
        say(f"run {run_id} is queued; `segsync serve` or `segsync worker` takes it")


def _one(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (row,) = (row for row in rows if row["schedule"] == name)
    return row


def _schedules(workspace: Workspace) -> Schedules:
    """The config's schedules; UserError if one names what does not exist."""
    from rules.language import sent
    from sync.schedule import Schedules, problems

    segments, complete = sent(workspace.settings.rules_dir)
    wrong = problems(workspace.settings, segments, complete=complete)
    if wrong:
        raise UserError("a schedule is wrong", problems=tuple(str(problem) for problem in wrong))
    return Schedules(
        workspace.store,
        workspace.settings.schedules,
        segments=segments,
        utc_now=workspace.clock.utc_now,
    )


def _declared(workspace: Workspace, name: str) -> Schedules:
    from sync.config.problems import did_you_mean

    if name not in workspace.settings.schedules:
        raise UserError(f"there is no schedule {name}{did_you_mean(name, workspace.settings.schedules)}")
    found = _schedules(workspace)
    found.declare()
    return found


def _listed(workspace: Workspace) -> list[dict[str, Any]]:
    """Every schedule of the config, as JSON; instants in UTC."""
    from sync.schedule import first, instant

    rows = workspace.store.schedules
    there, now_ms = rows.all(), rows.now_ms()
    found = []
    for name, one in workspace.settings.schedules.items():
        row = there.get(name)
        known = row is not None and row.definition == one.definition
        next_at = row.next_at if row is not None and known else first(one, now_ms).next_at
        busy, paused = rows.busy(name), row is not None and row.paused
        state = "paused" if paused else "idle"
        if not known and not paused:
            state = "not served yet"
        elif next_at is not None and next_at <= now_ms and not paused:
            state = "due"
        if busy is not None:
            state = ("running" if busy == "running" else "waiting") + (", paused" if paused else "")
        found.append(
            {
                "schedule": name,
                "when": one.when,
                "zone": one.zone,
                "next": instant(next_at).isoformat() if next_at is not None and not paused else None,
                "last_slot": instant(row.last_slot).isoformat()
                if row and row.last_slot is not None
                else None,
                "missed_slots": row.missed if row else 0,
                "state": state,
            }
        )
    return found


def _shown(row: dict[str, Any], column: str) -> str | None:
    """A cell for people: times in the schedule's own zone."""
    from zoneinfo import ZoneInfo

    value: str | None = row[column.replace(" ", "_")]
    if column not in ("next", "last slot") or value is None:
        return value
    at = dt.datetime.fromisoformat(value).astimezone(ZoneInfo(row["zone"]))
    return f"{at:%a %Y-%m-%d %H:%M:%S %Z}"
