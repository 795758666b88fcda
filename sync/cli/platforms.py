"""Commands around platforms and first steps: init, connections, simulate, demo."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.output import Format, FormatOption, emit_json, progress, say, table
from sync.cli.running import config_of, end, tell
from sync.errors import ExitCode, UserError

if TYPE_CHECKING:
    from sync.demo.company import Played
    from sync.demo.judged import Judged

audiences = typer.Typer(help="The platforms' objects for segments.", no_args_is_help=True)
connections = typer.Typer(help="The configured accounts.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    for command in (init, simulate, demo):
        app.command()(command)
    connections.command("list")(list_connections)
    connections.command("check")(check_connections)
    app.add_typer(connections, name="connections")
    audiences.command("leave")(leave)
    app.add_typer(audiences, name="audiences")


def init(
    folder: Annotated[Path, typer.Argument(help="where to put config.toml and rules/")] = Path("."),
    output: FormatOption = Format.TEXT,
) -> None:
    """Make a config to fill in, a rules folder with the examples, and more-rules/ to take from.

    Overwrites nothing.
    """
    from sync.starter import make_starter

    made = make_starter(folder)
    if output is Format.JSON:
        emit_json({"made": [str(path) for path in made]})
        return
    for path in made:
        say(f"made {path}")
    say("Next: put your connections into config.toml, then `segsync connections check` and `segsync plan`.")


def list_connections(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Show the configured accounts and what is sent there. Asks no platform."""
    from sync.run.checking import listed
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        rows = listed(workspace)
    if output is Format.JSON:
        emit_json({"connections": [asdict(row) for row in rows]})
        return
    table(
        "Connections",
        ["connection", "platform", "read", "written to", "segments sent there"],
        ([r.connection, r.platform, r.read, r.written, r.segments] for r in rows),
    )
    if not rows:
        say("The config has no connection yet: add a section [connections.NAME].")


def check_connections(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Ask every account: who are we, what may we do, what is left of the quota, what would be made there.

    Nothing is changed. What the config and the rule files ask of a connection decides what is looked at.
    """
    from sync.cli.readiness import tell_readiness
    from sync.run.checking import check, rules_of
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        rules, readable = rules_of(workspace)
        found = list(check(workspace, rules))
    if output is Format.JSON:
        emit_json({"connections": [one.document() for one in found], "rules_readable": readable})
    else:
        tell_readiness(found, rules_readable=readable)
    if any(not one.health.ok and not one.fault for one in found):
        raise typer.Exit(int(ExitCode.PLATFORM_FAILED))
    if any(one.fault for one in found):
        raise typer.Exit(int(ExitCode.PROBLEMS))


def leave(
    context: typer.Context,
    segment: Annotated[str, typer.Argument(help="the segment whose rule is gone, as `status` shows it")],
    connection: Annotated[str, typer.Option(help="the connection the audience is on")],
    how: Annotated[
        str, typer.Option(help="keep the members, empty it of ours, or delete it if only ours are in it")
    ],
    output: FormatOption = Format.TEXT,
) -> None:
    """Decide what becomes of an audience that no rule fills any more."""
    from sync.run.leaving import Leaving
    from sync.run.leaving import leave as decide
    from sync.run.workspace import Workspace

    if how not in list(Leaving):
        raise UserError(f"--how takes {', '.join(Leaving)}, not {how}")
    with Workspace.open(config_of(context)) as workspace, progress(output) as shown:
        report = decide(workspace, segment, connection=connection, how=Leaving(how), progress=shown)
    end(report, output)


def simulate(
    platform: Annotated[str, typer.Argument(help="mailchimp, …")],
    port: Annotated[int, typer.Option(help="0 takes a free one")] = 0,
    people: Annotated[int, typer.Option(help="made-up people in the account")] = 100,
    empty: Annotated[bool, typer.Option("--empty", help="an account with nobody in it")] = False,
    faults: Annotated[Path | None, typer.Option(help="a TOML file of faults to inject")] = None,
    control: Annotated[bool, typer.Option("--control", help="answer under /__control__/ too")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Serve a simulated platform on this machine, for any client, until Ctrl-C."""
    from connectors.registry import UnknownPlatform
    from connectors.registry import platform as find
    from connectors.simulation.faults import FaultsFileError
    from connectors.simulation.server import run_forever

    try:
        made = find(platform).simulator
    except UnknownPlatform as error:
        raise UserError(str(error)) from error
    if made is None:
        raise UserError(f"{platform} has no simulator")
    simulation = made(0 if empty else people)

    def announce(address: str) -> None:
        if output is Format.JSON:
            emit_json({"platform": platform, "address": address, **simulation.credentials})
        else:
            say(f"{platform} is simulated at {address}")
            for name, value in simulation.credentials.items():
                say(f"{name}: {value}")
            say("Stop it with Ctrl-C.")

    try:
        run_forever(simulation, announce=announce, port=port, control=control, faults=faults)
    except FaultsFileError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"port {port}: {error.strerror}; choose another with --port") from error


