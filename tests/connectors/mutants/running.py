"""Runs the tests of one mutant in a private copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.connectors.mutants.catalog import ROOT, Mutant

PARTS = ("connectors", "rules", "sync", "tests", "pyproject.toml")
LONGEST_S = 300
RED, SURVIVED, DOES_NOT_APPLY = "red", "SURVIVED", "DOES NOT APPLY"
FAILED = re.compile(r"^FAILED \S+::(test_\w+)", re.MULTILINE)


class Copy:
    """A copy of the tree below `folder`, in which one mutant at a time is tried."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)

    def try_(self, mutant: Mutant) -> dict[str, str]:
        """Test → verdict. The copy is whole again afterwards."""
        path = self._folder / mutant.file
        whole = path.read_text(encoding="utf-8")
        faulty = mutant.applied(whole)
        if faulty is None:
            return dict.fromkeys(mutant.tests, DOES_NOT_APPLY)
        path.write_text(faulty, encoding="utf-8")
        try:
            failed = self.failing(mutant.platform, mutant.tests)
        finally:
            path.write_text(whole, encoding="utf-8")
        return {test: RED if test in failed else SURVIVED for test in mutant.tests}

    def failing(self, platform: str, tests: Sequence[str]) -> set[str]:
        """Those of the tests that fail in the copy as it is now; one that hangs fails."""
        file = f"tests/connectors/{platform}/test_contract.py"
        names = " or ".join(tests)
        command = [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=no", "-p", "no:cacheprovider", "-p"]
        command += ["no:randomly", file, "-k", names]
        environment = {**os.environ, "PYTHONPATH": str(self._folder), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command,
                cwd=self._folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return set(tests)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"pytest could not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return set(FAILED.findall(done.stdout))
