"""Commands that look after the store: backup, restore, vacuum, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sync.cli.output import Format, FormatOption, emit_json, say
from sync.cli.running import config_of
from sync.errors import ExitCode


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    for command in (backup, restore, vacuum, doctor):
        app.command()(command)


def backup(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="a new file, or a folder to put one in")],
    output: FormatOption = Format.TEXT,
) -> None:
    """Save everything segsync remembers in one file; also while a run is at work.

    Not in it: the config, rule files and secrets. It holds personal data: only you may read the file.
    """
    from sync.run.safekeeping import take_backup

    path, made = take_backup(config_of(context), target)
    if output is Format.JSON:
        emit_json(
            {
                "file": str(path),
                "bytes": path.stat().st_size,
                "rows": dict(made.rows),
                "lake": {name: table.rows for name, table in made.lake.items()},
                "pages": made.pages,
            }
        )
        return
    lake = sum(table.rows for table in made.lake.values())
    say(f"saved {path} ({path.stat().st_size / 1e6:,.1f} MB)")
    say(
        f"  {sum(made.rows.values()):,} rows of the database, {lake:,} rows of the lake, {made.pages:,} pages"
    )
    say("Keep the config, the rule files and the secrets elsewhere: they are not in it.")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="what `segsync backup` made")],
    into: Annotated[
        Path | None, typer.Option(help="make a store in this folder; default: the store of the config")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace a store that holds something")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Put a backup back, into SQLite or PostgreSQL, whichever it came from. Checks all of it first."""
    from sync.run.safekeeping import restore_backup

    made, section = restore_backup(config_of(context), file, into=into, force=force)
    if output is Format.JSON:
        emit_json(
            {
                "made_at": made.made_at.isoformat(),
                "segsync": made.segsync,
                "rows": dict(made.rows),
                "lake": {name: table.rows for name, table in made.lake.items()},
                "pages": made.pages,
            }
        )
        return
    say(f"restored the store as it was on {made.made_at:%Y-%m-%d at %H:%M} UTC")
    if section is not None:
        say("Put this into the config that shall use it:")
        say(section)
    say("Next: segsync plan. It reads the platforms' audiences afresh and writes nothing.")
    say("Members added since the backup count as somebody else's: they are never removed.")


def vacuum(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Forget what is older than the config's section [store] keeps. Runs do it by themselves every day."""
    from dataclasses import asdict

    from sync.run.housekeeping import sweep_now
    from sync.run.pipeline import begin
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace, begin(workspace, "vacuum") as pipeline:
        swept = asdict(sweep_now(pipeline.workspace))
    if output is Format.JSON:
        emit_json(swept)
        return
    gone = ", ".join(f"{count:,} {what}" for what, count in swept.items() if count)
    say(f"gone: {gone}" if gone else "Nothing was old enough to go.")


def doctor(
    context: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="ask no platform")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Look over everything segsync needs, and say what to do about what is wrong. Changes nothing.

    Ends with 1 if there is a problem, with 4 if only platforms have one; warnings end with 0.
    """
    from sync.run.doctor import Level, examine

    found = list(examine(config_of(context), offline=offline))
    problems = [one for one in found if one.level is Level.PROBLEM]
    if output is Format.JSON:
        emit_json({"ok": not problems, "findings": [one.document() for one in found]})
    else:
        for one in found:
            say(f"{one.level.value:<8} {one.check}: {one.message}")
            if one.remedy:
                say(f"         → {one.remedy}")
        say(f"{len(problems):,} problems." if problems else "All in order.")
    if problems:
        ours = [one for one in problems if not one.check.startswith("connection ")]
        raise typer.Exit(int(ExitCode.PROBLEMS if ours else ExitCode.PLATFORM_FAILED))
