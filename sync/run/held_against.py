"""Rules held against the data that is there, for `segsync check --data`: warnings, sizes, overlap."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
from pyroaring import BitMap

from rules import ir
from rules.engine.periods import Clock, instant_of, window
from rules.language import Asked, Loaded, Problem, render
from rules.language.checks.logic import Logic
from rules.language.problems import Severity, nearest
from rules.language.render import render_period
from rules.vocabulary import Type, Vocabulary
from sync.assign import assign
from sync.clusters.names import names_now
from sync.engines import tables
from sync.run.suspicious import cents, years
from sync.run.workspace import Workspace

MOST_VALUES = 200
"""A text of more different values is no list to choose from: names, cities, notes."""
MOST_OVERLAPS = 3


def held_against(
    workspace: Workspace, loaded: Loaded, vocabulary: Vocabulary
) -> tuple[tuple[Problem, ...], list[dict[str, Any]]]:
    """What the data says of correct rules: problems by place, and size, share and overlap by segment."""
    assert loaded.ruleset is not None  # noqa: S101 - only asked without errors
    as_of = workspace.clock.utc_now()
    clusters = names_now(workspace.store, loaded.ruleset, vocabulary)
    evaluation = assign(
        workspace.store,
        loaded.ruleset,
        vocabulary=vocabulary,
        as_of=as_of,
        settings=workspace.settings.rules,
        clusters=clusters,
    )
    database = workspace.store.lake.connect()
    try:
        relations = tables(workspace.store, vocabulary, clusters=clusters)
        data = _Data(database, relations.people, relations.activity, evaluation.people, as_of.date())
        found = [
            Problem(place.file, place.line, place.column, message, Severity.WARNING)
            for asked in loaded.asked
            for part, message in _findings(asked, data, Clock(as_of, vocabulary.zone))
            for place in (asked.place(part),)
        ]
    finally:
        database.close()
    return tuple(sorted(set(found))), _sizes(evaluation.members, evaluation.people)


@dataclass(slots=True)
class _Data:
    """Questions to the lake, each asked once."""

    database: duckdb.DuckDBPyConnection
    people: str
    activity: Mapping[str, str]
    everyone: int
    today: dt.date
    _values: dict[tuple[str | None, str], Mapping[str, tuple[str, int]] | None] = field(default_factory=dict)
    _typical: dict[tuple[str | None, str], tuple[int, int] | None] = field(default_factory=dict)
    _missing: dict[str, int] = field(default_factory=dict)
    _first: dict[str, dt.datetime | None] = field(default_factory=dict)

    def values(self, kind: str | None, name: str) -> Mapping[str, tuple[str, int]] | None:
        """Folded → as written, and how often, the most frequent first; None if there are too many."""
        if (kind, name) not in self._values:
            column, folded = _quoted(name), _quoted(f"{name}__ci")
            rows = self.database.execute(
                f"SELECT {folded}, min({column}), count(*) FROM {self._relation(kind)}"
                f" WHERE {folded} IS NOT NULL GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT {MOST_VALUES + 1}"
            ).fetchall()
            found = {one: (shown, count) for one, shown, count in rows}
            self._values[kind, name] = found if len(found) <= MOST_VALUES else None
        return self._values[kind, name]

    def missing(self, name: str) -> int:
        """How many people do not have the fact."""
        if name not in self._missing:
            row = self.database.execute(
                f"SELECT count(*) FROM {self.people} WHERE {_quoted(name)} IS NULL"
            ).fetchone()
            self._missing[name] = row[0] if row else 0
        return self._missing[name]

    def first(self, kind: str) -> dt.datetime | None:
        """When activity of the kind begins."""
        if kind not in self._first:
            row = self.database.execute(f'SELECT epoch_us(min("at")) FROM {self.activity[kind]}').fetchone()
            self._first[kind] = instant_of(row[0]) if row and row[0] is not None else None
        return self._first[kind]

    def typical(self, kind: str | None, name: str) -> tuple[int, int] | None:
        """Median and greatest value of a field; None if nobody has it."""
        if (kind, name) not in self._typical:
            column = _quoted(name)
            known = kind is None or kind in self.activity
            row = (
                self.database.execute(
                    f"SELECT quantile_disc({column}, 0.5), max({column}) FROM {self._relation(kind)}"
                ).fetchone()
                if known
                else None
            )
            self._typical[kind, name] = (int(row[0]), int(row[1])) if row and row[0] is not None else None
        return self._typical[kind, name]

    def age(self, name: str) -> int | None:
        """How many days before the present the median of a date lies; None if nobody has it."""
        row = self.database.execute(
            f"SELECT date_diff('day', CAST(quantile_disc({_quoted(name)}, 0.5) AS DATE), CAST(? AS DATE))"
            f" FROM {self.people}",
            [self.today],
        ).fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def _relation(self, kind: str | None) -> str:
        return self.people if kind is None else self.activity[kind]


def _findings(asked: Asked, data: _Data, clock: Clock) -> Iterator[tuple[ir.Predicate, str]]:
    known: set[str] = set()
    for part, denied in _parts(asked.condition, denied=False):
        yield from _windows(part, data, clock)
        for kind, test in _tests(part, None):
            yield from ((part, message) for message in _literals(kind, test, data))
            yield from ((part, message) for message in cents(kind, test, data.typical))
            yield from ((part, message) for message in years(test, data.age))
        fact = _fact(part)
        if not denied or fact is None or fact.name in known:
            continue
        known.add(fact.name)
        count = data.missing(fact.name)
        is_known = ir.IsKnown(fact)
        logic = Logic.over([asked.condition, is_known])
        if count and not logic.never(asked.condition, ir.Not(is_known)):
            shown, negation = render(fact), ir.Not(part)
            yield (
                negation,
                f"{count:,} of {data.everyone:,} people have no {shown} and fulfil {render(negation)}; "
                f"write {shown} is known beside it if they are not meant",
            )


def _parts(condition: ir.Predicate, *, denied: bool) -> Iterator[tuple[ir.Predicate, bool]]:
    match condition:
        case ir.And(parts) | ir.Or(parts):
            for part in parts:
                yield from _parts(part, denied=denied)
        case ir.Not(part):
            yield from _parts(part, denied=not denied)
        case _:
            yield condition, denied


def _fact(test: ir.Predicate) -> ir.Fact | None:
    """The fact whose absence makes the complement of a test true; yes/no is meant to be false if missing."""
    match test:
        case ir.Compare(_, ir.Fact() as fact, ir.Literal()) | ir.InSet(ir.Fact() as fact, _):
            return fact
        case ir.TextTest(_, ir.Fact() as fact, _) | ir.Matches(ir.Fact() as fact, _):
            return fact
        case ir.InPeriod(ir.Fact() as fact, _):
            return fact
    return None


def _windows(part: ir.Predicate, data: _Data, clock: Clock) -> Iterator[tuple[ir.Predicate, str]]:
    for node in _nodes(part):
        period = getattr(node, "period", None)
        kind = getattr(node, "kind", None)
        if not isinstance(period, ir.Last) or not isinstance(kind, str) or kind not in data.activity:
            continue
        first = data.first(kind)
        start = window(period, clock).start
        if first is None:
            yield part, f"there is no {kind} in the data at all"
        elif start is not None and instant_of(start) < first - (clock.as_of - first) / 10:
            days = (clock.as_of - first).days
            yield (
                part,
                f"{kind} begins on {first:%Y-%m-%d}, {days} days ago: {render_period(period)} sees no more "
                f"than last {days} days; pull older activity, or write since {first:%Y-%m-%d}",
            )


def _tests(part: ir.Node, kind: str | None) -> Iterator[tuple[str | None, ir.Node]]:
    """Tests on texts, with the kind of activity whose field they are about."""
    if isinstance(part, ir.Compare | ir.InSet):
        yield kind, part
    for child in ir.children(part):
        yield from _tests(child, getattr(part, "kind", kind))


def _literals(kind: str | None, test: ir.Node, data: _Data) -> Iterator[str]:
    match test:
        case ir.Compare(ir.Comparison.EQ, ir.Fact(name, Type.TEXT), ir.Literal(str() as text)):
            texts = [text]
        case ir.InSet(ir.Fact(name, Type.TEXT), options):
            texts = [str(option.value) for option in options]
        case _:
            return
    if kind is not None and kind not in data.activity:
        return
    values = data.values(kind, name)
    if not values:
        return
    what = name if kind is None else f"{kind}.{name}"
    things = "people" if kind is None else "times"
    for text in texts:
        if text in values:
            continue
        near = nearest(text, values)
        if near is not None:
            shown, count = values[near]
            advice = f'; did you mean "{shown}" ({count:,} {things})?'
        else:
            most = ", ".join(f'"{shown}" ({count:,})' for shown, count in list(values.values())[:3])
            advice = f"; the most frequent are {most}"
        yield f'no {what} is "{text}"{advice}'


def _nodes(node: ir.Node) -> Iterator[ir.Node]:
    yield node
    for child in ir.children(node):
        yield from _nodes(child)


def _sizes(members: Mapping[str, BitMap], people: int) -> list[dict[str, Any]]:
    found = []
    for name, mine in members.items():
        shared = [
            {"segment": other, "people": both}
            for other, theirs in members.items()
            if other != name and (both := mine.intersection_cardinality(theirs))
        ]
        shared.sort(key=lambda one: (-int(str(one["people"])), str(one["segment"])))
        share = len(mine) / people if people else 0.0
        found.append(
            {"segment": name, "people": len(mine), "share": share, "overlaps": shared[:MOST_OVERLAPS]}
        )
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
