"""All segments at one instant, in one plan: features → thresholds → predicates → bitmaps.

Tables in, bitmaps out: it reads two relations and writes nothing but temporary tables, dropped at the end.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rules import ir
from rules.engine.making import Making, joined
from rules.engine.membership import Memberships
from rules.engine.order import Order
from rules.engine.periods import Clock
from rules.engine.planning import Stages, prepare
from rules.engine.ranked import RankedPeople
from rules.engine.ranks import Threshold
from rules.engine.session import DuckDBSession, Session
from rules.engine.standing import Standing
from rules.engine.tables import Tables
from rules.engine.walk import Rank, ranks

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
    stages, clock = Stages(), Clock(as_of, zone)
    roots = [segment.when for segment in rules.segments.values()]
    prefix = f"segsync_{secrets.token_hex(4)}_"
    making = Making(session)
    try:
        ranked_by = ranks(roots)
        planned = prepare(making, roots, tables, clock, prefix=prefix, stages=stages, reused=bool(ranked_by))
        people, relations, emitter = planned.people, planned.relations, planned.emitter
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
