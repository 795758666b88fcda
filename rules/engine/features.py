"""Every distinct aggregate over activity, computed once: passes over a kind, banded by their windows.

Aggregates of one kind whose windows are of similar length share one pass, so that the filters on kind and
time prune before anything is computed; a feature's own tighter window and condition are a FILTER there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rules.engine.dialect import Dialect
from rules.engine.emit import Emitter, Scalar
from rules.engine.periods import Clock, Range, slices, window
from rules.engine.points import age, earning, worth
from rules.engine.walk import Feature
from rules.ir import Aggregate, AggregateFunction, Earned, Last
from rules.vocabulary import NUMBER_SCALE, Type

_BAND_RATIO = 5
"""A pass takes in windows down to this fraction of its own. Measured: below, a pass of their own is cheaper
than a FILTER over all the rows of the longer window."""
_EVER_US = 3 * 365 * 86_400_000_000
"""What "ever" is taken to be for that, so that a year joins its pass."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The rows of one kind: the relation in SQL, and which of its fields are texts with a folded copy.

    `pick`: makes the relation for a kind, a range, and the features that it is for; see `rows`.
    """

    relation: str
    texts: frozenset[str]
    pick: Callable[[str, Range, Sequence[Feature], bool], str] | None = None

    def rows(self, found: Range, features: Sequence[Feature] = (), *, ends: bool = False) -> str:
        """At least the rows in the range that these features (none: any) are about; `ends`: of each person
        the first and the last of them are enough."""
        return self.relation if self.pick is None else self.pick(self.relation, found, features, ends)


@dataclass(slots=True)
class Pass:
    """One scan of one kind: the window of its longest feature and the expressions to compute.

    `daily`: the rows are counted by person and day first, for points that so many a day can earn.
    """

    kind: str
    daily: bool
    range: Range
    features: list[Feature] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)  # expression → column name
    counts: dict[str, str] = field(default_factory=dict)  # of a daily pass: count of a day → its name

    def column(self, expression: str) -> str:
        """The name of the column that holds an expression; equal expressions share one."""
        return self.columns.setdefault(expression, f"f{len(self.columns)}")


@dataclass(frozen=True, slots=True)
class Features:
    """How to compute the features and where each one is then found."""

    passes: tuple[tuple[str, str], ...]  # (relation name, SELECT: person and the columns f0, f1, …)
    scalars: Mapping[Feature, Scalar]  # over a join of people with all the relations


def plan(
    wanted: Iterable[Feature],
    activities: Mapping[str, Activity],
    clock: Clock,
    *,
    dialect: Dialect,
    prefix: str,
) -> Features:
    """The passes for these features; a kind without rows may be missing from
    `activities`. The relations made will be called PREFIX0, PREFIX1, …"""
    bands: list[Pass] = []
    counted: list[tuple[str, str]] = []
    scalars: dict[Feature, Scalar] = {}
    ordered = sorted(wanted, key=lambda f: (f.kind, _daily(f), -_length(_window(f, clock)), f.key))
    for feature in ordered:
        found = _window(feature, clock)
        if feature.kind not in activities or (found.start is not None and found.start >= (found.end or 0)):
            scalars[feature] = _nothing(feature, dialect)
            continue
        if isinstance(feature, Aggregate) and feature.function is AggregateFunction.MOST_FREQUENT:
            name = f"{prefix}m{len(counted)}"
            select, scalars[feature] = _most_frequent(
                feature, activities[feature.kind], Emitter(dialect, clock, alias="a"), name
            )
            counted.append((name, select))
            continue
        band = bands[-1] if bands else None
        if (
            band is None
            or (band.kind, band.daily) != (feature.kind, _daily(feature))
            or not _shares(band.range, found)
        ):
            band = Pass(feature.kind, _daily(feature), found)
            bands.append(band)
        band.range = union(band.range, found)
        band.features.append(feature)
    passes = []
    for number, band in enumerate(bands):
        name = f"{prefix}{number}"
        passes.append(
            (name, _select(band, name, activities[band.kind], clock, dialect=dialect, scalars=scalars))
        )
    return Features((*passes, *counted), scalars)


def _daily(feature: Feature) -> bool:
    return isinstance(feature, Earned) and feature.at_most_per_day is not None


def _window(feature: Feature, clock: Clock) -> Range:
    return earning(feature, clock) if isinstance(feature, Earned) else window(feature.period, clock)


def _length(found: Range) -> int:
    if found.start is None or found.end is None:
        return _EVER_US
    return min(found.end - found.start, _EVER_US)


def _shares(band: Range, found: Range) -> bool:
    together = union(band, found)
    return _length(found) * _BAND_RATIO >= _length(together)


def union(a: Range, b: Range) -> Range:
    """The least range that covers both."""
    start = None if a.start is None or b.start is None else min(a.start, b.start)
    end = None if a.end is None or b.end is None else max(a.end, b.end)
    return Range(start, end)


def _select(
    band: Pass,
    name: str,
    activity: Activity,
    clock: Clock,
    *,
    dialect: Dialect,
    scalars: dict[Feature, Scalar],
) -> str:
    emitter = Emitter(dialect, clock, alias="a")
    wanted = []  # what a row must be to count in any of the pass's features
    for feature in band.features:
        where = "TRUE" if feature.where is None else emitter.condition(feature.where)
        bounds = edges(_window(feature, clock), band.range, dialect)
        conditions = [*bounds, *([] if feature.where is None else [where])]
        wanted.append(where)
        condition = " AND ".join(conditions) or "TRUE"
        if isinstance(feature, Earned):
            scalars[feature] = _earn(feature, condition, band, emitter, name)
        else:
            scalars[feature] = _compute(feature, condition, band, activity, emitter, name)
    filters = ["a.person IS NOT NULL", *edges(band.range, Range(None, None), dialect)]
    if "TRUE" not in wanted:
        filters.append("(" + " OR ".join(dict.fromkeys(wanted)) + ")")
    columns = ", ".join(f"{expression} AS {column}" for expression, column in band.columns.items())
    ends = all(_at_ends(feature) and _window(feature, clock) == band.range for feature in band.features)
    rows = f"{activity.rows(band.range, band.features, ends=ends)} AS a WHERE {' AND '.join(filters)}"
    if band.daily:
        counts = ", ".join(f"{expression} AS {count}" for expression, count in band.counts.items())
        days = f"SELECT a.person AS person, {age(dialect, clock, band.range)} AS age, {counts} FROM {rows}"
        return f"SELECT d.person AS person, {columns} FROM ({days} GROUP BY 1, 2) AS d GROUP BY d.person"
    return f"SELECT a.person AS person, {columns} FROM {rows} GROUP BY a.person"


def _at_ends(feature: Feature) -> bool:
    """Whether the first and the last activity in the window tell the feature."""
    instants = (AggregateFunction.LAST_AT, AggregateFunction.FIRST_AT)
    return isinstance(feature, Aggregate) and feature.where is None and feature.function in instants


def edges(inner: Range, outer: Range, dialect: Dialect) -> list[str]:
    """The bounds of `inner` that `outer` does not already give."""
    bounds = []
    if inner.start is not None and inner.start != outer.start:
        bounds.append(f"a.at >= {dialect.instant(inner.start)}")
    if inner.end is not None and inner.end != outer.end:
        bounds.append(f"a.at < {dialect.instant(inner.end)}")
    return bounds


def _compute(
    aggregate: Aggregate, condition: str, band: Pass, activity: Activity, emitter: Emitter, name: str
) -> Scalar:
    """Adds the aggregate's expressions to the pass; where its value is then found."""
    dialect, type_ = emitter.dialect, aggregate.type
    only = "" if condition == "TRUE" else f" FILTER (WHERE {condition})"

    def column(expression: str) -> str:
        return f"{name}.{band.column(expression)}"

    match aggregate.function:
        case AggregateFunction.COUNT:
            return Scalar(column(f"count(*){only} * {NUMBER_SCALE}"), type_, or_zero=True)
        case AggregateFunction.LAST_AT:
            return Scalar(column(f"max(a.at){only}"), type_)
        case AggregateFunction.FIRST_AT:
            return Scalar(column(f"min(a.at){only}"), type_)
        case AggregateFunction.SLICES:
            assert isinstance(aggregate.period, Last)  # noqa: S101 - as the representation says
            found = [dialect.instant(part.end or 0) for part in slices(aggregate.period, emitter.clock)]
            different = dialect.different_slices("a.at", found, condition)
            return Scalar(column(f"{different} * {NUMBER_SCALE}"), type_, or_zero=True)
    field_name = aggregate.field or ""
    source = emitter.fact(field_name, Type.TEXT if field_name in activity.texts else type_)
    match aggregate.function:
        case AggregateFunction.SUM:
            return Scalar(column(dialect.total(source.sql) + only), type_, wide=True, or_zero=True)
        case AggregateFunction.AVG:
            count = column(f"count({source.sql}){only}")
            return Scalar(column(dialect.total(source.sql) + only), type_, wide=True, over=count)
        case AggregateFunction.DISTINCT:
            different = dialect.different(source.sql, only)
            some = f"CASE WHEN count(*){only} > 0 THEN {different} * {NUMBER_SCALE} END"
            return Scalar(column(some), type_)
        case AggregateFunction.LIST:
            return Scalar(column(dialect.distinct_list(source.sql, condition)), type_)
        case AggregateFunction.MIN | AggregateFunction.MAX if source.raw is None:
            return Scalar(column(f"{aggregate.function}({source.sql}){only}"), type_)
    earliest = aggregate.function in (AggregateFunction.EARLIEST, AggregateFunction.MIN)
    at = "TRUE" if aggregate.function in (AggregateFunction.MIN, AggregateFunction.MAX) else "a.at"
    parts = [at, source.sql, *([] if source.raw is None else [source.raw])]
    row = column(dialect.extreme(parts, condition, earliest))
    return Scalar(dialect.part(row, 2), type_, raw=None if source.raw is None else dialect.part(row, 3))


