"""Exact order statistics of any number of groups, distributed: nobody's value passes through one place.

Values are counted first. A group with few different values is sorted as it is; one with many is cut into
slices by values that are only guessed at, from a sketch: every row's slice follows from its value alone, and
how many lie in each is counted, so that the guess decides how evenly the work is spread, never the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rules.engine.periods import date_of, instant_of
from rules.engine.ranks import Number, Threshold, positions
from rules.engine.session import Ranked
from rules.engine.walk import Rank
from rules.vocabulary import Type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MOST_SORTED = 100_000
"""Different values that one task is to sort."""
_MOST_SLICES = 1000

_Place = tuple[int, str]
"""Which of the rankings, and which of its groups as a text."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A value to find: the one at an index of a slice, in ascending order."""

    place: _Place
    slice: int
    index: int


def thresholds(
    spark: SparkSession, ranked: Sequence[Ranked], source: str, *, most_sorted: int = MOST_SORTED
) -> dict[Rank, dict[object, Threshold]]:
    """The thresholds of all ranks by group, over the rows of a source."""
    counted = spark.sql(_counted(ranked, source)).persist()
    try:
        counted.createOrReplaceTempView("segsync_counted")
        sizes = spark.sql(
            "SELECT i, g, count(*) AS different, sum(n)::BIGINT AS n FROM segsync_counted GROUP BY i, g"
        )
        found = [row.asDict() for row in sizes.collect()]
        people = {(row["i"], row["g"]): int(row["n"]) for row in found}
        many = {
            (row["i"], row["g"]): int(row["different"]) for row in found if row["different"] > most_sorted
        }
        bounds = {
            (rank, place): at
            for i, one in enumerate(ranked)
            for rank in one.ranks
            for place, population in people.items()
            if place[0] == i and (at := positions(rank, population)) is not None
        }
        sliced = _sliced(spark, many, most_sorted)
        before = _before(spark, sliced, many)
        wanted = {
            (place, index): _wanted(place, index, before)
            for (_, place), at in bounds.items()
            for index in at.values()
        }
        values = _values(spark, sliced, set(wanted.values()))
    finally:
        counted.unpersist()
    by_rank: dict[Rank, dict[object, Threshold]] = {rank: {} for one in ranked for rank in one.ranks}
    for (rank, place), at in bounds.items():
        here = {bound: values[wanted[place, index]] for bound, index in at.items()}
        by_rank[rank][_group(rank, place[1])] = Threshold(**here)
    return by_rank


def _counted(ranked: Sequence[Ranked], source: str) -> str:
    """Every different value of every ranking and group, with how many people have it."""
    each = []
    for i, one in enumerate(ranked):
        whole, double = ("NULL", one.value) if one.double else (one.value, "NULL")
        group = "''" if one.group is None else _written(one.group, one.ranks[0])
        each.append(
            f"named_struct('i', {i}, 'g', {group}, 'w', ({whole})::DECIMAL(38, 0), 'd', ({double})::DOUBLE)"
        )
    values = f"SELECT inline(array({', '.join(each)})) FROM {source}"
    known = "g IS NOT NULL AND (w IS NOT NULL OR d IS NOT NULL)"
    return f"SELECT i, g, w, d, count(*) AS n FROM ({values}) WHERE {known} GROUP BY i, g, w, d"


def _written(group: str, rank: Rank) -> str:
    """A group as a text."""
    assert rank.by is not None  # noqa: S101 - only asked of ranks with groups
    if rank.by.type is Type.DATE:
        return f"unix_date({group})::STRING"
    return f"unix_micros({group})::STRING" if rank.by.type is Type.DATETIME else f"({group})::STRING"


def _group(rank: Rank, written: str) -> object:
    """The group that was written so."""
    if rank.by is None:
        return None
    match rank.by.type:
        case Type.NUMBER | Type.MONEY:
            return int(written)
        case Type.BOOLEAN:
            return written == "true"
        case Type.DATE:
            return date_of(int(written))
        case Type.DATETIME:
            return instant_of(int(written))
    return written


