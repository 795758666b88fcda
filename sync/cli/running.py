"""Commands of a run: run, pull, plan, apply, worker, status."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.held import tell_parts
from sync.cli.output import Format, FormatOption, emit_json, progress, say, table
from sync.errors import ExitCode

if TYPE_CHECKING:
    from sync.forecast import Forecast
    from sync.run.report import Report

_REFUSED = {
    "retry": "tried by every run",
    "quarantined": "tried when person or rule changes, else once a week",
    "given_up": "given up until person or rule changes",
}


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    for command in (run, pull, plan, apply, worker, status):
        app.command()(command)


def run(
    context: typer.Context,
    full: Annotated[
        bool, typer.Option("--full", help="ask the rules of everybody, also of whom nothing changed")
    ] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Pull, identify, assign, plan and push: all five steps."""
    from sync.run.pipeline import run as all_steps
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace, progress(output) as shown:
        report = all_steps(workspace, progress=shown, whole=full)
    end(report, output)


def pull(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Read the sources and bring people up to date; writes nothing to any platform."""
    from sync.run.pipeline import begin
    from sync.run.workspace import Workspace

    with (
        Workspace.open(config_of(context)) as workspace,
        progress(output) as shown,
        begin(workspace, "pull", progress=shown) as pipeline,
    ):
        pipeline.pull()
        pipeline.identify()
    end(pipeline.report, output)


def plan(
    context: typer.Context,
    output: FormatOption = Format.TEXT,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="end with 5 when there is something to do")
    ] = False,
) -> None:
    """Show who would enter and leave what, at which cost; writes nothing to any platform."""
    from sync.run.holding import held as held_by
    from sync.run.pipeline import begin
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        with progress(output) as shown, begin(workspace, "plan", progress=shown) as pipeline:
            pipeline.identify()
            rules, members = pipeline.assign()
            made = pipeline.plan(rules, members)
            report = pipeline.report
        waiting = held_by(workspace, report.plan_id) if report.held else []
    due = report.changes + report.opt_outs
    rows = [
        {
            "segment": one.source.segment,
            "connection": one.source.connection,
            "audience": one.source.name,
            "kind": one.source.kind.value,
            "enter": len(one.adds),
            "leave": len(one.removes),
            "held": len(one.held_adds) + len(one.held_removes),
            "unreachable": len(one.unreachable),
            "withheld": len(one.withheld),
            "foreign": len(one.foreign),
            "contested": len(one.contested),
        }
        for one in made.audiences
    ]
    if output is Format.JSON:
        more = {"audiences": rows, "forecast": report.forecasts(), "waiting": waiting}
        emit_json({**report.document(), **more})
    else:
        if rows:
            columns = list(rows[0])
            table(f"Plan {report.plan_id}", columns, ([row[c] for c in columns] for row in rows))
        for name, part in report.connections.items():
            if report.forecasts().get(name):
                say(f"{name}: {cost(part.forecast, left=part.calls_left)}")
        for part in report.connections.values():
            for message in part.late:
                say(f"late: {message}")
        for name, part in report.connections.items():
            if part.opt_outs or part.opt_outs_held:
                held = f", and {part.opt_outs_held:,} that are held" if part.opt_outs_held else ""
                say(f"{name}: opt-outs to record: {part.opt_outs:,}{held}")
        _tell_problems(report)
        for one in waiting:
            tell_parts(one)
        if not due and not report.held:
            say("Nothing to do.")
        elif due:
            say(f"{due:,} changes to send: segsync apply")
    if report.exit_code is ExitCode.PLATFORM_FAILED:
        raise typer.Exit(int(report.exit_code))
    if exit_code and (due or report.held):
        raise typer.Exit(int(ExitCode.WORK_TO_DO))


def apply(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Send exactly what the newest plan showed; refuses if a destination has changed since."""
    from sync.run.decisions import apply as send
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace, progress(output) as shown:
        report = send(workspace, progress=shown)
    end(report, output)


def worker(
    context: typer.Context,
    threads: Annotated[
        int, typer.Option(min=1, help="connections of one run that this process takes at a time")
    ] = 2,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="end when nothing waits")] = False,
) -> None:
    """Work on queued runs and help with those of other processes; Ctrl-C or SIGTERM ends it cleanly."""
    import signal

    from sync.run.working import Worker
    from sync.run.workspace import Workspace

    with (
        Workspace.open(config_of(context)) as workspace,
        Worker.opened(workspace, threads=threads) as at_work,
    ):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: at_work.stop())
        at_work.run(until_idle=until_idle)


