"""The few words in which SQL engines differ; everything else that is emitted is plain SQL.

Every expression made here is total: no input row can make it fail. What the words mean stands at `Dialect`.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from rules.vocabulary import Type

_LEAST_INSTANT, _LAST_INSTANT = -9_223_372_022_400_000_000, 9_223_372_036_854_775_000
_LARGEST = 2**126  # no sum of int64 values can reach it
_FAR_BACK = -4_000_000_000_000_000_000
_BITS = 62

Offsets = tuple[tuple[int, int], ...]
"""(from this instant on, microseconds ahead of UTC) for every change of a zone's offset; the first one is in
force before, too."""


class Dialect(ABC):
    """What every engine is asked for, and what most of them write alike."""

    wide: ClassVar[str]
    """The type of whole numbers that no sum of 64-bit ones can leave."""
    types: ClassVar[Mapping[Type, str]]

    # ── constants ──

    @abstractmethod
    def name(self, name: str) -> str:
        """A quoted column name."""

    @abstractmethod
    def text(self, text: str) -> str:
        """A text constant."""

    @abstractmethod
    def instant(self, microseconds: int) -> str:
        """A constant instant, held to what the engine can store."""

    @abstractmethod
    def date(self, day: int) -> str:
        """A constant date, as days since 1970."""

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

    # ── time ──

    @abstractmethod
    def microseconds(self, instant: str) -> str:
        """Microseconds since 1970; missing for infinity."""

    @abstractmethod
    def day(self, date: str) -> str:
        """Days since 1970 in 64 bits; missing for infinity."""

    @abstractmethod
    def returns(self, date: str, days_of_year: list[int]) -> str:
        """Whether month × 100 + day of a date is one of these."""

    def locally_returns(self, instant: str, days_of_year: list[int], offsets: Offsets) -> str:
        """The same of the date of an instant in a zone, given the zone's changes of offset."""
        return self.returns(self._local_date(instant, offsets), days_of_year)

    def local_day(self, instant: str, offsets: Offsets) -> str:
        """The day of an instant in a zone as days since 1970; missing for infinity."""
        return self.day(self._local_date(instant, offsets))

    @abstractmethod
    def _local_date(self, instant: str, offsets: Offsets) -> str:
        """The date of an instant in a zone; missing for infinity, and for instants so far away that they
        would overflow when the offset is added: their date is of no calendar anyway."""

    def _lookup(self, us: str, offsets: Offsets) -> str:
        """The offset in force, as a balanced tree of comparisons."""
        if len(offsets) == 1:
            return str(offsets[0][1])
        half = len(offsets) // 2
        low, high = self._lookup(us, offsets[:half]), self._lookup(us, offsets[half:])
        return f"CASE WHEN {us} < {offsets[half][0]} THEN {low} ELSE {high} END"

    def floor_days(self, now: int, instant: str) -> str:
        """(now − instant) // 86 400 in microseconds, rounded down also for the future."""
        lift = 2 * 10**14  # makes the dividend positive, since quotients are rounded towards zero
        dividend = f"({self._wide_constant(now + lift * 86_400)} - {self.microseconds(instant)})"
        return f"({self.quotient(dividend, 86_400)} - {lift})::BIGINT"

    def _wide_constant(self, value: int) -> str:
        return f"{value}::{self.wide}"

    def position(self, instant: str) -> str:
        """Microseconds since 1970; what lies too far back to calculate with is held there."""
        return f"greatest({self.microseconds(instant)}, {_FAR_BACK})"

    # ── numbers ──

    @abstractmethod
    def quotient(self, number: str, divisor: int) -> str:
        """A whole number that is not negative, by a positive constant, rounded down."""

    @abstractmethod
    def as_double(self, integer: str, wide: bool) -> str:
        """A whole number as the nearest double."""

    @abstractmethod
    def finite(self, double: str) -> str:
        """Whether a double is a number."""

    @abstractmethod
    def entry(self, numbers: tuple[int, ...], index: str) -> str:
        """The number at an index from 0; missing beyond the end. The index is not negative."""

    def at_least(self, number: str, least: int) -> str:
        """A number, or `least` if that is more; missing if it is."""
        return f"CASE WHEN {number} < {least} THEN {least} ELSE {number} END"

    def at_most(self, number: str, most: int) -> str:
        """A number, or `most` if that is less; missing if it is."""
        return f"CASE WHEN {number} > {most} THEN {most} ELSE {number} END"

    def within(self, number: str, least: int, most: int) -> str:
        """A known number held between two others."""
        return f"least(greatest({number}, {least}), {most})"

    # ── texts and lists; texts are compared by their bytes ──

    @abstractmethod
    def contains(self, text: str, part: str) -> str:
        """Whether a text contains another."""

    @abstractmethod
    def starts(self, text: str, part: str) -> str:
        """Whether a text starts with another."""

    @abstractmethod
    def ends(self, text: str, part: str) -> str:
        """Whether a text ends with another."""

    @abstractmethod
    def matches(self, text: str, pattern: str) -> str:
        """RE2 search."""

    @abstractmethod
    def list_has(self, texts: str, options: tuple[str, ...], every: bool) -> str:
        """Whether a list of texts holds any (every) one of the options."""

    @abstractmethod
    def length(self, texts: str) -> str:
        """Number of entries of a list; missing if it is."""

    @abstractmethod
    def lot(self, salt: str, person: str) -> str:
        """md5 of "SALT:PERSON" in lower-case hex digits."""

    # ── aggregates ──

    @abstractmethod
    def total(self, number: str) -> str:
        """The sum of whole numbers, exactly, beyond 64 bits too; missing over nothing. FILTER may follow."""

    @abstractmethod
    def different(self, value: str, only: str) -> str:
        """How many different known values there are. `only`: a FILTER, or nothing."""

    @abstractmethod
    def distinct_list(self, value: str, condition: str) -> str:
        """The list of different known values; missing or empty if there is none."""

    @abstractmethod
    def extreme(self, parts: list[str], condition: str, least: bool) -> str:
        """The greatest (least) row of values, compared part by part; rows whose second part is missing
        do not count."""

    @abstractmethod
    def part(self, row: str, number: int) -> str:
        """The n-th part (from 1) of what `extreme` gives."""

    def different_slices(self, instant: str, ends: Sequence[str], condition: str) -> str:
        """In how many slices of time there is one of the instants that meet the condition. A slice reaches up
        to its own end (excluded) from that of the next; the latest comes first. 0 if nothing meets it.

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


def held_instant(microseconds: int) -> int:
    """An instant that every engine can store."""
    return max(_LEAST_INSTANT, min(_LAST_INSTANT, microseconds))


def _slice_bit(instant: str, ends: Sequence[str], low: int, high: int) -> str:
    """The bit of the slice from `low` to before `high` that holds the instant, as a balanced tree."""
    if high - low == 1:
        return f"{2**low}::BIGINT"
    half = (low + high) // 2
    late, early = _slice_bit(instant, ends, low, half), _slice_bit(instant, ends, half, high)
    return f"CASE WHEN {instant} >= {ends[half]} THEN {late} ELSE {early} END"
