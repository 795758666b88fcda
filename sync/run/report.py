"""What a run did, for people and for scripts. Counts and reasons; no address and no name."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from sync.errors import ExitCode
from sync.forecast import Forecast


@dataclass(slots=True)
class ConnectionReport:
    """One connection's part. `forecast`: the fewest write calls that could do it, as the plan shows them."""

    read: int = 0  # rows that arrived
    changes: int = 0  # adds and removals that the platform took
    adds: int = 0
    removes: int = 0
    calls: int = 0  # write calls that carried changes
    preparing_calls: int = 0  # write calls that made or renamed audiences, or declared values
    forecast: Forecast = field(default_factory=Forecast)
    calls_left: int | None = None  # what the account's day has left for us, if the platform tells
    late: list[str] = field(default_factory=list)  # audiences that will not be done when they are wanted
    created: int = 0  # audiences that were made
    renamed: int = 0  # audiences that got the name their segment has now
    refused: int = 0
    unreachable: int = 0  # different people who belong to an audience but have no contact there
    withheld: int = 0  # different people who belong to one but must not be marketed to
    held: int = 0  # changes that wait for an approval
    opt_outs: int = 0  # contacts that opted out elsewhere and are to be opted out here
    opt_outs_held: int = 0  # … and wait for an approval
    opt_outs_recorded: int = 0  # … and now are
    unknown: int = 0  # changes that got no answer; sent again by the next run
    stopped: str | None = None
    frozen: bool = False  # stopped because a person stopped all writes
    unusable: bool = False  # stopped by a mistake in the config or the file, not by the platform

    @property
    def minimum_calls(self) -> int:
        """The fewest write calls that could carry the changes."""
        return self.forecast.calls

    @property
    def minimum_preparing_calls(self) -> int:
        """The fewest that had to come before them."""
        return self.forecast.preparing_calls

    def document(self) -> dict[str, object]:
        """As JSON; `stopped` only if it was."""
        names = (
            "read",
            "changes",
            "adds",
            "removes",
            "calls",
            "minimum_calls",
            "preparing_calls",
            "minimum_preparing_calls",
            "created",
            "renamed",
            "refused",
            "unreachable",
            "withheld",
            "held",
            "unknown",
            "opt_outs",
            "opt_outs_held",
            "opt_outs_recorded",
        )
        shown: dict[str, object] = {name: getattr(self, name) for name in names}
        if self.stopped:
            shown["stopped"] = self.stopped
        return shown


@dataclass(slots=True)
class Report:
    """One run, whichever of its steps were asked for."""

    run_id: int
    as_of: dt.datetime
    people: int = 0
    lake_rows_changed: int = 0
    rejected: int = 0
    merges: int = 0
    splits: int = 0
    notices: list[str] = field(default_factory=list)
    segments: dict[str, int] = field(default_factory=dict)
    evaluation: dict[str, object] = field(default_factory=dict)  # who was asked, and why no fewer
    models: dict[str, object] = field(default_factory=dict)  # which were in use, and which were made anew
    held_facts: dict[str, str] = field(default_factory=dict)  # model → why its facts are as they were
    lake: dict[str, int] = field(default_factory=dict)  # table → the snapshot that the rules were asked over
    connections: dict[str, ConnectionReport] = field(default_factory=dict)
    plan_id: int | None = None
    changes: int = 0  # planned and not held
    held: int = 0
    brakes: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)  # who is left out of what, counted
    frozen: list[str] = field(default_factory=list)  # which writes a person stopped
    seconds: dict[str, float] = field(default_factory=dict)

    def connection(self, name: str) -> ConnectionReport:
        """The part of `name`, made when first asked for."""
        return self.connections.setdefault(name, ConnectionReport())

    def forecasts(self) -> dict[str, dict[str, object]]:
        """What the plan costs on each connection that it writes to."""
        found: dict[str, dict[str, object]] = {}
        for name, part in self.connections.items():
            calls = part.forecast.calls + part.forecast.preparing_calls
            if calls:
                left = part.calls_left
                found[name] = part.forecast.document()
                done = self.as_of + dt.timedelta(seconds=part.forecast.seconds)
                found[name] |= {"done_at": done.isoformat(timespec="seconds"), "calls_left_today": left}
                found[name] |= {"share_of_calls_left": round(calls / left, 4) if left else None}
                found[name] |= {"late": part.late}
        return found

    @property
    def opt_outs(self) -> int:
        """Opt-outs from elsewhere that are to be recorded, and not held."""
        return sum(part.opt_outs for part in self.connections.values())

    @property
    def failed(self) -> list[str]:
        """Connections that did not do their part."""
        return [
            name
            for name, part in self.connections.items()
            if (part.stopped and not part.frozen) or part.unknown
        ]

    @property
    def exit_code(self) -> ExitCode:
        """A failed platform outweighs a source that is wrong, and that what is held."""
        if self.failed:
            mistakes = all(self.connections[name].unusable for name in self.failed)
            return ExitCode.PROBLEMS if mistakes else ExitCode.PLATFORM_FAILED
        frozen = any(part.frozen for part in self.connections.values())
        return ExitCode.HELD if self.held or frozen or self.held_facts else ExitCode.DONE

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "run": self.run_id,
            "as_of": self.as_of.isoformat(),
            "people": self.people,
            "lake_rows_changed": self.lake_rows_changed,
            "rejected": self.rejected,
            "merges": self.merges,
            "splits": self.splits,
            "segments": self.segments,
            "evaluation": self.evaluation,
            "models": self.models,
            "held_facts": self.held_facts,
            "lake": {name: str(snapshot) for name, snapshot in self.lake.items()},  # too long for JavaScript
            "connections": {name: part.document() for name, part in self.connections.items()},
            "plan": self.plan_id,
            "changes": self.changes,
            "held": self.held,
            "brakes": self.brakes,
            "dropped": self.dropped,
            "frozen": self.frozen,
            "notices": self.notices,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }
