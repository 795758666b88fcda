"""`tables` loads a million contacts and ten million events from Parquet: pull, people, activity attached.

The whole of `segsync pull` is measured, down to committed lake tables that rules could read at once.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

from sync.run.pipeline import begin
from sync.run.workspace import Workspace
from tests.benchmarks.figures import Figure
from tests.benchmarks.generator import raw

SECONDS, MIB = 60.0, 4096.0
CONFIG = """
rules_dir = "rules"
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
changed_at = "updated_at"
[connections.shop.contacts.columns]
email = "email"
first_name = "first_name"
country = "country"
city = "city"
birthday = "birthday"
signed_up = "signed_up"
ltv = "ltv"
score = "score"
vip = "vip"
[connections.shop.contacts.types]
birthday = "date"
signed_up = "datetime"
ltv = "money"
score = "number"
vip = "boolean"
[[connections.shop.activity]]
kind_column = "kind"
kinds = ["purchase", "email_open", "email_click", "page_view", "cart_add"]
from = "events.parquet"
key = "event_id"
email = "email"
at = "at"
columns = { amount = "amount", category = "category", page = "page", campaign = "campaign" }
types = { amount = "money" }
"""


def run(*, people: int = 1_000_000, events: int = 10_000_000, folder: Path | None = None) -> list[Figure]:
    """Generates the files (not measured), then loads them."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        if not (place / "events.parquet").exists():
            raw(place, people=people, events=events)
        (place / "config.toml").write_text(CONFIG)
        start, cpu = time.perf_counter(), _cpu()
        with Workspace.open(place / "config.toml") as workspace, begin(workspace, "bench") as pipeline:
            pipeline.pull()
            pipeline.identify()
            lake = workspace.store.lake
            loaded = (lake.rows("contacts"), lake.rows("activity"), lake.rows("people"))
        seconds, used = time.perf_counter() - start, _cpu() - cpu
        assert not pipeline.report.failed, pipeline.report.document()
        assert loaded == (people, events, people), loaded
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        steps = ", ".join(f"{name} {value:.1f} s" for name, value in pipeline.report.seconds.items())
        return [
            Figure("load_tables", round(seconds, 1), "s", f"bound; {steps}", SECONDS, seconds <= SECONDS),
            Figure("load_tables_cpu", round(used, 1), "CPU s", "none", None, True),
            Figure("load_tables_peak_memory", round(peak), "MiB", "bound", MIB, peak <= MIB),
        ]


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
