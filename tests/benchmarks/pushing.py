"""Plan and push without network delay: a million changes into a destination in memory.

Everything a real push does is done: the plan is stored as batches, addresses are looked up in relations,
each batch is marked, delivered and recorded with one outcome per change.
"""

from __future__ import annotations

import datetime as dt
import resource
import tempfile
import time
from pathlib import Path

import duckdb
from pyroaring import BitMap

from connectors.base import AudienceKind
from rules.ruleset import Mode
from sync.intend import save
from sync.plan import AudienceInput, make
from sync.push import push
from sync.store import Store
from sync.whereabouts import Whereabouts
from tests.benchmarks.figures import Figure
from tests.sync.memory import MemoryDestination

AT = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
BATCH = 500
BOUND = 100_000.0


def run(*, people: int = 200_000, segments: int = 10) -> list[Figure]:
    """`people` × `segments` × 1/2 changes, in batches of 500 as the strictest platform takes them."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        store = Store.open(f"sqlite:///{place / 'bench.db'}", place / "lake")
        try:
            return _measure(store, people, segments)
        finally:
            store.close()


def _measure(store: Store, people: int, segments: int) -> list[Figure]:
    database = duckdb.connect()
    database.execute(
        "CREATE TABLE contacts AS SELECT range::INTEGER AS contact, 'memory' AS connection,"
        " md5(range::VARCHAR) AS external_id, range || '@example.com' AS address, NULL::TIMESTAMPTZ AS"
        f" changed_at, false AS deleted, 'opted_in' AS email_consent FROM range({people})"
    )
    database.execute(
        "CREATE TABLE links AS SELECT contact, connection, external_id, contact AS person FROM contacts"
    )
    destination = MemoryDestination(size=BATCH)
    whereabouts = Whereabouts(database, contacts="contacts", links="links")
    run_id = store.runs.claim("bench", as_of=AT, now=AT).id
    inputs = []
    for number in range(segments):
        row = store.ledger.audience("memory", f"s{number}", AudienceKind.TAG.value, name=f"S{number}")
        inputs.append(
            AudienceInput(
                audience=row.id,
                connection="memory",
                segment=row.segment,
                name=row.name,
                kind=AudienceKind.TAG,
                mode=Mode.MIRROR,
                shape=destination.features.audiences[AudienceKind.TAG],
                desired=BitMap(range(number % 2, people, 2)),
                owned=BitMap(),
                actual=BitMap(),
                reachable=BitMap(range(people)),
                not_mailable=BitMap(),
                people=people,
            )
        )
    start = time.perf_counter()
    plan = make(inputs)
    plan_id = save(store, plan, run_id=run_id, as_of=AT, summary={})
    done = push(
        store,
        plan_id,
        connectors={"memory": destination},
        addresses=whereabouts.addresses,
        at=AT,
    )
    seconds = time.perf_counter() - start
    changes = sum(part.changes for part in done)
    assert changes == plan.changes == sum(len(some) for some in destination.sets.values())
    rate = changes / seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Figure("plan_and_push", round(rate), "changes/s", f"bound, {changes} changes", BOUND, rate >= BOUND),
        Figure("plan_and_push_peak_memory", round(peak), "MiB", "none", None, True),
    ]
