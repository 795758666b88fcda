"""Commands about alerts: what is wrong, who is told, and a test notice."""

from __future__ import annotations

from typing import Annotated

import typer

from sync.cli.output import Format, FormatOption, emit_json, say, table
from sync.cli.running import config_of, told_unreachable
from sync.errors import ExitCode

_group = typer.Typer(help="What is wrong now, and who is told of it.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.add_typer(_group, name="alerts")


@_group.callback()
def alerts(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """What is wrong now, since when, and who is told of it."""
    if context.invoked_subcommand is not None:
        return
    from sync.run.alerting import alerts as listed
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = listed(workspace)
    if output is Format.JSON:
        emit_json(found)
        return
    for one in found["alerts"]:
        say(f"{one['level'].upper()} since {one['since']}: {one['name']}")
        say(f"  {one['what']}")
        say(f"  what to do: {one['advice']}")
    if not found["alerts"]:
        say("Nothing is wrong.")
    if found["channels"]:
        columns = ["channel", "kind", "minimum", "triggers", "muted until"]
        rows = [
            [
                one["channel"],
                one["kind"],
                one["minimum"],
                ", ".join(one["triggers"]) if one["triggers"] is not None else "all",
                one["muted_until"],
            ]
            for one in found["channels"]
        ]
        table("Channels", columns, rows)
    else:
        say("Nobody is told: add [[alerts.channel]] to the config.")
    for one in found["unreachable"]:
        say(told_unreachable(one))


@_group.command("test")
def send_test(
    context: typer.Context,
    channel: Annotated[str | None, typer.Argument(help="a channel of the config; default: all")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Send a test notice, also to channels that are mute."""
    from sync.run.alerting import send_test as send_to
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = send_to(workspace, channel)
    if output is Format.JSON:
        emit_json({"channels": found})
    else:
        for one in found:
            say(f"{one['channel']} ({one['kind']}): {'sent' if one['sent'] else one['failure']}")
    if not all(one["sent"] for one in found):
        raise typer.Exit(int(ExitCode.PROBLEMS))
