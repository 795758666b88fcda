"""Gives source values their types, whole columns at a time, and says which rows have none.

The good path is one Arrow cast per column. Only when a cast fails are the culprits looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import ARROW_TYPES, FieldType
from connectors.tables.columns import column_engine
from connectors.tables.settings import Column

Bad: TypeAlias = npt.NDArray[np.bool_]
"""True for every row whose value cannot be read as its type."""

UTC_TIME = pa.timestamp("us", tz="UTC")
LOCAL_TIME = pa.timestamp("us")
EMAIL = r"^[^@\s,;:<>()\[\]\"\\]+@[^@\s,;:<>()\[\]\"\\.]+(\.[^@\s,;:<>()\[\]\"\\.]+)+$"
OFFSET = r"\d[ T]?\d{2}:\d{2}.*([+-]\d{2}(:?\d{2})?|Z)$"
YES, NO = ("true", "t", "yes", "y", "1", "on"), ("false", "f", "no", "n", "0", "off")

REASONS = {
    FieldType.NUMBER: 'is not a number; numbers with a decimal comma need decimal = ","',
    FieldType.MONEY: 'is not an amount of at most 16 digits; a decimal comma needs decimal = ","',
    FieldType.BOOLEAN: "is neither true nor false (true, yes, y, t, on, 1 or false, no, n, f, off, 0)",
    FieldType.DATE: "is not a date such as 2025-01-31; other spellings need a format",
    FieldType.DATETIME: "is not a time such as 2025-01-31 12:00:00; other spellings need a format",
    FieldType.TEXT: "is not a text",
    FieldType.TEXTS: "is not a list of texts",
}


def convert(values: pa.Array, column: Column) -> tuple[pa.Array, Bad | None]:
    """`values` in the Arrow type of `column.type`; a blank is null. None: no row is bad."""
    values = plain(values)
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        # one blob among SQLite's texts makes all of them octets
        values = pa.array([None if one is None else _decoded(one) for one in values.to_pylist()], pa.string())
    if column.type is FieldType.TEXT:
        return as_text(values), None
    if column.type is FieldType.TEXTS:
        return _texts(values, column.separator), None
    if pa.types.is_string(values.type):
        values = null_blanks(pc.utf8_trim_whitespace(values))
        return _FROM_TEXT[column.type](values, column)
    return _attempt(values, lambda part: _from_typed(part, column), ARROW_TYPES[column.type])


def reason(column: Column) -> str:
    """The sentence for a row with a bad value in `column`; it does not repeat the value."""
    named = f'column "{column.source}" ({column.name}) '
    if column.format:
        return f"{named}does not match the format {column.format}"
    return named + REASONS[column.type]


def plain(values: pa.Array) -> pa.Array:
    """One array, dictionaries decoded, texts as `string`."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_null(values.type) or pa.types.is_large_string(values.type) or _is_view(values.type):
        values = values.cast(pa.string())
    if pa.types.is_floating(values.type):  # NaN is how pandas writes a missing value
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return values


