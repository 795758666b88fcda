"""A console beside a run, two starts at once, two runs at once: nobody is told that a database is locked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sync.run.pipeline import begin
from tests.patience import PATIENCE_S
from tests.scenarios.company import Company, join, people, segment

WATCH = """
import contextlib, io, sys
from pathlib import Path
from sync.cli import main
config, stop = sys.argv[1], Path(sys.argv[2])
sys.argv = ["segsync", "--config", config, "status", "--format", "json"]
seen = 0
while not stop.exists():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            main()
        except SystemExit as ended:
            if ended.code:
                raise
    seen += 1
    print(seen, flush=True)
"""


def watcher(config: Path, stop: Path) -> subprocess.Popen[str]:
    """Another process that asks for the status again and again until `stop` is there."""
    return subprocess.Popen(
        [sys.executable, "-c", WATCH, str(config), str(stop)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_status_beside_runs_is_never_locked_out(firm: Company) -> None:
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"'))
    firm.customers(people(range(1, 51)))
    join(firm.newsletter, range(1, 201))
    stop = firm.folder / "stop"
    processes = [watcher(firm.config, stop) for _ in range(2)]  # both open a store that is not there yet
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "1"
        for known in (100, 150, 200):
            firm.customers(people(range(1, known + 1)))
            firm.run()
    finally:
        stop.touch()
    for process in processes:
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, err) == (0, "")
        assert len(out.split()) >= 2  # it went on beside the runs
    assert len(firm.tagged("germans")) == 200


def test_a_second_run_is_turned_away_while_one_is_at_work(firm: Company) -> None:
    firm.orders([])
    firm.customers(people(range(1, 11)))
    firm.rules(segment("germans", 'country = "DE"'))
    with firm.open() as workspace, begin(workspace, "run"):
        refused = firm.segsync("run")
        assert refused.code == 1
        assert "run 1 (run) is under way" in refused.err
        assert firm.segsync("status").code == 0
    firm.run()
