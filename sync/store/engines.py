"""Engines of DuckDB over a lake: nothing is loaded from outside, and what is too large spills."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import duckdb

MOST_MIB = 1536
"""For one engine, unless the config says more."""


def engine_of(temporary: Path, memory_limit: str, threads: int | None) -> duckdb.DuckDBPyConnection:
    """A new one, which spills into a folder of its own in `temporary`. `threads` None: one for each core."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": str(temporary / uuid.uuid4().hex),
        "memory_limit": memory_limit,
        "preserve_insertion_order": "true",
    }
    if threads:
        config["threads"] = str(threads)
    return duckdb.connect(config=config)


def enough() -> str:
    """More makes nothing faster with a million people, and what is larger spills into the lake's folder."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{min(max(512, int(total * 0.6) >> 20), MOST_MIB)}MiB"
