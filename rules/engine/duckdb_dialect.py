"""The words of DuckDB 1.4 to 2: 128-bit integers, lists, RE2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rules.engine.dialect import Dialect, Offsets, held_instant
from rules.vocabulary import Type


class DuckDB(Dialect):
    """See `Dialect` for what each of these means."""

    wide = "HUGEINT"
    types: ClassVar[Mapping[Type, str]] = {
        Type.TEXT: "VARCHAR",
        Type.NUMBER: "BIGINT",
        Type.MONEY: "BIGINT",
        Type.BOOLEAN: "BOOLEAN",
        Type.DATE: "DATE",
        Type.DATETIME: "TIMESTAMPTZ",
        Type.TEXTS: "VARCHAR[]",
    }

    def name(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def text(self, text: str) -> str:
        # NUL cannot stand inside a statement
        parts = ["'" + part.replace("'", "''") + "'" for part in text.split("\0")]
        return parts[0] if len(parts) == 1 else "(" + " || chr(0) || ".join(parts) + ")"

    def instant(self, microseconds: int) -> str:
        return f"make_timestamptz({held_instant(microseconds)})"

    def date(self, day: int) -> str:
        return f"(DATE '1970-01-01' + {day})"

    def microseconds(self, instant: str) -> str:
        return f"epoch_us({instant})"

    def day(self, date: str) -> str:
        return f"CASE WHEN isfinite({date}) THEN {date} - DATE '1970-01-01' END"

    def returns(self, date: str, days_of_year: list[int]) -> str:
        written = ", ".join(str(day) for day in days_of_year)
        return f"(month({date}) * 100 + day({date})) IN ({written})"

    def locally_returns(self, instant: str, days_of_year: list[int], offsets: Offsets) -> str:
        written = ", ".join(f"'{day:04}'" for day in days_of_year)
        return f"strftime({self._local_date(instant, offsets)}, '%m%d') IN ({written})"

    def local_day(self, instant: str, offsets: Offsets) -> str:
        return f"({self._local_date(instant, offsets)} - DATE '1970-01-01')"

    def _local_date(self, instant: str, offsets: Offsets) -> str:
        us = self.microseconds(instant)
        ahead = self._lookup(us, offsets)
        return (
            f"CASE WHEN {us} BETWEEN -9000000000000000000 AND 9000000000000000000 "
            f"THEN make_timestamp({us} + {ahead})::DATE END"
        )

    def quotient(self, number: str, divisor: int) -> str:
        return f"({number} // {divisor})"

    def as_double(self, integer: str, wide: bool) -> str:
        if not wide:
            return f"{integer}::DOUBLE"
        return (  # the engine's own cast of wide integers is not the nearest
            f"CASE WHEN {integer} BETWEEN -9223372036854775808 AND 9223372036854775807 "
            f"THEN {integer}::BIGINT::DOUBLE ELSE {integer}::VARCHAR::DOUBLE END"
        )

    def finite(self, double: str) -> str:
        return f"isfinite({double})"

    def entry(self, numbers: tuple[int, ...], index: str) -> str:
        return f"list_extract([{', '.join(map(str, numbers))}]::BIGINT[], ({index}) + 1)"

    def contains(self, text: str, part: str) -> str:
        return f"contains({text}, {part})"

    def starts(self, text: str, part: str) -> str:
        return f"starts_with({text}, {part})"

    def ends(self, text: str, part: str) -> str:
        return f"ends_with({text}, {part})"

    def matches(self, text: str, pattern: str) -> str:
        return f"regexp_matches({text}, {self.text(pattern)})"

    def list_has(self, texts: str, options: tuple[str, ...], every: bool) -> str:
        if len(options) == 1:
            return f"list_contains({texts}, {self.text(options[0])})"
        written = ", ".join(self.text(option) for option in options)
        return f"{'list_has_all' if every else 'list_has_any'}({texts}, [{written}]::VARCHAR[])"

    def length(self, texts: str) -> str:
        return f"len({texts})"

    def lot(self, salt: str, person: str) -> str:
        return f"md5({self.text(salt + ':')} || {person}::VARCHAR)"

    def total(self, number: str) -> str:
        return f"sum({number})"

    def different(self, value: str, only: str) -> str:
        return f"count(DISTINCT {value}){only}"

    def distinct_list(self, value: str, condition: str) -> str:
        return f"list(DISTINCT {value}) FILTER (WHERE {condition} AND {value} IS NOT NULL)"

    def extreme(self, parts: list[str], condition: str, least: bool) -> str:
        row = f"{'min' if least else 'max'}(row({', '.join(parts)}))"
        return f"{row} FILTER (WHERE {condition} AND {parts[1]} IS NOT NULL)"

    def part(self, row: str, number: int) -> str:
        return f"struct_extract_at({row}, {number})"
