"""`segsync clusters fit` and the clusters of a daily run: a million people by twelve values.

Each is measured in a process of its own, through the run's own functions: values asked for, clusters found
with all that is told of them, everybody assigned, the lake written. The people are of eight kinds, of which
two overlap, with skewed money. By hand, the same matrix is given to scikit-learn once, with the number of
clusters that was found, and nothing is asked about whether they hold.

`python -m tests.benchmarks.clustering CONFIG fit|score AS_OF` measures one.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.pacing import ManualClock
from rules.models.columns import Floats, Ints
from sync.clusters.document import Frozen, frozen
from sync.clusters.people import People
from sync.run.clustering import fit
from sync.run.pipeline import begin
from sync.run.rulebook import known_clusterings
from sync.run.workspace import Workspace
from sync.store.shapes import quoted
from tests.benchmarks.figures import Figure

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
FIT_S, SCORE_S, MIB = 60.0, 5.0, 4096.0
KINDS, NUMBERS = 8, 8
MONEY = tuple(f"money{n}" for n in range(4))
PLAIN = tuple(f"number{n}" for n in range(NUMBERS))
FEATURES = (*MONEY, *PLAIN)
MOVED = 0.01
"""Of the people: the share whose values are others the next day."""
CLUSTERING = "[[clustering]]\nid = 'kinds'\n[clustering.features]\n" + "".join(
    f'{name} = "{name}"\n' for name in FEATURES
)
CONFIG = """rules_dir = "rules"
[store]
database = "sqlite:///bench.db"
lake = "lake"
memory_limit = "1500MB"
[connections.shop]
platform = "tables"
destination = false
url = "file:."
[connections.shop.contacts]
from = "contacts.parquet"
key = "id"
[connections.shop.contacts.columns]
""" + "".join(f'{name} = "{name}"\n' for name in FEATURES)
TYPES = "[connections.shop.contacts.types]\n" + "".join(
    f'{name} = "{"money" if name in MONEY else "number"}"\n' for name in FEATURES
)
FIELDS = "".join(f'[fields.{name}]\nfrom = ["shop.{name}"]\n' for name in FEATURES)


def run(*, people: int = 1_000_000, folder: Path | None = None) -> list[Figure]:
    """Makes the people and pulls them (not measured); finds clusters; a day later some are others."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        config = place / "config.toml"
        config.write_text(CONFIG + TYPES + FIELDS, encoding="utf-8")
        (place / "rules").mkdir(exist_ok=True)
        (place / "rules" / "kinds.toml").write_text(CLUSTERING, encoding="utf-8")
        values = made(people)
        pull(place, values, AS_OF)
        found = apart(config, "fit", AS_OF)
        first = by_hand(config, values)
        some = np.random.default_rng(3).choice(people, int(people * MOVED), replace=False)
        values[some] = values[np.roll(some, 1)]
        later = AS_OF + dt.timedelta(days=1)
        pull(place, values, later)
        scored = apart(config, "score", later)
        return figures(found, scored, first, people)


def figures(
    found: dict[str, Any], scored: dict[str, Any], hand: dict[str, float], people: int
) -> list[Figure]:
    """Each with its bound."""
    size = f"{people} people, {len(FEATURES)} values, {found['k']} clusters"
    figures = []
    for name, one, bound_s in (("fit", found, FIT_S), ("score", scored, SCORE_S)):
        figures += [
            Figure(
                f"clustering.{name}", one["wall"], "wall s", f"bound; {size}", bound_s, one["wall"] <= bound_s
            ),
            Figure(f"clustering.{name}.cpu", one["cpu"], "CPU s", size, None, True),
            Figure(f"clustering.{name}.peak_memory", one["peak"], "MiB", "bound", MIB, one["peak"] <= MIB),
        ]
    differ = int(hand["differ"])
    return [
        *figures,
        Figure(
            "clustering.by_hand.cpu",
            round(hand["cpu"], 2),
            "CPU s",
            f"scikit-learn alone, {size}",
            None,
            True,
        ),
        Figure(
            "clustering.people_that_differ", differ, "people", "the nearest centre by NumPy", 0, not differ
        ),
    ]


