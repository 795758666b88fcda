"""Counting for profiles in DuckDB: everybody once, then each segment by scans of columns.

Makes temporary tables in the session it is given; reads the lake when it is made, and never again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from rules.models.traits import SUPPORT, Moments
from sync.identify.sql import quoted, text_literal
from sync.profiles.columns import Category, Columns, Number

MOST_LEVELS = 20
"""Levels of a category that are looked at, the most frequent first."""
_NUMBERS, _LEVELS, _MEMBERS = "profile_numbers", "profile_levels", "profile_members"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a category, and how many of everybody have it."""

    category: Category
    level: str
    people: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of some people: moments and median. Nobody has it: a count of 0."""

    moments: Moments
    median: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Of some people: how many there are, numbers by name, and how many have each level."""

    people: int
    numbers: dict[str, Measure]
    levels: tuple[int, ...]


@dataclass(slots=True)
class Figures:
    """Everybody's figures, and those of any set of people; `levels` are in the order of `Counts.levels`."""

    database: duckdb.DuckDBPyConnection
    columns: Columns
    people: str
    numbers: tuple[Number, ...] = field(init=False)
    levels: tuple[Level, ...] = field(init=False)
    everybody: Counts = field(init=False)

    def __post_init__(self) -> None:
        counted = self.columns.counted
        self.numbers = (*self.columns.numbers, *(n for one in counted for n in one.numbers))
        made = ", ".join(f"CAST({n.sql} AS DOUBLE) AS {quoted(n.name)}" for n in self.numbers)
        joins = " ".join(f"LEFT JOIN ({one.rows}) USING (person)" for one in counted)
        self.database.execute(
            f"""CREATE OR REPLACE TEMP TABLE {_NUMBERS} AS
            SELECT person{", " if made else ""}{made} FROM {self.people} AS people {joins}"""
        )
        self.database.execute(f"CREATE OR REPLACE TEMP TABLE {_LEVELS} (person INTEGER, code INTEGER)")
        self.levels = tuple(self._levels())
        numbers = self._measured(_NUMBERS)
        having = tuple(one.people for one in self.levels)
        self.everybody = Counts(numbers[0], numbers[1], having)

    def of(self, members: BitMap) -> Counts:
        """Of those of `members` that there are."""
        table = pa.table({"person": np.asarray(members.to_array()).astype(np.int32)})
        self.database.register("profile_given", table)
        self.database.execute(f"CREATE OR REPLACE TEMP TABLE {_MEMBERS} AS FROM profile_given")
        self.database.unregister("profile_given")
        people, numbers = self._measured(f"{_NUMBERS} SEMI JOIN {_MEMBERS} USING (person)")
        rows = self.database.sql(
            f"SELECT code, count(*) FROM {_LEVELS} SEMI JOIN {_MEMBERS} USING (person) GROUP BY code"
        ).fetchall()
        having = {int(code): int(count) for code, count in rows}
        return Counts(people, numbers, tuple(having.get(code, 0) for code in range(len(self.levels))))

    def _levels(self) -> list[Level]:
        found: list[Level] = []
        for category in self.columns.categories:
            known = (
                f"SELECT DISTINCT person, level FROM ({category.rows}) SEMI JOIN {_NUMBERS} USING (person)"
            )
            few = f"AND levels <= {MOST_LEVELS}" if category.few else ""
            rows = self.database.sql(
                f"""SELECT level, people FROM (
                    SELECT level, count(*) AS people, count(*) OVER () AS levels FROM ({known})
                    WHERE level IS NOT NULL AND level <> '' GROUP BY level)
                WHERE people >= {SUPPORT} {few} ORDER BY people DESC, level LIMIT {MOST_LEVELS}"""
            ).fetchall()
            if not rows:
                continue
            codes = " ".join(
                f"WHEN {text_literal(level)} THEN {code}" for code, (level, _) in enumerate(rows, len(found))
            )
            found += [Level(category, str(level), int(people)) for level, people in rows]
            self.database.execute(
                f"""INSERT INTO {_LEVELS} SELECT person, code FROM (
                    SELECT person, CASE level {codes} END AS code FROM ({known}))
                WHERE code IS NOT NULL"""
            )
        return found

    def _measured(self, relation: str) -> tuple[int, dict[str, Measure]]:
        asked = ["count(*)"]
        for one in self.numbers:
            name = quoted(one.name)
            asked += [f"count({name})", f"avg({name})", f"var_pop({name})", f"median({name})"]
        total, *cells = self.database.sql(f"SELECT {', '.join(asked)} FROM {relation}").fetchall()[0]
        return int(total), {
            one.name: _measure(*cells[4 * place : 4 * place + 4]) for place, one in enumerate(self.numbers)
        }


def _measure(count: int, mean: Any, variance: Any, median: Any) -> Measure:
    if not count:
        return Measure(Moments(0, 0.0, 0.0), 0.0)
    return Measure(Moments(int(count), _rounded(mean), _rounded(variance)), _rounded(median))


def _rounded(value: float) -> float:
    """Sums of many threads differ in their last digits from one time to the next."""
    return float(f"{value:.9g}")
