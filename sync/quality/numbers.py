"""Telephone numbers of contacts as E.164, each spelling read once per country it is written in."""

from __future__ import annotations

from sync.identify.dialling import build_e164
from sync.quality.said import Said


def build_numbers(said: Said, told: str) -> None:
    """Temp table quality_phones: contact, value, code (the contact's own country, if known), number (E.164).

    `told`: what contacts say of the field `phone`; quality_codes must be there if they say a country.
    A number that begins with + is read without the country, any other one not without.
    """
    database = said.database
    country = said.build("country")
    codes = "(SELECT 0 AS contact, '' AS code WHERE false)"
    if country is not None:
        read = f"{country} JOIN quality_codes USING (value)"
        codes = f"(SELECT contact, min(code) AS code FROM {read} GROUP BY contact)"
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE quality_called AS
        SELECT contact, value, code, CASE WHEN NOT starts_with(value, '+') THEN code END AS region
        FROM {told} LEFT JOIN {codes} USING (contact)"""
    )
    asked = "(SELECT DISTINCT value AS said, region FROM quality_called)"
    build_e164(database, asked, into="quality_numbers")
    database.execute(
        """CREATE OR REPLACE TEMP TABLE quality_phones AS
        SELECT contact, value, code, number
        FROM quality_called AS called JOIN quality_numbers AS read
            ON called.value = read.said AND called.region IS NOT DISTINCT FROM read.region"""
    )
    database.execute("DROP TABLE quality_numbers")
    database.execute("DROP TABLE quality_called")
