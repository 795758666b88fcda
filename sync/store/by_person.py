"""Files of the lake once more in order of their persons, so that a few people's rows are found unread.

A copy beside each file, made from it alone and never the only one: whoever deletes it loses nothing but time.
Rows lie uncompressed, by person and instant, and are read in place; beside them stand all instants in order,
with whose they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rules.engine.periods import Range
from rules.engine.stretches import Stretch
from rules.engine.tables import Span
from sync.store.arranging import AT, PERSON, PLACE, WHOSE, arranged, mapped, numbers, whole
from sync.store.loose import Loose, held, valued


class Copy:
    """The rows of one file in order of their persons."""

    def __init__(self, rows: pa.Table, by: str = PERSON) -> None:
        """`rows`: as `arranged` makes them."""
        self._rows = rows
        there = rows.column_names
        own = {PLACE, AT, WHOSE, *(f"{name} {field}" for name in (AT, WHOSE) for field in there)}
        self.columns = [name for name in there if name not in own]
        self._found: dict[str, pa.Array] = {}
        self._words: dict[str, list[object]] = {}
        self._dates: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._persons = numbers(rows[by])
        self._at: NDArray[np.int64] | None = None
        if "at" in self.columns:
            self._at = numbers(rows["at"])
            self._ordered, self._whose = numbers(rows[AT]), numbers(rows[WHOSE])

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """Of a few rows of activity, made for the time being."""
        return cls(arranged(rows))

    @property
    def instants(self) -> NDArray[np.int64]:
        """When each row happened, in microseconds; only of activity."""
        assert self._at is not None  # noqa: S101 - as it says
        return self._at

    @property
    def lake_places(self) -> NDArray[np.int64]:
        """Where each row lies in the file of the lake."""
        return numbers(self._rows[PLACE])

    def places(self, people: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """From which row to before which other each of these people's lie."""
        return np.searchsorted(self._persons, people), np.searchsorted(self._persons, people, side="right")

    def column(self, name: str) -> pa.Array | None:
        """A column in one piece; None: the file has none."""
        if name not in self._found and name in self.columns:
            self._found[name] = whole(self._rows[name])
        return self._found.get(name)

    def words(self, name: str) -> list[object]:
        """The texts of a column of which each is stored once, by number."""
        if name not in self._words:
            column = self.column(name)
            self._words[name] = [] if column is None else column.dictionary.to_pylist()
        return self._words[name]

    @classmethod
    def open(cls, path: Path, by: str = PERSON) -> Self:
        """Mapped into memory. An unreadable file is an OSError or a pa.ArrowInvalid."""
        return cls(mapped(path), by)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def crossed(self, found: Range) -> NDArray[np.int32]:
        """Whose activity lies in the range, as often as it does."""
        start, end = _places(self._ordered, found)
        return self._whose[start:end].astype(np.int32)

    def valued(self, field: str, type_: pa.DataType, found: Range) -> NDArray[np.int32]:
        """Who has a value of the type in the range; the file may lack the field."""
        ordered, whose = f"{AT} {field}", f"{WHOSE} {field}"
        if ordered not in self._rows.column_names or self._rows[field].type != type_:
            return valued(self._rows, field, type_, found)
        if field not in self._dates:
            known = len(self._rows) - self._rows[field].null_count
            self._dates[field] = numbers(self._rows[ordered])[:known], numbers(self._rows[whose])[:known]
        values, persons = self._dates[field]
        start, end = _places(values, found)
        return persons[start:end].astype(np.int32)

    def take(
        self, people: NDArray[np.int32], span: Span, columns: Collection[str], gone: NDArray[np.int64] | None
    ) -> pa.Table:
        """The rows of these people (ascending) in the span, with those of the columns that the file has;
        without the places that are `gone`."""
        low, high = self.places(people)
        there = high > low
        if not there.any():
            return pa.table({})
        low, high = low[there], high[there]
        if self._at is not None:
            if span.range.end is not None:
                high = _bisected(self._at, low, high, held(span.range.end))
            if span.range.start is not None:
                low = _bisected(self._at, low, high, held(span.range.start))
        if span.ends and gone is None:
            some = high > low
            rows = np.unique(np.concatenate([low[some], high[some] - 1]))
        else:
            rows = _listed(low, high)
        return self.at(rows, columns, gone)

    def alone(
        self, person: NDArray[np.int32], types: Mapping[str, pa.DataType], gone: NDArray[np.int64] | None
    ) -> list[dict[str, Any]]:
        """The rows of one person (alone in `person`) with these columns."""
        low, high = (int(place[0]) for place in self.places(person))
        if gone is not None and low < high:
            return listed(self.take(person, Span(), types, gone), types)
        return self.between(low, high, types)

    def between(self, low: int, high: int, types: Mapping[str, pa.DataType]) -> list[dict[str, Any]]:
        """The rows in these places, read where they lie: for so few of them no table is made."""
        if low >= high:
            return []
        values = [self._values(name, type_, low, high - low) for name, type_ in types.items()]
        return [dict(zip(types, row, strict=True)) for row in zip(*values, strict=True)]

    def _values(self, name: str, type_: pa.DataType, low: int, count: int) -> list[object]:
        column = self.column(name)
        if column is None:
            return [None] * count
        plain = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        found = column.slice(low, count)
        values: list[object] = (found if plain == type_ else found.cast(plain).cast(type_)).to_pylist()
        return values

    def at(
        self, rows: NDArray[np.int64], columns: Collection[str], gone: NDArray[np.int64] | None
    ) -> pa.Table:
        """The rows in these places of the copy, as `take` has it."""
        if gone is not None:
            places = numbers(self._rows[PLACE])[rows]
            rows = rows[~np.isin(places, gone)]
        wanted = [name for name in self.columns if name in columns]
        taken = self._rows.select(wanted).take(pa.array(rows))
        plain = [
            column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
            for column in taken.columns
        ]
        return pa.table(plain, wanted)


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a file, and the places in it whose rows are no more."""

    rows: Copy | Loose
    gone: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Indexed:
    """Relations by person, as `rules.engine.tables.ByPerson` asks for them.

    `parts` and `columns` (column → type, of the whole relation): by kind of activity, None: people.
    `told`: rows with more columns of people, `facts`: which of these there are.
    """

    parts: Mapping[str | None, Sequence[Part]]
    columns: Mapping[str | None, Mapping[str, pa.DataType]]
    told: Sequence[Part] = ()
    facts: Mapping[str, pa.DataType] = field(default_factory=dict)

    @property
    def loose(self) -> int:
        """How many rows lie in files without a copy."""
        every = (part.rows for parts in (*self.parts.values(), self.told) for part in parts)
        return sum(rows.count for rows in every if isinstance(rows, Loose))

    def crossed(self, kind: str, found: Range) -> NDArray[np.int32]:
        """At least everybody with activity of the kind in the range."""
        found_ = [part.rows.crossed(found) for part in self.parts.get(kind, ())]
        return np.concatenate(found_) if found_ else np.array([], np.int32)

    def valued(self, field: str, found: Range) -> NDArray[np.int32]:
        """At least everybody with a date (in days) or an instant in the range in this field of people."""
        type_ = self.columns[None][field]
        found_ = [part.rows.valued(field, type_, found) for part in self.parts.get(None, ())]
        return np.concatenate(found_) if found_ else np.array([], np.int32)

    def count(self) -> int:
        """How many people there are."""
        every = self.parts.get(None, ())
        return sum(p.rows.count - (0 if p.gone is None else len(np.unique(p.gone))) for p in every)

    def stretches(self, kind: str, people: NDArray[np.int32]) -> Sequence[Stretch]:
        """Of each of these people (ascending) where their rows of a kind lie."""
        from sync.store.stretches import stretches

        return stretches(self.parts.get(kind, ()), self.columns[kind], people)

    def names(self, kind: str | None) -> Collection[str]:
        """The columns of the relation."""
        columns = self.columns[kind]
        return {**columns, **self.facts} if kind is None else columns

    def of(self, kind: str | None, person: int) -> list[dict[str, Any]]:
        """The rows of one person, with all columns."""
        whom = np.array([person], np.int32)
        found = _of(self.parts.get(kind, ()), self.columns[kind], whom)
        if kind is None and self.facts and found:
            told = _of(self.told, self.facts, whom) or [dict.fromkeys(self.facts)]
            found = [{**row, **told[0]} for row in found]
        return found

    def rows(
        self, kind: str | None, people: NDArray[np.int32], span: Span, columns: Collection[str] | None
    ) -> pa.Table:
        """The rows of these people (ascending) in the span; `columns`: at most these, None: all."""
        found = taken(self.parts.get(kind, ()), self.columns[kind], people, span, columns)
        wanted = {name for name in self.facts if columns is None or name in columns}
        if kind is not None or not wanted:
            return found
        told = taken(self.told, {"person": pa.int32(), **self.facts}, people, Span(), wanted)
        return _beside(found, told)


def _of(
    parts: Sequence[Part], types: Mapping[str, pa.DataType], person: NDArray[np.int32]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part.rows, Copy):
            found += part.rows.alone(person, types, part.gone)
        else:
            found += listed(part.rows.take(person, Span(), types, part.gone), types)
    return found


def listed(rows: pa.Table, types: Mapping[str, pa.DataType]) -> list[dict[str, Any]]:
    """The rows with all of these columns, in their types."""
    if not len(rows):
        return []
    found: list[dict[str, Any]] = filled(rows, pa.schema(list(types.items()))).to_pylist()
    return found


def taken(
    parts: Sequence[Part],
    types: Mapping[str, pa.DataType],
    people: NDArray[np.int32],
    span: Span,
    columns: Collection[str] | None,
) -> pa.Table:
    """The rows of these people (ascending) in the span, with `person` and at most these columns."""
    names = [name for name in types if columns is None or name in columns or name == "person"]
    fields = pa.schema([(name, types[name]) for name in names])
    every = (part.rows.take(people, span, names, part.gone) for part in parts)
    found = [one for one in every if len(one)]
    if len(found) == 1 and found[0].schema.equals(fields):
        return found[0]
    return pa.concat_tables([fields.empty_table(), *(filled(one, fields) for one in found)])


def _beside(found: pa.Table, told: pa.Table) -> pa.Table:
    """Each person's row with the columns of their row in `told`, missing where there is none."""
    told = told.sort_by("person").combine_chunks()
    persons, known = numbers(found["person"]), numbers(told["person"])
    places = np.searchsorted(known, persons)
    there = np.zeros(len(persons), bool)
    inside = places < len(known)
    there[inside] = known[places[inside]] == persons[inside]
    more = told.drop_columns(["person"]).take(pa.array(places, mask=~there))
    for name in more.column_names:
        found = found.append_column(name, more[name])
    return found


