"""A whole company on this machine: a folder with config, exports and rules, and a simulated newsletter.

Nothing leaves the machine, and nothing of the user's own is touched: everything lies in one new folder.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rules
from connectors.simulation.server import serve
from sync.demo.data import make
from sync.demo.files import CONFIG, KEY_VARIABLE, demo_config, seed_newsletter, write_tables
from sync.demo.histories import HistoriesMissing, Selection
from sync.errors import UserError
from sync.progress import SILENT, Progress
from sync.run.pipeline import run
from sync.run.report import Report
from sync.run.workspace import Workspace

EXAMPLES = Path(str(rules.__file__)).parent / "examples"
"""The rule files shipped with segsync."""


@contextmanager
def company(folder: Path, *, as_of: dt.datetime, people: str = "sample") -> Iterator[Path]:
    """Fill `folder` and serve its newsletter while the block runs; yields the config's path."""
    from connectors.mailchimp.simulator import MailchimpSimulator

    try:
        data = make(as_of=as_of, people=Selection(people))
    except HistoriesMissing as error:
        raise UserError(str(error)) from error
    write_tables(data, folder)
    shutil.copytree(EXAMPLES, folder / "rules")
    simulator = MailchimpSimulator(people=0)
    seed_newsletter(simulator, data)
    with serve(simulator) as address:
        demo_config(folder, address)
        before = os.environ.get(KEY_VARIABLE)
        os.environ[KEY_VARIABLE] = str(simulator.credentials["api_key"])
        try:
            yield folder / CONFIG
        finally:
            if before is None:
                del os.environ[KEY_VARIABLE]
            else:
                os.environ[KEY_VARIABLE] = before


def demo(
    folder: Path, *, people: str = "sample", runs: int = 2, progress: Progress = SILENT
) -> Iterator[Report]:
    """Run the five steps `runs` times over the demo's company in `folder`, which must be empty or new."""
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; the demo wants a folder of its own")
    folder.mkdir(parents=True, exist_ok=True)
    as_of = dt.datetime.now(dt.UTC)
    progress.step("make people, orders and a newsletter")
    with company(folder, as_of=as_of, people=people) as config:
        for _ in range(runs):
            with Workspace.open(config) as workspace:
                yield run(workspace, trigger="demo", progress=progress)
