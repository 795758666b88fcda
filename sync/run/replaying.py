"""`replay`: the size, entries, leaves and flapping that rules would have had on each of the past days."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pyroaring import BitMap

from rules import ir
from rules.engine.walk import nodes
from rules.ruleset import Clustering, RuleSet
from rules.vocabulary import Vocabulary
from sync.clusters.names import names_then
from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.progress import SILENT, Progress
from sync.run.past import Moment, closure, members_at, moment_of
from sync.run.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Day:
    """One day by its last run. `enter` and `leave`: against the last day before that could be asked."""

    date: dt.date
    run: int | None = None
    as_of: dt.datetime | None = None
    size: int | None = None
    enter: int | None = None
    leave: int | None = None
    missing: str | None = None  # why the rules could not be asked

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "date": self.date.isoformat(),
            "run": self.run,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "size": self.size,
            "enter": self.enter,
            "leave": self.leave,
            "missing": self.missing,
        }


@dataclass(slots=True)
class Replayed:
    """A segment over the window. `back`: people who left after they had come; `again`: the reverse."""

    segment: str
    days: list[Day] = field(default_factory=list)
    entered: BitMap = field(default_factory=BitMap)
    left: BitMap = field(default_factory=BitMap)
    back: BitMap = field(default_factory=BitMap)
    again: BitMap = field(default_factory=BitMap)
    last: BitMap | None = None

    def add(self, moment: Moment, date: dt.date, members: BitMap) -> None:
        """One day more, later than those before."""
        enter = leave = None
        if self.last is not None:
            came, gone = members - self.last, self.last - members
            self.back |= gone & self.entered
            self.again |= came & self.left
            self.entered |= came
            self.left |= gone
            enter, leave = len(came), len(gone)
        self.last = members
        self.days.append(Day(date, moment.run, moment.as_of, len(members), enter, leave))

    def document(self) -> dict[str, Any]:
        """As JSON. `flapping`: people who changed sides at least twice in the window."""
        return {
            "segment": self.segment,
            "days": [day.document() for day in self.days],
            "entered": len(self.entered),
            "left": len(self.left),
            "came_and_left": len(self.back),
            "left_and_came": len(self.again),
            "flapping": len(self.back | self.again),
        }


def replay(
    workspace: Workspace,
    rules: RuleSet,
    vocabulary: Vocabulary,
    *,
    segment: str | None = None,
    days: int = 30,
    progress: Progress = SILENT,
) -> list[Replayed]:
    """One segment or all, on each of the last `days` days and today, by the last run of each day.

    Days without a run, or whose state of the lake is not kept any more, are told as missing. Clusters are
    those that people were in then, under the names that are accepted today; a day on which there were none
    by these settings is missing for who asks for them.
    """
    if segment is not None and segment not in rules.segments:
        raise UserError(f"there is no segment {segment}{did_you_mean(segment, rules.segments)}")
    names = list(rules.segments) if segment is None else [segment]
    asked = closure(rules, names)
    clustered = {name: _clusterings(closure(rules, [name]), rules, vocabulary) for name in names}
    found = {name: Replayed(name) for name in names}
    dates = _dates(workspace, days)
    moments = _by_day(workspace, dates)
    progress.step("replay", len(dates))
    for date in dates:
        moment = moments.get(date)
        missing = _missing(workspace, moment)
        if missing is not None or moment is None:
            run, at = (moment.run, moment.as_of) if moment else (None, None)
            for one in found.values():
                one.days.append(Day(date, run, at, missing=missing))
        else:
            members = members_at(
                workspace.store,
                asked,
                vocabulary,
                moment=moment,
                as_of=moment.as_of,
                run=moment.run,
                settings=workspace.settings.rules,
                clusters=names_then(workspace.store, rules, vocabulary, moment.clusterings),
            )
            for name, one in found.items():
                unknown = _not_found(workspace, clustered[name], moment)
                if unknown is None:
                    one.add(moment, date, members[name])
                else:
                    one.days.append(Day(date, moment.run, moment.as_of, missing=unknown))
        progress.advance()
    return list(found.values())


def _dates(workspace: Workspace, days: int) -> list[dt.date]:
    here = zoneinfo.ZoneInfo(workspace.settings.business.zone)
    today = workspace.clock.utc_now().astimezone(here).date()
    return [today - dt.timedelta(days=ago) for ago in range(days, -1, -1)]


def _by_day(workspace: Workspace, dates: Sequence[dt.date]) -> dict[dt.date, Moment]:
    """The last run of each day that asked rules."""
    here = zoneinfo.ZoneInfo(workspace.settings.business.zone)
    start = dt.datetime.combine(dates[0], dt.time(), tzinfo=here).astimezone(dt.UTC)
    moments = (moment_of(run) for run in workspace.store.runs.since(start))
    return {one.as_of.astimezone(here).date(): one for one in moments if one is not None}


def _clusterings(asked: RuleSet, rules: RuleSet, vocabulary: Vocabulary) -> list[Clustering]:
    """Those whose clusters decide who is in."""
    found = nodes([one.when for one in asked.segments.values()], inside_aggregates=False)
    fields = [vocabulary.fields.get(one.name) for one in found if isinstance(one, ir.Fact)]
    facts = {one.model for one in fields if one is not None}
    return [one for one in rules.clusterings.values() if one.fact in facts]


def _not_found(workspace: Workspace, clusterings: Sequence[Clustering], moment: Moment) -> str | None:
    for one in clusterings:
        version = moment.clusterings.get(one.id)
        stored = workspace.store.models.versions(one.fact) if version is not None else ()
        if not any(each.version == version and each.settings == one.version for each in stored):
            return f"clustering {one.id} had not found clusters by these settings yet"
    return None


def _missing(workspace: Workspace, moment: Moment | None) -> str | None:
    if moment is None:
        return "no run"
    if moment.snapshots is None:
        return "the run did not note what it read"
    if not moment.kept(workspace.store):
        kept = workspace.settings.store.keep_lake_days
        return f"the lake as it was is gone: keep_lake_days is {kept}"
    return None