def made(people: int, *, seed: int = 1) -> Floats:
    """(people, values): kinds around middles of their own; the last two kinds overlap."""
    random = np.random.default_rng(seed)
    middles = random.normal(scale=2.5, size=(KINDS, len(FEATURES)))
    middles[-1] = middles[-2] + random.normal(scale=0.5, size=len(FEATURES))
    values: Floats = middles[random.integers(KINDS, size=people)] + random.normal(
        size=(people, len(FEATURES))
    )
    values[:, : len(MONEY)] = np.exp(values[:, : len(MONEY)] / 2 + 4)
    return np.round(values, 2)


def pull(folder: Path, values: Floats, at: dt.datetime) -> None:
    """The shop's file with these values, read into the lake."""
    columns = {name: values[:, place] for place, name in enumerate(FEATURES)}
    pq.write_table(pa.table({"id": np.arange(len(values)), **columns}), folder / "contacts.parquet")
    with (
        Workspace.open(folder / "config.toml", clock=ManualClock(at)) as workspace,
        begin(workspace, "benchmark", as_of=at) as pipeline,
    ):
        pipeline.pull()
        pipeline.identify()
        assert not pipeline.report.failed, pipeline.report.document()


def by_hand(config: Path, values: Floats) -> dict[str, float]:
    """Seconds of scikit-learn with the same number of clusters; and how many people are not where they are
    nearest, by the centres that were kept."""
    from sklearn.cluster import KMeans

    with Workspace.open(config) as workspace, closing(workspace.store.lake.connect()) as database:
        (version,) = workspace.store.models.versions("cluster.kinds")
        lake = workspace.store.lake
        rows = database.sql(
            f"SELECT external_id::BIGINT AS id, {quoted('cluster.kinds__id')} AS cluster FROM"
            f" {lake.relation('links')} JOIN {lake.relation('facts')} USING (person) ORDER BY 1"
        ).fetchnumpy()
    kept: Frozen = frozen(version.document["parameters"])
    columns = {name: values[:, place] for place, name in enumerate(FEATURES)}
    matrix = kept.matrix(People(np.arange(len(values)), columns, {}))
    apart_: Floats = np.stack([((matrix - centre) ** 2).sum(axis=1) for centre in kept.centres])
    nearest: Ints = np.array(kept.ids)[apart_.argmin(axis=0)]
    differ = int((nearest != np.asarray(rows["cluster"])).sum())
    cpu = time.process_time()
    KMeans(len(kept.ids), n_init=10, random_state=1).fit(matrix)
    return {"differ": differ, "cpu": time.process_time() - cpu}


def apart(config: Path, what: str, at: dt.datetime) -> dict[str, Any]:
    """One step in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.clustering", str(config), what, at.isoformat()]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(told)
    return found


def measured(config: Path, what: str, at: dt.datetime) -> dict[str, object]:
    """One step in this process: wall and CPU seconds, peak memory in MiB, how many clusters there are."""
    wall, cpu = time.perf_counter(), time.process_time()
    with Workspace.open(config, clock=ManualClock(at)) as workspace:
        if what == "fit":
            k = fit(workspace, [], as_of=at)[0]["k"]
        else:
            there, k = known_clusterings(workspace), None
            with begin(workspace, "benchmark", as_of=at) as pipeline:
                pipeline.cluster(there)
    return {
        "k": k,
        "wall": round(time.perf_counter() - wall, 2),
        "cpu": round(time.process_time() - cpu, 2),
        "peak": _peak_mib(),
    }


def _peak_mib() -> int:
    """The most memory this process ever had; `ru_maxrss` would tell the parent's if that was more."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    raise RuntimeError("the kernel does not tell the peak of memory")


if __name__ == "__main__":
    where, which, instant = sys.argv[1:]
    sys.stdout.write(json.dumps(measured(Path(where), which, dt.datetime.fromisoformat(instant))))
