"""What segsync's own store says after a campaign; runs in a process of its own, prints JSON."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.scenarios.campaign.clock import SharedClock


def inspect(config: Path, clock: SharedClock) -> int:
    """Refusals by connection and contact, orders by connection, runs that are not over, all that was told."""
    from sqlalchemy import select

    from sync.run.workspace import Workspace
    from sync.store.tables import tasks

    with Workspace.open(config, clock=clock) as workspace:
        store = workspace.store
        runs = store.runs.latest(limit=10_000)
        said: list[Any] = [run.stats for run in runs] + [store.notes.get("good:shop")]
        with store.database.reading() as database:
            said += [list(row) for row in database.execute(select(tasks.c.results, tasks.c.work))]
        rows = {row.id: row for row in store.ledger.audiences()}
        with closing(store.lake.connect()) as database:
            links = database.sql(
                f"SELECT connection, external_id, person FROM {store.lake.relation('links')}"
            ).fetchall()
            activity = database.sql(
                f"SELECT connection, event_id FROM {store.lake.relation('activity')} WHERE kind = 'purchase'"
            ).fetchall()
        contacts: dict[tuple[str, int], list[str]] = {}
        for connection, key, person in links:
            contacts.setdefault((connection, person), []).append(key)
        refused = []
        for one in store.ledger.refusals():
            connection = rows[one.audience_id].connection
            keys = contacts.get((connection, one.person), ["?"])
            refused.append([connection, keys, one.code, one.reason, one.tries])
        found = {
            "refused": refused,
            "orders": Counter(connection for connection, _ in activity),
            "doubled": sum(count - 1 for count in Counter(activity).values()),
            "unfinished": [[run.id, run.state] for run in runs if run.state in ("open", "running")],
            "runs": Counter(str(run.state) for run in runs),
            "plans": len(store.plans.latest(limit=100_000)),
            "said": json.dumps(said, default=str),
        }
    print(f"\n@@{json.dumps(found)}")
    return 0