def demo(
    people: Annotated[str, typer.Option(help="sample (2,357 people), all (23,570) or any number")] = "sample",
    folder: Annotated[Path | None, typer.Option(help="keep everything in this new folder")] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="also judge data and segments, find clusters, and write this HTML report"),
    ] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """The main job on real purchase histories and four simulated platforms; needs no account."""
    import tempfile

    from sync.demo.company import demo as play
    from sync.demo.files import CONFIG

    if report is not None:
        from sync.run.profiling import check_place

        check_place(report, option="--report", otherwise="")  # not after minutes of work
    documents, judged = [], None
    with tempfile.TemporaryDirectory(prefix="segsync-demo-") as temporary, progress(output) as shown:
        place = folder or Path(temporary) / "company"
        for number, played in enumerate(play(place, people=people, progress=shown), start=1):
            documents.append(played.report.document())
            if output is Format.TEXT:
                say(f"── run {number} " + "─" * 60)
                tell(played.report)
                _tell_reach(played)
        if report is not None:
            from sync.demo.judged import judge

            judged = judge(place / CONFIG, report, progress=shown)
    if output is Format.JSON:
        emit_json({"runs": documents, **({} if judged is None else {"judged": judged.document()})})
        return
    if judged is not None:
        _tell_judged(judged)
    if folder is not None:
        say(f"Everything lies in {folder}; its platforms were simulated and are gone.")
    elif judged is not None:
        say("To ask these commands yourself, keep what they ask: segsync demo --folder NEW-FOLDER")


def _tell_judged(judged: Judged) -> None:
    """The heads of four commands, and where the report is."""
    say("── what came of it " + "─" * 52)
    score = judged.quality.overall
    told = "" if score is None else f", data scores {score:.1f} of 100"
    share, people = judged.quality.mailable, judged.quality.people
    say(f"{share:.1%} of {people:,} people can be mailed{told} (segsync quality)")
    found = judged.evaluation
    say(f"{len(found.worth)} segments, {len(found.warnings)} warnings (segsync evaluate), such as:")
    for warning in found.warnings[:3]:
        say(f"  {warning.message}")
    kinds = judged.clusters
    nature = "natural groups" if kinds["natural"] else "a useful cut, no natural groups"
    say(f"{len(kinds['clusters'])} kinds of buyers, {nature} (segsync clusters show buyers):")
    for one in kinds["clusters"]:
        say(f"  {one['name']}: {one['people']:,} people")
    say(f"Who the people of each segment are: {judged.report.as_uri()}")


def _tell_reach(played: Played) -> None:
    """Per platform: how many people it got from us, and who of the segments' people it could not get."""
    rows = []
    for name, people in played.written.items():
        part = played.report.connection(name)
        rows.append([name, people, part.unreachable, part.withheld])
    table("Reach", ["connection", "people written", "no contact there", "must not be mailed"], rows)
