"""Clusters with PostgreSQL as control database, and by Spark: the same members as on SQLite and DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sync.assign import assign
from sync.clusters.names import names_now
from sync.config.settings import RulesSettings
from sync.run.rulebook import known_rules
from sync.run.workspace import Workspace
from tests.databases import postgres_url
from tests.scenarios.clustered import CALLED, DAY, EACH, HUNTERS, Stages
from tests.scenarios.planted import NOW, Planted
from tests.spark import MASTER, SETTINGS, on_spark, require_spark


def told_of(shop: Planted) -> list[dict[int, Any]]:
    """What clusters tell of everybody."""
    return [
        shop.facts(name) for name in ("cluster.value__id", "cluster.value__waits", "cluster", "cluster__ci")
    ]


@pytest.mark.xdist_group("clusters")
@pytest.mark.usefixtures("small_effort")
def test_on_postgresql_the_same_are_in_each_cluster_and_written(running: Planted, tmp_path: Path) -> None:
    shop = Planted(tmp_path, HUNTERS, each=EACH, database=postgres_url())
    shop.run()
    ids = {one["name"]: one["id"] for one in running.asked("clusters show value")["clusters"]}
    names = " ".join(f'--name {ids[name]}="{name}"' for name in CALLED.values())
    shop.told(f"clusters accept value --by me {names}")
    shop.run(NOW + DAY)
    assert told_of(shop) == told_of(running)
    assert shop.written() == running.written() == {"hunters": shop.of("hunters")}


@on_spark
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_on_spark_the_same_are_in_each_cluster_and_written(stages: Stages) -> None:
    require_spark()
    running = stages.back("running")
    expected = told_of(running), running.written()
    shop = stages.back("accepted")
    settings = "".join(f'"{name}" = "{value}"\n' for name, value in SETTINGS.items())
    spark = f'engine = "spark"\n[rules.spark]\nmaster = "{MASTER}"\n[rules.spark.settings]\n{settings}'
    before, _, after = shop.config.read_text("utf-8").partition("[rules]")
    shop.config.write_text(f"{before}[rules]\n{spark}{after[after.index('[brakes]') :]}", "utf-8")
    with Workspace.open(shop.config) as workspace:
        vocabulary, rules = known_rules(workspace)
        clusters = names_now(workspace.store, rules, vocabulary)
        by_spark, by_duckdb = (
            assign(
                workspace.store, rules, vocabulary=vocabulary, as_of=NOW, settings=one, clusters=clusters
            ).members
            for one in (workspace.settings.rules, RulesSettings())
        )
    assert by_spark == by_duckdb
    assert len(by_spark["hunters"]) == EACH  # under names that no run has written yet
    shop.run(NOW + DAY)
    assert (told_of(shop), shop.written()) == expected
