"""Peak memory does not follow the size of a file: a block of it is held, and 12 bytes of each key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

READ = """
import sys, resource
from connectors.pacing import ManualClock
from connectors.tables.connector import open_tables
entry = {"kind": "purchase", "from": sys.argv[2], "key": "order", "contact": "customer", "at": "when",
         "columns": {"amount": "total"}, "types": {"amount": "money"}}
connector = open_tables({"url": "file:" + sys.argv[1], "activity": [entry]}, ManualClock())
rows = sum(page.rows.num_rows for page in connector.read(connector.features.streams[0], None))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mib(folder: Path, rows: int) -> int:
    """Peak memory of a process that reads so many orders from CSV."""
    name = f"orders-{rows}.csv"
    with (folder / name).open("w") as file:
        file.write("order,customer,when,total\n")
        file.writelines(f'{n},{n % 99_991},2024-01-01 10:00:00,"{n % 977}.25"\n' for n in range(rows))
    told = subprocess.run(
        [sys.executable, "-c", READ, str(folder), name], check=True, capture_output=True, text=True
    )
    read, peak = map(int, told.stdout.split())
    assert read == rows
    return peak


@pytest.mark.benchmark
def test_a_file_four_times_as_long_takes_no_more_than_its_keys(tmp_path: Path) -> None:
    short, long = peak_mib(tmp_path, 1_000_000), peak_mib(tmp_path, 4_000_000)
    keys = 3_000_000 * 12 * 3 // 2**20  # merging two runs of keys holds both and their union
    assert long - short < keys + 64 + 150  # the coarse table of 64 MiB, and slack of the allocator
    assert long < 1024
