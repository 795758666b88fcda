"""The words of Spark SQL 4, in ANSI mode: what would overflow fails instead of being something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rules.engine.dialect import Dialect, Offsets, held_instant
from rules.vocabulary import Type

MATCHES = "segsync_matches"
"""The name of the function that searches like RE2; Spark's own regular expressions are Java's."""
_INFINITE_US, _INFINITE_DAY = 2**63 - 1, 2**31 - 1  # how the lake's files hold DuckDB's infinities
_DAY_US = 86_400_000_000
_LIFT_DAYS = 200_000_000  # makes dividends positive
_LARGEST_DOUBLE = "1.7976931348623157E308D"


class Spark(Dialect):
    """See `Dialect` for what each of these means."""

    wide = "DECIMAL(38, 0)"
    types: ClassVar[Mapping[Type, str]] = {
        Type.TEXT: "STRING",
        Type.NUMBER: "BIGINT",
        Type.MONEY: "BIGINT",
        Type.BOOLEAN: "BOOLEAN",
        Type.DATE: "DATE",
        Type.DATETIME: "TIMESTAMP",
        Type.TEXTS: "ARRAY<STRING>",
    }

    def name(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def text(self, text: str) -> str:
        # A backslash escapes, and ${NAME} would be put in from the session's settings.
        return "'" + "".join(_escaped(sign) for sign in text) + "'"

    def instant(self, microseconds: int) -> str:
        return f"timestamp_micros({held_instant(microseconds)})"

    def date(self, day: int) -> str:
        return f"date_from_unix_date({day})"

    def microseconds(self, instant: str) -> str:
        us = f"unix_micros({instant})"
        return f"CASE WHEN {us} > -{_INFINITE_US} AND {us} < {_INFINITE_US} THEN {us} END"

    def day(self, date: str) -> str:
        day = f"unix_date({date})"
        return f"CASE WHEN {day} > -{_INFINITE_DAY} AND {day} < {_INFINITE_DAY} THEN {day}::BIGINT END"

    def returns(self, date: str, days_of_year: list[int]) -> str:
        written = ", ".join(str(day) for day in days_of_year)
        known = f"unix_date({date}) > -{_INFINITE_DAY} AND unix_date({date}) < {_INFINITE_DAY}"
        return f"({known} AND (month({date}) * 100 + day({date})) IN ({written}))"

    def locally_returns(self, instant: str, days_of_year: list[int], offsets: Offsets) -> str:
        written, date = ", ".join(str(day) for day in days_of_year), self._local_date(instant, offsets)
        return f"(month({date}) * 100 + day({date})) IN ({written})"

    def local_day(self, instant: str, offsets: Offsets) -> str:
        return f"unix_date({self._local_date(instant, offsets)})::BIGINT"

    def _local_date(self, instant: str, offsets: Offsets) -> str:
        us = f"unix_micros({instant})"
        local = f"({us}::{self.wide} + {self._lookup(us, offsets)} + {_LIFT_DAYS * _DAY_US})"
        return (
            f"CASE WHEN {us} BETWEEN -9000000000000000000 AND 9000000000000000000 "
            f"THEN date_from_unix_date(({self.quotient(local, _DAY_US)} - {_LIFT_DAYS})::INT) END"
        )

    def quotient(self, number: str, divisor: int) -> str:
        return f"({number} div {divisor})"

    def as_double(self, integer: str, wide: bool) -> str:  # noqa: ARG002 - there is one way for both
        return f"{integer}::DOUBLE"  # the nearest, also of decimals

    def finite(self, double: str) -> str:
        return f"abs({double}) <= {_LARGEST_DOUBLE}"  # NaN is the greatest of all

    def entry(self, numbers: tuple[int, ...], index: str) -> str:
        return f"get(array({', '.join(f'{number}L' for number in numbers)}), ({index})::INT)"

    def contains(self, text: str, part: str) -> str:
        return f"contains({text}, {part})"

    def starts(self, text: str, part: str) -> str:
        return f"startswith({text}, {part})"

    def ends(self, text: str, part: str) -> str:
        return f"endswith({text}, {part})"

    def matches(self, text: str, pattern: str) -> str:
        return f"{MATCHES}({text}, {self.text(pattern)})"

    def list_has(self, texts: str, options: tuple[str, ...], every: bool) -> str:
        each = [f"array_contains({texts}, {self.text(option)})" for option in options]
        return "(" + (" AND " if every else " OR ").join(each) + ")"

    def length(self, texts: str) -> str:
        return f"array_size({texts})"

    def lot(self, salt: str, person: str) -> str:
        return f"md5({self.text(salt + ':')} || {person}::STRING)"

    def total(self, number: str) -> str:
        return f"sum(({number})::DECIMAL(20, 0))"

    def different(self, value: str, only: str) -> str:
        # `count(DISTINCT …)` would read every row once more for each of them
        return f"array_size(collect_set({value}){only})::BIGINT"

    def distinct_list(self, value: str, condition: str) -> str:
        return f"collect_set({value}) FILTER (WHERE {condition})"

    def extreme(self, parts: list[str], condition: str, least: bool) -> str:
        named = ", ".join(f"'c{number}', {part}" for number, part in enumerate(parts, 1))
        row = f"{'min' if least else 'max'}(named_struct({named}))"
        return f"{row} FILTER (WHERE {condition} AND {parts[1]} IS NOT NULL)"

    def part(self, row: str, number: int) -> str:
        return f"{row}.c{number}"


def _escaped(sign: str) -> str:
    if sign >= " " and sign not in "'\\$":
        return sign
    return f"\\u{ord(sign):04x}"
