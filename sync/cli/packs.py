"""Commands around ready rule packs: packs list, show, add."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.output import Format, FormatOption, emit_json, say, table
from sync.cli.running import config_of

if TYPE_CHECKING:
    from rules.packs import Need
    from sync.run.needed import Found

packs = typer.Typer(help="Ready rules for the usual kinds of segments.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="the pack, as `packs list` names it")]


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    packs.command("list")(list_packs)
    packs.command("show")(show)
    packs.command("add")(add)
    app.add_typer(packs, name="packs")


def list_packs(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Show the packs: what each is, what it needs, and whether the data at hand has it. Asks no platform.

    Exit codes: 0 shown; 1 the config has problems; 2 wrong usage.
    """
    from sync.run.packing import listed
    from sync.run.workspace import Workspace

    config = config_of(context)
    if config.exists():
        with Workspace.open(config) as workspace:
            rows = listed(workspace)
    else:
        rows = listed(None)
    if output is Format.JSON:
        emit_json({"packs": [row.document() for row in rows]})
        return
    table(
        "",
        ["pack", "kind", "segments", "needs", "at hand"],
        (
            [
                row.pack.name,
                row.pack.kind,
                len(row.pack.segments),
                _needs(row.pack.needs),
                _at_hand(row.found),
            ]
            for row in rows
        ),
    )
    if rows and rows[0].found is None:
        say("No connection is configured yet, so what is at hand is not known.")
    say("`segsync packs show NAME` is its page; `segsync packs add NAME` copies it into the rules folder.")


def show(
    name: NameArgument,
    rules: Annotated[bool, typer.Option("--rules", help="the rule file instead of the page")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """A pack's page: who it is for, its segments, how to map what it needs, what not to conclude.

    Exit codes: 0 shown; 1 no such pack; 2 wrong usage.
    """
    from sync.run.packing import Listed, the_pack

    pack = the_pack(name)
    if output is Format.JSON:
        emit_json({**Listed(pack, None).document(), "page": pack.page, "rules": pack.rules})
    else:
        sys.stdout.write(pack.rules if rules else pack.page)


def add(
    context: typer.Context,
    name: NameArgument,
    file: Annotated[
        str | None, typer.Option("--as", help="name of the file in the rules folder; default: pack-NAME.toml")
    ] = None,
    prefix: Annotated[str, typer.Option(help="put this before every id, where ids are taken already")] = "",
    partly: Annotated[
        bool, typer.Option("--partly", help="leave out the rules whose fields are missing")
    ] = False,
    activity: Annotated[
        list[str] | None,
        typer.Option("--with", help="what stands for an activity of the pack, such as purchase=deal_won"),
    ] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Copy a pack into the rules folder. Overwrites nothing, sends nothing; the rules stay right.

    Exit codes: 0 copied; 1 nothing was changed: a file or an id is taken, or a field is missing; what to do
    is said; 2 wrong usage.
    """
    from sync.run.packing import add as copy
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        done = copy(workspace, name, file=file, prefix=prefix, partly=partly, activity=activity or ())
    if output is Format.JSON:
        emit_json(done.document())
        return
    made = f"made {done.file}: {len(done.segments)} segments of the pack {name} ({done.pack.title})"
    say(made.replace(": 1 segments", ": 1 segment"))
    rows = ([one.need.name, one.need.meaning, _state(one)] for one in done.found)
    table("What it needs", ["name", "what", "at hand"], rows)
    if done.left_out:
        say(f"left out, since what they need is missing: {', '.join(done.left_out)}")
    for problem in done.warnings:
        say(str(problem))
    if done.elsewhere:
        say(f"Other rule files have {done.elsewhere} errors, as before; `segsync check` shows them.")
    if prefix:
        say("Names of segments have no beginning of their own: give them other names before you send them.")
    say("Nothing is sent anywhere yet: each segment says to = []. Name a connection there when you like its")
    say(f'size, such as to = ["newsletter"]. Next: `segsync check --data`, then `segsync packs show {name}`.')


def _needs(needs: Iterable[Need]) -> str:
    """purchase (amount, category), country"""
    inner: dict[str, list[str]] = {}
    for need in needs:
        if need.kind == "activity field":
            inner[need.activity].append(need.last)
        else:
            inner[need.name] = []
    return ", ".join(f"{name} ({', '.join(fields)})" if fields else name for name, fields in inner.items())


def _at_hand(found: Iterable[Found] | None) -> str:
    if found is None:
        return "not known"
    by_state: dict[str, list[str]] = {}
    for one in found:
        by_state.setdefault(one.state, []).append(one.need.name)
    by_state.pop("there", None)
    return "; ".join(f"{state}: {', '.join(names)}" for state, names in by_state.items()) or "✓"


def _state(one: Found) -> str:
    if one.state != "there":
        return one.state
    if one.rows is not None:
        return f"{one.rows:,} times"
    return "not read yet" if one.share is None else f"filled for {one.share:.0%}"
