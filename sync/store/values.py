"""Values as platforms give them → values as the lake holds them, whole columns at a time.

Texts are cleaned, numbers become exact millionths, money minor units of the base currency. A value that
cannot be held becomes missing and is told (`Unusable`), never wrapped or guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import FieldType, RejectedRow, StreamField
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE
from sync.normalise import clean_column, fold_column
from sync.store.shapes import INSTANT, TEXTS

_LIMIT = 9.2e18
"""Just inside int64; a float64 cannot be compared with 2**63 − 1 exactly."""
TOLD_PER_COLUMN = 100
"""So many unusable values are listed per page and column; the rest is only counted."""
HELD: Mapping[FieldType, pa.DataType] = {
    FieldType.TEXT: pa.string(),
    FieldType.NUMBER: pa.int64(),
    FieldType.MONEY: pa.int64(),
    FieldType.BOOLEAN: pa.bool_(),
    FieldType.DATE: pa.date32(),
    FieldType.DATETIME: INSTANT,
    FieldType.TEXTS: TEXTS,
}
"""How the lake holds a stream's field."""


@dataclass(frozen=True, slots=True)
class Money:
    """The base currency and what one unit of another is worth in it, e.g. {"USD": 0.92}."""

    currency: str = "EUR"
    rates: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Unusable:
    """Values that had to be dropped: how many, and the first of them as rejected rows."""

    count: int = 0
    rows: list[RejectedRow] = field(default_factory=list)

    def add(self, bad: npt.NDArray[np.bool_], ids: pa.ChunkedArray, *, column: str, reason: str) -> None:
        """`bad` marks rows; `ids` names them."""
        places = np.flatnonzero(bad)
        self.count += len(places)
        for place in places[:TOLD_PER_COLUMN]:
            where = f"record {ids[int(place)].as_py()}, column {column}"
            self.rows.append(RejectedRow(where, reason, kept=True))

    def missing(self, page: pa.Table, name: str) -> None:
        """Rows without `name` cannot be used at all (a source that keeps its contract sends none)."""
        column = page.column(name)
        if column.null_count:
            self.count += column.null_count
            self.rows.append(RejectedRow(f"{column.null_count} rows of a page", f"the row has no {name}"))


def physical_columns(
    page: pa.Table,
    fields: Sequence[StreamField],
    *,
    ids: str,
    money: Money,
    unusable: Unusable,
    folded: bool = False,
) -> dict[str, pa.ChunkedArray]:
    """Field name → column as held in the lake; with `folded` also NAME__ci for TEXT and TEXTS.

    `ids` names the column that identifies a row in reports.
    """
    columns: dict[str, pa.ChunkedArray] = {}
    for one in fields:
        given = page.column(one.name)
        match one.type:
            case FieldType.TEXT:
                columns[one.name] = clean_column(given)
            case FieldType.TEXTS:
                columns[one.name] = clean_texts(given)
            case FieldType.NUMBER:
                columns[one.name] = _number(given, page.column(ids), one, unusable)
            case FieldType.MONEY:
                columns[one.name] = _money(given, page, ids, one, money, unusable)
            case FieldType.BOOLEAN:
                columns[one.name] = given.cast(pa.bool_())
            case FieldType.DATE:
                columns[one.name] = given.cast(pa.date32())
            case FieldType.DATETIME:
                columns[one.name] = given.cast(INSTANT)
        if folded and one.type in (FieldType.TEXT, FieldType.TEXTS):
            columns[f"{one.name}__ci"] = fold_column(columns[one.name])
    return columns


def clean_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each text cleaned, missing ones taken out of the list; a list without texts is missing."""
    cleaned = clean_column(column.cast(TEXTS))
    chunks = []
    for chunk in cleaned.chunks:
        flat = pc.list_flatten(chunk)
        if flat.null_count:
            parents = pc.list_parent_indices(chunk).filter(flat.is_valid())
            flat = flat.filter(flat.is_valid())
            counts = np.bincount(parents.to_numpy(), minlength=len(chunk))
        else:
            counts = pc.fill_null(pc.list_value_length(chunk), 0).to_numpy(zero_copy_only=False)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        chunks.append(pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pa.array(counts == 0)))
    return pa.chunked_array(chunks, type=TEXTS)


def _number(
    column: pa.ChunkedArray, ids: pa.ChunkedArray, one: StreamField, unusable: Unusable
) -> pa.ChunkedArray:
    values = column.cast(pa.float64()).to_numpy()
    missing = column.is_null().to_numpy()
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(values * NUMBER_SCALE)
    return _whole(scaled, missing, ids, one, unusable)


def _money(
    column: pa.ChunkedArray,
    page: pa.Table,
    ids: str,
    one: StreamField,
    money: Money,
    unusable: Unusable,
) -> pa.ChunkedArray:
    missing = column.is_null().to_numpy()
    foreign = page.column(one.currency_from) if one.currency_from else None
    if pa.types.is_decimal(column.type):
        minor = _unscaled(column)
        if foreign is None:  # the common case stays exact integers throughout
            return pa.chunked_array([pa.array(minor, mask=missing)])
        scaled = minor.astype(np.float64)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.rint(column.cast(pa.float64()).to_numpy() * MONEY_SCALE)
    if foreign is not None:
        rate, known = _rates(foreign, money)
        unusable.add(
            ~known & ~missing,
            page.column(ids),
            column=one.name,
            reason=f"the currency has no rate to {money.currency}; add it to the config",
        )
        missing = missing | ~known
        scaled = np.where(rate == 1.0, scaled, np.rint(scaled * rate))
    return _whole(scaled, missing, page.column(ids), one, unusable)


def _whole(
    scaled: npt.NDArray[np.float64],
    missing: npt.NDArray[np.bool_],
    ids: pa.ChunkedArray,
    one: StreamField,
    unusable: Unusable,
) -> pa.ChunkedArray:
    """Floats that are whole numbers → int64; what does not fit is missing and told."""
    with np.errstate(invalid="ignore"):
        fits = np.abs(scaled) <= _LIMIT  # false for NaN and infinities
    bad = ~fits & ~missing
    if bad.any():
        unusable.add(bad, ids, column=one.name, reason="the number is not finite or too large to be held")
    held = np.where(fits & ~missing, scaled, 0.0).astype(np.int64)
    return pa.chunked_array([pa.array(held, mask=missing | bad)])


def _unscaled(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Decimals in major units → minor units, exact; nulls become 0."""
    whole = pc.fill_null(pc.round(column, 2), 0).cast(pa.decimal128(20, 2))
    parts = [np.zeros(0, dtype=np.int64)]
    for chunk in whole.chunks:
        words = np.frombuffer(chunk.buffers()[1], dtype="<i8").reshape(-1, 2)
        parts.append(words[chunk.offset : chunk.offset + len(chunk), 0])
    return np.concatenate(parts)


def _rates(column: pa.ChunkedArray, money: Money) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Per row: what one unit is worth, and whether that is known. No currency given means the base."""
    codes = column.combine_chunks().dictionary_encode()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    worth = {money.currency: 1.0, **money.rates}
    table = [
        worth.get((code or money.currency).strip().upper(), np.nan) for code in codes.dictionary.to_pylist()
    ]
    places = pc.fill_null(codes.indices, len(table)).to_numpy(zero_copy_only=False)
    rate = np.array([*table, 1.0])[places]
    return rate, ~np.isnan(rate)
