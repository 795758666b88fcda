"""A whole company on this machine: a folder with config, exports and rules, and simulated accounts.

Nothing leaves the machine, and nothing of the user's own is touched: everything lies in one new folder.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyroaring import BitMap

import rules
from connectors.simulation import Simulation
from sync.demo.accounts import ACCOUNTS, NEWSLETTER, Now, served, simulations
from sync.demo.apart import company_apart
from sync.demo.data import DemoData, make
from sync.demo.files import CONFIG, write_config, write_rules_for_all, write_tables
from sync.demo.histories import HistoriesMissing, chosen
from sync.errors import UserError
from sync.progress import SILENT, Progress
from sync.run.pipeline import run
from sync.run.report import Report
from sync.run.workspace import Workspace

EXAMPLES = Path(str(rules.__file__)).parent / "examples"
"""The rule files shipped with segsync."""


@dataclass(frozen=True, slots=True)
class Played:
    """One run of the demo. `written`: connection → different people who are in one of its audiences by us."""

    report: Report
    written: Mapping[str, int]


@contextmanager
def company(
    folder: Path,
    *,
    as_of: dt.datetime,
    people: str = "sample",
    accounts: Sequence[str] = NEWSLETTER,
    progress: Progress = SILENT,
) -> Iterator[Path]:
    """Fill `folder` and serve its accounts while the block runs; yields the config's path."""
    accounts_there, _ = fill(folder, as_of=as_of, people=people, accounts=accounts, progress=progress)
    with served(accounts_there) as settings:
        write_config(folder, settings)
        yield folder / CONFIG


def fill(
    folder: Path,
    *,
    as_of: dt.datetime,
    people: str,
    accounts: Sequence[str],
    now: Now | None = None,
    progress: Progress = SILENT,
) -> tuple[dict[str, Simulation], DemoData]:
    """Write the exports and the rules into `folder`; the filled accounts (`now`: their time), not served."""
    try:
        number = chosen(people)
        progress.step("make people and orders", number if isinstance(number, int) else None)
        data = make(as_of=as_of, people=number, progress=progress)
    except HistoriesMissing as error:
        raise UserError(str(error)) from error
    except ValueError as error:
        raise UserError(f"--{error}") from error
    progress.step("fill the accounts")
    write_tables(data, folder)
    shutil.copytree(EXAMPLES, folder / "rules")
    if set(accounts) == set(ACCOUNTS):
        write_rules_for_all(folder / "rules")
    return simulations(accounts, data, now=now), data


def demo(
    folder: Path, *, people: str = "sample", runs: int = 2, progress: Progress = SILENT
) -> Iterator[Played]:
    """Run the five steps `runs` times over the demo's company in `folder`, which must be empty or new.

    All runs decide for the same moment: else somebody whose 90 days end in between would move.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; the demo wants a folder of its own")
    folder.mkdir(parents=True, exist_ok=True)
    as_of = dt.datetime.now(dt.UTC)
    accounts = tuple(ACCOUNTS)
    with company_apart(folder, as_of=as_of, people=people, accounts=accounts, progress=progress) as config:
        for _ in range(runs):
            with Workspace.open(config) as workspace:
                report = run(workspace, as_of=as_of, trigger="demo", progress=progress)
                yield Played(report, written(workspace))


def written(workspace: Workspace) -> dict[str, int]:
    """Connection → different people whom we put into at least one of its audiences."""
    people: dict[str, BitMap] = {}
    for audience in workspace.store.ledger.audiences():
        people[audience.connection] = people.get(audience.connection, BitMap()) | audience.owned
    return {connection: len(owned) for connection, owned in people.items()}
