"""Commands of a person's decisions: held, approve, reject, freeze, thaw, undo, resume."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.held import tell_held
from sync.cli.output import Format, FormatOption, emit_json, progress, say, table
from sync.cli.running import config_of, end, tell

if TYPE_CHECKING:
    from sync.approval import Selection

Plan = Annotated[int, typer.Argument(help="the plan's number, as `status` shows it")]
Segment = Annotated[str | None, typer.Option(help="only this segment")]
Connection = Annotated[str | None, typer.Option(help="only this connection")]
OnlyOption = Annotated[str | None, typer.Option("--only", help="only one half: adds or removes")]
Hash = Annotated[str | None, typer.Option("--hash", help="refuse unless the plan has this hash")]
By = Annotated[str | None, typer.Option(help="who decides; the user of this computer if not given")]
Reason = Annotated[str, typer.Option(help="why; kept with the decision")]


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    for command in (held, approve, reject, freeze, thaw, undo, resume):
        app.command()(command)


def held(
    context: typer.Context,
    plan: Annotated[int | None, typer.Argument(help="a plan's number; all that wait if not given")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """What waits for a person: how much, sample people, the rule behind it, what may have caused it."""
    from sync.run.holding import held as waiting
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = waiting(workspace, plan)
    if output is Format.JSON:
        emit_json({"held": found})
        return
    for one in found:
        tell_held(one)
    if not found:
        say("Nothing waits for an approval.")


def approve(
    context: typer.Context,
    plan: Plan,
    segment: Segment = None,
    connection: Connection = None,
    only: OnlyOption = None,
    plan_hash: Hash = None,
    by: By = None,
    reason: Reason = "",
    override: Annotated[
        str | None, typer.Option(help="approve an edit of your own: why nobody else did; kept in the audit")
    ] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Let go what a brake holds, all or a part of it, and send it."""
    from sync.run.decisions import approve as let_go
    from sync.run.workspace import Workspace

    selection = _selection(segment, connection, only)
    with Workspace.open(config_of(context)) as workspace, progress(output) as shown:
        report = let_go(
            workspace,
            plan,
            by=who(by),
            selection=selection,
            plan_hash=plan_hash,
            reason=reason,
            login=_login() or "",
            override=override,
            progress=shown,
        )
    end(report, output)


def reject(
    context: typer.Context,
    plan: Plan,
    segment: Segment = None,
    connection: Connection = None,
    only: OnlyOption = None,
    plan_hash: Hash = None,
    by: By = None,
    reason: Reason = "",
    output: FormatOption = Format.TEXT,
) -> None:
    """Turn down what a brake holds, all or a part of it; nothing of it is sent."""
    from sync.run.decisions import reject as turn_down
    from sync.run.workspace import Workspace

    selection = _selection(segment, connection, only)
    with Workspace.open(config_of(context)) as workspace:
        count = turn_down(
            workspace, plan, by=who(by), selection=selection, plan_hash=plan_hash, reason=reason
        )
    if output is Format.JSON:
        emit_json({"plan": plan, "rejected": count, "part": str(selection)})
        return
    say(f"{count:,} changes of plan {plan} are turned down.")
    say("The next plan is made from the rules as they are then, and holds again what still trips a brake.")


def freeze(
    context: typer.Context,
    connection: Connection = None,
    reason: Reason = "",
    by: By = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Stop all writes at once, in every process, until `thaw`; reading goes on."""
    from sync.run.freezing import freeze as stop
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        told = stop(workspace, connection=connection, by=who(by), reason=reason)
    if output is Format.JSON:
        emit_json({"frozen": told})
    else:
        say(told)


def thaw(
    context: typer.Context,
    connection: Connection = None,
    reason: Reason = "",
    by: By = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Let writes go on that `freeze` has stopped; the next run sends what is due."""
    from sync.run.freezing import thaw as let_go
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        left = let_go(workspace, connection=connection, by=who(by), reason=reason)
    if output is Format.JSON:
        emit_json({"frozen": left})
        return
    for one in left:
        say(f"still {one}")
    if not left:
        say("Writes go on; the next run sends what is due.")


def undo(
    context: typer.Context,
    run: Annotated[int, typer.Argument(help="the run's number, as `status` shows it")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what would be put back")] = False,
    by: By = None,
    reason: Reason = "",
    output: FormatOption = Format.TEXT,
) -> None:
    """Put back what a run changed on the platforms, as far as it can be; the same brakes hold."""
    from sync.run.undoing import undo as put_back
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace, progress(output) as shown:
        done = put_back(workspace, run, by=who(by), reason=reason, dry_run=dry_run, progress=shown)
    found = done.document()
    if output is Format.JSON:
        emit_json(found)
    else:
        columns = ["segment", "connection", "add", "remove", "held"]
        rows = ([one[name] for name in columns] for one in found["audiences"])
        table(f"{'Would undo' if dry_run else 'Undo of'} run {run}", columns, rows)
        for one in found["skipped"]:
            people = f"{one['people']:,} people"
            say(f"not put back: {one['segment']} → {one['connection']}: {people}: {one['reason']}")
        for note in found["notes"]:
            say(f"note: {note}")
        tell(done.report)
    if done.report.exit_code:
        raise typer.Exit(int(done.report.exit_code))


def resume(
    context: typer.Context,
    segment: Annotated[str, typer.Argument(help="the segment's id")],
    connection: Connection = None,
    reason: Reason = "",
    by: By = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Let the rules go on with a segment's audiences that an undo has paused."""
    from sync.run.freezing import resume as go_on
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        count = go_on(workspace, segment, connection=connection, by=who(by), reason=reason)
    if output is Format.JSON:
        emit_json({"segment": segment, "resumed": count})
    else:
        say(f"{count} audiences of {segment} follow their rule again from the next run on.")


def _selection(segment: str | None, connection: str | None, only: str | None) -> Selection:
    from sync.approval import Only, Selection

    if only not in (None, *Only):
        raise typer.BadParameter("must be adds or removes", param_hint="--only")
    return Selection(segment, connection, Only(only) if only else None)


def who(by: str | None) -> str:
    """Whoever decides. A process without a user, as in a container, must be told."""
    who = by or _login()
    if not who:
        raise typer.BadParameter("nobody is logged in; name who decides", param_hint="--by")
    return who


def _login() -> str | None:
    """The user of this computer; None for a process without one, as in a container."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return None