def _sliced(spark: SparkSession, many: Mapping[_Place, int], most_sorted: int) -> str:
    """The counted values with the slice of each: groups with many values are cut where a sketch says."""
    if not many:
        return "(SELECT *, 0 AS slice FROM segsync_counted)"
    slices = min(_MOST_SLICES, 2 + max(many.values()) // most_sorted)
    shares = ", ".join(f"{k / slices!r}D" for k in range(1, slices))
    _view(spark, "segsync_many", "i INT, g STRING", list(many))
    ws, ds = (f"percentile_approx({value}, array({shares})) AS {value}s" for value in "wd")
    only = "LEFT SEMI JOIN segsync_many USING (i, g)"
    cuts = spark.sql(f"SELECT i, g, {ws}, {ds} FROM segsync_counted {only} GROUP BY i, g")
    # Collected, so that the cuts are the same whatever part of the plan is computed again.
    rows = [(row["i"], row["g"], row["ws"], row["ds"]) for row in cuts.collect()]
    types = "i INT, g STRING, ws ARRAY<DECIMAL(38, 0)>, ds ARRAY<DOUBLE>"
    _view(spark, "segsync_cuts", types, rows)
    in_front = [f"size(filter(k.{value}s, x -> x < c.{value}))" for value in "wd"]
    below = f"CASE WHEN c.w IS NULL THEN {in_front[1]} ELSE {in_front[0]} END"
    return (
        f"(SELECT /*+ BROADCAST(k) */ c.*, CASE WHEN k.g IS NULL THEN 0 ELSE {below} END AS slice"
        " FROM segsync_counted AS c LEFT JOIN segsync_cuts AS k ON k.i = c.i AND k.g = c.g)"
    )


def _before(
    spark: SparkSession, sliced: str, many: Mapping[_Place, int]
) -> dict[_Place, list[tuple[int, int]]]:
    """Of every group that is cut: its slices in order, with the people in front of each."""
    found: dict[_Place, list[tuple[int, int]]] = {}
    if not many:
        return found
    counts = spark.sql(
        f"SELECT i, g, slice, sum(n)::BIGINT AS n FROM {sliced} LEFT SEMI JOIN segsync_many USING (i, g)"
        " GROUP BY i, g, slice"
    ).collect()
    sums: dict[_Place, int] = {}
    for row in sorted(counts, key=lambda row: (row["i"], row["g"], row["slice"])):
        place = (int(row["i"]), str(row["g"]))
        found.setdefault(place, []).append((int(row["slice"]), sums.get(place, 0)))
        sums[place] = sums.get(place, 0) + int(row["n"])
    return found


def _wanted(place: _Place, index: int, before: Mapping[_Place, Sequence[tuple[int, int]]]) -> _Wanted:
    slice_, first = 0, 0
    for number, in_front in before.get(place, ()):
        if in_front <= index:
            slice_, first = number, in_front
    return _Wanted(place, slice_, index - first)


def _values(spark: SparkSession, sliced: str, wanted: set[_Wanted]) -> dict[_Wanted, Number]:
    """The wanted values. Every slice is sorted by itself, and only those in which something is wanted."""
    if not wanted:
        return {}
    rows = [(*one.place, one.slice, one.index) for one in wanted]
    _view(spark, "segsync_wanted", "i INT, g STRING, slice INT, at BIGINT", rows)
    return dict(_found(spark.sql(picking(sliced))))


def picking(sliced: str) -> str:
    """The SELECT of the wanted values."""
    return (
        "SELECT s.i, s.g, s.slice, x.at, s.w, s.d FROM (SELECT v.*, sum(v.n) OVER"
        f" (PARTITION BY v.i, v.g, v.slice ORDER BY v.w, v.d) AS upto FROM {sliced} AS v"
        " LEFT SEMI JOIN segsync_wanted AS x ON x.i = v.i AND x.g = v.g AND x.slice = v.slice) AS s"
        " JOIN segsync_wanted AS x ON x.i = s.i AND x.g = s.g AND x.slice = s.slice"
        " WHERE s.upto > x.at AND s.upto - s.n <= x.at"
    )


def _found(picked: DataFrame) -> Iterator[tuple[_Wanted, Number]]:
    for row in picked.collect():
        value = int(row["w"]) if row["w"] is not None else float(row["d"])
        yield _Wanted((int(row["i"]), str(row["g"])), int(row["slice"]), int(row["at"])), value


def _view(spark: SparkSession, name: str, types: str, rows: Sequence[tuple[Any, ...]]) -> None:
    spark.createDataFrame(rows, types).createOrReplaceTempView(name)
