"""What an edit of the rules would do on the platforms: audiences, calls, brakes. The plans are thrown away.

Both sets of rules are planned from one look at the destinations, on copies of the ledger, by the planner of
`segsync plan`: so the plan of the edited rules is the one that `plan` would show if they were in force.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import duckdb
from pyroaring import BitMap

from connectors.base import AudienceKind, Features
from connectors.errors import ConnectorError
from rules.ruleset import RuleSet
from sync.brakes import Brake, Holds
from sync.due import next_at
from sync.forecast import Featured, Forecast, forecast
from sync.intend import Wanted, intend
from sync.look import Look, Sought, unsettled_by_audience
from sync.persons import living_contacts, suppressed_people
from sync.plan import AudiencePlan, Plan, holds_something
from sync.progress import SILENT, Progress
from sync.push import CARRIER
from sync.run.consent import brake_limits
from sync.run.opened import Opened
from sync.run.planning import source_counts, wanted_of
from sync.run.remembered import Absent
from sync.run.rulebook import left_over
from sync.run.sharing import whereabouts
from sync.run.workspace import Workspace
from sync.store import Store
from sync.store.scratch import scratch
from sync.whereabouts import Whereabouts

_BY_ID = (AudienceKind.FIELD, AudienceKind.TABLE)
"""Audiences that go by the segment's id: another name renames nothing on the platform."""
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Rules:
    """Checked rules, and the members of their segments."""

    rules: RuleSet
    members: Mapping[str, BitMap]


@dataclass(frozen=True, slots=True)
class Reached:
    """One audience under the edited rules. `name_now`: its name on the platform; None: not there yet.

    `left`: no rule fills it any more, so it stays as it is until a person decides.
    """

    segment: str
    connection: str
    kind: str
    name: str
    name_now: str | None
    part: AudiencePlan | None
    renamed: bool = False
    left: bool = False

    @property
    def made(self) -> bool:
        """Whether it has to be made for whoever is added."""
        return self.name_now is None and self.part is not None and bool(self.part.adds | self.part.held_adds)

    def document(self) -> dict[str, Any]:
        """As JSON. `enter` and `leave`: what a plan would write; `held`: how many of these a brake holds."""
        found: dict[str, Any] = {"segment": self.segment, "kind": self.kind, "name": self.name}
        found |= {"name_now": self.name_now, "made": self.made, "renamed": self.renamed, "left": self.left}
        if self.part is not None:
            part = self.part
            found |= {
                "enter": len(part.adds) + len(part.held_adds),
                "leave": len(part.removes) + len(part.held_removes),
                "held": len(part.held_adds) + len(part.held_removes),
                "reachable": len(part.source.desired & part.source.reachable),
                "unreachable": len(part.unreachable),
                "withheld": len(part.withheld),
            }
        return found


@dataclass(frozen=True, slots=True)
class Tripped:
    """A brake of the edited rules' plan. `already`: the rules in force trip it just so."""

    brake: Brake
    segment: str | None
    already: bool
    holds: bool

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.brake.kind.value,
            "segment": self.segment,
            "connection": self.brake.connection,
            "message": self.brake.message,
            "already": self.already,
            "holds": self.holds,
        }


@dataclass(slots=True)
class Tried:
    """The outcome. Costs by connection: with the edited rules, and with those in force."""

    audiences: list[Reached] = field(default_factory=list)
    costs: dict[str, tuple[Forecast, Forecast]] = field(default_factory=dict)
    calls_left: dict[str, int | None] = field(default_factory=dict)
    brakes: list[Tripped] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """Whether the edit makes a brake hold something that the rules in force do not."""
        return any(one.holds and not one.already for one in self.brakes)

    @property
    def changes(self) -> bool:
        """Whether an audience would be made, renamed or left."""
        return any(one.made or one.renamed or one.left for one in self.audiences)


