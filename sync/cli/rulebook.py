"""Commands for whoever edits rule files: check, test, vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sync.cli.annotations import ReviewFormat, ReviewOption, annotate_problems
from sync.cli.output import Format, FormatOption, emit_json, say, table
from sync.cli.running import config_of
from sync.errors import ExitCode

if TYPE_CHECKING:
    from rules.language import Problem


PathArgument = Annotated[Path | None, typer.Argument(help="a rule file or folder; default: the config's")]


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    for command in (check, vocabulary):
        app.command()(command)
    app.command("test")(run_cases)


def check(
    context: typer.Context,
    path: PathArgument = None,
    output: ReviewOption = ReviewFormat.TEXT,
    data: Annotated[bool, typer.Option("--data", help="also hold the rules against the data pulled")] = False,
    notes: Annotated[bool, typer.Option("--notes", help="also what may well be meant")] = False,
) -> None:
    """Every problem of the rule files at once, as file:line:column: message."""
    from sync.assign import is_error, is_note, read_rules
    from sync.run.clustering import warnings as of_clusters
    from sync.run.held_against import held_against
    from sync.run.modelling import warnings as of_models
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        rules = path or workspace.settings.rules_dir
        known, _ = workspace.vocabulary(rules)
        loaded, place = read_rules(rules, known), rules.resolve()
        in_force = place.is_relative_to(workspace.settings.rules_dir.resolve())
        clusters = of_clusters(workspace, loaded, known, in_force=in_force)
        more = (*of_models(workspace, loaded, known), *clusters)
        problems, sizes = tuple(sorted((*loaded.problems, *more))), None
        if data and loaded.ruleset is not None:
            more, sizes = held_against(workspace, loaded, known)
            problems = tuple(sorted((*problems, *more)))
    errors = sum(is_error(problem) for problem in problems)
    if output is ReviewFormat.JSON:
        emit_json(
            {
                "segments": len(loaded.ruleset.segments) if loaded.ruleset else None,
                "problems": [_problem(problem) for problem in problems],
                **({} if sizes is None else {"sizes": sizes}),
            }
        )
    elif output is ReviewFormat.GITHUB:
        annotate_problems(problems, rules)
    else:
        shown = [problem for problem in problems if notes or not is_note(problem)]
        for problem in shown:
            say(str(problem))
        if hidden := len(problems) - len(shown):
            say("1 note; --notes shows it" if hidden == 1 else f"{hidden} notes; --notes shows them")
        for one in sizes or ():
            say(_size(one))
        if loaded.ruleset is not None:
            count = len(loaded.ruleset.segments)
            say(f"{count} {'segment' if count == 1 else 'segments'}, no errors")
        else:
            say(f"{errors} {'error' if errors == 1 else 'errors'}")
    if errors:
        raise typer.Exit(int(ExitCode.PROBLEMS))


def _size(one: dict[str, Any]) -> str:
    overlaps = [f"{other['people']:,} also in {other['segment']}" for other in one["overlaps"]]
    return "; ".join([f"{one['segment']}: {one['people']:,} people ({one['share']:.1%})", *overlaps])


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "severity": str(problem.severity),
        "message": problem.message,
    }


def run_cases(context: typer.Context, path: PathArgument = None, output: FormatOption = Format.TEXT) -> None:
    """Run the cases in the rule files; a failing one shows why, clause by clause."""
    from sync.run.casework import run_all
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        results = run_all(workspace, path)
    failed = [result for result in results if not result.passed]
    if output is Format.JSON:
        emit_json(
            {
                "passed": len(results) - len(failed),
                "failed": len(failed),
                "cases": [result.document() for result in results],
            }
        )
    else:
        for result in failed:
            say(f"{result.place}: {result.segment}: {result.name}: {result.said}")
            for line in result.lines:
                say(f"    {line}")
        say(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    if failed:
        raise typer.Exit(int(ExitCode.PROBLEMS))


def vocabulary(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Every name a rule may use: type, unit, meaning, source, and how many people have it."""
    from sync.run.fill import fill_rates
    from sync.run.workspace import Workspace
    from sync.vocabulary import describe

    with Workspace.open(config_of(context)) as workspace:
        known, _ = workspace.vocabulary()
        rows = describe(known, fill_rates=fill_rates(workspace, known))
    columns = ["name", "type", "unit", "meaning", "source", "fill_rate"]
    if output is Format.JSON:
        emit_json({"vocabulary": [{c: getattr(row, c) for c in columns} for row in rows]})
        return
    shown = (
        [
            row.name,
            row.type,
            row.unit or "",
            row.meaning,
            row.source,
            "" if row.fill_rate is None else f"{row.fill_rate:.0%}",
        ]
        for row in rows
    )
    table("", [*columns[:-1], "filled"], shown)
