"""What holds of all models: the same lake gives the same bytes, and none tells what chance decides."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from sync.models.keeping import keep
from sync.models.standing import by_model, reason
from sync.run.modelling import status
from sync.store import Store
from sync.store.models import ModelState
from tests.databases import postgres_url, sqlite_url
from tests.sync.models.lively import MODELS, NOW, names_of, put_lake
from tests.sync.models.made import facts


def found(folder: Path, database: str, *, order: int, threads: int) -> list[str]:
    """What a process of its own finds and tells of the lake. `threads`: of DuckDB, BLAS and OpenMP."""
    folder.mkdir()
    several = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.sync.models.lively", database, str(folder), str(order), str(threads)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **several, "PYTHONHASHSEED": str(order)},
    )
    return done.stdout.splitlines()


def test_neither_order_nor_threads_nor_hashes_nor_the_database_change_a_byte(tmp_path: Path) -> None:
    """Of any model's version, and of anybody's facts."""
    one, other = tmp_path / "one", tmp_path / "other"
    first = found(one, sqlite_url(tmp_path), order=0, threads=1)
    states = {line.split()[0]: line.split()[1] for line in first[: len(MODELS)]}
    assert states == dict.fromkeys(MODELS, "fitted")
    assert found(other, postgres_url(), order=5, threads=2) == first


NOISE = ("rfm", "lifecycle", "churn", "offers", "engagement", "channel", "lead", "send_time")
"""The value of orders that chance decides is refused already: nobody seems to leave. See `test_value`."""


def test_what_chance_decides_is_no_fact_and_forced_it_is_one_that_says_so(lake_store: Store) -> None:
    put_lake(lake_store, signal=False)
    models = {name: MODELS[name] for name in NOISE}
    done = keep(lake_store, models, as_of=NOW, currency="EUR")
    assert {one.model: one.state for one in done.fitted} == dict.fromkeys(NOISE, ModelState.NO_BETTER)
    assert done.used == {}
    stored = by_model(lake_store)
    for name, model in models.items():
        assert facts(lake_store, *names_of(model)).isna().all().all()
        why = reason(model, stored[name])
        assert why.endswith(f"force = true in [models.{name}] would use it all the same.")
        assert f"model {name} is not in use, its facts are missing: {why}" in done.notices
        assert status(stored[name][0], None, forced=False) == "no_better"

    forced = {name: replace(model, force=True) for name, model in models.items()}
    done = keep(lake_store, forced, as_of=NOW, currency="EUR")
    assert done.fitted == []
    for name, model in models.items():
        assert facts(lake_store, names_of(model)[0]).notna().to_numpy().mean() > 0.99
        assert status(stored[name][0], done.used[name], forced=True) == "forced"
