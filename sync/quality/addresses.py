"""E-mail addresses: valid or not, what their domain most likely means, throw-away, or an office's.

Valid is what `email-validator` accepts without asking the network, if no more than 64 letters stand before
the @ (RFC 5321, 4.5.3.1.1) and the ending is no single letter, which none is. An address of a plain shape,
which it accepts whatever else is in it, is known by one expression; the others are handed to it, each once.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from sync.identify.sql import text_literal
from sync.quality.domains import ROLES, build_domains

_ATOM = r"[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9]|-[A-Za-z0-9]){0,30}"
PLAIN = rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z]{{2,24}}"
"""Every full match of at most 254 letters, with at most 64 before the @ and no reserved ending, is valid: dot
atoms of RFC 5322, labels without `--`. Means the same to Python's `re` and to DuckDB's RE2."""
RESERVED = ("arpa", "invalid", "local", "localhost", "onion", "test")
"""Endings that no mail goes to (`email_validator.SPECIAL_USE_DOMAIN_NAMES`)."""
_MOST_BEFORE, _LEAST_ENDING = 64, 2
_VERDICTS = pa.schema([("value", pa.string()), ("address", pa.string())])


def valid_address(text: str) -> str | None:
    """The address with its domain in small ASCII letters, or None if it is none. No network is asked."""
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(text.strip(), check_deliverability=False)
    except EmailNotValidError:
        return None
    ending = found.ascii_domain.rpartition(".")[2]
    if len(found.local_part) > _MOST_BEFORE or len(ending) < _LEAST_ENDING:
        return None
    return f"{found.local_part}@{found.ascii_domain}"


def build_addresses(database: duckdb.DuckDBPyConnection, said: str) -> None:
    """Temp table quality_addresses: value, valid, meant, disposable, role; a row per distinct `said.value`.

    `meant`: the whole address with the `provider` that was most likely meant, or NULL. Lists of throw-away
    domains hold slips, too (`gmial.com`); whoever slipped threw nothing away.
    """
    endings = ", ".join(map(text_literal, RESERVED))
    plain = (
        f"length(value) <= 254 AND strpos(value, '@') <= {_MOST_BEFORE + 1}"
        f" AND regexp_full_match(value, {text_literal(PLAIN)})"
        f" AND lower(regexp_extract(value, '[A-Za-z]+$')) NOT IN ({endings})"
    )
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE quality_spelled AS
        SELECT value, CASE WHEN {plain} THEN lower(value) END AS address
        FROM (SELECT DISTINCT value FROM {said})"""
    )
    odd = database.execute(
        "SELECT value FROM quality_spelled WHERE address IS NULL AND contains(value, '@')"  # else it is none
    ).fetchall()
    verdicts = [{"value": value, "address": valid_address(value)} for (value,) in odd]
    database.register("quality_verdicts", pa.Table.from_pylist(verdicts, schema=_VERDICTS))
    database.execute(
        """CREATE OR REPLACE TEMP TABLE quality_known AS
        SELECT value, lower(regexp_extract(address, '^(.*)@', 1)) AS mailbox,
            lower(regexp_extract(address, '[^@]*$')) AS domain, address IS NOT NULL AS valid
        FROM (SELECT value, coalesce(spelled.address, verdict.address) AS address
            FROM quality_spelled AS spelled LEFT JOIN quality_verdicts AS verdict USING (value))"""
    )
    database.unregister("quality_verdicts")
    build_domains(database, "(SELECT DISTINCT domain FROM quality_known WHERE valid)")
    roles = ", ".join(map(text_literal, ROLES))
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE quality_addresses AS
        SELECT value, valid, mailbox || '@' || meant AS meant, meant AS provider,
            coalesce(disposable AND meant IS NULL, false) AS disposable,
            valid AND split_part(mailbox, '+', 1) IN ({roles}) AS role
        FROM quality_known LEFT JOIN quality_domains USING (domain)"""
    )
    for name in ("spelled", "known", "domains"):
        database.execute(f"DROP TABLE quality_{name}")
