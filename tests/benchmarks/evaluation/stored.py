"""Where each side puts its bitmaps: ours in a store as a run does, those by hand in one table of SQLite."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from pyroaring import BitMap

from rules.engine import Evaluation
from rules.ruleset import RuleSet
from sync.assign import remember
from sync.store import Store
from tests.benchmarks.evaluation.rules import toml
from tests.benchmarks.generator import AS_OF
from tests.databases import sqlite_url

Keep = Callable[[Mapping[str, BitMap]], None]


@contextmanager
def run_of_ours(rules: RuleSet, variants: int) -> Iterator[Callable[[Evaluation], None]]:
    """A store that nothing was stored in, the run begun: call it with what to remember."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "rules.toml").write_text(toml(variants), encoding="utf-8")
        with Store.open(sqlite_url(place), place / "lake") as store:
            run = store.runs.claim("bench", as_of=AS_OF, now=AS_OF)

            def keep(evaluation: Evaluation) -> None:
                changed = remember(store, rules, evaluation, run_id=run.id, as_of=AS_OF, folder=place)
                assert len(changed) == len(rules.segments)

            yield keep


@contextmanager
def plain_table() -> Iterator[Keep]:
    """An empty table: call it with the bitmaps to keep."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "members.db")) as database,
    ):
        database.execute("CREATE TABLE members (segment TEXT PRIMARY KEY, size INTEGER, members BLOB)")

        def keep(found: Mapping[str, BitMap]) -> None:
            rows = ((segment, len(members), members.serialize()) for segment, members in found.items())
            with database:
                database.executemany("INSERT INTO members VALUES (?, ?, ?)", rows)

        yield keep
