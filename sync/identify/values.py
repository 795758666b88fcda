"""A person's field as SQL over a contact column: its physical type, and what counts as missing."""

from __future__ import annotations

from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type
from sync.fields import FieldSpec

PHYSICAL = {
    Type.TEXT: "VARCHAR",
    Type.NUMBER: "BIGINT",
    Type.MONEY: "BIGINT",
    Type.BOOLEAN: "BOOLEAN",
    Type.DATE: "DATE",
    Type.DATETIME: "TIMESTAMP WITH TIME ZONE",
    Type.TEXTS: "VARCHAR[]",
}
"""DuckDB's type of a field in `people`; see `rules.vocabulary.Type`."""

_SCALES = {Type.NUMBER: NUMBER_SCALE, Type.MONEY: MONEY_SCALE}


def is_plain(field: FieldSpec, column_type: str) -> bool:
    """Whether a column holds what the field wants: then `value_sql` only says what is missing."""
    return column_type == PHYSICAL[field.type]


def value_sql(field: FieldSpec, *, column: str, column_type: str) -> str:
    """SQL: `column` (quoted) as a value of `field`; NULL when missing ('' and [] are missing too).

    Texts are read as numbers, dates and truths where the field wants them; what cannot be read is missing.
    A number column for a money field, or the reverse, is taken as it lies: both are integers, and the
    config's check refuses the pair. ValueError for types that do not go together.
    """
    if is_plain(field, column_type):
        if field.type is Type.TEXT:
            return f"nullif({column}, '')"
        if field.type is Type.TEXTS:
            return f"CASE WHEN len({column}) > 0 THEN {column} END"
        return column
    converted = _converted(field.type, column, column_type)
    if converted is None:
        sources = ", ".join(f"{connection}.{name}" for connection, name in field.sources)
        raise ValueError(
            f"field {field.name!r} is {field.type.value}, but of its sources ({sources}) the column {column}"
            f" holds {column_type}: map another column or change the field's type"
        )
    return converted


def _converted(wanted: Type, column: str, column_type: str) -> str | None:
    if wanted is Type.TEXT and column_type == "BIGINT":
        whole = f"CAST({column} // {NUMBER_SCALE} AS VARCHAR)"
        fraction = f"rtrim(CAST(CAST({column} AS DECIMAL(25, 0)) * 0.000001 AS VARCHAR), '0')"
        return f"CASE WHEN {column} % {NUMBER_SCALE} = 0 THEN {whole} ELSE {fraction} END"
    if wanted is Type.TEXT and not column_type.endswith("[]"):
        return f"CAST({column} AS VARCHAR)"
    if wanted is Type.DATE and column_type == PHYSICAL[Type.DATETIME]:
        return f"CAST({column} AT TIME ZONE 'UTC' AS DATE)"
    if wanted is Type.DATETIME and column_type == "DATE":
        return f"(CAST({column} AS TIMESTAMP) AT TIME ZONE 'UTC')"
    if column_type != "VARCHAR":
        return None
    if wanted in _SCALES:
        return f"TRY_CAST(round(TRY_CAST({column} AS DECIMAL(24, 7)) * {_SCALES[wanted]}) AS BIGINT)"
    if wanted is Type.TEXTS:
        return f"CASE WHEN {column} <> '' THEN [{column}] END"
    if wanted is Type.DATETIME:  # without an offset it is UTC, whatever the session's zone
        offset = f"regexp_matches({column}, ':.*(Z|z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$')"
        zoned = f"TRY_CAST({column} AS TIMESTAMP WITH TIME ZONE)"
        return f"CASE WHEN {offset} THEN {zoned} ELSE TRY_CAST({column} AS TIMESTAMP) AT TIME ZONE 'UTC' END"
    return f"TRY_CAST({column} AS {PHYSICAL[wanted]})"
