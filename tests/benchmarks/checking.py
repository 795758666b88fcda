"""500 rules of ordinary size, checked in a process that has checked nothing before: grammar and all."""

from __future__ import annotations

import tempfile
import time
import tomllib
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.rulebook import rulebook
from tests.rules.vocabulary import VOCABULARY

RULES = 500
MOST_SECONDS = 1.0


def run(*, rules: int = RULES) -> list[Figure]:
    """Processor time of the first check and of the next, and as a multiple of reading the TOML alone."""
    text = rulebook(rules)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.toml"
        path.write_text(text, encoding="utf-8")
        first, again = _check(path), _check(path)
    before = time.process_time()
    tomllib.loads(text)
    alone = time.process_time() - before
    ratio = round(again / alone, 1)
    return [
        Figure(f"check_{rules}_rules", round(first, 2), "CPU s", "1 s", MOST_SECONDS, first <= MOST_SECONDS),
        Figure(f"check_{rules}_rules_again", round(again, 2), "CPU s", "none", None, True),
        Figure(f"check_{rules}_rules_to_toml", ratio, "times", "tomllib.loads of the text", None, True),
    ]


def _check(path: Path) -> float:
    before = time.process_time()
    from rules.language import load

    loaded = load(path, VOCABULARY)
    spent = time.process_time() - before
    assert not loaded.errors, loaded.errors
    return spent
