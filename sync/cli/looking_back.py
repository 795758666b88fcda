"""Commands that look back, and go back: replay, history, rollback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.annotations import ReviewFormat, ReviewOption, annotate, annotate_problems, file_of, tell_errors
from sync.cli.output import Format, FormatOption, emit_json, progress, say, table
from sync.cli.running import config_of
from sync.errors import ExitCode, UserError

if TYPE_CHECKING:
    from rules.ruleset import RuleSet
    from sync.run.replaying import Replayed

WIDTH = 30
"""Of the longest bar."""


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    for command in (replay, history, rollback):
        app.command()(command)


def history(
    context: typer.Context,
    segment: Annotated[str, typer.Argument(help='a segment id, or "tiers/tier"')],
    limit: Annotated[int, typer.Option(min=1, help="so many changes back")] = 10,
    output: FormatOption = Format.TEXT,
) -> None:
    """The wordings a segment has had, and why people entered and left: edit, data or time."""
    from sync.run.history import history as tell
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace, progress(output) as shown:
        found = tell(workspace, segment, limit=limit, progress=shown).document()
    if output is Format.JSON:
        emit_json(found)
        return
    for one in found["versions"]:
        say(f"{one['version'][:12]}  run {one['first_run']} ({one['first_as_of'][:16]}) to {one['last_run']}")
        for line in one["text"].splitlines():
            say(f"  {line.strip()}")
    causes = {"edit": "edit", "data": "data", "time": "time", "data_or_time": "data or time"}
    rows = []
    for one in found["changes"]:
        by = f" of {' or '.join(one['edited'])}" if one["edited"] else ""
        causes |= {"edit": f"edit{by}", "untold": f"edit{by}, data or time"}
        moved = ", ".join(
            f"{causes[why]} +{count['enter']:,} −{count['leave']:,}" for why, count in one["causes"].items()
        )
        row = [one["run"], one["as_of"][:16], one["version"][:12], one["size"], one["enter"], one["leave"]]
        rows.append([*row, moved, one["note"]])
    table("Changes", ["run", "at", "version", "size", "enter", "leave", "because of", ""], rows)


def rollback(
    context: typer.Context,
    segment: Annotated[str, typer.Argument(help='a segment id, or "tiers/tier"')],
    version: Annotated[
        str, typer.Argument(help="the version, or how it begins; `segsync history` lists them")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="write without asking")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Put the text of an earlier version back into the rule file; everything else in it stays as it is.

    With --format json nobody is asked: without --yes it tells what would be written.
    """
    from sync.run.rolling_back import rollback as go_back
    from sync.run.rolling_back import write
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        made = go_back(workspace, segment, version)
    changes = made.before != made.after
    if output is Format.JSON:
        if changes and yes:
            write(made)
        emit_json({**made.document(), "written": changes and yes})
        return
    if not changes:
        say(f"{made.file.name} has that text already; nothing was changed.")
        return
    for line in made.lines():
        say(line)
    if made.note:
        say(f"note: {made.note}")
    if not yes and not sys.stdin.isatty():
        raise UserError("nothing was changed: nobody can be asked here, so say --yes")
    if not yes:
        typer.confirm(f"Write this to {made.file}?", abort=True)
    write(made)
    say(f"{made.file.name} is written; `segsync plan` shows what follows from it.")


def replay(
    context: typer.Context,
    segment: Annotated[str | None, typer.Argument(help="a segment, day by day; default: all, in sum")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="edited rules, a folder or a file; default: those in force")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="so many days back")] = 30,
    output: ReviewOption = ReviewFormat.TEXT,
) -> None:
    """What rules would have done on past days: sizes, entries, leaves, people who go to and fro.

    Writes nothing. Exit codes: 0 done; 1 the rules have problems, or there is no such segment.
    """
    from sync.assign import checked, read_rules
    from sync.run.clustering import warnings as clusters_unseen
    from sync.run.replaying import replay as again
    from sync.run.workspace import Workspace

    quiet = Format.TEXT if output is ReviewFormat.TEXT else Format.JSON
    with Workspace.open(config_of(context)) as workspace, progress(quiet) as shown:
        read = rules or workspace.settings.rules_dir
        vocabulary, _ = workspace.vocabulary(rules)
        loaded = read_rules(read, vocabulary)
        if loaded.ruleset is None and output is ReviewFormat.GITHUB:
            tell_errors(loaded.errors, read, output)
            raise typer.Exit(int(ExitCode.PROBLEMS))
        asked = checked(loaded)
        found = again(workspace, asked, vocabulary, segment=segment, days=days, progress=shown)
        warned = clusters_unseen(workspace, loaded, vocabulary, in_force=rules is None)
    if output is ReviewFormat.JSON:
        told = [str(one) for one in warned]
        emit_json({"segments": [one.document() for one in found], "warnings": told})
        return
    if output is ReviewFormat.GITHUB:
        _annotate(found, asked, read)
        annotate_problems(warned, read)
        return
    if segment is not None:
        _tell_days(found[0])
    else:
        _tell_sums(found)
    for problem in warned:
        say(str(problem))


def _tell_days(one: Replayed) -> None:
    most = max((day.size or 0 for day in one.days), default=0)
    for day in one.days:
        if day.size is None:
            say(f"{day.date}  {day.missing}")
            continue
        moved = "" if day.enter is None else f"+{day.enter:,} −{day.leave:,}"
        say(f"{day.date}  {day.size:>9,}  {moved:<16} {'█' * round(WIDTH * day.size / most if most else 0)}")
    told = one.document()
    say(f"{told['entered']:,} people entered, {told['left']:,} left, {told['flapping']:,} went to and fro:")
    say(f"  {told['came_and_left']:,} came and left again, {told['left_and_came']:,} left and came again")


def _annotate(found: list[Replayed], asked: RuleSet, read: Path) -> None:
    for one in found:
        told, place = one.document(), asked.segments[one.segment].place
        first, last, least, most = _sizes(one)
        days = sum(day.size is not None for day in one.days)
        sentence = f"{one.segment} on {days} of the last {len(one.days)} days: "
        if first is None:
            sentence += f"it could be asked on none ({one.days[-1].missing})"
        else:
            sentence += (
                f"{first:,} → {last:,} people, least {least:,}, most {most:,}; "
                f"{told['entered']:,} entered, {told['left']:,} left, {told['flapping']:,} went to and fro"
            )
        annotate("notice", sentence, file=file_of(read, place.file), line=place.line)


def _sizes(one: Replayed) -> tuple[int, int, int, int] | tuple[None, None, None, None]:
    """First, last, least, most of the days that could be asked."""
    sizes = [day.size for day in one.days if day.size is not None]
    return (sizes[0], sizes[-1], min(sizes), max(sizes)) if sizes else (None, None, None, None)


def _tell_sums(found: list[Replayed]) -> None:
    rows = []
    for one in found:
        told = one.document()
        rows.append([one.segment, *_sizes(one), told["entered"], told["left"], told["flapping"]])
    asked = sum(day.size is not None for day in found[0].days) if found else 0
    columns = ["segment", "first", "last", "least", "most", "entered", "left", "to and fro"]
    table(f"{asked} of {len(found[0].days) if found else 0} days", columns, rows)
    for day in found[0].days if found else ():
        if day.missing is not None and day.missing != "no run":
            say(f"{day.date}  {day.missing}")
