"""One Spark for all tests of a process: a cluster of two executors on this machine.

Tests that need it say so when they are skipped without; `SEGSYNC_REQUIRE_SPARK=1` makes that a failure.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import pytest

from rules.engine.spark.starting import start, what_is_missing

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MASTER = "local-cluster[2,1,2048]"
_QUICKLY = (
    "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
)
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.extraJavaOptions": _QUICKLY,
    "spark.executor.extraJavaOptions": _QUICKLY,
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    # Every plan of a test is run once over few rows: compiling it takes longer than all the rest.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}
"""For little work in many plans; nothing of this changes what a plan means."""

on_spark = pytest.mark.xdist_group("spark")
"""Tests with this mark share one process, and so one Spark."""


def require_spark() -> None:
    """Skips the test with the reason if there is no Spark or no Java."""
    missing = what_is_missing()
    if missing is not None:
        if os.environ.get("SEGSYNC_REQUIRE_SPARK") == "1":
            pytest.fail(missing)
        pytest.skip(missing)


@cache
def _running() -> SparkSession:
    return start(MASTER, SETTINGS)


def spark() -> SparkSession:
    """The Spark of this process."""
    require_spark()
    return _running()
