"""Eight processes spend one account's budget: do they hold its limit, and does each get its share?

`python -m tests.benchmarks.budgets` prints the measurement on both databases, ten seconds each.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from connectors.pacing import SystemClock
from connectors.standing import AtOnce, Window
from sync.store.budgets import DatabaseBudgets
from sync.store.database import Database
from sync.store.migrate import migrate
from tests.benchmarks.figures import Figure
from tests.databases import database_urls
from tests.sync.store.spenders import CALLS, densest, spend

SECONDS = 10.0
TURNS = 500


def run(*, seconds: float = SECONDS) -> list[Figure]:
    """Figures on SQLite and PostgreSQL."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, url in database_urls(Path(folder)).items():
            database = Database(url)
            migrate(database)
            found += _turns(name, database)
            database.close()
            found += _measure(name, url, seconds)
    return found


def _turns(name: str, database: Database) -> list[Figure]:
    budget = DatabaseBudgets(database, clock=SystemClock()).account("Bench", "account")
    window, place = Window("calls", 1e9), AtOnce("at once", 6)

    def take() -> None:
        budget.take([window])

    def stand() -> None:
        with budget.place(place):
            pass

    found = []
    for what, step in (("turn", take), ("place", stand)):
        step()
        spent = []
        for _ in range(TURNS):
            start = time.perf_counter()
            step()
            spent.append(time.perf_counter() - start)
        figure = round(statistics.median(spent) * 1000, 2)
        found.append(Figure(f"budget_{what}_{name}", figure, "ms", "none, median", None, True))
    return found


def _measure(name: str, url: str, seconds: float) -> list[Figure]:
    assert CALLS.rate_per_s is not None
    notes = spend(url, "rate", seconds=seconds)
    granted = sorted(granted_s for mine in notes for granted_s, _ in mine)
    sent = sorted(sent_s for mine in notes for _, sent_s in mine)
    rate = (len(granted) - 1) / (granted[-1] - granted[0])
    off = abs(rate / CALLS.rate_per_s - 1)
    share = len(granted) / len(notes)
    furthest = max(abs(len(mine) / share - 1) for mine in notes)
    limit = CALLS.rate_per_s / 0.98
    late = statistics.median(s - g for mine in notes for g, s in mine) * 1000
    return [
        Figure(
            f"budget_rate_{name}", round(rate, 2), "calls/s", f"{CALLS.rate_per_s} ± 2 %", 0.02, off <= 0.02
        ),
        Figure(
            f"budget_densest_second_{name}",
            densest(granted, 1.0),
            "calls",
            "limit + 2 %",
            limit * 1.02,
            densest(granted, 1.0) <= limit * 1.02,
        ),
        Figure(f"budget_densest_second_sent_{name}", densest(sent, 1.0), "calls", "none", None, True),
        Figure(f"budget_unfairness_{name}", round(furthest, 3), "of a share", "0.25", 0.25, furthest <= 0.25),
        Figure(f"budget_lateness_{name}", round(late, 1), "ms", "none, median", None, True),
    ]


if __name__ == "__main__":
    figures = run()
    for figure in figures:
        sys.stdout.write(figure.to_json() + "\n")
    sys.exit(0 if all(figure.holds for figure in figures) else 1)
