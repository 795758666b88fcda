"""All segments at one instant, in one plan: features → thresholds → predicates → bitmaps.

Tables in, bitmaps out: it reads two relations and writes nothing but temporary tables, dropped at the end.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rules import ir
from rules.engine import features as features_
from rules.engine import sequences as sequences_
from rules.engine import sphere
from rules.engine.emit import Emitter
from rules.engine.making import Making, joined
from rules.engine.membership import Memberships
from rules.engine.order import Order
from rules.engine.periods import Clock
from rules.engine.ranked import RankedPeople
from rules.engine.ranks import Threshold
from rules.engine.records import present_states_sql
from rules.engine.session import Derived, DuckDBSession, Session
from rules.engine.standing import Standing
from rules.engine.tables import Tables, activity_of
from rules.engine.walk import Rank, aggregates, chains, kinds, nodes, ranks, record_aggregates

if TYPE_CHECKING:
    import duckdb
    from pyroaring import BitMap

    from rules.ruleset import RuleSet


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Who belongs where, of how many, and what it took."""

    members: Mapping[str, BitMap]  # every segment
    people: int
    thresholds: Mapping[Rank, Mapping[object, Threshold]]  # of every rank that occurs, by group
    seconds: Mapping[str, float] = field(default_factory=dict)  # wall seconds by stage
    kept: Mapping[str, BitMap] = field(default_factory=dict)
    """Of every segment that lasts: its members for whom `when` is not true (any more)."""
    order: Order = field(default_factory=Order)
    """What people were compared by, of the ranks of which the thresholds were not given."""


def evaluate(
    connection: duckdb.DuckDBPyConnection | Session,
    rules: RuleSet,
    tables: Tables,
    *,
    as_of: dt.datetime,
    zone: str,
    standing: Mapping[str, Standing] | None = None,
    held: Mapping[ir.HeldSegment, BitMap] | None = None,
    known: Mapping[str, BitMap] | None = None,
    asked: Mapping[str, BitMap] | None = None,
    given: Mapping[Rank, Mapping[object, Threshold]] | None = None,
    compared: bool = False,
) -> Evaluation:
    """The members of every segment at `as_of` (aware), calendar words in `zone`. `held`: for each such node
    who was in its segment since its edge, by the stored runs; nobody, where it says nothing.
    `known`: who is in segments that these use and `rules` lacks. `asked`: of these segments only the people
    that are asked; of the others `known` tells who is in. `given`: the thresholds of ranks that are known.
    `compared`: nothing but the order is asked for, no members.

    `connection`: to DuckDB, or a session of any engine; the answer is the same.
    `standing`: who was in before, by segment that lasts; of a segment that is not there, nobody was.
    A pattern that is not RE2 is a ValueError; no row of data can make it fail.
    """
    session = connection if isinstance(connection, Session) else DuckDBSession(connection)
    stages = _Stages()
    clock, dialect = Clock(as_of, zone), session.dialect
    roots = [segment.when for segment in rules.segments.values()]
    prefix = f"segsync_{secrets.token_hex(4)}_"
    making = Making(session)
    try:
        with stages.timed("plan"):
            for pattern in sorted({node.pattern for node in nodes(roots) if isinstance(node, ir.Matches)}):
                session.check_pattern(pattern)
            wanted, ordered, ranked_by = aggregates(roots), chains(roots), ranks(roots)
            activities = {
                kind: tables.rows(session, kind) for kind in sorted(kinds(roots)) if kind in tables.activity
            }
        with stages.timed("records"):
            for number, group in enumerate(record_aggregates(wanted)):
                select = _present_states(session, group, tables, clock)
                if select is not None:
                    name = f"{prefix}d{number}"
                    making.make(Derived(name, select, reused=True))
                    activities[group[0].kind] = activity_of(session, name)
        with stages.timed("plan"):
            plan = features_.plan(wanted, activities, clock, dialect=dialect, prefix=prefix)
            sequences = sequences_.plan(ordered, activities, clock, dialect=dialect, prefix=prefix)
        with stages.timed("features"):
            for name, select in plan.passes:
                making.make(Derived(name, select, reused=bool(ranked_by)))
            for derived in sequences.tables:
                making.make(derived)
            for name in sequences.passing:
                session.unneeded(name)
        with stages.timed("places"):
            points: dict[sphere.Point, str] = {}
            for near in sorted(_near(roots), key=lambda node: node.key):
                if sphere.point_of(near) not in points:
                    name = f"{prefix}p{len(points)}"
                    making.make(Derived(name, sphere.haversines_sql(near, tables.people, dialect)))
                    points[sphere.point_of(near)] = f"{name}.haversine"
        people, relations = f"{tables.people} AS p", [*(name for name, _ in plan.passes), *sequences.results]
        relations += [column.removesuffix(".haversine") for column in points.values()]
        emitter = Emitter(
            dialect, clock, alias="p", features=plan.scalars, points=points, chains=sequences.conditions
        )
        with stages.timed("thresholds"):
            ranked = RankedPeople(making, emitter, prefix, given or {})
            ranked.compute(ranked_by, people, relations)
        if compared:
            return Evaluation({}, 0, ranked.found, stages.seconds, order=ranked.order)
        with stages.timed("thresholds"):
            ranked.join(ranked_by)
            emitter.rank = ranked.condition
        with stages.timed("predicates"):
            memberships = Memberships(emitter, ranked.comparisons)
            for segment in rules.segments.values():
                memberships.add(segment.id, segment.when)
            columns = memberships.columns()
            source = joined(people, relations, columns + ranked.joins) + ranked.joins
            table = session.select(f"SELECT {columns} FROM {source}")
        with stages.timed("bitmaps"):
            members = memberships.collect(table, standing or {}, held or {}, known or {}, asked or {})
    finally:
        making.undo()
    return Evaluation(members, table.num_rows, ranked.found, stages.seconds, memberships.kept, ranked.order)


def _near(roots: list[ir.Predicate]) -> set[ir.Near]:
    return {node for node in nodes(roots) if isinstance(node, ir.Near)}


class _Stages:
    """Wall seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the time of the block."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def _present_states(
    session: Session, wanted: list[ir.RecordAggregate], tables: Tables, clock: Clock
) -> str | None:
    """The SELECT of the present states of one kind of record; None: there is no row to tell any."""
    relations = {
        kind: (relation, session.columns(relation))
        for kind in wanted[0].states
        if (relation := tables.activity.get(kind)) is not None
    }
    told = [kind for kind, (_, columns) in relations.items() if wanted[0].identity in columns]
    return present_states_sql(wanted, relations, clock, session.dialect) if told else None
