"""`diff`: what an edited rules folder would do, for people, scripts and pull requests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.annotations import (
    ReviewFormat,
    ReviewOption,
    annotate,
    annotate_problems,
    file_of,
    tell_errors,
)
from sync.cli.answers import Export
from sync.cli.output import Format, emit_json, progress, say, table
from sync.cli.running import config_of, cost
from sync.errors import ExitCode

if TYPE_CHECKING:
    from sync.run.comparing import Difference
    from sync.run.diffing import Diff


def register(app: typer.Typer) -> None:
    """Hang this module's command under `app`."""
    app.command()(diff)


def diff(
    context: typer.Context,
    rules: Annotated[Path, typer.Option(help="the edited rules: a folder, or one file")],
    offline: Annotated[
        bool, typer.Option("--offline", help="ask no platform: go by what the last run saw there")
    ] = False,
    export: Annotated[
        Export | None, typer.Option(help="csv: everybody who enters or leaves, to standard output")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="end with 5 when something would change")
    ] = False,
    output: ReviewOption = ReviewFormat.TEXT,
) -> None:
    """Compare the rules in force with edited ones on the data at hand: members, audiences, calls, brakes.

    Writes nothing. Exit codes: 0 done; 1 the rules have problems; 3 a brake would hold what the edit does;
    4 a platform failed; with --exit-code 5 when anybody would enter or leave, or an audience be made, renamed
    or left.
    """
    from sync.assign import read_rules
    from sync.run.diffing import diff as compare
    from sync.run.diffing import export_csv
    from sync.run.workspace import Workspace

    quiet = Format.TEXT if output is ReviewFormat.TEXT and export is None else Format.JSON
    with Workspace.open(config_of(context)) as workspace, progress(quiet) as shown:
        workspace.offline = offline
        vocabulary, _ = workspace.vocabulary(rules)
        loaded = read_rules(rules, vocabulary)
        if loaded.ruleset is None:
            tell_errors(loaded.errors, rules, output)
            raise typer.Exit(int(ExitCode.PROBLEMS))
        found = compare(workspace, loaded, vocabulary, offline=offline, progress=shown)
    if export is Export.CSV:
        export_csv(found, sys.stdout)
    elif output is ReviewFormat.JSON:
        emit_json(found.document())
    elif output is ReviewFormat.GITHUB:
        _annotate(found, rules)
    else:
        _tell(found)
    code = found.exit_code(tell_changes=exit_code)
    if code:
        raise typer.Exit(int(code))


# ── for people ───────────────────────────────────────────────────────────────────────────────────────


def _tell(found: Diff) -> None:
    rows = [_row(one) for one in found.shown]
    if rows:
        columns = ["segment", "what", "before", "after", "enter", "leave", "of all"]
        table(f"{found.people:,} people", columns, rows)
    for one in found.shown:
        _tell_segment(one)
    for problem in found.warned:
        say(str(problem))
    _tell_platforms(found)
    unchanged = len(found.segments) - len(found.shown)
    if unchanged:
        say(f"{unchanged:,} {'segment is' if unchanged == 1 else 'segments are'} as before.")
    if not found.changes:
        say("Nobody enters or leaves anything.")


def _row(one: Difference) -> list[object]:
    what = one.status.value
    if one.settings:
        what = ", ".join(one.settings) if what == "unchanged" else f"{what}, {', '.join(one.settings)}"
    share = f"{len(one.after) / one.people:.1%}" if one.people else "–"
    return [one.segment, what, len(one.before), len(one.after), len(one.enter), len(one.leave), share]


def _tell_segment(one: Difference) -> None:
    if not (one.text or one.because or one.moves):
        return
    say(f"{one.segment} at {one.place.file}:{one.place.line}")
    for line in one.text:
        say(f"  {line}")
    if one.because:
        say(f"  uses {', '.join(one.because)}, which was edited")
    for word, people in (("enter", one.enter), ("leave", one.leave)):
        if people:
            some = people[:10]
            more = " …" if len(people) > len(some) else ""
            say(f"  {word}: {len(people):,} (person {', '.join(map(str, some))}{more})")


def _tell_platforms(found: Diff) -> None:
    tried = found.tried
    rows = []
    for one in tried.audiences:
        told = one.document()
        counts = [told.get(name) for name in ("enter", "leave", "held", "reachable", "unreachable")]
        if one.made or one.renamed or one.left or any(counts[:3]):
            rows.append([one.connection, one.segment, one.name, *counts, _fate(told)])
    if rows:
        columns = [
            "connection",
            "segment",
            "audience",
            "enter",
            "leave",
            "held",
            "reachable",
            "no contact",
            "",
        ]
        table("Platforms: what a plan would write", columns, rows)
    for name, (with_edit, in_force) in tried.costs.items():
        if with_edit.calls + with_edit.preparing_calls or in_force.calls + in_force.preparing_calls:
            now = in_force.calls + in_force.preparing_calls
            say(f"{name}: {cost(with_edit, left=tried.calls_left[name])}; with the rules in force {now:,}")
    for name, why in tried.failed.items():
        say(f"{name} could not be looked at: {why}")
    for brake in tried.brakes:
        word = "holds already" if brake.already else "would hold" if brake.holds else "would warn"
        say(f"{word}: {brake.brake.message}")


def _fate(told: dict[str, object]) -> str:
    if told["made"]:
        return "is made"
    if told["renamed"]:
        return f'renamed from "{told["name_now"]}"'
    return "no rule fills it any more; its members stay" if told["left"] else ""


# ── for a pull request ───────────────────────────────────────────────────────────────────────────────


def _annotate(found: Diff, rules: Path) -> None:
    places = {one.segment: one for one in found.segments if one.status.value != "gone"}
    for one in found.shown:
        place = places.get(one.segment)
        file = "" if place is None else file_of(rules, one.place.file)
        line = None if place is None else one.place.line
        annotate("notice", _sentence(one), file=file, line=line)
    annotate_problems(found.warned, rules)
    for brake in found.tried.brakes:
        if brake.already or not brake.holds:
            continue
        place = places.get(brake.segment or "")
        file = file_of(rules, place.place.file) if place is not None else ""
        line = place.place.line if place is not None else None
        annotate("warning", f"a brake would hold this: {brake.brake.message}", file=file, line=line)
    for name, why in found.tried.failed.items():
        annotate("warning", f"{name} could not be looked at: {why}")


def _sentence(one: Difference) -> str:
    size = f"{len(one.before):,} → {len(one.after):,} people"
    moved = f"{len(one.enter):,} enter, {len(one.leave):,} leave"
    what = {"moved": f"uses {', '.join(one.because)}", "unchanged": "members as before"}
    settings = f"; edited: {', '.join(one.settings)}" if one.settings else ""
    return f"{one.segment} ({what.get(one.status.value, one.status.value)}): {size}, {moved}{settings}"
