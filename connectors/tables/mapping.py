"""Pure: a chunk of a source table and its declared columns → a page's rows and the rows refused.

A row is refused with every reason it has; a bad e-mail or consent value is reported and the row stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Consent, RejectedRow, Stream, StreamField, StreamKind, page_schema
from connectors.tables import values
from connectors.tables.chunks import Chunk
from connectors.tables.columns import column_engine
from connectors.tables.duplicates import SeenKeys
from connectors.tables.settings import (
    STANDARD_FIELDS,
    ActivityTable,
    Column,
    ConsentColumn,
    ContactsTable,
)

KEY_SEPARATOR = "|"


def stream_of(table: ContactsTable | ActivityTable, *, incremental: bool) -> Stream:
    """The stream a declared table yields."""
    contacts = isinstance(table, ContactsTable)
    kinds: tuple[str, ...] = ()
    if isinstance(table, ActivityTable):
        kinds = (table.kind,) if table.kind else tuple(dict.fromkeys(table.kinds.values()))
    return Stream(
        name=table.name,
        kind=StreamKind.CONTACTS if contacts else StreamKind.ACTIVITY,
        fields=tuple(
            StreamField(
                f.name, f.type, f'column "{f.source}" of {table.origin.label}', currency_from=f.currency
            )
            for f in table.fields
        ),
        standard={f.name: f.name for f in table.fields if f.name in STANDARD_FIELDS} if contacts else {},
        activity_kinds=kinds,
        incremental=incremental,
    )


def source_columns(table: ContactsTable | ActivityTable) -> list[str]:
    """Every source column that is read, each once."""
    wanted = [*table.key, *(field.source for field in table.fields)]
    if isinstance(table, ContactsTable):
        wanted += [c.source for c in (table.changed_at, table.consent, table.lists, table.deleted) if c]
    else:
        wanted += [n for n in (table.kind_column, table.contact, table.email) if n] + [table.at.source]
    if table.incremental:
        wanted.append(table.incremental)
    return list(dict.fromkeys(wanted))


class Verdict:
    """Why rows of one chunk are refused, and which values of rows that stay."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.refused: dict[int, list[str]] = {}
        self.notes: list[tuple[int, str]] = []
        self.repeats = 0  # refused rows whose key another row has

    def refuse(self, bad: npt.NDArray[np.bool_] | None, reason: str) -> None:
        if bad is not None:
            for row in np.flatnonzero(bad):
                self.refused.setdefault(int(row), []).append(reason)

    def note(self, bad: npt.NDArray[np.bool_], reason: str) -> None:
        self.notes += [(int(row), reason) for row in np.flatnonzero(bad)]

    def stands(self) -> npt.NDArray[np.bool_]:
        mask = np.ones(self._rows, bool)
        mask[list(self.refused)] = False
        return mask


@dataclass(frozen=True, slots=True)
class Mapped:
    """What became of a chunk. `unnamed` counts refused rows whose contact no other row names."""

    rows: pa.Table
    rejected: tuple[RejectedRow, ...]
    unnamed: int


def read_chunk(
    chunk: Chunk,
    table: ContactsTable | ActivityTable,
    seen: SeenKeys,
    counts: dict[str, int],
    *,
    behind: int = 0,
) -> Mapped:
    """Rows as `page_schema` wants them, and the refused rows: ill-formed ones first.

    `seen` and `counts` (occurrences of equal rows) live as long as the read of one file. Rows up to place
    `behind` were handed on before: they only count as seen.
    """
    source, verdict = chunk.table, Verdict(chunk.table.num_rows)
    fields = {field.name: _typed(source, field, verdict) for field in table.fields}
    if "email" in fields and isinstance(table, ContactsTable):
        fields["email"] = _emails(fields["email"], "email", verdict)
    if isinstance(table, ContactsTable):
        fixed = _contact_columns(chunk, table, seen, verdict)
    else:
        fixed = _activity_columns(chunk, table, seen, counts, verdict)
    schema = page_schema(stream_of(table, incremental=True))
    columns = {**fixed, **{field.name: fields[field.name] for field in table.fields}}
    rows = pa.Table.from_arrays([columns[name] for name in schema.names], names=schema.names)
    fresh = chunk.places > behind
    if verdict.refused or not fresh.all():
        rows = rows.filter(pa.array(verdict.stands() & fresh))
    rejected = [
        RejectedRow(chunk.where(row), "; ".join(reasons), chunk.raw(row))
        for row, reasons in sorted(verdict.refused.items())
        if fresh[row]
    ]
    rejected += [
        RejectedRow(chunk.where(row), reason, chunk.raw(row), kept=True)
        for row, reason in verdict.notes
        if row not in verdict.refused and fresh[row]
    ]
    in_order = (*chunk.rejected, *rejected)
    unnamed = len(chunk.rejected) + len(verdict.refused) - verdict.repeats
    return Mapped(rows.cast(schema), in_order, unnamed)


