"""Predicates over the order of activity: who has a sequence of steps, who came back after a break.

Nothing is sorted and no two activities are paired. Whether a step may follow depends on the step before
alone, so the instants at which step i can have happened are worked out from *all* those of step i − 1: none
is preferred, so none that could still be completed is lost. Whether an instant lies within a gap of another
is asked of buckets as long as the gap: of the same bucket everything earlier does, of the bucket before only
its latest need be looked at. That is two joins by equal keys, linear in the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rules import ir
from rules.engine.dialect import Dialect
from rules.engine.emit import Emitter
from rules.engine.features import Activity, edges, union
from rules.engine.periods import Clock, Range, length_us, window
from rules.engine.session import Derived
from rules.engine.walk import Chain

_ZERO_US = 2**62
"""Added before instants are cut into buckets, so that quotients are rounded downwards everywhere."""


@dataclass(frozen=True, slots=True)
class Chains:
    """How to compute the predicates and where each one is then found."""

    tables: tuple[Derived, ...]  # in the order in which they are made
    passing: tuple[str, ...]  # those that nobody needs once the others are made
    results: tuple[str, ...]  # the relations to join with people
    conditions: Mapping[Chain, str]


@dataclass(slots=True)
class _Rows:
    """The activity of one kind that any step looks at, read once: person, us, and a column per condition."""

    relation: str
    name: str
    range: Range
    flags: dict[ir.Predicate | None, str] = field(default_factory=dict)

    def select(self, emitter: Emitter) -> str:
        """The one pass over the kind."""
        dialect = emitter.dialect
        conditions = {
            name: "TRUE" if where is None else emitter.condition(where) for where, name in self.flags.items()
        }
        filters = ["a.person IS NOT NULL", *edges(self.range, Range(None, None), dialect)]
        if None not in self.flags:
            filters.append("(" + " OR ".join(conditions.values()) + ")")
        flags = "".join(f", {sql} AS {name}" for name, sql in conditions.items())
        position = f"{dialect.position('a.at')} AS us"
        rows = f"{self.relation} AS a WHERE {' AND '.join(filters)}"
        return f"SELECT a.person AS person, {position}{flags} FROM {rows}"

    def matching(self, where: ir.Predicate | None, found: Range) -> str:
        """Those that fit a condition and lie in a range."""
        filters = [self.flags[where]]
        filters += [] if found.start is None else [f"us >= {found.start}"]
        filters += [] if found.end is None else [f"us < {found.end}"]
        return f"SELECT person, us FROM {self.name} WHERE {' AND '.join(filters)}"


def plan(
    chains: Iterable[Chain],
    activities: Mapping[str, Activity],
    clock: Clock,
    *,
    dialect: Dialect,
    prefix: str,
) -> Chains:
    """The tables for these predicates. A kind without rows may be missing from `activities`."""
    wanted, planner = list(chains), _Planner(activities, clock, dialect, prefix)
    selects = {chain: planner.select(chain) for chain in wanted}  # collects what the passes must hold
    emitter = Emitter(dialect, clock, alias="a")
    tables = [Derived(rows.name, rows.select(emitter), reused=True) for rows in planner.kinds.values()]
    conditions: dict[Chain, str] = {}
    results: list[str] = []
    for chain, steps in selects.items():
        conditions[chain] = "FALSE"
        if steps is not None:
            name = f"{prefix}c{len(results)}"
            results.append(name)
            tables.append(Derived(name, steps.select, tuple(steps.parts)))
            conditions[chain] = f"{name}.person IS NOT NULL"
    passing = tuple(rows.name for rows in planner.kinds.values())
    return Chains(tuple(tables), passing, tuple(results), conditions)


@dataclass(slots=True)
class _Steps:
    """A selection, and those that it is made from, each from those before it."""

    parts: list[Derived] = field(default_factory=list)
    select: str = ""

    def add(self, name: str, select: str, *, reused: bool = False) -> None:
        """One more; `reused`: others mention it more than once."""
        self.parts.append(Derived(name, select, reused=reused))


class _Planner:
    def __init__(
        self, activities: Mapping[str, Activity], clock: Clock, dialect: Dialect, prefix: str
    ) -> None:
        self.activities, self.clock, self.dialect, self.prefix = activities, clock, dialect, prefix
        self.kinds: dict[str, _Rows] = {}

    def select(self, chain: Chain) -> _Steps | None:
        """The people of whom it is true; None: nobody."""
        if isinstance(chain, ir.Sequence):
            return self._sequence(chain)
        return self._restarted(chain)

    def _rows(self, kind: str, where: ir.Predicate | None, found: Range) -> str | None:
        """SELECT person, us; None: there can be none."""
        if kind not in self.activities or (found.start is not None and found.start >= (found.end or 0)):
            return None
        name = f"{self.prefix}s{len(self.kinds)}"
        if kind not in self.kinds:
            self.kinds[kind] = _Rows(self.activities[kind].rows(Range(None, None)), name, found)
        rows = self.kinds[kind]
        rows.range = union(rows.range, found)
        rows.flags.setdefault(where, f"m{len(rows.flags)}")
        return rows.matching(where, found)

    def _sequence(self, node: ir.Sequence) -> _Steps | None:
        found, steps = window(node.period, self.clock), _Steps()
        for number, step in enumerate(node.steps):
            rows = self._rows(step.kind, step.where, found)
            if rows is None:
                return None
            if number:
                steps.add(f"b{number}", self._buckets(f"c{number - 1}", step.within), reused=True)
                rows = self._later(rows, f"b{number}", step.within)
            steps.add(f"c{number}", rows)
        steps.select = f"SELECT DISTINCT x.person AS person FROM c{len(node.steps) - 1} AS x"
        if node.unless is not None:
            steps.select += self._unless(node.unless, found, steps)
        return steps

    def _unless(self, unless: ir.Unless, found: Range, steps: _Steps) -> str:
        """Joins and the condition that keep the steps that nothing followed in time."""
        gap, conditions, joins = unless.within, [], ""
        if gap is not None:
            conditions.append(f"x.us <= {self.clock.now - length_us(gap)}")
        rows = self._rows(unless.kind, unless.where, Range(found.start, self.clock.now + 1))
        if rows is not None:
            steps.add("u", rows)
            steps.add("ub", self._buckets("u", gap), reused=True)
            followed = "same.latest > x.us"
            joins = " LEFT JOIN ub AS same ON same.person = x.person"
            if gap is not None:
                followed += f" OR near.least <= x.us + {length_us(gap)}"
                joins += f" AND same.bucket = {self._bucket('x.us', gap)} {self._near('ub', '+ 1', gap)}"
            conditions.append(f"NOT coalesce({followed}, FALSE)")
        return joins + (f" WHERE {' AND '.join(conditions)}" if conditions else "")

    def _restarted(self, node: ir.Restarted) -> _Steps | None:
        found, pause = window(node.period, self.clock), length_us(node.pause)
        rows = self._rows(node.kind, node.where, Range(None, found.end))
        returned = self._rows(node.kind, node.where, found)
        if rows is None or returned is None:
            return None
        steps = _Steps()
        steps.add("r", rows)
        steps.add("b", self._buckets("r", node.pause), reused=True)
        steps.add("f", self._buckets("r", None))
        same = f"same.person = x.person AND same.bucket = {self._bucket('x.us', node.pause)}"
        steps.select = (
            f"SELECT DISTINCT x.person AS person FROM ({returned}) AS x JOIN f ON f.person = x.person "
            f"LEFT JOIN b AS same ON {same} {self._near('b', '- 1', node.pause)} "
            f"WHERE f.least <= x.us - {pause} "
            f"AND NOT coalesce(same.least < x.us OR near.latest > x.us - {pause}, FALSE)"
        )
        return steps

    def _buckets(self, rows: str, gap: ir.Within | None) -> str:
        """The least and latest instant by person and bucket; without a gap there is one bucket."""
        bucket = "" if gap is None else f", {self._bucket('us', gap)}"
        named = "" if gap is None else f"{bucket} AS bucket"
        return (
            f"SELECT person{named}, min(us) AS least, max(us) AS latest FROM {rows} GROUP BY person{bucket}"
        )

    def _bucket(self, us: str, gap: ir.Within) -> str:
        return self.dialect.quotient(f"({us} + {_ZERO_US})", length_us(gap))

    def _near(self, buckets: str, move: str, gap: ir.Within) -> str:
        """Joins the bucket after (before) that of `x`."""
        bucket = f"{self._bucket('x.us', gap)} {move}"
        return f"LEFT JOIN {buckets} AS near ON near.person = x.person AND near.bucket = {bucket}"

    def _later(self, rows: str, before: str, gap: ir.Within | None) -> str:
        """Those of `rows` that come after, and within the gap of, something in the buckets `before`."""
        if gap is None:
            return (
                f"SELECT x.person AS person, x.us AS us FROM ({rows}) AS x "
                f"JOIN {before} AS same ON same.person = x.person WHERE x.us > same.least"
            )
        same = f"same.person = x.person AND same.bucket = {self._bucket('x.us', gap)}"
        return (
            f"SELECT x.person AS person, x.us AS us FROM ({rows}) AS x "
            f"LEFT JOIN {before} AS same ON {same} {self._near(before, '- 1', gap)} "
            f"WHERE x.us > same.least OR near.latest >= x.us - {length_us(gap)}"
        )