def _decoded(octets: bytes) -> str:
    """As UTF-8; what is no text, in hexadecimal digits."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return octets.hex()
    return octets.hex() if "\0" in text else text


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind))


def null_blanks(texts: pa.Array) -> pa.Array:
    """Empty texts become null."""
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def as_text(values: pa.Array) -> pa.Array:
    """Any values as text. Whole floats lose their `.0`: pandas writes ids with gaps as floats."""
    values = plain(values)
    if pa.types.is_string(values.type):
        return null_blanks(values)
    if pa.types.is_floating(values.type):
        whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 2.0**53))
        if pc.all(whole, skip_nulls=True).as_py():
            return values.cast(pa.int64()).cast(pa.string())
        short = pc.if_else(whole, values, pa.scalar(None, values.type)).cast(pa.int64()).cast(pa.string())
        return pc.coalesce(short, values.cast(pa.string()))
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type) or _is_odd(values.type):
        return pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def _is_odd(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind) or pa.types.is_interval(kind)
    )


def is_email(texts: pa.Array) -> pa.Array:
    """True where a text could be an e-mail address; null stays null. Not proof that it exists."""
    plausible = pc.match_substring_regex(texts, EMAIL)
    return pc.and_(plausible, pc.less_equal(pc.binary_length(texts), 254))


def _attempt(
    values: pa.Array, cast: Callable[[pa.Array], pa.Array], kind: pa.DataType
) -> tuple[pa.Array, Bad | None]:
    """Cast all at once; on failure halve until the values that cannot be cast stand alone."""
    try:
        found = cast(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if len(values) <= 1:
            return pa.nulls(len(values), kind), np.ones(len(values), bool)
    else:
        unread = pc.and_(pc.is_null(found), pc.is_valid(values))
        lost = pc.any(unread).as_py()
        return found, unread.to_numpy(zero_copy_only=False) if lost else None
    half = len(values) // 2
    first, bad_first = _attempt(values[:half], cast, kind)
    second, bad_second = _attempt(values[half:], cast, kind)
    masks = [
        bad if bad is not None else np.zeros(len(part), bool)
        for part, bad in ((first, bad_first), (second, bad_second))
    ]
    return pa.concat_arrays([first, second]), np.concatenate(masks)


def _screened(
    texts: pa.Array, pattern: str, cast: Callable[[pa.Array], pa.Array], kind: pa.DataType
) -> tuple[pa.Array, Bad | None]:
    """Cast texts; if that fails, first drop those that do not look right, so that few are left to hunt."""
    try:
        found = cast(texts)
    except pa.ArrowInvalid:
        looks = pc.match_substring_regex(texts, pattern)
        wrong = pc.fill_null(pc.invert(looks), False).to_numpy(zero_copy_only=False)
        found, worse = _attempt(pc.if_else(looks, texts, pa.scalar(None, pa.string())), cast, kind)
        return found, wrong if worse is None else wrong | worse
    unread = pc.and_(pc.is_null(found), pc.is_valid(texts))
    return found, unread.to_numpy(zero_copy_only=False) if pc.any(unread).as_py() else None


NUMERIC = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def _comma(texts: pa.Array, column: Column) -> pa.Array:
    """`1.234,56` → `1234.56`. A text that has a point after its comma is left as it is, to be refused."""
    if column.decimal == ".":
        return texts
    grouped = r"^([+-]?)(\d{1,3})(\.\d{3})+(,\d*)?$"
    bare = pc.if_else(pc.match_substring_regex(texts, grouped), pc.replace_substring(texts, ".", ""), texts)
    fits = pc.match_substring_regex(bare, r"^[+-]?\d*(,\d*)?$")
    return pc.if_else(fits, pc.replace_substring(bare, ",", "."), "?")


def _number(texts: pa.Array, column: Column) -> tuple[pa.Array, Bad | None]:
    return _screened(
        _comma(texts, column), NUMERIC, lambda part: _finite(part.cast(pa.float64())), pa.float64()
    )


def _finite(numbers: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


def _money(texts: pa.Array, column: Column) -> tuple[pa.Array, Bad | None]:
    def cast(part: pa.Array) -> pa.Array:
        try:
            return part.cast(ARROW_TYPES[FieldType.MONEY])
        except pa.ArrowInvalid:  # more than two decimals: rounded half to even
            return _two_decimals(part.cast(pa.decimal128(38, 18)))

    return _screened(_comma(texts, column), NUMERIC, cast, ARROW_TYPES[FieldType.MONEY])


def _two_decimals(amounts: pa.Array) -> pa.Array:
    return pc.round(amounts, ndigits=2, round_mode="half_to_even").cast(ARROW_TYPES[FieldType.MONEY])


def _boolean(texts: pa.Array, column: Column) -> tuple[pa.Array, Bad | None]:
    del column
    folded = pc.utf8_lower(texts)
    true, false = pc.is_in(folded, pa.array(YES)), pc.is_in(folded, pa.array(NO))
    found = pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))
    unread = pc.and_(pc.is_null(found), pc.is_valid(texts))
    return found, unread.to_numpy(zero_copy_only=False) if pc.any(unread).as_py() else None


def _date(texts: pa.Array, column: Column) -> tuple[pa.Array, Bad | None]:
    if column.format:
        times, bad = _formatted(texts, column)
        local = pc.local_timestamp(times) if times.type.tz else times
        return local.cast(pa.date32(), safe=False), bad
    # A midnight or any other time after the date is dropped: databases export dates so.
    return _screened(
        texts,
        r"^\d{4}-\d{2}-\d{2}([ T].*)?$",
        lambda part: _iso_date(part),
        pa.date32(),
    )


def _iso_date(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(pa.date32())
    except pa.ArrowInvalid:
        return pc.replace_substring_regex(
            texts, r"^(\d{4}-\d{2}-\d{2})[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?$", r"\1"
        ).cast(pa.date32())


def _datetime(texts: pa.Array, column: Column) -> tuple[pa.Array, Bad | None]:
    if column.format:
        times, bad = _formatted(texts, column)
        return to_utc(times, column.zone), bad
    return _screened(texts, r"^\d{4}-\d{2}-\d{2}", lambda part: _iso_time(part, column.zone), UTC_TIME)


def _iso_time(texts: pa.Array, zone: str) -> pa.Array:
    zoned = pc.match_substring_regex(texts, OFFSET)
    if pc.any(zoned, min_count=0).as_py():
        nothing = pa.scalar(None, pa.string())
        with_zone = _microseconds(pc.if_else(zoned, texts, nothing), UTC_TIME)
        if pc.all(zoned).as_py():
            return with_zone
        without = to_utc(_microseconds(pc.if_else(zoned, nothing, texts), LOCAL_TIME), zone)
        return pc.coalesce(with_zone, without)
    return to_utc(_microseconds(texts, LOCAL_TIME), zone)


def _microseconds(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:  # nanoseconds are cut
        return pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1").cast(kind)


def to_utc(times: pa.Array, zone: str) -> pa.Array:
    """Times as UTC microseconds; those without a zone are local to `zone`.

    An hour that comes twice is taken the first time, one that never comes as the moment after the gap.
    """
    if not pa.types.is_timestamp(times.type):
        times = times.cast(LOCAL_TIME)
    if times.type.tz:
        return times.cast(UTC_TIME, safe=False)
    local = times.cast(LOCAL_TIME, safe=False)
    found = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest").cast(UTC_TIME)
    late = pc.greater_equal(local, LATE)
    if zone == "UTC" or not pc.any(late).as_py():
        return found
    distinct = pc.unique(local.filter(late))
    mended = [time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for time in distinct.to_pylist()]
    return pc.coalesce(pa.array(mended, UTC_TIME).take(pc.index_in(local, distinct)), found)


LATE = pa.scalar(datetime.fromisoformat("2037-01-01"), LOCAL_TIME)
"""From here on Arrow knows no summer time any more; Python does."""


def _formatted(texts: pa.Array, column: Column) -> tuple[pa.Array, Bad | None]:
    """Texts by `column.format`. DuckDB's strptime is strict; Arrow's makes 1 March of 30 February."""
    if column.format in UNIX:
        divisor = UNIX[column.format]
        numbers, bad = _screened(texts, NUMERIC, lambda part: part.cast(pa.float64()), pa.float64())
        return _unix(numbers, divisor), bad
    literal = (column.format or "").replace("'", "''")
    with column_engine() as engine:
        engine.execute("set TimeZone = 'UTC'")
        parsed = engine.from_arrow(pa.table({"text": texts})).project(f"try_strptime(text, '{literal}')")
        times = plain(parsed.to_arrow_table().column(0))
    unread = pc.and_(pc.is_null(times), pc.is_valid(texts))
    return times, unread.to_numpy(zero_copy_only=False) if pc.any(unread).as_py() else None


UNIX = {"unix": 1_000_000, "unix_ms": 1_000}
"""Format → microseconds in one of its units."""


def _unix(numbers: pa.Array, microseconds: int) -> pa.Array:
    return (
        pc.round(pc.multiply(numbers.cast(pa.float64()), float(microseconds))).cast(pa.int64()).cast(UTC_TIME)
    )


def _texts(values: pa.Array, separator: str) -> pa.Array:
    """Lists of texts, blanks around and empty ones dropped."""
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return values.cast(pa.list_(pa.string()))
    lists = pc.split_pattern(pc.fill_null(as_text(values), ""), separator)
    items = pc.utf8_trim_whitespace(lists.flatten())
    parents = pc.list_parent_indices(lists)
    kept = pc.not_equal(items, "")
    counts = np.bincount(parents.filter(kept).to_numpy(), minlength=len(lists))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items.filter(kept))


def _from_typed(values: pa.Array, column: Column) -> pa.Array:
    """A column that has a type already (Parquet, SQL) in the type asked for."""
    kind = values.type
    if column.type is FieldType.NUMBER:
        return _finite(values.cast(pa.float64(), safe=False))
    if column.type is FieldType.MONEY:
        if pa.types.is_floating(kind):
            # Through the shortest text, so that 2.675 is what its writer saw and not 2.67499999…
            return _money(as_text(values), column)[0]
        if pa.types.is_decimal(kind) and kind.scale > 2:
            return _two_decimals(values)
        if pa.types.is_integer(kind):  # Arrow wants room for every integer there is
            values = values.cast(pa.decimal128(38, 2))
        return values.cast(ARROW_TYPES[FieldType.MONEY])
    if column.type is FieldType.BOOLEAN:
        return _boolean(as_text(values), column)[0] if not pa.types.is_boolean(kind) else values
    if column.format in UNIX and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        times = _unix(values, UNIX[column.format])
        return times if column.type is FieldType.DATETIME else times.cast(pa.date32(), safe=False)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if column.format:  # 20240131 with "%Y%m%d"
            return _FROM_TEXT[column.type](as_text(values), column)[0]
        raise pa.ArrowInvalid("a number is no time")
    if column.type is FieldType.DATE:
        if pa.types.is_timestamp(kind):
            values = (
                pc.local_timestamp(values.cast(pa.timestamp("us", tz=column.zone))) if kind.tz else values
            )
        return values.cast(pa.date32(), safe=False)
    return to_utc(values, column.zone)


_FROM_TEXT: dict[FieldType, Callable[[pa.Array, Column], tuple[pa.Array, Bad | None]]] = {
    FieldType.NUMBER: _number,
    FieldType.MONEY: _money,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
}
