"""The commands that tell who the people of segments are: profile, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.measuring import rest_on_few, trends
from sync.cli.output import Format, FormatOption, emit_json, say, table
from sync.cli.running import config_of

if TYPE_CHECKING:
    from sync.profiles.profile import Profile

_SHOWN = 12


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(profile)
    app.command()(report)


def profile(
    context: typer.Context,
    segment: Annotated[str, typer.Argument(help="the segment's id")],
    output: FormatOption = Format.TEXT,
) -> None:
    """Who the people of a segment are: what sets them apart, what they do, what they are worth.

    Tells of no single person, nor of fewer than 30.

    Exit codes: 0 told, also where only the size may be; 1 no run has computed such a segment; 2 wrong usage.
    """
    from sync.profiles.over_time import tellable
    from sync.profiles.persona import sentence
    from sync.profiles.profile import document
    from sync.run import measures_told
    from sync.run.profiling import profiles
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        (made,) = profiles(workspace, [segment])
        measured = workspace.store.kpis.series([segment]).get(segment, [])
    points = [] if made.hidden else tellable(measured, everybody=made.everybody)
    if output is Format.JSON:
        told = document(made, sentence=sentence(made))
        emit_json({**told, "over_time": measures_told.document(points)})
    else:
        _show(made)
        if points:
            table("Over time", ["", "first", "latest", "95 % interval", "trend"], trends(points))
            rest_on_few({segment: points[-1]})


def report(
    context: typer.Context,
    segments: Annotated[
        list[str] | None, typer.Argument(help="ids of segments; none: all of the last run")
    ] = None,
    out: Annotated[Path, typer.Option(help="the HTML file to write")] = Path("report.html"),
    force: Annotated[
        bool, typer.Option("--force", help="also write over a file that is no report of segsync")
    ] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Write one page about segments, to print or pass on: who the people are, with charts.

    One file that fetches nothing. An earlier report is replaced; any other file only with --force.

    Exit codes: 0 written; 1 nothing was written: no run has computed such a segment, or the file cannot be
    made; 2 wrong usage.
    """
    from sync.run.profiling import page_of, profiles, write_report
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        made = profiles(workspace, segments or ())
        write_report(page_of(workspace, made), out, force=force)
    hidden = sum(one.hidden is not None for one in made)
    if output is Format.JSON:
        emit_json({"file": str(out), "segments": [one.segment for one in made], "hidden": hidden})
        return
    say(f"{len(made)} segments in {out}")
    if hidden:
        say(f"of {hidden} of them only the size is told, for too few people are in them, or outside")


def _show(made: Profile) -> None:
    from sync.profiles.columns import Part
    from sync.profiles.persona import amount, evidence, sentence, share, words

    say(f"{made.name}: {sentence(made)}")
    say(f"as of {made.as_of:%Y-%m-%d %H:%M} UTC")
    if made.traits:
        table(
            "What sets them apart",
            ["", "people", ""],
            ([words(one, made.called), one.support, evidence(one)] for one in made.traits[:_SHOWN]),
        )
        if len(made.traits) > _SHOWN:
            say(f"{len(made.traits) - _SHOWN} more: --format json")
    for part in Part:
        if numbers := made.numbers_of(part):
            table(
                part.value.capitalize(),
                ["", "people", "median", "mean", "everybody's median", "mean", "difference", "total"],
                (
                    [
                        one.number.words,
                        one.people,
                        amount(one.median),
                        amount(one.mean),
                        amount(one.everybody_median),
                        amount(one.everybody_mean),
                        None if one.difference is None else f"{one.difference:+.2f} sd",
                        None if one.total is None else amount(one.total, one.number.unit),
                    ]
                    for one in numbers
                ),
            )
        if spans := made.spans(part):
            say(spans)
        if levels := made.levels_of(part):
            table(
                "" if made.numbers_of(part) else part.value.capitalize(),
                ["", "level", "people", "share", "of everybody"],
                (
                    [one.category.words, one.level, one.people, share(one.share), share(one.everybody)]
                    for one in levels
                ),
            )
    table(
        "Trend",
        ["since", "people", ""],
        (
            [f"{one.at:%Y-%m-%d %H:%M}", one.size, "the rule was edited" if one.edited else ""]
            for one in made.trend[-_SHOWN:]
        ),
    )