def _typed(source: pa.Table, column: Column, verdict: Verdict) -> pa.Array:
    found, bad = values.convert(source.column(column.source), column)
    verdict.refuse(bad, values.reason(column))
    return found


def _emails(texts: pa.Array, source: str, verdict: Verdict) -> pa.Array:
    stripped = values.null_blanks(pc.utf8_trim_whitespace(texts))
    good = values.is_email(stripped)
    if pc.all(good).as_py() is not False:
        return stripped
    wrong = pc.fill_null(pc.invert(good), False).to_numpy(zero_copy_only=False)
    verdict.note(wrong, f"{source}: the value is no e-mail address; the row was read without it")
    return pc.if_else(good, stripped, pa.scalar(None, pa.string()))


def _key(source: pa.Table, key: Sequence[str], verdict: Verdict) -> tuple[pa.Array, pa.Array]:
    """The key as text, and as something cheap to compare (an integer if it is one)."""
    parts = [values.plain(source.column(name)) for name in key]
    texts = [values.as_text(part) for part in parts]
    for name, text in zip(key, texts, strict=True):
        if text.null_count:
            verdict.refuse(
                pc.is_null(text).to_numpy(zero_copy_only=False), f'the key column "{name}" is empty'
            )
    if len(parts) == 1:
        return texts[0], parts[0] if pa.types.is_integer(parts[0].type) else texts[0]
    escaped = [pc.replace_substring_regex(text, r"([\\|])", r"\\\1") for text in texts]
    joined = pc.binary_join_element_wise(*escaped, KEY_SEPARATOR)
    return joined, joined


def _refuse_repeats(chunk: Chunk, keys: pa.Array, seen: SeenKeys, verdict: Verdict, hint: str) -> None:
    usable = verdict.stands()
    rows = np.flatnonzero(usable)
    present = keys if len(rows) == len(keys) else keys.filter(pa.array(usable))
    found = seen.repeats(present, chunk.places[rows])
    verdict.repeats = len(found)
    for row, first in sorted(found.items()):
        verdict.refused[int(rows[row])] = [f"has the same key as {chunk.unit} {first}, which was kept{hint}"]


def _contact_columns(
    chunk: Chunk, table: ContactsTable, seen: SeenKeys, verdict: Verdict
) -> dict[str, pa.Array]:
    source, count = chunk.table, chunk.table.num_rows
    external_id, comparable = _key(source, table.key, verdict)
    changed_at = pa.nulls(count, values.UTC_TIME)
    if table.changed_at:
        changed_at = _typed(source, table.changed_at, verdict)
    deleted = _typed(source, table.deleted, verdict) if table.deleted else None
    consent = _consent(source, table.consent, verdict) if table.consent else pa.nulls(count, pa.string())
    lists = _typed(source, table.lists, verdict) if table.lists else pa.nulls(count, pa.list_(pa.string()))
    _refuse_repeats(chunk, comparable, seen, verdict, "")
    return {
        "external_id": external_id,
        "address": pa.nulls(count, pa.string()),
        "changed_at": changed_at,
        "deleted": pc.fill_null(deleted, False) if deleted is not None else _constant(False, count),
        "email_consent": consent,
        "lists": lists,
    }


def _constant(value: object, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), count)


