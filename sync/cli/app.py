"""All commands under one name, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from sync.cli import (
    alerting,
    answers,
    clustering,
    deciding,
    diffing,
    evaluating,
    judging,
    looking_back,
    measuring,
    modelling,
    packs,
    platforms,
    profiling,
    rulebook,
    running,
    serving,
    upkeep,
)
from sync.errors import ExitCode, UserError

app = typer.Typer(
    name="segsync",
    help="Keeps customer segments true everywhere they are used.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=(
        "Exit codes: 0 done, 1 problems in input, 2 wrong usage, 3 something is held, 4 a platform failed; "
        "`plan --exit-code` and `diff --exit-code`: 5 when there is something to do."
    ),
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"segsync {version('segsync')}")
        raise typer.Exit


@app.callback()
def _everywhere(
    context: typer.Context,
    config: Annotated[Path, typer.Option("--config", "-c", help="the configuration file")] = Path(
        "config.toml"
    ),
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and stop")
    ] = False,
) -> None:
    context.obj = config


for module in (
    running,
    deciding,
    rulebook,
    diffing,
    looking_back,
    answers,
    judging,
    evaluating,
    measuring,
    packs,
    platforms,
    profiling,
    serving,
    upkeep,
    alerting,
    modelling,
    clustering,
):
    module.register(app)


def start() -> None:
    """Run the command line; a user's mistake is told in words, never as a traceback."""
    try:
        code = _command()(standalone_mode=False)
    except UserError as error:
        _tell(error)
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing half done: run again to go on\n")
        sys.exit(130)
    except typer.Abort:
        sys.exit(1)
    except Exception as error:
        told = _known(error)
        if told is None:
            raise
        _tell(told)
        sys.exit(int(told.exit_code))
    sys.exit(int(code or 0))


@cache
def _command() -> Any:
    """All commands with their options, made once per process: that takes longer than a small command."""
    return typer.main.get_command(app)


def _tell(error: UserError) -> None:
    for problem in error.problems:
        sys.stderr.write(f"{problem}\n")
    sys.stderr.write(f"segsync: {error}\n")


def _known(error: Exception) -> UserError | None:
    """Errors of the parts below, in the words of the command line."""
    shown = getattr(error, "show", None)
    if callable(shown):  # a usage error of the command line library
        shown()
        raise SystemExit(int(ExitCode.USAGE))
    from connectors.errors import BadSource, ConnectorError
    from sync.store.errors import StoreError

    if isinstance(error, BadSource | StoreError):
        return UserError(str(error))
    if isinstance(error, ConnectorError):
        from sync.errors import PlatformFailed

        return PlatformFailed(str(error))
    return None
