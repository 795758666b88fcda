"""`diff`: the rules in force compared with an edited folder, on the data at hand. Writes nothing anywhere."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import Any, TextIO

from rules.engine import Evaluation
from rules.language import Loaded, Problem
from rules.ruleset import RuleSet
from rules.vocabulary import Vocabulary
from sync.assign import assign
from sync.clusters.names import names_now
from sync.errors import ExitCode
from sync.progress import SILENT, Progress
from sync.run.clustering import warnings as of_clusters
from sync.run.comparing import Difference, Status, differences
from sync.run.modelling import warnings as of_models
from sync.run.rulebook import known_rules
from sync.run.trying import Rules, Tried, try_out
from sync.run.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Diff:
    """What the edit does to segments and on platforms."""

    as_of: dt.datetime
    people: int
    segments: tuple[Difference, ...]
    tried: Tried
    offline: bool
    warned: tuple[Problem, ...] = ()
    """Where the edited rules ask for facts that nobody will have, and why."""

    @property
    def shown(self) -> tuple[Difference, ...]:
        """The segments that the edit touches."""
        return tuple(one for one in self.segments if one.status is not Status.UNCHANGED or one.settings)

    @property
    def changes(self) -> bool:
        """Whether anybody enters or leaves, or an audience is made, renamed or left."""
        return any(one.moves for one in self.segments) or self.tried.changes

    def exit_code(self, *, tell_changes: bool) -> ExitCode:
        """A platform that failed outweighs a brake, and that a change."""
        if self.tried.failed:
            return ExitCode.PLATFORM_FAILED
        if self.tried.held:
            return ExitCode.HELD
        return ExitCode.WORK_TO_DO if tell_changes and self.changes else ExitCode.DONE

    def document(self) -> dict[str, Any]:
        """As JSON."""
        tried = self.tried
        return {
            "as_of": self.as_of.isoformat(),
            "people": self.people,
            "offline": self.offline,
            "counts": Counter(one.status.value for one in self.segments),
            "segments": [one.document() for one in self.segments],
            "connections": [
                {
                    "connection": name,
                    "audiences": [a.document() for a in tried.audiences if a.connection == name],
                    "cost": with_edit.document(),
                    "cost_in_force": in_force.document(),
                    "calls_left_today": tried.calls_left[name],
                }
                for name, (with_edit, in_force) in tried.costs.items()
            ],
            "brakes": [one.document() for one in tried.brakes],
            "failed": tried.failed,
            "warnings": [
                {"file": one.file, "line": one.line, "column": one.column, "message": one.message}
                for one in self.warned
            ],
        }


def diff(
    workspace: Workspace,
    loaded: Loaded,
    vocabulary: Vocabulary,
    *,
    offline: bool = False,
    progress: Progress = SILENT,
) -> Diff:
    """Evaluate the rules in force and those `loaded` by this vocabulary, without errors, at one instant, and
    plan both. UserError if the rules in force have problems.

    Clusters are those of today, under the names accepted until now. Where an edited clustering is to be found
    anew, nobody is in a cluster of it before somebody has accepted it.
    """
    edited = loaded.ruleset
    assert edited is not None  # noqa: S101 - see above
    known, in_force = known_rules(workspace)
    as_of = workspace.clock.utc_now()
    progress.step("evaluate both")

    def asked(rules: RuleSet, names: Vocabulary) -> Evaluation:
        clusters = names_now(workspace.store, rules, names)
        settings = workspace.settings.rules
        return assign(
            workspace.store, rules, vocabulary=names, as_of=as_of, settings=settings, clusters=clusters
        )

    before, after = asked(in_force, known), asked(edited, vocabulary)
    tried = try_out(
        workspace,
        Rules(in_force, before.members),
        Rules(edited, after.members),
        as_of=as_of,
        offline=offline,
        progress=progress,
    )
    warned = (
        *of_models(workspace, loaded, vocabulary),
        *of_clusters(workspace, loaded, vocabulary, in_force=False),
    )
    segments = differences(in_force, edited, before, after)
    return Diff(as_of, after.people, segments, tried, offline, tuple(sorted(warned)))


def export_csv(found: Diff, to: TextIO) -> None:
    """Everybody who enters or leaves, one line each: segment, status, change, person (a number)."""
    writer = csv.writer(to, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(["segment", "status", "change", "person"])
    for one in found.segments:
        for change, people in (("enter", one.enter), ("leave", one.leave)):
            writer.writerows([one.segment, one.status.value, change, person] for person in people)
