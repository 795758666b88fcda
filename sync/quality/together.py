"""What the rules find that takes several records, the person, their activity, or a whole column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from sync.identify.sql import quoted, text_literal
from sync.quality.finding import Found
from sync.quality.said import LIVING, Said, text_columns
from sync.quality.spelling import DATE_FORMATS, DATE_SHAPE
from sync.standard import PASSIVE

STALE_MONTHS, OLD_MONTHS = 18, 24
MOST_PERSONS_PER_NUMBER = 4
"""A number of more persons is a switchboard."""
_ENOUGH, _MOSTLY = 20, 0.9
"""A column of texts with so many values, and this share of them shaped like days, is one of dates."""


@dataclass(frozen=True, slots=True)
class Doings:
    """`activity`: a relation of the lake's activity; `kinds`: the kinds that sources give."""

    activity: str
    kinds: frozenset[str]


def findings_together(said: Said, doings: Doings, *, as_of: dt.datetime) -> Iterator[Found]:
    """Everything that one record does not decide by itself; `said.links` must be known. What records say by
    themselves must have been looked at before (`findings_alone`), on the same database."""
    yield from _shared(said)
    yield from _consents(said)
    yield from _differing(said)
    yield from _columns_of_dates(said)
    yield from _times(said, as_of)
    yield from _doings(said, doings, as_of)


def _rows(field: str, where: str, *, value: str = "NULL") -> str:
    named = f"{text_literal(field)} AS field, {value} AS value, NULL AS better, NULL AS hint"
    return f"SELECT contact, {named} {where}"


def _shared(said: Said) -> Iterator[Found]:
    emails = said.build("email")
    if emails is not None:
        shared = f"""FROM (SELECT DISTINCT contact, connection, value FROM {emails}
            JOIN quality_addresses USING (value) WHERE valid)
            QUALIFY count(DISTINCT contact) OVER (PARTITION BY connection, lower(value)) > 1"""
        yield Found("email-shared", _rows("email", shared, value="value"), emails)
    if said.build("phone") is not None:
        shared = f"""FROM quality_phones JOIN {said.links} AS links USING (contact) JOIN (
                SELECT number FROM quality_phones JOIN {said.links} AS links USING (contact)
                WHERE number IS NOT NULL GROUP BY number
                HAVING count(DISTINCT person) BETWEEN 2 AND {MOST_PERSONS_PER_NUMBER}
            ) USING (number)"""
        yield Found("phone-shared", _rows("phone", shared, value="value"), "quality_phones")


def _consents(said: Said) -> Iterator[Found]:
    emails = said.build("email")
    if emails is None:
        return
    valid = f"(SELECT contact FROM {emails} JOIN quality_addresses USING (value) WHERE valid)"
    told = f"SELECT person FROM {said.consents} WHERE email_consent IS NOT NULL"
    silent = f"""FROM {valid} WHERE contact IN (
        SELECT contact FROM {said.links} WHERE person NOT IN ({told}))"""
    yield Found("consent-unknown", _rows("consent", silent), valid)


def _differing(said: Said) -> Iterator[Found]:
    for rule, field in (("birthdays-differ", "birthday"), ("countries-differ", "country")):
        told = said.build(field)
        if told is None:
            continue
        value = "value" if field == "birthday" else "coalesce(code, lower(value))"
        read = told if field == "birthday" else f"{told} LEFT JOIN quality_codes USING (value)"
        differ = f"""FROM (SELECT contact, person, value, {value} AS meant
                FROM {read} JOIN {said.links} AS links USING (contact))
            QUALIFY min(meant) OVER (PARTITION BY person) < max(meant) OVER (PARTITION BY person)"""
        yield Found(rule, _rows(field, differ, value="value"), told)


def _columns_of_dates(said: Said) -> Iterator[Found]:
    columns = text_columns(said)
    if not columns:
        return
    shape = text_literal(DATE_SHAPE)
    counts = ", ".join(
        f"count({quoted(name)}), count(*) FILTER (regexp_full_match(trim({quoted(name)}), {shape}))"
        for name in columns
    )
    counted = said.database.sql(f"SELECT {counts} FROM {said.contacts} WHERE {LIVING}").fetchall()[0]
    for position, name in enumerate(columns):
        values, shaped = counted[2 * position], counted[2 * position + 1]
        if values >= _ENOUGH and shaped >= _MOSTLY * values:
            yield from _dates_in(said, name)


