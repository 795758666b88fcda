"""Commands about models: fit them, list them, show what one was made of."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sync.cli.output import Format, FormatOption, emit_json, minute, progress, say, table
from sync.cli.running import config_of

_group = typer.Typer(help="Scores and values that rules may use as facts.", no_args_is_help=True)
_STATUS = {
    "in_use": "in use",
    "forced": "in use by force, although the naive guess does as well",
    "replaced": "replaced by a newer one",
    "no_better": "not in use: the naive guess does as well",
    "insufficient_data": "refused: not enough data",
}


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.add_typer(_group, name="models")


@_group.command("fit")
def fit(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(help="models of the config; none: all, and all clusterings")
    ] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Make models anew now, and give everybody their facts by them.

    Without names clusters are found anew as well, as `clusters fit` does.

    Exit codes: 0 made, also where one was refused or is no better than the naive guess; 1 no such model,
    nothing pulled yet, a file of the model's own cannot be read, or a run is on; 2 wrong usage.
    """
    from sync.run.modelling import fit as fit_now
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace, progress(output) as shown:
        found = fit_now(workspace, names or [], progress=shown)
    if output is Format.JSON:
        emit_json({"models": found})
        return
    for one in found:
        _tell(one)


@_group.command("list")
def list_models(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Every model that is on, the version in use and when it is made anew.

    Exit codes: 0 shown; 1 the config has problems; 2 wrong usage.
    """
    from sync.run.modelling import listed
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = listed(workspace)
    if output is Format.JSON:
        emit_json({"models": found})
        return
    if not found:
        say("No model is on: add a section such as [models.rfm] to the config.")
        return
    rows = [
        [
            one["model"],
            one["in_use"],
            minute(one["fitted_at"]),
            minute(one["refit_due_at"]) if one["refit_due_at"] else "by the next run",
            ", ".join(one["facts"]),
        ]
        for one in found
    ]
    table("Models", ["model", "version", "fitted", "made anew", "facts"], rows)
    for one in found:
        if one["why_not"]:
            say(f"{one['model']} is not in use: {one['why_not']}")


@_group.command("show")
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="a model of the config")],
    version: Annotated[int | None, typer.Option(help="an earlier version; default: the newest")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """What a model was made of, what it found, the naive guess beside it, and every warning.

    Exit codes: 0 shown; 1 no such model or version, or it was never fitted; 2 wrong usage.
    """
    from sync.run.modelling import shown
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = shown(workspace, name, version)
    if output is Format.JSON:
        emit_json(found)
    else:
        _tell(found)


def _tell(one: dict[str, Any]) -> None:
    say(f"{one['model']}, version {one['version']}: {_STATUS[one['status']]}")
    say(f"  made {minute(one['fitted_at'])}, because {one['why']}")
    say(f"  of {one['made_of']}")
    for line in one["words"]:
        say(f"  {line}")
    for notice in one["notices"]:
        say(f"  {notice['severity']} {notice['code']}: {notice['message']}")
    for fact, people in one.get("changed", {}).items():
        say(f"  {fact} changed for {people:,} people, because it was made anew")
    say(f"  facts: {', '.join(one['facts'])}")
