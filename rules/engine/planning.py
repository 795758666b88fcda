"""Everything that predicates and values need, computed once: features, records, order, places.

What is made here is what an evaluation of segments and a table of values have in common.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rules import ir
from rules.engine import features as features_
from rules.engine import sequences as sequences_
from rules.engine import sphere
from rules.engine.emit import Emitter
from rules.engine.making import Making
from rules.engine.periods import Clock
from rules.engine.records import present_states_sql
from rules.engine.session import Derived, Session
from rules.engine.tables import Tables, activity_of
from rules.engine.walk import aggregates, chains, kinds, nodes, record_aggregates


class Stages:
    """Wall seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the time of the block."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class Planned:
    """`people` with the alias `p`, the `relations` to join them with, and who asks both."""

    people: str
    relations: list[str]
    emitter: Emitter


def prepare(
    making: Making,
    roots: Sequence[ir.Node],
    tables: Tables,
    clock: Clock,
    *,
    prefix: str,
    stages: Stages,
    reused: bool,
) -> Planned:
    """Make the relations that `roots` need. `reused`: they are mentioned more than once. ValueError for a
    pattern that is not RE2."""
    session = making.session
    dialect = session.dialect
    with stages.timed("plan"):
        for pattern in sorted({node.pattern for node in nodes(roots) if isinstance(node, ir.Matches)}):
            session.check_pattern(pattern)
        wanted, ordered = aggregates(roots), chains(roots)
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
            making.make(Derived(name, select, reused=reused))
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
    relations = [*(name for name, _ in plan.passes), *sequences.results]
    relations += [column.removesuffix(".haversine") for column in points.values()]
    emitter = Emitter(
        dialect, clock, alias="p", features=plan.scalars, points=points, chains=sequences.conditions
    )
    return Planned(f"{tables.people} AS p", relations, emitter)


def _near(roots: Sequence[ir.Node]) -> set[ir.Near]:
    return {node for node in nodes(roots) if isinstance(node, ir.Near)}


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
