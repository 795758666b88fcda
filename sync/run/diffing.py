"""`diff`: the rules in force compared with an edited folder, on the data at hand. Writes nothing anywhere."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any, TextIO

from rules.ruleset import RuleSet
from rules.vocabulary import Vocabulary
from sync.assign import assign, rules_or_problems
from sync.errors import ExitCode
from sync.progress import SILENT, Progress
from sync.run.comparing import Difference, Status, differences
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
        }


def diff(
    workspace: Workspace,
    edited: RuleSet,
    vocabulary: Vocabulary,
    *,
    offline: bool = False,
    progress: Progress = SILENT,
) -> Diff:
    """Evaluate both at one instant, and plan both. UserError if the rules in force have problems."""
    in_force = rules_or_problems(workspace.settings.rules_dir, vocabulary)
    as_of = workspace.clock.utc_now()
    progress.step("evaluate both")
    asked = partial(
        assign, workspace.store, vocabulary=vocabulary, as_of=as_of, settings=workspace.settings.rules
    )
    before, after = asked(in_force), asked(edited)
    tried = try_out(
        workspace,
        Rules(in_force, before.members),
        Rules(edited, after.members),
        as_of=as_of,
        offline=offline,
        progress=progress,
    )
    return Diff(as_of, after.people, differences(in_force, edited, before, after), tried, offline)


def export_csv(found: Diff, to: TextIO) -> None:
    """Everybody who enters or leaves, one line each: segment, status, change, person (a number)."""
    writer = csv.writer(to, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(["segment", "status", "change", "person"])
    for one in found.segments:
        for change, people in (("enter", one.enter), ("leave", one.leave)):
            writer.writerows([one.segment, one.status.value, change, person] for person in people)
