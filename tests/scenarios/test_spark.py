"""A run whose config says `engine = "spark"`: the same members as on DuckDB, over the lake's own files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from connectors.pacing import ManualClock
from sync.assign import assign
from sync.config.settings import RulesSettings
from sync.demo.accounts import NEWSLETTER, served, simulations
from sync.demo.data import make
from sync.demo.files import CONFIG, write_config, write_tables
from sync.demo.histories import Selection
from sync.run.pipeline import begin
from sync.run.rulebook import known_rules
from sync.run.workspace import Workspace
from sync.store.whole import amend
from tests.scenarios.company import segment
from tests.spark import MASTER, SETTINGS, on_spark, require_spark

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
RULES = "".join(
    segment(id_, when, to="[]")
    for id_, when in {
        "best": "sum(purchase.amount, last 365 days) in top 10% by country",
        "regular": "purchase in at least 2 of the last 6 months",
        "lapsed": "stopped purchase for 60 days and not suppressed",
        "clickers": "email_click last 90 days",
        "upcoming": "birthday anniversary within next 30 days",
        "quiet": 'count(purchase) = 1 and not in segment "clickers"',
        "matching": 'email matches "^[a-m].*@"',
        "lot": 'random 10% of "spring"',
        "slipping": 'lifecycle in ["at risk", "lapsed"] and rfm.money >= 4',
    }.items()
)


@on_spark
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_run_on_spark_assigns_whom_duckdb_assigns(tmp_path: Path) -> None:
    require_spark()
    data, clock = make(as_of=AS_OF, people=Selection.SAMPLE), ManualClock(AS_OF)
    write_tables(data, tmp_path)
    with served(simulations(NEWSLETTER, data, now=clock.utc_now)) as accounts:
        write_config(tmp_path, accounts)
        config = tmp_path / CONFIG
        told = "".join(f'"{name}" = "{value}"\n' for name, value in SETTINGS.items())
        spark = (
            f'\n[rules]\nengine = "spark"\n[rules.spark]\nmaster = "{MASTER}"\n[rules.spark.settings]\n{told}'
        )
        config.write_text(config.read_text() + spark + "[models.lifecycle]\n[models.rfm]\n")
        (tmp_path / "rules").mkdir(exist_ok=True)
        (tmp_path / "rules" / "spark.toml").write_text(RULES)
        with Workspace.open(config, clock=clock) as workspace, begin(workspace, "plan") as pipeline:
            pipeline.pull()
            pipeline.identify()
            changed = _changed(workspace)
            _, members = pipeline.assign()
            assert pipeline.report.evaluation["asked"] == pipeline.report.people == changed
            vocabulary, rules = known_rules(workspace)
            expected = assign(
                workspace.store, rules, vocabulary=vocabulary, as_of=AS_OF, settings=RulesSettings()
            )
    assert dict(members) == dict(expected.members)
    assert all(members[name] for name in rules.segments), {name: len(them) for name, them in members.items()}


def _changed(workspace: Workspace) -> int:
    """Puts newer rows beside the lake's files and takes one out of them; how many people there are then."""
    lake = workspace.store.lake
    with lake.connect() as database:
        rows = f"SELECT * FROM {lake.relation('people')} ORDER BY person"
        everybody = database.sql(rows).to_arrow_table()
    some = everybody.slice(10, 5)
    some = some.set_column(some.column_names.index("suppressed"), "suppressed", [[True] * some.num_rows])
    assert amend(lake, "people", some, gone=[everybody["person"][0].as_py()])
    assert lake.positions("people")
    return everybody.num_rows - 1
