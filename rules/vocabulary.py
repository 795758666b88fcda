"""All the names an expression may use, with their types. Pure data; the run fills it from the config.

It says nothing of where the values lie beyond the column names in `people` and `activity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

NUMBER_SCALE = 1_000_000
"""Numbers are stored as integers of millionths, so that sums are exact on every engine."""
MONEY_SCALE = 100
"""Money is stored as integer minor units of the base currency."""


class Type(StrEnum):
    """Type of a value in an expression.

    Physical columns: TEXT string plus `NAME__ci` (folded, see `rules.text.fold`) · NUMBER int64
    millionths · MONEY int64 minor units of the base currency · BOOLEAN bool · DATE date32 ·
    DATETIME timestamp[us, UTC] · TEXTS list<string> plus `NAME__ci`.
    """

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    TEXTS = "texts"


@dataclass(frozen=True, slots=True)
class Field:
    """A named, typed fact about a person, or (inside a `Kind`) of an activity."""

    name: str
    type: Type
    meaning: str = ""
    unit: str | None = None
    sources: tuple[str, ...] = ()  # "connection.column" in order of trust, for people to read
    model: str | None = None  # whose result it is; None: a source tells it


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of activity (`purchase`) with the fields its rows carry."""

    name: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    meaning: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record(Kind):
    """A kind of thing that belongs to a person (`deal`), known by activity that tells its states.

    The rows of `kinds` with the same value in the field `key` (of one person, from one connection) are states
    of one thing; what it is now is its latest row. A row without that value is no state of anything.
    """

    key: str = ""
    kinds: tuple[str, ...] = ()  # at one and the same instant the kind named last is the later state


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person is: two NUMBER facts, degrees north and degrees east. Outside −90 to 90 or −180 to 180,
    the place is missing."""

    name: str
    latitude: str
    longitude: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every usable name. `people` must have a column per field, a relation per kind its fields.

    Beside the fields, `people` has: person int32 · suppressed bool · consented_email bool ·
    in_lists list<string> (folded "connection:list name").
    """

    fields: Mapping[str, Field]
    kinds: Mapping[str, Kind]
    lists: frozenset[str] = frozenset()  # "connection:list name" as the platform spells it
    currency: str = "EUR"
    zone: str = "UTC"
    places: Mapping[str, Place] = field(default_factory=dict)  # no name is also a field, kind or record
    records: Mapping[str, Record] = field(default_factory=dict)  # no name is also one of `kinds`
    connections: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Connection → audience kinds it takes as destination, none if it is only read from; checked in `to`.
    Empty mapping: not checked."""
