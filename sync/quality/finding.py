"""What the rules find that one record decides by itself, and the table all findings go into."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from sync.identify.countries import country_code
from sync.identify.sql import text_literal
from sync.quality.addresses import build_addresses
from sync.quality.numbers import build_numbers
from sync.quality.said import Said
from sync.quality.spelling import PLACEHOLDERS, tidy_name

FINDINGS = "quality_findings"
"""Temp table: contact, rule, field; value (what stands there) and better (what may be meant), both personal;
hint (a part of what is meant that tells of nobody, such as a provider's domain)."""
NAMES = ("first_name", "last_name", "name")
_MOST_YEARS = 120
_FORM_DAYS = ("1900-01-01", "1901-01-01", "1970-01-01", "1111-11-11", "0001-01-01")
_NO_NUMBER = r"(?:[^0-9]*[0-9]){0,4}[^0-9]*|[0-9.,]+[eE]\+?[0-9]+"
"""What is no telephone number anywhere: fewer than five digits, or what a spreadsheet made of one."""
_NOTHING = "NULL AS better, NULL AS hint"


@dataclass(frozen=True, slots=True)
class Found:
    """One rule at work. `rows`: SQL of contact, field, value, better, hint. `checked`: SQL with the column
    contact, of all that could have been found."""

    rule: str
    rows: str
    checked: str


Finder = Callable[[Said, dt.datetime], Iterator[Found]]


def findings_alone(said: Said, *, as_of: dt.datetime) -> Iterator[Found]:
    """Everything that a record decides by itself; `as_of` bounds birthdays."""
    for finder in (_emails, _countries, _phones, _names, _birthdays):
        yield from finder(said, as_of)


def build_findings(
    said: Said, found: Iterable[Found], *, only: Iterable[str] | None = None
) -> Mapping[str, int]:
    """Fill FINDINGS; returns how many contacts each rule looked at. `only`: ids of the rules wanted."""
    wanted = None if only is None else frozenset(only)
    database = said.database
    database.execute(
        f"""CREATE TEMP TABLE IF NOT EXISTS {FINDINGS} (contact INTEGER, rule VARCHAR, field VARCHAR,
            value VARCHAR, better VARCHAR, hint VARCHAR)"""
    )
    checked: dict[str, int] = {}
    for one in found:
        if wanted is not None and one.rule not in wanted:
            continue
        database.execute(
            f"""INSERT INTO {FINDINGS}
            SELECT contact, {text_literal(one.rule)}, field, CAST(value AS VARCHAR), better, hint
            FROM ({one.rows})"""
        )
        counted = database.sql(f"SELECT count(DISTINCT contact) FROM ({one.checked})").fetchall()
        checked[one.rule] = checked.get(one.rule, 0) + int(counted[0][0])
    return checked


def missing(said: Said, field: str, holders: str, told: Iterable[str]) -> str:
    """SQL rows: contacts of `holders` that none of the tables `told` names, nor another contact of the same
    person, if it is known who is who."""
    known = " UNION ALL ".join(f"SELECT contact FROM {table}" for table in told)
    rows = f"SELECT contact, {text_literal(field)} AS field, NULL AS value, {_NOTHING} FROM {holders}"
    if said.links is None:
        return f"{rows} WHERE contact NOT IN ({known})"
    theirs = f"SELECT person FROM {said.links} WHERE contact IN ({known})"
    return f"{rows} WHERE contact NOT IN (SELECT contact FROM {said.links} WHERE person IN ({theirs}))"


def _emails(said: Said, _: dt.datetime) -> Iterator[Found]:
    told = said.build("email")
    if told is None:
        return
    build_addresses(said.database, told)
    looked = f"{told} JOIN quality_addresses USING (value)"
    rows = f"SELECT contact, 'email' AS field, value, {_NOTHING} FROM {looked} WHERE"
    yield Found("email-invalid", f"{rows} NOT valid", told)
    holders = said.holders("email")
    yield Found("email-missing", missing(said, "email", holders, [told]), holders)
    yield Found(
        "email-typo",
        f"SELECT contact, 'email' AS field, value, meant AS better, provider AS hint FROM {looked}"
        " WHERE meant IS NOT NULL",
        told,
    )
    yield Found("email-disposable", f"{rows} disposable", told)
    yield Found("email-role", f"{rows} role", told)


def _countries(said: Said, _: dt.datetime) -> Iterator[Found]:
    told = said.build("country")
    if told is None:
        return
    values = [text for (text,) in said.database.sql(f"SELECT DISTINCT value FROM {told}").fetchall()]
    codes = [country_code(text) for text in values]
    table = pa.table({"value": pa.array(values, pa.string()), "code": pa.array(codes, pa.string())})
    said.database.register("quality_read_codes", table)
    said.database.execute("CREATE OR REPLACE TEMP TABLE quality_codes AS FROM quality_read_codes")
    said.database.unregister("quality_read_codes")
    looked = f"{told} JOIN quality_codes USING (value)"
    rows = f"SELECT contact, 'country' AS field, value, code AS better, code AS hint FROM {looked} WHERE"
    yield Found("country-unknown", f"{rows} code IS NULL", told)
    holders = said.holders("country")
    yield Found("country-missing", missing(said, "country", holders, [told]), holders)
    yield Found("country-spelling", f"{rows} code <> value", told)


def _phones(said: Said, _: dt.datetime) -> Iterator[Found]:
    told = said.build("phone")
    if told is None:
        return
    build_numbers(said, told)
    rows = "SELECT contact, 'phone' AS field, value, number AS better, NULL AS hint FROM quality_phones WHERE"
    homeless = (
        "number IS NULL AND code IS NULL AND NOT starts_with(value, '+')"
        f" AND NOT regexp_full_match(value, {text_literal(_NO_NUMBER)})"
    )
    yield Found("phone-invalid", f"{rows} number IS NULL AND NOT ({homeless})", told)
    yield Found("phone-no-country", f"{rows} {homeless}", told)
    yield Found("phone-spelling", f"{rows} number <> value", told)


def _names(said: Said, _: dt.datetime) -> Iterator[Found]:
    tables = {name: table for name in NAMES if (table := said.build(name)) is not None}
    if not tables:
        return
    told = " UNION ALL ".join(
        f"SELECT contact, '{name}' AS field, value FROM {tables[name]}" for name in tables
    )
    none = f"(?:{'|'.join(map(re.escape, PLACEHOLDERS))})"
    nothing_else = text_literal(rf"{none}(?:\s+{none})*")
    stands = (
        f"(regexp_full_match(lower(value), {nothing_else}) OR NOT regexp_matches(value, '\\pL')"
        " OR contains(value, '@'))"
    )
    yield Found(
        "name-placeholder",
        f"SELECT contact, field, value, {_NOTHING} FROM ({told}) WHERE {stands}",
        f"({told})",
    )
    holders = said.holders(*NAMES)
    yield Found("name-missing", missing(said, "name", holders, tables.values()), holders)
    odd = said.database.sql(
        f"""SELECT DISTINCT value FROM ({told}) WHERE NOT {stands} AND (
            (length(value) > 3 AND value = upper(value)) OR value = lower(value)
            OR regexp_matches(value, '\\s\\s'))"""
    ).fetchall()
    spelled = [(value, tidy_name(value)) for (value,) in odd]
    table = pa.table(
        {
            "value": pa.array([value for value, _ in spelled], pa.string()),
            "better": pa.array([better for _, better in spelled], pa.string()),
        }
    )
    said.database.register("quality_read_names", table)
    said.database.execute("CREATE OR REPLACE TEMP TABLE quality_names AS FROM quality_read_names")
    said.database.unregister("quality_read_names")
    yield Found(
        "name-spelling",
        f"SELECT contact, field, value, better, NULL AS hint FROM ({told}) JOIN quality_names USING (value)"
        " WHERE better <> value",
        f"({told})",
    )


def _birthdays(said: Said, as_of: dt.datetime) -> Iterator[Found]:
    told = said.build("birthday")
    if told is None:
        return
    forms = ", ".join(f"DATE '{day}'" for day in _FORM_DAYS)
    today = f"DATE '{as_of.date().isoformat()}'"
    rows = f"SELECT contact, 'birthday' AS field, value, {_NOTHING} FROM {told} WHERE"
    impossible = f"(value > {today} OR value < {today} - INTERVAL {_MOST_YEARS} YEAR)"
    yield Found("birthday-impossible", f"{rows} {impossible} AND value NOT IN ({forms})", told)
    yield Found("birthday-placeholder", f"{rows} value IN ({forms})", told)
