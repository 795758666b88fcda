"""The demo's accounts in a process of their own, as platforms are: they take no time from the run's threads.

`company_apart` starts `python -m sync.demo.apart`, which makes the data, fills and serves the accounts, and
tells by lines of JSON how far it is, then which secrets the config refers to. It ends with its input, so it
never outlives whoever started it.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sync.demo.files import CONFIG
from sync.errors import UserError
from sync.progress import SILENT, Progress

_TOLD_AT_ONCE = 500
"""Units of progress in one line."""


@contextmanager
def company_apart(
    folder: Path,
    *,
    as_of: dt.datetime,
    people: str,
    accounts: Sequence[str],
    progress: Progress = SILENT,
) -> Iterator[Path]:
    """As `company`, with the accounts served by another process."""
    asked = [str(folder), as_of.isoformat(), people, *accounts]
    # the child ignores Ctrl-C (see main): the run in front ends first, and the child with its input
    command = [sys.executable, "-m", "sync.demo.apart", *asked]
    before = dict(os.environ)
    # leaving the block closes the child's input, and waits for it to end
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            os.environ.update(_ready(process.stdout or (), progress))
            yield folder / CONFIG
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)


def _ready(lines: Iterable[bytes], progress: Progress) -> Mapping[str, str]:
    """Pass on what the child tells until its accounts are served; UserError for a mistake it found."""
    for line in lines:
        told = json.loads(line)
        if "error" in told:
            raise UserError(str(told["error"]))
        if "ready" in told:
            return {str(name): str(value) for name, value in told["ready"].items()}
        if "step" in told:
            progress.step(str(told["step"]), told["total"])
        else:
            progress.advance(int(told["advance"]))
    raise RuntimeError("the process with the simulated accounts ended before it served them")


class _Told:
    """Progress as lines of JSON."""

    def __init__(self) -> None:
        self._waiting = 0

    def step(self, name: str, total: int | None = None) -> None:
        self._flush()
        tell(step=name, total=total)

    def advance(self, units: int = 1) -> None:
        self._waiting += units
        if self._waiting >= _TOLD_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            tell(advance=self._waiting)
            self._waiting = 0


def tell(**content: object) -> None:
    """One line of JSON to whoever started this process."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def main(folder: Path, as_of: dt.datetime, people: str, accounts: Sequence[str]) -> None:
    """Serve until the input ends."""
    from sync.demo.company import company  # which itself starts this process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    before = dict(os.environ)
    try:
        with company(folder, as_of=as_of, people=people, accounts=accounts, progress=_Told()):
            tell(ready={name: value for name, value in os.environ.items() if before.get(name) != value})
            sys.stdin.read()
    except UserError as error:
        tell(error=str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]), dt.datetime.fromisoformat(sys.argv[2]), sys.argv[3], sys.argv[4:])
