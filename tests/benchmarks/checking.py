"""500 rules of ordinary size, checked by a process that starts for it, grammar and all."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.rulebook import rulebook
from tests.rules.vocabulary import VOCABULARY

RULES = 500
MOST_SECONDS = 1.0
_PROCESS = """
import sys
from pathlib import Path
from rules.language import load
from tests.rules.vocabulary import VOCABULARY
loaded = load(Path(sys.argv[1]), VOCABULARY)
assert not loaded.errors, loaded.errors
"""


def run(*, rules: int = RULES) -> list[Figure]:
    """Wall and processor time of a whole process; of a further check, as a multiple of reading the TOML."""
    text = rulebook(rules)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.toml"
        path.write_text(text, encoding="utf-8")
        wall, spent = _process(path)
        _check(path)
        again = _check(path)
    before = time.process_time()
    tomllib.loads(text)
    alone = time.process_time() - before
    ratio = round(again / alone, 1)
    holds = max(wall, spent) <= MOST_SECONDS
    return [
        Figure(f"check_{rules}_rules", round(wall, 2), "s", "1 s", MOST_SECONDS, holds),
        Figure(f"check_{rules}_rules_cpu", round(spent, 2), "CPU s", "1 s", MOST_SECONDS, holds),
        Figure(f"check_{rules}_rules_again", round(again, 2), "CPU s", "none", None, True),
        Figure(f"check_{rules}_rules_to_toml", ratio, "times", "tomllib.loads of the text", None, True),
    ]


def _process(path: Path) -> tuple[float, float]:
    """Wall and processor seconds of a new process that checks."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", _PROCESS, str(path)], check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _check(path: Path) -> float:
    before = time.process_time()
    from rules.language import load

    loaded = load(path, VOCABULARY)
    spent = time.process_time() - before
    assert not loaded.errors, loaded.errors
    return spent
