"""Engagement where one person, a test mailbox say, has most of the deliveries and clicks, all of one message.

The rival is the same work over as many rows that are spread over everybody: what one did may not weigh more.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from sync.config.modelling import DAY_S, EngagementSettings
from sync.models.keeping import keep
from sync.store import Store
from tests.benchmarks.figures import Figure
from tests.sync.models.made import facts, put_activity, put_people

MOST = 3.0
PEOPLE, ROWS = 300, 100_000
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def run(*, rows: int = ROWS) -> list[Figure]:
    """CPU time of `rows` by one person, as a multiple of as many by all; the better of three each."""
    mine = min(_spent(rows, one=True) for _ in range(3))
    all_of_them = min(_spent(rows, one=False) for _ in range(3))
    ratio = round(mine / all_of_them, 2)
    return [
        Figure("engagement_one_person", round(mine, 2), "CPU s", "none", None, True),
        Figure("engagement_everybody", round(all_of_them, 2), "CPU s", "none", None, True),
        Figure("engagement_one_to_everybody", ratio, "times", "as many rows by all", MOST, ratio <= MOST),
    ]


def _spent(rows: int, *, one: bool) -> float:
    draw = np.random.default_rng(1)
    with (
        tempfile.TemporaryDirectory() as place,
        Store.open(f"sqlite:///{place}/bench.db", Path(place) / "lake") as store,
    ):
        put_people(store, range(1, PEOPLE + 1))
        for kind in ("email_sent", "email_click"):
            most = np.ones(rows, int) if one else draw.integers(1, PEOPLE + 1, rows)
            person = np.concatenate([most, draw.integers(2, PEOPLE + 1, 3_000)])
            ago = pd.to_timedelta(draw.integers(4 * DAY_S, 100 * DAY_S, len(person)), "s")
            at = pd.Timestamp(NOW) - ago
            put_activity(store, kind, pd.DataFrame({"person": person, "at": at, "campaign": "c"}))
        before = time.process_time()
        keep(store, {"engagement": EngagementSettings(force=True)}, as_of=NOW, currency="EUR")
        spent = time.process_time() - before
        assert facts(store, "engagement")["engagement"].notna().sum() > PEOPLE / 2
    return spent