def _consent(source: pa.Table, column: ConsentColumn, verdict: Verdict) -> pa.Array:
    """A value that was not declared is taken for opted out: doubt never opts anybody in."""
    texts = values.null_blanks(pc.utf8_trim_whitespace(values.as_text(source.column(column.source))))
    distinct = pc.unique(texts)
    states = [
        None if v is None else column.values.get(v.casefold(), Consent.OPTED_OUT)
        for v in distinct.to_pylist()
    ]
    if not column.otherwise_known:
        unknown = [v for v in distinct.to_pylist() if v is not None and v.casefold() not in column.values]
        if unknown:
            mask = pc.is_in(texts, pa.array(unknown, pa.string())).to_numpy(zero_copy_only=False)
            verdict.note(mask, f'column "{column.source}" has a value without a meaning; taken for opted out')
    return pa.array(states, pa.string()).take(pc.index_in(texts, distinct))


def _activity_columns(
    chunk: Chunk, table: ActivityTable, seen: SeenKeys, counts: dict[str, int], verdict: Verdict
) -> dict[str, pa.Array]:
    source, count = chunk.table, chunk.table.num_rows
    at = _typed(source, table.at, verdict)
    if at.null_count:
        verdict.refuse(
            pc.is_null(at).to_numpy(zero_copy_only=False) & _given_blank(source, table.at.source),
            f'the time column "{table.at.source}" is empty',
        )
    nobody = pa.nulls(count, pa.string())
    contact = values.as_text(source.column(table.contact)) if table.contact else nobody
    email = nobody
    if table.email:
        email = _emails(values.as_text(source.column(table.email)), f'column "{table.email}"', verdict)
    kind = _kind(source, table, verdict)
    if table.key:
        identity, comparable = _key(source, table.key, verdict)
        hint = "; if an event has several rows, name all columns that tell them apart as key"
        _refuse_repeats(chunk, comparable, seen, verdict, hint)
    else:
        identity = _content_ids(source, seen, counts, verdict)
    # Ids of two tables of one connection may be equal: the table's name keeps them apart.
    event_id = pc.binary_join_element_wise(table.name, identity, ":")
    return {"event_id": event_id, "external_id": contact, "email": email, "kind": kind, "at": at}


def _given_blank(source: pa.Table, name: str) -> npt.NDArray[np.bool_]:
    blank = pc.is_null(values.as_text(source.column(name)))
    return np.asarray(blank.to_numpy(zero_copy_only=False))


def _kind(source: pa.Table, table: ActivityTable, verdict: Verdict) -> pa.Array:
    if table.kind_column is None:
        return _constant(table.kind, source.num_rows)
    texts = pc.utf8_trim_whitespace(values.as_text(source.column(table.kind_column)))
    known = pa.array(list(table.kinds), pa.string())
    found = pa.array(list(table.kinds.values()), pa.string()).take(pc.index_in(texts, known))
    if found.null_count:
        unknown = pc.is_null(found).to_numpy(zero_copy_only=False)
        verdict.refuse(unknown, f'column "{table.kind_column}" holds a kind that is not listed under kinds')
    return found


def _content_ids(source: pa.Table, seen: SeenKeys, counts: dict[str, int], verdict: Verdict) -> pa.Array:
    """A hash of the row's read columns, with a number for the second, third … equal row."""
    texts = {str(n): values.as_text(source.column(c)) for n, c in enumerate(sorted(source.column_names))}
    parts = ", ".join(f"coalesce(\"{name}\", '')" for name in texts)
    with column_engine() as engine:
        hashed = engine.from_arrow(pa.table(texts)).project(f"md5(concat_ws(chr(31), {parts})) as id")
        ids = values.plain(hashed.to_arrow_table().column(0))
    if not verdict.refused:
        return number_repeats(ids, seen, counts)
    usable = pa.array(verdict.stands())
    return pc.replace_with_mask(ids, usable, number_repeats(ids.filter(usable), seen, counts))


def number_repeats(ids: pa.Array, seen: SeenKeys, counts: dict[str, int]) -> pa.Array:
    """The second row with the same id gets `-2` after it, the third `-3`, …

    `seen` and `counts` span the chunks of a file; `counts` holds only ids that came more than once.
    """
    repeats = sorted(seen.repeats(ids, np.arange(len(ids), dtype=np.int64)))
    if not repeats:
        return ids
    renamed = []
    for name in ids.take(pa.array(repeats)).to_pylist():
        counts[name] = counts.get(name, 1) + 1
        renamed.append(f"{name}-{counts[name]}")
    mask = np.zeros(len(ids), bool)
    mask[repeats] = True
    return pc.replace_with_mask(ids, pa.array(mask), pa.array(renamed, pa.string()))