def filled(table: pa.Table, fields: pa.Schema) -> pa.Table:
    """The table with all of a relation's columns, in its types."""
    there = set(table.column_names)
    columns = [
        _as(table[field.name], field.type) if field.name in there else pa.nulls(len(table), field.type)
        for field in fields
    ]
    return pa.table(columns, schema=fields)


def _as(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    return column if column.type == type_ else column.cast(type_)


def _places(ordered: NDArray[np.int64], found: Range) -> tuple[int, int | None]:
    """From where to before where what is in order lies in a range."""
    start = 0 if found.start is None else int(np.searchsorted(ordered, held(found.start)))
    return start, None if found.end is None else int(np.searchsorted(ordered, held(found.end)))


def _bisected(
    at: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64], edge: int
) -> NDArray[np.int64]:
    """In each piece [low, high) of ascending numbers the first place that is not before the edge."""
    low, high = low.copy(), high.copy()
    while len(open_ := np.flatnonzero(low < high)):
        middle = (low[open_] + high[open_]) // 2
        before = at[middle] < edge
        low[open_] = np.where(before, middle + 1, low[open_])
        high[open_] = np.where(before, high[open_], middle)
    return low


def _listed(low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
    """All places of the pieces [low, high), one after the other."""
    sizes = high - low
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    listed: NDArray[np.int64] = np.arange(total) + np.repeat(low - (ends - sizes), sizes)
    return listed
