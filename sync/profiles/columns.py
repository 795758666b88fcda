"""What a profile looks at: which facts and activity, as which numbers and levels, and which never.

Names, addresses and numbers to reach people by are left out by what they are, under any name a platform
gives them; whatever has many different texts is no category, and is left out too.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Field, Kind, Type, Vocabulary
from sync.fields import FieldSpec
from sync.identify.sql import quoted, text_literal
from sync.standard import STANDARD_FIELDS

PERSONAL = frozenset({"email", "phone", "name", "first_name", "last_name", "postcode", "website"})
"""Standard facts that name or reach a person."""
_TELLING = re.compile(
    r"name|mail|phone|mobile|fax|address|street|zip|post|birth|url|web|latitude|longitude"
    r"|(^|[._ ])(id|key|ip)($|[._ ])|(?-i:[a-z0-9](Id|ID)($|[._ ]))",
    re.IGNORECASE,
)
"""Columns of platforms that would, by how they are called."""
PRODUCTS = frozenset(
    {"product", "products", "category", "categories", "product_category", "brand", "collection"}
)
CHANNELS = frozenset({"channel", "source", "medium", "utm_source", "utm_medium", "device", "pipeline"})
"""Fields of activity that tell what was bought or looked at, and by which way."""


SPAN = "of all time, less refunds"
"""What sums of activity's money are of: unlike the revenue of `segsync evaluate`, which is of its last days
and leaves refunds out."""


class Part(StrEnum):
    """Where in a profile something is told."""

    WHO = "who they are"
    DOES = "what they do"
    VALUE = "what they are worth"
    PRODUCTS = "typical products"
    CHANNELS = "channels"


@dataclass(frozen=True, slots=True)
class Number:
    """A number per person. `sql`: over a row of people, or of what activity is counted to; see `Counted`.
    `span`: which activity a sum of money is of; "": it is none."""

    name: str
    words: str
    part: Part
    sql: str
    unit: str | None = None
    span: str = ""


@dataclass(frozen=True, slots=True)
class Category:
    """Levels that people have, one or several each. `rows`: SQL of person, level. `few`: not told if there
    are more different levels than a category has. `once`: each of the people stands in one row."""

    name: str
    words: str
    part: Part
    rows: str
    few: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """What everybody did of one kind, one row per person: `rows` has the columns of `numbers`."""

    kind: str
    rows: str
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """Everything a profile looks at."""

    numbers: tuple[Number, ...]
    counted: tuple[Counted, ...]
    categories: tuple[Category, ...]


def columns(
    vocabulary: Vocabulary,
    specs: Sequence[FieldSpec],
    *,
    people: str,
    activity: Mapping[str, str],
    links: str,
    there: Collection[str],
    as_of: dt.datetime,
) -> Columns:
    """`people`, `links` and `activity` (by kind): relations; `there`: columns that `people` has."""
    instant = f"TIMESTAMPTZ {text_literal(as_of.isoformat())}"
    facts = [one for one in _facts(vocabulary, specs) if one.name in there or one.model is not None]
    numbers = [number for one in facts if (number := _number(one, instant)) is not None]
    categories = [category for one in facts if (category := _category(one, people)) is not None]
    counted = [_counted(kind, activity[name], instant) for name, kind in vocabulary.kinds.items()]
    links_rows = f"SELECT person, connection AS level FROM {links}"
    categories.append(Category("connection", "is on", Part.CHANNELS, links_rows))
    for name, kind in vocabulary.kinds.items():
        past = f'{activity[name]} WHERE "at" <= {instant}'
        done = f"SELECT person, {text_literal(name.replace('_', ' '))} AS level FROM {past}"
        categories.append(Category(f"did.{name}", "did", Part.DOES, done))
        categories += _typical(kind, past)
    return Columns(tuple(numbers), tuple(counted), tuple(categories))


def _facts(vocabulary: Vocabulary, specs: Sequence[FieldSpec]) -> Iterator[Field]:
    """What may be told of people, each thing once: the columns that a field is made of are that field."""
    merged = {one.name: one for one in specs if f"{one.sources[0][0]}.{one.sources[0][1]}" != one.name}
    within = {f"{connection}.{column}" for one in merged.values() for connection, column in one.sources}
    for name, one in vocabulary.fields.items():
        known = name in STANDARD_FIELDS or one.model is not None
        if name in PERSONAL or name in within or (not known and _TELLING.search(name)):
            continue
        yield one


def _number(field: Field, instant: str) -> Number | None:
    column, words = quoted(field.name), _words(field.name)
    part = Part.WHO if field.model is None else Part.DOES
    match field.type:
        case Type.NUMBER:
            return Number(field.name, words, part, f"{column} / {float(NUMBER_SCALE)}", field.unit)
        case Type.MONEY:
            part = Part.WHO if field.model is None else Part.VALUE
            return Number(field.name, words, part, f"{column} / {float(MONEY_SCALE)}", field.unit)
        case Type.DATE if field.name == "birthday":
            years = f"date_part('year', age(CAST({instant} AS DATE), {column}))"
            return Number("age", "age", part, years, "years")
        case Type.DATE | Type.DATETIME:
            days = f"(epoch({instant}) - epoch({column})) / 86400.0"
            return Number(f"{field.name}.days", f"days since {words}", part, days, "days")
    return None


def _category(field: Field, people: str) -> Category | None:
    column, words = quoted(field.name), _words(field.name)
    part = Part.WHO if field.model is None else Part.DOES
    few = field.name not in STANDARD_FIELDS and field.model is None
    match field.type:
        case Type.TEXT:
            level = column
        case Type.TEXTS:
            level = f"unnest({column})"
        case Type.BOOLEAN:
            level = f"CASE WHEN {column} THEN 'yes' END"
        case _:
            return None
    return Category(
        field.name,
        words,
        part,
        f"SELECT person, {level} AS level FROM {people}",
        few,
        field.type is not Type.TEXTS,
    )


def _counted(kind: Kind, rows: str, instant: str) -> Counted:
    called = kind.name.replace("_", " ")
    made = [
        ("count", f"{called} count", "count(*)", Part.DOES, None),
        (
            "days",
            f"days since last {called}",
            f'(epoch({instant}) - epoch(max("at"))) / 86400.0',
            Part.DOES,
            "days",
        ),
    ]
    for name, one in kind.fields.items():
        if one.type is Type.MONEY:
            total = f"sum({quoted(name)}) / {float(MONEY_SCALE)}"
            made.append((name, f"{called} {name.replace('_', ' ')}", total, Part.VALUE, one.unit))
    sums = ", ".join(f"{sql} AS {quoted(f'{kind.name}.{name}')}" for name, _, sql, _, _ in made)
    numbers = tuple(
        Number(
            f"{kind.name}.{name}",
            words,
            part,
            # who did nothing of it did so no times, for no money; there is no day to count from
            quoted(f"{kind.name}.{name}")
            if name == "days"
            else f"coalesce({quoted(f'{kind.name}.{name}')}, 0)",
            unit,
            SPAN if part is Part.VALUE else "",
        )
        for name, words, _, part, unit in made
    )
    past = f'{rows} WHERE "at" <= {instant} AND person IS NOT NULL'
    return Counted(kind.name, f"SELECT person, {sums} FROM {past} GROUP BY person", numbers)


def _typical(kind: Kind, past: str) -> Iterator[Category]:
    for name, one in kind.fields.items():
        part = Part.PRODUCTS if name in PRODUCTS else Part.CHANNELS if name in CHANNELS else None
        if part is None or one.type not in {Type.TEXT, Type.TEXTS}:
            continue
        level = quoted(name) if one.type is Type.TEXT else f"unnest({quoted(name)})"
        words = f"{kind.name} {name}".replace("_", " ")
        yield Category(f"{kind.name}.{name}", words, part, f"SELECT person, {level} AS level FROM {past}")


def _words(name: str) -> str:
    return name.replace(".", " ").replace("_", " ")
