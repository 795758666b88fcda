"""The few words in which SQL engines differ; everything else that is emitted is plain SQL.

Every expression made here is total: no input row can make it fail.
"""

from __future__ import annotations

import datetime as dt

from rules.vocabulary import Type

_LEAST_INSTANT, _LAST_INSTANT = -9_223_372_022_400_000_000, 9_223_372_036_854_775_000
_LARGEST = 2**126  # no sum of int64 values can reach it
_FAR_BACK = -4_000_000_000_000_000_000
_BITS = 62


class DuckDB:
    """DuckDB 1.4 to 2: 128-bit integers, lists, RE2."""

    wide = "HUGEINT"
    types = {  # noqa: RUF012 - a constant
        Type.TEXT: "VARCHAR",
        Type.NUMBER: "BIGINT",
        Type.MONEY: "BIGINT",
        Type.BOOLEAN: "BOOLEAN",
        Type.DATE: "DATE",
        Type.DATETIME: "TIMESTAMPTZ",
        Type.TEXTS: "VARCHAR[]",
    }

    def name(self, name: str) -> str:
        """A quoted column name."""
        return '"' + name.replace('"', '""') + '"'

    def text(self, text: str) -> str:
        """A text constant; NUL cannot stand inside a statement."""
        parts = ["'" + part.replace("'", "''") + "'" for part in text.split("\0")]
        return parts[0] if len(parts) == 1 else "(" + " || chr(0) || ".join(parts) + ")"

    def integer(self, value: int) -> str:
        """A whole number constant, held to what sums can reach."""
        return str(max(-_LARGEST, min(_LARGEST, value)))

    def double(self, value: float) -> str:
        """A double constant, exactly."""
        return f"'{value!r}'::DOUBLE"

    def literal(self, value: str | int | bool | dt.date | dt.datetime) -> str:
        """A constant of any type but instants, which come as integers to `instant`."""
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, int):
            return self.integer(value)
        return self.text(value) if isinstance(value, str) else f"DATE '{value.isoformat()}'"

    def missing(self, type_: Type) -> str:
        """The missing value of a type."""
        return f"NULL::{self.types[type_]}"

    def instant(self, microseconds: int) -> str:
        """A constant instant, held to what the engine can store."""
        held = max(_LEAST_INSTANT, min(_LAST_INSTANT, microseconds))
        return f"make_timestamptz({held})"

    def microseconds(self, instant: str) -> str:
        """Microseconds since 1970; missing for infinity."""
        return f"epoch_us({instant})"

    def day(self, date: str) -> str:
        """Days since 1970; missing for infinity."""
        return f"CASE WHEN isfinite({date}) THEN {date} - DATE '1970-01-01' END"

    def returns(self, date: str, days_of_year: list[int]) -> str:
        """Whether month × 100 + day of a date is one of these."""
        written = ", ".join(str(day) for day in days_of_year)
        return f"(month({date}) * 100 + day({date})) IN ({written})"

    def locally_returns(
        self, instant: str, days_of_year: list[int], offsets: tuple[tuple[int, int], ...]
    ) -> str:
        """The same of the date of an instant in a zone, given the zone's changes of offset."""
        written = ", ".join(f"'{day:04}'" for day in days_of_year)
        return f"strftime({self._local_date(instant, offsets)}, '%m%d') IN ({written})"

    def local_day(self, instant: str, offsets: tuple[tuple[int, int], ...]) -> str:
        """The day of an instant in a zone as days since 1970; missing for infinity."""
        return f"({self._local_date(instant, offsets)} - DATE '1970-01-01')"

    def at_least(self, number: str, least: int) -> str:
        """A number, or `least` if that is more; missing if it is."""
        return f"CASE WHEN {number} < {least} THEN {least} ELSE {number} END"

    def at_most(self, number: str, most: int) -> str:
        """A number, or `most` if that is less; missing if it is."""
        return f"CASE WHEN {number} > {most} THEN {most} ELSE {number} END"

    def within(self, number: str, least: int, most: int) -> str:
        """A known number held between two others."""
        return f"least(greatest({number}, {least}), {most})"

    def entry(self, numbers: tuple[int, ...], index: str) -> str:
        """The number at an index from 0; missing beyond the end. The index is not negative."""
        return f"list_extract([{', '.join(map(str, numbers))}]::BIGINT[], ({index}) + 1)"

    def _local_date(self, instant: str, offsets: tuple[tuple[int, int], ...]) -> str:
        """The date of an instant in a zone; missing for infinity."""
        us = self.microseconds(instant)
        # Far instants would overflow when the offset is added; their date is of no calendar anyway.
        ahead = self._lookup(us, offsets)
        return (
            f"CASE WHEN {us} BETWEEN -9000000000000000000 AND 9000000000000000000 "
            f"THEN make_timestamp({us} + {ahead})::DATE END"
        )

    def _lookup(self, us: str, offsets: tuple[tuple[int, int], ...]) -> str:
        """The offset in force, as a balanced tree of comparisons."""
        if len(offsets) == 1:
            return str(offsets[0][1])
        half = len(offsets) // 2
        low, high = self._lookup(us, offsets[:half]), self._lookup(us, offsets[half:])
        return f"CASE WHEN {us} < {offsets[half][0]} THEN {low} ELSE {high} END"

    def as_double(self, integer: str, wide: bool) -> str:
        """A whole number as the nearest double. The engine's own cast of wide integers is not the nearest."""
        if not wide:
            return f"{integer}::DOUBLE"
        return (
            f"CASE WHEN {integer} BETWEEN -9223372036854775808 AND 9223372036854775807 "
            f"THEN {integer}::BIGINT::DOUBLE ELSE {integer}::VARCHAR::DOUBLE END"
        )

    def finite(self, double: str) -> str:
        """Whether a double is a number."""
        return f"isfinite({double})"

    def floor_days(self, now: int, instant: str) -> str:
        """(now − instant) // 86 400 in microseconds, rounded down also for the future."""
        lift = 2 * 10**14  # makes the dividend positive, since `//` rounds towards zero
        return f"(({now + lift * 86_400}::HUGEINT - {self.microseconds(instant)}) // 86400 - {lift})::BIGINT"

    def contains(self, text: str, part: str) -> str:
        """Whether a text contains another."""
        return f"contains({text}, {part})"

    def starts(self, text: str, part: str) -> str:
        """Whether a text starts with another."""
        return f"starts_with({text}, {part})"

    def ends(self, text: str, part: str) -> str:
        """Whether a text ends with another."""
        return f"ends_with({text}, {part})"

    def matches(self, text: str, pattern: str) -> str:
        """RE2 search."""
        return f"regexp_matches({text}, {self.text(pattern)})"

    def list_has(self, texts: str, options: tuple[str, ...], every: bool) -> str:
        """Whether a list of texts holds any (every) one of the options."""
        if len(options) == 1:
            return f"list_contains({texts}, {self.text(options[0])})"
        written = ", ".join(self.text(option) for option in options)
        return f"{'list_has_all' if every else 'list_has_any'}({texts}, [{written}]::VARCHAR[])"

    def length(self, texts: str) -> str:
        """Number of entries of a list."""
        return f"len({texts})"

    def lot(self, salt: str, person: str) -> str:
        """md5 of "SALT:PERSON" in lower-case hex digits."""
        return f"md5({self.text(salt + ':')} || {person}::VARCHAR)"

    # ── aggregates ──

    def extreme(self, parts: list[str], condition: str, least: bool) -> str:
        """The greatest (least) row of values, compared part by part; rows whose second part is missing
        do not count."""
        row = f"{'min' if least else 'max'}(row({', '.join(parts)}))"
        return f"{row} FILTER (WHERE {condition} AND {parts[1]} IS NOT NULL)"

    def part(self, row: str, number: int) -> str:
        """The n-th part (from 1) of what `extreme` gives."""
        return f"struct_extract_at({row}, {number})"

    def different_slices(self, instant: str, ends: list[str], condition: str) -> str:
        """In how many slices of time there is one of the instants that meet the condition. A slice reaches up
        to its own end (excluded) from that of the next; the latest comes first. NULL if nothing meets it.

        Every slice is a bit, in as many words as it takes: far cheaper than counting different values."""
        words = []
        for first in range(0, len(ends), _BITS):
            own = ends[first : first + _BITS]
            only = [condition]
            only += [f"{instant} < {own[0]}"] if first else []
            only += [f"{instant} >= {ends[first + _BITS]}"] if first + _BITS < len(ends) else []
            bit = _slice_bit(instant, own, 0, len(own))
            words.append(f"coalesce(bit_count(bit_or({bit}) FILTER (WHERE {' AND '.join(only)})), 0)::BIGINT")
        return f"({' + '.join(words)})"

    def position(self, instant: str) -> str:
        """Microseconds since 1970; what lies too far back to calculate with is held there."""
        return f"greatest({self.microseconds(instant)}, {_FAR_BACK})"

    def distinct_list(self, value: str, condition: str) -> str:
        """The list of different known values; missing if there is none."""
        return f"list(DISTINCT {value}) FILTER (WHERE {condition} AND {value} IS NOT NULL)"


def _slice_bit(instant: str, ends: list[str], low: int, high: int) -> str:
    """The bit of the slice from `low` to before `high` that holds the instant, as a balanced tree."""
    if high - low == 1:
        return f"{2**low}::BIGINT"
    half = (low + high) // 2
    late, early = _slice_bit(instant, ends, low, half), _slice_bit(instant, ends, half, high)
    return f"CASE WHEN {instant} >= {ends[half]} THEN {late} ELSE {early} END"