def try_out(
    workspace: Workspace,
    old: Rules,
    new: Rules,
    *,
    as_of: dt.datetime,
    offline: bool = False,
    progress: Progress = SILENT,
) -> Tried:
    """Plan both. `offline`: from what the ledger knows of the destinations, and nobody is asked."""
    features = partial(_remembered, workspace) if offline else workspace.features
    wanted_old, silent = wanted_of(workspace, old.rules, features=features)
    wanted, more = wanted_of(workspace, new.rules, features=features)
    done = Tried(failed=silent | more)
    lake = workspace.store.lake
    with scratch(workspace.store) as store, closing(lake.connect()) as database:
        where = whereabouts(store, database)
        names = _names(store)
        if not offline:
            names |= _look(workspace, store, [*wanted, *wanted_old], where, done, progress=progress)
        wanted = tuple(one for one in wanted if one.connection not in done.failed)
        wanted_old = tuple(one for one in wanted_old if one.connection not in done.failed)
        known = {one.connection: features(one.connection) for one in (*wanted, *wanted_old)}
        plan_of = partial(_plan, workspace, database, where, known, as_of=as_of, offline=offline)
        gone = {row.id for row in left_over(store, old.rules)}
        with scratch(store) as before:
            plan_old = plan_of(before, wanted_old, old.members)
            rows_old = before.ledger.audiences()
        plan = plan_of(store, wanted, new.members)
        rows = store.ledger.audiences()
        left = [row for row in left_over(store, new.rules) if row.id not in gone]
    parts = {(a.source.connection, a.source.segment, a.source.kind.value): a for a in plan.audiences}
    done.audiences = [_reached(one, names, parts) for one in wanted]
    done.audiences += [
        Reached(row.segment, row.connection, row.kind, row.name, row.name, None, left=True) for row in left
    ]
    for name in known:
        connector: Featured = Absent(known[name]) if offline else workspace.connector(name)
        renames = sum(1 for one in done.audiences if one.connection == name and one.renamed)
        with_edit = forecast(plan, _of(rows, name), connector=connector, renames=renames)
        in_force = forecast(plan_old, _of(rows_old, name), connector=connector)
        done.costs[name] = with_edit, in_force
        done.calls_left[name] = None if offline else workspace.calls_left(name)
    segments = {row.id: row.segment for row in rows}
    told = {brake.message for brake in plan_old.brakes}
    done.brakes = [
        Tripped(
            brake,
            segments.get(brake.audience) if brake.audience is not None else None,
            already=brake.message in told,
            holds=holds_something(brake, plan.audiences),
        )
        for brake in plan.brakes
        if brake.holds is not Holds.NOTHING
    ]
    return done


def _remembered(workspace: Workspace, name: str) -> Features:
    found = workspace.remembered(name)
    return found if found is not None else workspace.features(name)  # which says what to do offline


def _look(
    workspace: Workspace,
    store: Store,
    wanted: Sequence[Wanted],
    where: Whereabouts,
    done: Tried,
    *,
    progress: Progress,
) -> dict[Key, str]:
    """Bring the copy of the ledger up to date; the names that audiences have on the platforms now."""
    names: dict[Key, str] = {}
    open_batches = unsettled_by_audience(store)
    for connection in dict.fromkeys(one.connection for one in wanted):
        if connection in done.failed:
            continue
        progress.step(f"look at {connection}")
        sought: dict[tuple[str, AudienceKind], Sought] = {}
        for one in wanted:
            if one.connection == connection:  # the edited rules come first: their name is looked for
                sought.setdefault((one.segment.id, one.kind), one.sought)
        look = Look(store, connection, workspace.connector(connection), where, open_batches)
        try:
            rows = look.at(list(sought.values()))
        except ConnectorError as error:
            done.failed[connection] = str(error)
            continue
        for row in rows:
            if row.remote_id is not None:
                names[row.connection, row.segment, row.kind] = look.renames.get(row.id, row.name)
    return names


def _plan(
    workspace: Workspace,
    database: duckdb.DuckDBPyConnection,
    where: Whereabouts,
    known: Mapping[str, Features],
    store: Store,
    wanted: Sequence[Wanted],
    members: Mapping[str, BitMap],
    *,
    as_of: dt.datetime,
    offline: bool,
) -> Plan:
    lake = workspace.store.lake
    quota: Callable[[str], int | None] = (lambda _: None) if offline else workspace.calls_left
    return intend(
        store,
        wanted,
        connectors=Opened(workspace),
        members=members,
        suppressed=suppressed_people(database, lake.relation("people")),
        people=lake.rows("people"),
        whereabouts=where,
        sources=source_counts(
            store, workspace.sources, living=living_contacts(database, lake.relation("contacts"))
        ),
        limits=brake_limits(workspace.settings),
        at=workspace.clock.utc_now(),
        quota=quota,
        due=partial(next_at, zone=workspace.settings.business.zone, after=as_of),
        known=known,
    ).plan


def _names(store: Store) -> dict[Key, str]:
    """What the audiences that are there are called, as far as the ledger knows."""
    return {
        (row.connection, row.segment, row.kind): row.name
        for row in store.ledger.audiences()
        if row.remote_id is not None and row.segment != CARRIER
    }


def _reached(one: Wanted, names: Mapping[Key, str], parts: Mapping[Key, AudiencePlan]) -> Reached:
    key = one.connection, one.segment.id, one.kind.value
    now = one.name if one.kind in _BY_ID else names.get(key)
    renamed = now is not None and now.casefold() != one.name.casefold()
    return Reached(one.segment.id, one.connection, one.kind.value, one.name, now, parts.get(key), renamed)


def _of(rows: Collection[Any], connection: str) -> list[Any]:
    return [row for row in rows if row.connection == connection]