def _dates_in(said: Said, column: str) -> Iterator[Found]:
    text = f"trim({quoted(column)})"
    told = f"(SELECT contact, {text} AS value FROM {said.contacts} WHERE {LIVING} AND {text} <> '')"
    readings = ", ".join(f"count(try_strptime(value, '{spelling}'))" for spelling in DATE_FORMATS)
    counts = said.database.sql(f"SELECT {readings} FROM (SELECT DISTINCT value FROM {told})").fetchall()[0]
    days = [
        f"try_strptime(value, '{spelling}')"
        for count, spelling in zip(counts, DATE_FORMATS, strict=True)
        if count == max(counts)
    ]
    # where two spellings read equally many, 03/04 is either day: it is told, and no better one with it
    agree = " AND ".join(f"{days[0]} IS NOT DISTINCT FROM {other}" for other in days)
    better = f"CASE WHEN {agree} THEN strftime({days[0]}, '%Y-%m-%d') END AS better, NULL AS hint"
    head = f"SELECT contact, {text_literal(column)} AS field, value, {better}"
    day = f"coalesce({', '.join(days)})"
    yield Found("date-impossible", f"{head} FROM {told} WHERE {day} IS NULL", told)
    yield Found("date-as-text", f"{head} FROM {told} WHERE {day} IS NOT NULL", told)


def _times(said: Said, as_of: dt.datetime) -> Iterator[Found]:
    now = f"TIMESTAMPTZ '{as_of.isoformat()}'"
    told = said.build("signed_up")
    if told is not None:
        ahead = f"FROM {told} WHERE value > {now} + INTERVAL 1 DAY"  # a day: zones that were not told
        yield Found("signed-up-in-future", _rows("signed_up", ahead, value="value"), told)
    dated = f"(SELECT contact, changed_at FROM {said.contacts} WHERE {LIVING} AND changed_at IS NOT NULL)"
    old = f"FROM {dated} WHERE changed_at < {now} - INTERVAL {OLD_MONTHS} MONTH"
    yield Found("not-updated", _rows("changed_at", old), dated)


def _doings(said: Said, doings: Doings, as_of: dt.datetime) -> Iterator[Found]:
    if not doings.kinds:
        return
    since = f"TIMESTAMPTZ '{as_of.isoformat()}' - INTERVAL {STALE_MONTHS} MONTH"
    passive = ", ".join(map(text_literal, PASSIVE))
    said.database.execute(
        f"""CREATE OR REPLACE TEMP TABLE quality_doings AS
        SELECT person, bool_or(kind = 'purchase') AS bought,
            max("at") FILTER (kind NOT IN ({passive})) AS acted,
            min("at") FILTER (kind = 'email_sent') AS first_sent,
            max("at") FILTER (kind = 'email_sent') AS last_sent
        FROM {doings.activity}
        WHERE person IS NOT NULL AND "at" <= TIMESTAMPTZ '{as_of.isoformat()}' GROUP BY person"""
    )
    everybody = f"(SELECT * FROM {said.links} AS links LEFT JOIN quality_doings USING (person))"
    if "purchase" in doings.kinds:
        yield Found(
            "purchase-missing", _rows("purchase", f"FROM {everybody} WHERE bought IS NOT true"), everybody
        )
    silent = f"FROM {everybody} WHERE acted IS NULL AND last_sent IS NULL"
    yield Found("activity-missing", _rows("activity", silent), everybody)
    if "email_sent" in doings.kinds:
        stale = f"""FROM {everybody} WHERE first_sent <= {since} AND last_sent > {since}
            AND (acted IS NULL OR acted <= {since})"""
        written = f"(SELECT contact FROM {everybody} WHERE first_sent IS NOT NULL)"
        yield Found("stale", _rows("activity", stale), written)
