"""From the first release on: every step up keeps what is there, on both databases, and a run goes on."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from pyroaring import BitMap

import sync.store.migrations as migrations
from sync.store import RunState, Store
from sync.store.database import Database
from sync.store.migrate import HEAD, revision_of, upgrade
from tests.sync.store.first_release import FIRST, ROWS, build, in_order, plain, told

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def steps() -> list[str]:
    """All revisions after the first, in order."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    found = ScriptDirectory.from_config(config).walk_revisions()
    return [one.revision for one in found if one.revision != FIRST][::-1]


def written() -> dict[str, list[dict[str, object]]]:
    return {
        table: in_order([{name: plain(value) for name, value in row.items()} for row in rows])
        for table, rows in ROWS.items()
    }


def test_each_step_up_keeps_every_row_of_the_first_release(empty_url: str) -> None:
    database = Database(empty_url)
    build(database)
    assert told(database) == written()
    for revision in steps():
        with database.writing() as connection:
            upgrade(connection, to=revision)
        with database.reading() as connection:
            assert revision_of(connection) == revision
        assert told(database) == written(), f"the step to {revision} changed what was there"
    with database.reading() as connection:
        assert revision_of(connection) == HEAD
    database.close()


def test_a_store_of_the_first_release_goes_on_after_the_upgrade(empty_url: str, tmp_path: Path) -> None:
    """T9: a run that died before the upgrade is ended or resumed, its plans are there, ids go on."""
    database = Database(empty_url)
    build(database)
    database.close()
    with Store.open(empty_url, tmp_path / "lake") as store:
        run = store.runs.claim("run", as_of=NOW, now=NOW)
        assert run.id == 3
        assert store.runs.get(2).state is RunState.INTERRUPTED
        row = store.ledger.get(1)
        assert row.owned == BitMap([1, 2, 500])
        assert [batch.removes for batch in store.plans.batches(1)] == [BitMap([500])]
        assert store.segments.latest()["germans"].members == BitMap([1, 2])
        assert store.inbox.checkpoint("old", "contacts").cursor == "c1"
        assert len(store.inbox.rejected()) == 1
        store.runs.finish(run, RunState.DONE, now=NOW, stats={})
    with Store.open(empty_url, tmp_path / "lake") as store:
        assert store.runs.latest()[0].state is RunState.DONE
