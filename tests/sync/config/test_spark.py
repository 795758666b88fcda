"""`engine = "spark"`: what the config must say, and what must be installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.engine.spark.starting import FIXED, what_is_missing
from sync.config.settings import SparkSettings
from tests.spark import require_spark
from tests.sync.config.platforms import load_text, problems_of

ON_SPARK = '[rules]\nengine = "spark"\n'
MASTER = '[rules.spark]\nmaster = "spark://spark.example.com:7077"\n'


@pytest.fixture
def fresh() -> Iterator[None]:
    """What is installed is looked at anew, before and after."""
    what_is_missing.cache_clear()
    yield
    what_is_missing.cache_clear()


def test_the_master_and_spark_s_own_settings_are_read(tmp_path: Path) -> None:
    require_spark()
    own = '[rules.spark.settings]\n"spark.executor.memory" = "8g"\n'
    found = load_text(tmp_path, ON_SPARK + MASTER + own).rules.spark
    assert found == SparkSettings("spark://spark.example.com:7077", {"spark.executor.memory": "8g"})


def test_without_engine_the_rules_are_asked_here_whatever_else_is_said_of_spark(tmp_path: Path) -> None:
    assert load_text(tmp_path, MASTER).rules.spark is None
    assert load_text(tmp_path, '[rules]\nengine = "duckdb"\n' + MASTER).rules.spark is None


def test_every_mistake_is_told_at_its_line(tmp_path: Path) -> None:
    assert any("add master" in one for one in problems_of(tmp_path, ON_SPARK))
    assert any('did you mean "spark"' in one for one in problems_of(tmp_path, '[rules]\nengine = "sparc"\n'))
    own = f'[rules.spark.settings]\n"{next(iter(FIXED))}" = "x"\n"cores" = "2"\n'
    found = problems_of(tmp_path, f'[rules.spark]\nmaster = "host"\n{own}')
    for words in ("the address of a master", "rules would mean something else", 'begins with "spark."'):
        assert len([one for one in found if words in one]) == 1, found


@pytest.mark.parametrize(
    ("java", "told"), [(None, "there is none"), ("11.0.2", "is Java 11"), ("", "does not start")]
)
@pytest.mark.usefixtures("fresh")
def test_a_java_that_is_missing_or_too_old_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, java: str | None, told: str
) -> None:
    pytest.importorskip("pyspark")
    if java is not None:
        program = tmp_path / "bin" / "java"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{java}\"' >&2\n")
        program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    found = [one for one in problems_of(tmp_path, ON_SPARK + MASTER) if told in one]
    assert len(found) == 1
    assert "install a Java 17" in found[0]
    assert "leave out engine" in found[0]
