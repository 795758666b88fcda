"""How to reach a person on one connection: the contact that writes go to. Chosen the same way every time."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from connectors.base import Consent
from sync.identify.sql import text_literal

_MAILABLE_FIRST = (
    Consent.OPTED_IN,
    None,
    Consent.NEVER_ASKED,
    Consent.PENDING,
    Consent.OPTED_OUT,
    Consent.UNDELIVERABLE,
)


def addresses_sql(connection: str, *, contacts: str, links: str) -> str:
    """SQL: person int32, external_id, address; one row per person with a contact on `connection`.

    Of several contacts: the more mailable one, then the one changed last, then the oldest. A contact
    without an address of its own is addressed by its external id.
    """
    ranks = " ".join(
        f"WHEN email_consent = {text_literal(consent)} THEN {rank}"
        for rank, consent in enumerate(_MAILABLE_FIRST)
        if consent is not None
    )
    unknown = _MAILABLE_FIRST.index(None)
    return f"""SELECT person, contacts.external_id AS external_id,
            coalesce(nullif(address, ''), contacts.external_id) AS address
        FROM {contacts} AS contacts JOIN {links} AS links USING (contact)
        WHERE contacts.connection = {text_literal(connection)} AND NOT coalesce(deleted, false)
        QUALIFY row_number() OVER (PARTITION BY person
            ORDER BY CASE {ranks} ELSE {unknown} END, changed_at DESC NULLS LAST, contact) = 1"""


def addresses(database: duckdb.DuckDBPyConnection, connection: str, *, contacts: str, links: str) -> pa.Table:
    """The rows of `addresses_sql`, ordered by person."""
    query = addresses_sql(connection, contacts=contacts, links=links)
    return database.sql(f"SELECT * FROM ({query}) ORDER BY person").to_arrow_table()
