"""Commands that answer questions about people and segments: preview, explain, people."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from sync.cli.output import Format, FormatOption, emit_json, say, table
from sync.cli.running import config_of

SegmentArgument = Annotated[str, typer.Argument(help='a segment id, or "tiers/tier"')]


class Export(StrEnum):
    """`csv` is safe to open in a spreadsheet: cells that look like formulas are quoted."""

    CSV = "csv"


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    for command in (preview, explain, people, duplicates):
        app.command()(command)


def preview(context: typer.Context, segment: SegmentArgument, output: FormatOption = Format.TEXT) -> None:
    """Size, breakdown, reach and overlaps of a segment by the rules as they are now; stores nothing."""
    from sync.run.previewing import preview as look
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = look(workspace, segment)
    if output is Format.JSON:
        emit_json(found)
        return
    say(
        f"{found['name']} ({segment}): {found['size']:,} of {found['people']:,} people ({found['share']:.1%})"
    )
    say(f"  {found['rule']}")
    if found["kept"]:
        say(f"  {found['kept']:,} of them stay on: when is not true of them any more")
    if found["last_run"] is not None:
        gone, come = found["last_run"]["leave"], found["last_run"]["enter"]
        say(f"  since the last run: {come:,} enter, {gone:,} leave")
    for title, rows in (("Countries", found["countries"]), ("Consent", found["consent"])):
        table(title, [title.lower(), "people"], ([row["name"], row["people"]] for row in rows))
    table("Reach", ["connection", "people"], ([row["name"], row["people"]] for row in found["reach"]))
    columns = ["segment", "shared", "of this", "of that"]
    rows = (
        [o["segment"], o["people"], f"{o['of_this']:.0%}", f"{o['of_that']:.0%}"] for o in found["overlaps"]
    )
    table("Overlaps", columns, rows)
    table("Sample", ["person", "country"], ([row["person"], row["country"]] for row in found["sample"]))


def explain(
    context: typer.Context,
    person: Annotated[str, typer.Argument(help="a person's number, or an e-mail address")],
    segment: Annotated[str | None, typer.Argument(help="one segment; default: all")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Why somebody is in a segment or not: every clause with its value, and where the value came from."""
    from sync.run.explaining import explain as tell
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = tell(workspace, person, segment)
    if output is Format.JSON:
        emit_json(found.document())
        return
    for line in found.lines():
        say(line)


def people(
    context: typer.Context,
    segment: SegmentArgument,
    export: Annotated[Export | None, typer.Option(help="csv: to standard output")] = None,
    limit: Annotated[int | None, typer.Option(help="at most so many people")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Who is in a segment since the last run."""
    from sync.run.listing import export_csv, members
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        if export is Export.CSV:
            export_csv(workspace, segment, sys.stdout, limit=limit)
            return
        columns, rows = members(workspace, segment, limit=limit if limit is not None else 20)
    if output is Format.JSON:
        emit_json({"segment": segment, "people": [dict(zip(columns, row, strict=True)) for row in rows]})
    else:
        table(segment, columns, rows)


def duplicates(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Pairs of people who may be one human, by telephone number, name, birthday and place; links nobody."""
    from sync.run.suggesting import suggestions
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = suggestions(workspace)
    if output is Format.JSON:
        emit_json({"pairs": found})
        return
    if found:
        columns = ["person", "other_person", "likeness", "reason"]
        table("May be one human", columns, ([pair[c] for c in columns] for pair in found))
        say("Nothing was linked. A declared id in [[identity.id]] or one e-mail address links people.")
    else:
        say("Nobody looks like somebody else.")
