"""Starting Spark: what must be installed, and where it runs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FIXED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # what overflows must fail, not become something else
    "spark.sql.ansi.enforceReservedKeywords": "false",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.groupByOrdinal": "true",
    "spark.sql.variable.substitute": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.datetime.java8API.enabled": "true",  # far instants have no place in the older classes
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",  # the lake knows no Julian calendar
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
}
"""What gives the emitted words their meaning: not for anybody to change."""
LEAST_JAVA = 17
_LOCAL = re.compile(r"local(-cluster)?(\[.*\])?")


class SparkFailed(Exception):
    """Spark gave up; the text says at what, without any value of the data."""


class SparkUnusable(Exception):
    """Spark cannot be used; the text says what is missing and what to do."""


@cache
def what_is_missing() -> str | None:
    """What must be installed before Spark can be used here; None: nothing."""
    if importlib.util.find_spec("pyspark") is None:
        return "Apache Spark is not installed; install segsync with the extra 'spark'"
    wanted = f"install a Java {LEAST_JAVA} or later and set JAVA_HOME to its folder"
    java = _java()
    if java is None:
        return f"Spark needs Java, and there is none: {wanted}"
    found = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', found.stderr)
    if found.returncode or version is None:
        return f"{java} does not start: {wanted}"
    if int(version.group(1)) < LEAST_JAVA:
        return f"Spark needs Java {LEAST_JAVA}, and {java} is Java {version.group(1)}: {wanted}"
    return None


def _java() -> str | None:
    """Java as Spark will find it: in JAVA_HOME, else in PATH."""
    home = os.environ.get("JAVA_HOME")
    if not home:
        return shutil.which("java")
    java = Path(home) / "bin" / "java"
    return str(java) if java.exists() else None


def start(master: str, settings: Mapping[str, str] | None = None) -> SparkSession:
    """The Spark of this process, started if it is not running. SparkUnusable if it cannot be."""
    missing = what_is_missing()
    if missing is not None:
        raise SparkUnusable(missing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about the version of pandas, which is not used
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master(master).appName("segsync")
        if _LOCAL.fullmatch(master):
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # read at the start, and nowhere else
        for name, value in {**_OURS, **(settings or {})}.items():
            builder = builder.config(name, value)
        try:
            spark = builder.getOrCreate()
        except (PySparkException, OSError, RuntimeError) as error:
            first = str(error).strip().splitlines()[:1]
            raise SparkUnusable(f"Spark did not start on {master}: {' '.join(first)}") from error
    spark.sparkContext.setLogLevel("OFF")  # its exceptions reach us; its log may repeat values of people
    return spark


_OURS = {
    "spark.ui.showConsoleProgress": "false",
    # no table is ever made there, but Spark makes the folder, and would where segsync was started
    "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "segsync-spark-warehouse"),
    "spark.driver.maxResultSize": "0",  # a number and some bits of each person, never their data
}


@contextmanager
def failures() -> Iterator[None]:
    """What Spark raises, as SparkFailed."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        condition = error.getCondition() if isinstance(error, PySparkException) else None
        named = condition or type(error).__name__  # the message may repeat values
        raise SparkFailed(f"Spark failed ({named}); its own log, where it runs, tells more") from error
