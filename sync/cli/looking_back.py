"""Commands that look back: replay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.output import Format, FormatOption, emit_json, progress, say, table
from sync.cli.running import config_of

if TYPE_CHECKING:
    from sync.run.replaying import Replayed

WIDTH = 30
"""Of the longest bar."""


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(replay)


def replay(
    context: typer.Context,
    segment: Annotated[str | None, typer.Argument(help="a segment, day by day; default: all, in sum")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="edited rules, a folder or a file; default: those in force")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="so many days back")] = 30,
    output: FormatOption = Format.TEXT,
) -> None:
    """What rules would have done on past days: sizes, entries, leaves, people who go to and fro."""
    from sync.assign import rules_or_problems
    from sync.run.replaying import replay as again
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace, progress(output) as shown:
        vocabulary, _ = workspace.vocabulary()
        asked = rules_or_problems(rules or workspace.settings.rules_dir, vocabulary)
        found = again(workspace, asked, vocabulary, segment=segment, days=days, progress=shown)
    if output is Format.JSON:
        emit_json({"segments": [one.document() for one in found]})
    elif segment is not None:
        _tell_days(found[0])
    else:
        _tell_sums(found)


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


def _tell_sums(found: list[Replayed]) -> None:
    rows = []
    for one in found:
        told = one.document()
        sizes = [day.size for day in one.days if day.size is not None]
        ends = (sizes[0], sizes[-1], min(sizes), max(sizes)) if sizes else (None,) * 4
        rows.append([one.segment, *ends, told["entered"], told["left"], told["flapping"]])
    asked = sum(day.size is not None for day in found[0].days) if found else 0
    columns = ["segment", "first", "last", "least", "most", "entered", "left", "to and fro"]
    table(f"{asked} of {len(found[0].days) if found else 0} days", columns, rows)
    for day in found[0].days if found else ():
        if day.missing is not None and day.missing != "no run":
            say(f"{day.date}  {day.missing}")
