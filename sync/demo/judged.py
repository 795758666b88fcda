"""The demo's last part: how good the data and the segments are, one clustering, and a report to open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync.progress import SILENT, Progress
from sync.quality.report import QualityReport
from sync.run import clustering
from sync.run.evaluating import evaluated
from sync.run.findings import looked
from sync.run.profiling import page_of, profiles, write_report
from sync.run.quality import report as quality_report
from sync.run.workspace import Workspace
from sync.run.worth import Evaluation

CLUSTERS = "clusters.toml"
_CLUSTERS = """\
# Which kinds of buyers there are, found by what they did. Nothing is written anywhere until somebody accepts
# them: segsync clusters show buyers, then segsync clusters accept buyers
[[clustering]]
id = "buyers"
name = "Kinds of buyers"
when = "count(purchase) > 0"

[clustering.features]
orders = "count(purchase)"
spent = "sum(purchase.amount)"
days_quiet = "days since last purchase"
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """`clusters`: as `segsync clusters show` tells them. `report`: the HTML file that was written."""

    quality: QualityReport
    evaluation: Evaluation
    clusters: Mapping[str, Any]
    report: Path

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "quality": self.quality.document(),
            "evaluation": self.evaluation.document(),
            "clusters": dict(self.clusters),
            "report": str(self.report),
        }


def judge(config: Path, report: Path, *, progress: Progress = SILENT) -> Judged:
    """Judge the demo's company, find kinds of buyers, and write the report; asks no platform.

    UserError if `report` is there and is no report of segsync.
    """
    (config.parent / "rules" / CLUSTERS).write_text(_CLUSTERS, encoding="utf-8")
    with Workspace.open(config) as workspace:
        progress.step("find kinds of buyers")
        (clusters,) = clustering.fit(workspace, [], progress=progress)
        progress.step("judge data and segments")
        with looked(workspace) as look:
            quality = quality_report(look)
        evaluation = evaluated(workspace)
        progress.step("write the report")
        write_report(page_of(workspace, profiles(workspace)), report)
    return Judged(quality, evaluation, clusters, report.absolute())
