"""Commands about clusterings: find clusters, show them, and decide which of them rules may see."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sync.cli.deciding import By, who
from sync.cli.output import Format, FormatOption, emit_json, minute, progress, say, table
from sync.cli.running import config_of

_group = typer.Typer(
    help="Groups of people that are alike; rules see those that were accepted.", no_args_is_help=True
)
_TOLD = 3
"""So many differences of a cluster are told in words."""
Id = Annotated[str, typer.Argument(help="a clustering of the rule files")]
Clusters = Annotated[list[int] | None, typer.Option("--cluster", help="only this cluster; may be repeated")]


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.add_typer(_group, name="clusters")


@_group.command("fit")
def fit(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(help="clusterings of the rule files; default: all")
    ] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Find clusters anew now, and say who is in which.

    Exit codes: 0 found, also where there are none; 1 no such clustering, nothing pulled yet, or a run is on;
    2 wrong usage.
    """
    from sync.run.clustering import fit as fit_now
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace, progress(output) as shown:
        found = fit_now(workspace, ids or [], progress=shown)
    if output is Format.JSON:
        emit_json({"clusterings": found})
        return
    for one in found:
        _tell(one)


@_group.command("list")
def list_clusterings(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Every clustering, how many clusters wait for a decision, and when it is made anew.

    Exit codes: 0 shown; 1 the config or the rule files have problems; 2 wrong usage.
    """
    from sync.run.clustering import listed
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = listed(workspace)
    if output is Format.JSON:
        emit_json({"clusterings": found})
        return
    if not found:
        say("There is no clustering: add a [[clustering]] to a rule file.")
        return
    columns = ["clusters", "accepted", "proposed", "rejected"]
    rows = [
        [
            one["clustering"],
            one["in_use"],
            minute(one["fitted_at"]),
            minute(one["refit_due_at"]) if one["refit_due_at"] else "by the next run",
            *(one[column] for column in columns),
        ]
        for one in found
    ]
    table("Clusterings", ["clustering", "version", "found", "made anew", *columns], rows)
    for one in found:
        if one["why_not"]:
            say(f"{one['clustering']} has no clusters: {one['why_not']}")


@_group.command("show")
def show(context: typer.Context, clustering: Id, output: FormatOption = Format.TEXT) -> None:
    """Who is in each cluster, what sets it apart, how sure it is, and a rule that comes close to it.

    Exit codes: 0 shown; 1 no such clustering, or nothing was found yet; 2 wrong usage.
    """
    from sync.run.clustering import shown
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = shown(workspace, clustering)
    if output is Format.JSON:
        emit_json(found)
    else:
        _tell(found)


@_group.command("accept")
def accept(
    context: typer.Context,
    clustering: Id,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help='another name for a cluster, such as 2="bargain hunters"'),
    ] = None,
    cluster: Clusters = None,
    by: By = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Let rules see the clusters from the next run on, by their names.

    Exit codes: 0 accepted; 1 no such clustering or cluster, or a name is taken; 2 wrong usage.
    """
    from sync.run.clustering import accept as accept_now
    from sync.run.workspace import Workspace

    names = dict(_named(each) for each in name or [])
    with Workspace.open(config_of(context)) as workspace:
        found = accept_now(workspace, clustering, by=who(by), names=names, only=cluster or [])
    _decided(found, "accepted", output)
    if output is Format.TEXT:
        say("The next run gives their people the fact.")


@_group.command("reject")
def reject(
    context: typer.Context,
    clustering: Id,
    cluster: Clusters = None,
    by: By = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Let no rule see the clusters that wait for a decision; with --cluster, also one that was accepted.

    Exit codes: 0 rejected; 1 no such clustering or cluster; 2 wrong usage.
    """
    from sync.run.clustering import reject as reject_now
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = reject_now(workspace, clustering, by=who(by), only=cluster or [])
    _decided(found, "rejected", output)


def _decided(found: list[dict[str, Any]], what: str, output: Format) -> None:
    if output is Format.JSON:
        emit_json({what: [{"id": one["id"], "name": one["name"]} for one in found]})
        return
    for one in found:
        say(f"{what}: {one['id']} {one['name']}")


def _named(text: str) -> tuple[int, str]:
    number, equals, name = text.partition("=")
    if not equals or not number.strip().isdecimal():
        raise typer.BadParameter('must be like 2="bargain hunters"', param_hint="--name")
    return int(number), name.strip().strip('"')


def _tell(one: dict[str, Any]) -> None:
    say(f"{one['clustering']} ({one['name']}), version {one['version']}: {_STATUS[one['status']]}")
    say(f"  found {minute(one['fitted_at'])}, because {one['why']}, among {one['people']:,} people")
    if one["k"] is not None:
        nature = "natural groups" if one["natural"] else "a useful cut, not natural groups"
        say(f"  {one['k']} clusters: {nature}")
    if one["changed"] is not None:
        say(f"  {one['changed']:,} of {one['of']:,} people are in another cluster, because it was made anew")
    for notice in one["notices"]:
        say(f"  {notice['severity']} {notice['code']}: {notice['message']}")
    for cluster in one["clusters"]:
        _tell_cluster(cluster)
    if one["last_attempt"] is not None:
        attempt = one["last_attempt"]
        say(f"  the attempt of {minute(attempt['fitted_at'])} came to nothing: {attempt['reason']}")


def _tell_cluster(one: dict[str, Any]) -> None:
    rule = one["rule"]
    say()
    say(f"  {one['id']}  {one['name']} ({one['state']})")
    now = ""
    if one["people_now"] is not None:
        now = f"{one['people_now']:,} people by the last run, {one['share_now']:.1%}; when found "
    say(f"     {now}{one['people']:,} people, {one['share']:.1%}; stability {one['stability']:.2f}")
    for trait in one["traits"][:_TOLD]:
        say(f"     {trait['words']}: {_figure(trait, 'inside')}, of everybody {_figure(trait, 'everybody')}")
    if not one["traits"]:
        say("     nothing sets it apart from everybody")
    if rule["text"]:
        say(f"     as a rule: {rule['text']}")
        say(f"       {rule['precision']:.0%} of its people are in it; it finds {rule['recall']:.0%} of them")
    else:
        say("     no short rule comes close to it")


def _figure(trait: dict[str, Any], whose: str) -> str:
    """A median, or of a category the share that has it."""
    value = trait[whose]
    if trait["level"] is not None:
        return f"{value:.0%}"
    return f"median {value:,.2f}".removesuffix(".00")


_STATUS = {
    "in_use": "in use",
    "replaced": "not in use: its settings were changed, the next run finds clusters anew",
    "insufficient_data": "refused: not enough data",
}
