"""Telephone numbers suggest that two persons may be one; they never link them. Families share a phone.

Parsing a number costs about 20 µs, so only numbers whose last digits occur with a second person are parsed.
"""

from __future__ import annotations

import duckdb
import phonenumbers
import pyarrow as pa

from sync.fields import FieldSpec
from sync.identify.countries import country_code
from sync.identify.sql import quoted

_LAST_DIGITS = 6  # fewer than any national number has; they are equal however the rest is written
_NUMBERS = pa.schema([("said", pa.string()), ("country", pa.string()), ("number", pa.string())])


def e164(said: str, region: str | None) -> str | None:
    """`said` as +COUNTRY NUMBER without blanks, or None if it is no valid number. An extension stays
    behind it, for it is another's telephone.

    `region`: ISO alpha-2 code for numbers written without a country code; None: those are not read.
    """
    try:
        number = phonenumbers.parse(said, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    spelled = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return f"{spelled} ext. {number.extension}" if number.extension else spelled


def suggest_duplicates(
    database: duckdb.DuckDBPyConnection,
    *,
    contacts: str,
    links: str,
    phone: FieldSpec,
    country: FieldSpec | None = None,
    region: str | None = None,
    max_persons_per_number: int = 4,
) -> pa.Table:
    """Pairs of persons with the same telephone number: person, other_person, contact, other_contact, reason.

    person < other_person. The country of a number written nationally is that of the contact's own
    `country` field, else `region`. A number of more persons than `max_persons_per_number` is a
    switchboard and suggests nothing.
    """
    described = database.sql(f"DESCRIBE FROM {contacts}").fetchall()
    columns = {str(name) for name, column_type, *_ in described if str(column_type) == "VARCHAR"}
    said = []
    for connection, column in phone.sources:
        if (name := f"{connection}.{column}") not in columns:
            continue
        countries = [
            f"{quoted(f'{place}.{where}')}"
            for place, where in (country.sources if country else ())
            if place == connection and f"{place}.{where}" in columns
        ]
        lives_in = f"coalesce({', '.join(countries)}, '')" if countries else "''"
        said.append(
            f"SELECT contact, {quoted(name)} AS said, {lives_in} AS country FROM {contacts}"
            f" WHERE NOT coalesce(deleted, false) AND {quoted(name)} IS NOT NULL"
        )
    nothing = "SELECT CAST(0 AS INTEGER) AS contact, '' AS said, '' AS country WHERE false"
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE phone_candidates AS
        SELECT contact, person, said, country
        FROM (
            SELECT *, right(regexp_replace(said, '[^0-9]', '', 'g'), {_LAST_DIGITS}) AS digits
            FROM ({" UNION ALL ".join([nothing, *said])})
        ) JOIN {links} AS links USING (contact)
        WHERE length(digits) = {_LAST_DIGITS}
        QUALIFY min(person) OVER (PARTITION BY digits) < max(person) OVER (PARTITION BY digits)"""
    )
    rows = database.sql("SELECT DISTINCT said, country FROM phone_candidates").fetchall()
    numbers = [
        {"said": text, "country": place, "number": e164(text, country_code(place) or region)}
        for text, place in rows
    ]
    database.register("phone_numbers", pa.Table.from_pylist(numbers, schema=_NUMBERS))
    pairs = database.sql(
        f"""WITH numbered AS (
            SELECT number, person, min(contact) AS contact
            FROM phone_candidates JOIN phone_numbers USING (said, country)
            WHERE number IS NOT NULL
            GROUP BY number, person
            QUALIFY count(*) OVER (PARTITION BY number) <= {int(max_persons_per_number)}
        )
        SELECT one.person AS person, other.person AS other_person, min(one.contact) AS contact,
            min(other.contact) AS other_contact, 'same telephone number' AS reason
        FROM numbered AS one JOIN numbered AS other
            ON one.number = other.number AND one.person < other.person
        GROUP BY one.person, other.person ORDER BY one.person, other.person"""
    ).to_arrow_table()
    database.unregister("phone_numbers")
    database.execute("DROP TABLE phone_candidates")
    return pairs