def _earn(part: Earned, condition: str, band: Pass, emitter: Emitter, name: str) -> Scalar:
    """Adds the points of a part to the pass; where they are then found."""
    dialect = emitter.dialect
    only = "" if condition == "TRUE" else f" FILTER (WHERE {condition})"
    if part.at_most_per_day is not None:
        count = band.counts.setdefault(f"count(*){only}", f"n{len(band.counts)}")
        counted = dialect.at_most(f"d.{count}", part.at_most_per_day)
        earned = dialect.total(f"({counted}) * {worth(dialect, part, 'd.age')}")
    elif part.half_life is None:
        earned = f"count(*){only}::{dialect.wide} * {part.points}"
    else:
        earned = dialect.total(worth(dialect, part, age(dialect, emitter.clock, band.range))) + only
    return Scalar(f"{name}.{band.column(earned)}", Type.NUMBER, wide=True, or_zero=True)


def _most_frequent(
    aggregate: Aggregate, activity: Activity, emitter: Emitter, name: str
) -> tuple[str, Scalar]:
    """A relation of its own, since each value must be counted first; where its value is then found."""
    dialect, type_ = emitter.dialect, aggregate.type
    source = emitter.fact(aggregate.field or "", type_)
    filters = ["a.person IS NOT NULL", f"{source.sql} IS NOT NULL"]
    found = window(aggregate.period, emitter.clock)
    filters += edges(found, Range(None, None), dialect)
    if aggregate.where is not None:
        filters.append(emitter.condition(aggregate.where))
    raw = "" if source.raw is None else f", min({source.raw}) AS shown"
    values = (
        f"SELECT a.person AS person, {source.sql} AS value, -count(*) AS seldom{raw} "
        f"FROM {activity.rows(found, [aggregate])} AS a WHERE {' AND '.join(filters)}"
        f" GROUP BY a.person, {source.sql}"
    )
    row = dialect.extreme(["v.seldom", "v.value", *(["v.shown"] if raw else [])], "TRUE", least=True)
    select = f"SELECT v.person AS person, {row} AS f0 FROM ({values}) AS v GROUP BY v.person"
    value = f"{name}.f0"
    return select, Scalar(dialect.part(value, 2), type_, raw=dialect.part(value, 3) if raw else None)


def _nothing(aggregate: Feature, dialect: Dialect) -> Scalar:
    """The value over no activity at all."""
    if isinstance(aggregate, Earned):
        return Scalar("0::BIGINT", Type.NUMBER)
    if aggregate.function in (AggregateFunction.COUNT, AggregateFunction.SUM, AggregateFunction.SLICES):
        return Scalar("0::BIGINT", aggregate.type)
    missing = dialect.missing(aggregate.type)
    over = "0::BIGINT" if aggregate.function is AggregateFunction.AVG else None
    return Scalar(missing, aggregate.type, raw=missing, over=over)