def status(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """The last runs, what waits for an approval, what was refused, which rows were rejected."""
    from sync.quality.kept_out import records
    from sync.run.overview import overview
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = overview(workspace)
    if output is Format.JSON:
        emit_json(found)
        return
    table(
        "Runs",
        ["run", "started", "trigger", "state", "people", "changes"],
        (
            [r["run"], r["started"], r["trigger"], r["state"], r["people"], r["changes"]]
            for r in found["runs"]
        ),
    )
    table(
        "Audiences",
        ["segment", "connection", "kind", "members", "ours", "state"],
        (
            [a["segment"], a["connection"], a["kind"], a["members"], a["ours"], a["state"]]
            for a in found["audiences"]
        ),
    )
    if found["refused"]:
        table(
            "Refused",
            ["connection", "segment", "reason", "people", "tries", "state"],
            (
                [r["connection"], r["segment"], r["reason"], r["people"], r["tries"], _REFUSED[r["state"]]]
                for r in found["refused"]
            ),
        )
    if found["rejected"]:
        table(
            "Rejected rows",
            ["connection", "stream", "where", "reason"],
            ([r["connection"], r["stream"], r["where"], r["reason"]] for r in found["rejected"]),
        )
    for rule, count in found["kept_out"].items():
        say(f"{records(count)} kept out of people: segsync quality --rows FILE.csv --rule {rule}")
    for line in told_held_facts(found["held_facts"]):
        say(line)
    for one in found["unreachable"]:
        say(told_unreachable(one))
    for one in found["frozen"]:
        say(one)
    for one in found["paused"]:
        where = f"{one['segment']} → {one['connection']}"
        say(f"{where} is paused since run {one['undone_run']} was undone: segsync resume {one['segment']}")
    for one in found["decisions"]:
        if one["override"]:
            say(f"Plan {one['plan']} was approved by {one['by']} without a second person: {one['override']}")
    for one in found["held"]:
        until = "it has expired" if one["expired"] else f"until {one['expires']}"
        say(f"Plan {one['plan']} waits: {one['held']:,} changes are held ({until})")
        for message in one["brakes"]:
            say(f"  held: {message}")
        say(f"  look: segsync held {one['plan']}; let them go: segsync approve {one['plan']}")
    if not found["held"]:
        say("Nothing waits for an approval.")


def told_held_facts(held: Mapping[str, str]) -> list[str]:
    """Facts that stay as they were until somebody mends a file, a line for each model."""
    return [f"held: the facts of model {name} stay as they were: {why}" for name, why in held.items()]


def told_unreachable(one: dict[str, object]) -> str:
    """A channel that cannot be reached, in a line."""
    return (
        f"alerts: the channel {one['channel']} cannot be told since {one['since']} ({one['tries']} tries,"
        f" {one['notices']} waiting): {one['failure']}"
    )


def config_of(context: typer.Context) -> Path:
    """The configuration file that the command line names."""
    path: Path = context.find_root().obj
    return path


def end(report: Report, output: Format) -> None:
    """Print the report and end with its exit code."""
    if output is Format.JSON:
        emit_json(report.document())
    else:
        tell(report)
    if report.exit_code:
        raise typer.Exit(int(report.exit_code))


def tell(report: Report) -> None:
    """A run for people: segments, connections, what is held and why."""
    if report.segments:
        rows = [(name, size, _share(size, report.people)) for name, size in report.segments.items()]
        table(f"{report.people:,} people", ["segment", "people", "share"], rows)
    if report.connections:
        columns = [
            "connection",
            "read",
            "enter",
            "leave",
            "calls",
            "minimum",
            "refused",
            "unreachable",
            "held",
        ]
        table(
            "Connections",
            columns,
            (
                [
                    name,
                    part.read,
                    part.adds,
                    part.removes,
                    part.calls,
                    part.minimum_calls,
                    part.refused,
                    part.unreachable,
                    part.held,
                ]
                for name, part in report.connections.items()
            ),
        )
    for name, part in report.connections.items():
        if part.opt_outs_recorded:
            say(f"{name}: opt-outs recorded: {part.opt_outs_recorded:,}")
    _tell_problems(report)
    sent = sum(part.changes + part.opt_outs_recorded for part in report.connections.values())
    due = report.changes + report.opt_outs
    if report.plan_id is not None and not (due or report.held or sent or report.failed):
        say("Nothing to do: every audience is as the rules want it.")


def _tell_problems(report: Report) -> None:
    if report.rejected:
        say(f"{report.rejected:,} rows or values were rejected: segsync status lists them")
    for notice in report.notices:
        say(f"note: {notice}")
    for name, part in report.connections.items():
        if part.stopped:
            say(f"{name} stopped: {part.stopped}")
        if part.unknown:
            say(f"{name}: {part.unknown:,} changes got no answer; the next run sends them again")
    out = [f"{part.withheld:,} on {name}" for name, part in report.connections.items() if part.withheld]
    if report.dropped and out:
        say(f"left out, since they must not be marketed to: {', '.join(out)} (by segment: segsync plan)")
    for message in report.brakes:
        say(f"held: {message}")
    for line in told_held_facts(report.held_facts):
        say(line)
    for message in report.frozen:
        say(message)
    if report.held and report.plan_id is not None:
        say(
            f"{report.held:,} changes wait: segsync held {report.plan_id} shows them; let them go with "
            f"segsync approve {report.plan_id}"
        )


def cost(forecast: Forecast, *, left: int | None) -> str:
    """Calls, time, and what that is of the account's day, in words."""
    calls, preparing = forecast.calls, forecast.preparing_calls
    shown = f"{calls:,} write {'call' if calls == 1 else 'calls'}"
    if preparing:
        shown += f" and {preparing:,} to prepare {'it' if calls == 1 else 'them'}"
    shown += f", about {max(1.0, forecast.seconds):,.0f} s"
    if left is None:
        return shown
    if calls + preparing > left:
        return (
            f"{shown}; only {left:,} calls are left today, the rest goes out when the day's quota starts anew"
        )
    return f"{shown}; {(calls + preparing) / left:.1%} of the {left:,} calls that are left today"


def _share(size: int, people: int) -> str:
    return f"{size / people:.1%}" if people else "–"
