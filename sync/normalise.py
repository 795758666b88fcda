"""`rules.text.clean` and `rules.text.fold` for whole Arrow columns: same answers, not a million calls.

ASCII values are handled by Arrow's kernels; of the others each distinct value goes through the Python
function once. It must not define a second meaning of text: `rules.text` is the only one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from rules import text as meaning

_BLANKS = " \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f"  # what str.strip() takes from an ASCII text
Column: TypeAlias = pa.Array | pa.ChunkedArray


def clean_column(column: Column) -> Column:
    """Stripped and NFC; an empty text becomes null. Same kind, length and order; string or list<string>.

    Inside a list, texts that become empty stay as nulls, so that positions do not move.
    """
    return _each_chunk(column, lambda chunk: _apply(chunk, _clean_ascii, meaning.clean))


def fold_column(column: Column) -> Column:
    """The form in which texts are compared (`rules.text.fold`); nulls stay null. string or list<string>."""
    return _each_chunk(column, lambda chunk: _apply(chunk, _fold_ascii, meaning.fold))


def _each_chunk(column: Column, work: Callable[[pa.Array], pa.Array]) -> Column:
    if isinstance(column, pa.ChunkedArray):
        of_lists = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
        result_type = pa.list_(pa.string()) if of_lists else pa.string()
        return pa.chunked_array([work(chunk) for chunk in column.chunks], type=result_type)
    return work(column)


def _apply(
    array: pa.Array, ascii_work: Callable[[pa.Array], pa.Array], work: Callable[[str], str | None]
) -> pa.Array:
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _apply_in_lists(array, ascii_work, work)
    if array.type != pa.string():
        array = array.cast(pa.string())
    is_ascii = pc.string_is_ascii(array)
    result = ascii_work(array)
    if pc.all(is_ascii, skip_nulls=True).as_py() is not False:  # None: nothing but nulls
        return result
    is_other = pc.fill_null(pc.invert(is_ascii), False)
    others = array.filter(is_other).dictionary_encode()
    done = pa.array([work(value) for value in others.dictionary.to_pylist()], type=pa.string())
    return pc.replace_with_mask(result, is_other, done.take(others.indices))


def _apply_in_lists(
    array: pa.Array, ascii_work: Callable[[pa.Array], pa.Array], work: Callable[[str], str | None]
) -> pa.Array:
    values = _apply(pc.list_flatten(array), ascii_work, work)
    lengths = pc.fill_null(pc.list_value_length(array).cast(pa.int32()), 0)
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], type=pa.int32()), ends])
    return pa.ListArray.from_arrays(offsets, values, mask=array.is_null())


def _clean_ascii(array: pa.Array) -> pa.Array:
    trimmed = pc.ascii_trim(array, characters=_BLANKS)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, type=pa.string()), trimmed)


def _fold_ascii(array: pa.Array) -> pa.Array:
    return pc.ascii_lower(pc.ascii_trim(array, characters=_BLANKS))
