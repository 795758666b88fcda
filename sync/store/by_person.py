"""Files of the lake once more in order of their persons, so that a few people's rows are found unread.

A copy beside each file, made from it alone and never the only one: whoever deletes it loses nothing but time.
Rows lie uncompressed, by person and instant, and are read in place; beside them stand all instants in order,
with whose they are.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rules.engine.periods import Range
from rules.engine.stretches import Stretch
from rules.engine.tables import Span

PERSON = "person"
_PLACE, _AT, _WHOSE = "lake place", "lake at", "lake whose"
_NEVER_READ = frozenset({"content_hash", "email", "external_id", "kind"})
"""Columns of activity that neither rules nor explanations ask for. People's fields may have such names."""
_SEVERAL, _SAMPLE = 4, 4_000
"""Texts of which each occurs so often on average, among the first ones too, are stored once each."""


class Copy:
    """The rows of one file in order of their persons."""

    def __init__(self, rows: pa.Table, by: str = PERSON) -> None:
        """`rows`: as `arranged` makes them."""
        self._rows = rows
        there = rows.column_names
        own = {_PLACE, _AT, _WHOSE, *(f"{name} {field}" for name in (_AT, _WHOSE) for field in there)}
        self.columns = [name for name in there if name not in own]
        self._found: dict[str, pa.Array] = {}
        self._persons = numbers(rows[by])
        self._at: NDArray[np.int64] | None = None
        if "at" in self.columns:
            self._at = numbers(rows["at"])
            self._ordered, self._whose = numbers(rows[_AT]), numbers(rows[_WHOSE])

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
        return numbers(self._rows[_PLACE])

    def places(self, people: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """From which row to before which other each of these people's lie."""
        return np.searchsorted(self._persons, people), np.searchsorted(self._persons, people, side="right")

    def column(self, name: str) -> pa.Array | None:
        """A column in one piece; None: the file has none."""
        if name not in self._found and name in self.columns:
            self._found[name] = whole(self._rows[name])
        return self._found.get(name)

    @classmethod
    def open(cls, path: Path, by: str = PERSON) -> Self:
        """Mapped into memory. An unreadable file is an OSError or a pa.ArrowInvalid."""
        return cls(mapped(path), by)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def crossed(self, found: Range) -> NDArray[np.int32]:
        """Whose activity lies in the range, once for each."""
        start, end = _places(self._ordered, found)
        return self._whose[start:end].astype(np.int32)

    def valued(self, field: str, type_: pa.DataType, found: Range) -> NDArray[np.int32]:
        """Who has a value of the type in the range; the file may lack the field."""
        ordered, whose = f"{_AT} {field}", f"{_WHOSE} {field}"
        if ordered not in self._rows.column_names or self._rows[field].type != type_:
            return _valued(self._rows, field, type_, found)
        values = numbers(self._rows[ordered])[: len(self._rows) - self._rows[field].null_count]
        start, end = _places(values, found)
        return numbers(self._rows[whose])[start:end].astype(np.int32)

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
                high = _bisected(self._at, low, high, _held(span.range.end))
            if span.range.start is not None:
                low = _bisected(self._at, low, high, _held(span.range.start))
        if span.ends and gone is None:
            some = high > low
            rows = np.unique(np.concatenate([low[some], high[some] - 1]))
        else:
            rows = _listed(low, high)
        return self.at(rows, columns, gone)

    def at(
        self, rows: NDArray[np.int64], columns: Collection[str], gone: NDArray[np.int64] | None
    ) -> pa.Table:
        """The rows in these places of the copy, as `take` has it."""
        if gone is not None:
            places = numbers(self._rows[_PLACE])[rows]
            rows = rows[~np.isin(places, gone)]
        wanted = [name for name in self.columns if name in columns]
        taken = self._rows.select(wanted).take(pa.array(rows))
        for number, one in enumerate(taken.schema):
            if pa.types.is_dictionary(one.type):
                plain = taken.column(number).cast(one.type.value_type)
                taken = taken.set_column(number, one.name, plain)
        return taken


def arranged(rows: pa.Table, by: str = PERSON) -> pa.Table:
    """The rows of a file (as they lie there) in order of persons and instants, with all that a copy has.
    `by`: the column of numbers that stands for the person."""
    rows = rows.append_column(_PLACE, pa.array(np.arange(len(rows), dtype=np.int32)))
    rows = rows.filter(pc.is_valid(rows[by])).combine_chunks()
    order = np.arange(len(rows))
    dated = "at" in rows.column_names
    if dated:
        at = numbers(rows["at"])
        if np.any(np.diff(at) < 0):  # files are in order of time, nearly always
            order = np.argsort(at, kind="stable")
        ordered, whose = at[order], numbers(rows["person"])[order]
    order = order[np.argsort(numbers(rows[by])[order], kind="stable")]
    compact = pa.table({name: _compact(rows[name]) for name in rows.column_names})
    found = compact.take(pa.array(order)).combine_chunks()
    if dated:
        found = found.append_column(_AT, pa.array(ordered)).append_column(_WHOSE, pa.array(whose))
    return found


def _with_order(rows: pa.Table) -> pa.Table:
    """People with, for each of their dates and instants, all of them in order and whose they are: those who
    have none at the end."""
    for one in rows.schema:
        if not pa.types.is_date32(one.type) and not pa.types.is_timestamp(one.type):
            continue
        known = pc.is_valid(rows[one.name])
        values, whose = (numbers(rows[name].filter(known)) for name in (one.name, PERSON))
        order = np.argsort(values, kind="stable")
        for name, found in ((_AT, values[order]), (_WHOSE, whose[order])):
            padded = np.append(found, np.zeros(len(rows) - len(found), found.dtype))
            rows = rows.append_column(f"{name} {one.name}", pa.array(padded))
    return rows


def copied(columns: Collection[str]) -> list[str]:
    """The columns of a file that its copy has."""
    return [name for name in columns if "at" not in columns or name not in _NEVER_READ]


def make(file: str, copy: Path, by: str = PERSON) -> None:
    """Write the copy of a Parquet file. It is there whole or not at all."""
    source = pq.ParquetFile(file)
    found = arranged(source.read(columns=copied(source.schema_arrow.names)), by)
    write(_with_order(found) if by == PERSON and "at" not in found.column_names else found, copy)


def mapped(path: Path) -> pa.Table:
    """A written table, read in place."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def write(table: pa.Table, copy: Path) -> None:
    """Write a table as a file that is there whole or not at all."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    beside = copy.with_name(f"{copy.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("wb") as sink:
            with pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
            sink.flush()
            os.fsync(sink.fileno())
        beside.replace(copy)
    finally:
        beside.unlink(missing_ok=True)


class Loose:
    """A file without a copy: read and searched each time, which is the cheaper the smaller it is."""

    def __init__(self, path: str, count: int) -> None:
        self._path, self.count = path, count

    def crossed(self, found: Range) -> NDArray[np.int32]:
        """As `Copy` has it."""
        rows = pq.read_table(self._path, columns=["person", "at"])
        rows = rows.filter(pc.is_valid(rows["person"]))
        return numbers(rows["person"])[_inside(rows["at"], found)].astype(np.int32)

    def valued(self, field: str, type_: pa.DataType, found: Range) -> NDArray[np.int32]:
        """As `Copy` has it."""
        there = [name for name in pq.read_schema(self._path).names if name in ("person", field)]
        rows = pq.read_table(self._path, columns=there)
        return _valued(rows.filter(pc.is_valid(rows["person"])), field, type_, found)

    def take(
        self, people: NDArray[np.int32], span: Span, columns: Collection[str], gone: NDArray[np.int64] | None
    ) -> pa.Table:
        """As `Copy` has it; all that lies in the range, not only its ends."""
        file = pq.ParquetFile(self._path)
        there = [name for name in file.schema_arrow.names if name in columns]
        whose = file.read(columns=["person"])["person"]
        inside = pc.is_in(whose, pa.array(people)).to_numpy()
        if gone is not None:
            inside[gone] = False
        if inside.any() and span.range != Range(None, None):
            inside &= _inside(file.read(columns=["at"])["at"], span.range)
        if not inside.any():
            return pa.table({})
        return file.read(columns=there).filter(pa.array(inside))


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
        return np.unique(np.concatenate(found_)) if found_ else np.array([], np.int32)

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
    taken = [part.rows.take(people, span, names, part.gone) for part in parts]
    return pa.concat_tables([fields.empty_table(), *(filled(one, fields) for one in taken if len(one))])


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


def whole(column: pa.ChunkedArray) -> pa.Array:
    """In one piece, where it lies if it is."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Whole numbers, dates or instants in place."""
    array = whole(column)
    plain = {pa.types.is_timestamp: pa.int64(), pa.types.is_date32: pa.int32()}
    for is_it, type_ in plain.items():
        if is_it(array.type):
            array = array.view(type_)
    found: NDArray[np.int64] = array.to_numpy(zero_copy_only=False)
    return found


def _compact(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """One piece; texts that occur often are numbered."""
    if not pa.types.is_string(column.type) or len(pc.unique(column[:_SAMPLE])) * _SEVERAL > _SAMPLE:
        return column
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray) or len(coded.dictionary) * _SEVERAL > len(coded):
        return column
    return pa.chunked_array([coded])


def _valued(rows: pa.Table, field: str, type_: pa.DataType, found: Range) -> NDArray[np.int32]:
    """Who has a value of the type in the range."""
    if field not in rows.column_names:
        return np.array([], np.int32)
    persons, values = rows["person"], rows[field].cast(type_)
    if values.null_count:
        known = pc.is_valid(values)
        persons, values = persons.filter(known), values.filter(known)
    return numbers(persons)[_inside(values, found)].astype(np.int32)


def _inside(at: pa.ChunkedArray, found: Range) -> NDArray[np.bool_]:
    """Which instants, or days, lie in a range."""
    us = numbers(at)
    inside = np.ones(len(us), bool)
    if found.start is not None:
        inside &= us >= _held(found.start)
    if found.end is not None:
        inside &= us < _held(found.end)
    return inside


def _places(ordered: NDArray[np.int64], found: Range) -> tuple[int, int | None]:
    """From where to before where what is in order lies in a range."""
    start = 0 if found.start is None else int(np.searchsorted(ordered, _held(found.start)))
    return start, None if found.end is None else int(np.searchsorted(ordered, _held(found.end)))


def _held(us: int) -> int:
    """An instant as the engine can store it."""
    return max(-(2**63), min(2**63 - 1, us))


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
