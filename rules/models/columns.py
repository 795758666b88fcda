"""What every model asks of its columns, and what it says beside its numbers.

A column is a sequence of numbers with one per row; messages name the argument and the row (counted from 0),
never a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Table = TypeVar("Table", bound="DataclassInstance")
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Column: TypeAlias = Sequence[float] | Sequence[int] | Floats | Ints


class InputError(ValueError):
    """A column that no model can be made of: which argument, which row, what to do."""


class Severity(StrEnum):
    """NOTE: good to know. WARNING: read the number with care. REFUSAL: the number must not be used."""

    NOTE = "note"
    WARNING = "warning"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Notice:
    """Stands beside the number it concerns. `evidence` holds the figures that the message tells."""

    code: str
    severity: Severity
    message: str
    evidence: Mapping[str, float | int | str]


def column(
    name: str,
    values: Column,
    *,
    at_least: float | None = None,
    above: float | None = None,
    whole: bool = False,
    advice: str = "leave the row out or mend it",
) -> Floats:
    """The values as doubles in one dimension, all finite and within the bounds; else InputError."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: a number for every row is needed; {advice}") from None
    if found.ndim != 1:
        raise InputError(f"{name}: one number per row is needed, not an array of {found.ndim} dimensions")
    must_hold(name, found, np.isfinite(found), f"a number is needed; {advice}")
    if at_least is not None:
        must_hold(name, found, found >= at_least, f"{at_least:g} or more is needed; {advice}")
    if above is not None:
        must_hold(name, found, found > above, f"more than {above:g} is needed; {advice}")
    if whole:
        must_hold(name, found, found == np.floor(found), f"a whole number is needed; {advice}")
    return found


def must_hold(name: str, values: Floats | Ints, good: Bools, otherwise: str) -> None:
    """InputError for the first row that is not good."""
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(f"{name}[{row}] is {values[row]:g}: {otherwise}")


def same_length(**columns: Floats | Ints | Bools) -> int:
    """How many rows there are; InputError if columns differ in this."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InputError(f"every column needs one number for every row: {told} rows")
    return next(iter(lengths.values()))


def rows_of(table: Table, some: Bools) -> Table:
    """Of a dataclass whose fields are columns the rows that are true, as the same kind of table."""
    return type(table)(**{one.name: getattr(table, one.name)[some] for one in fields(table)})


def grouped(*columns: Floats) -> tuple[tuple[Floats, ...], Floats]:
    """The distinct rows in ascending order, and how often there is each."""
    order = np.lexsort(columns[::-1])
    ordered = [values[order] for values in columns]
    starts = np.flatnonzero(_first_of_equal(ordered))
    counts = np.diff(np.append(starts, len(order))).astype(np.float64)
    return tuple(values[starts] for values in ordered), counts


def distinct(*columns: Floats) -> tuple[tuple[Floats, ...], Ints]:
    """The distinct rows in ascending order, and for each row which of them it is."""
    order = np.lexsort(columns[::-1])
    ordered = [values[order] for values in columns]
    new = _first_of_equal(ordered)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.cumsum(new) - 1
    return tuple(values[new] for values in ordered), place


def _first_of_equal(ordered: Sequence[Floats]) -> Bools:
    """Of rows in order, which differ from the one before."""
    new = np.ones(len(ordered[0]), dtype=np.bool_)
    new[1:] = np.logical_or.reduce([values[1:] != values[:-1] for values in ordered])
    return new


def percent_ranks(values: Floats) -> Floats:
    """The share of rows up to each value, equal values together in the middle of their places: above 0, to 1.

    The k-th of n distinct values has k/n, as in `rank(method="average", pct=True)` of pandas.
    """
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return (below + up_to + 1) / (2.0 * len(values))
