"""Match keys: what a contact says about who it is, in one spelling. Contacts with an equal key may be one.

A key is `KIND:VALUE`: `email:ann@example.com`, or the name of a declared id, `crm id:4711`. Nothing is
linked here, and no value is guessed: no dots or +tags are taken out of an address.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import duckdb
import idna
import pyarrow as pa

from rules.vocabulary import NUMBER_SCALE
from sync.fields import FieldSpec
from sync.identify.sql import quoted, text_literal

EMAIL = "email"
Source: TypeAlias = tuple[str, str]

_LOCAL = r"[^\s@,;:<>()\[\]\\\"\x00-\x1f.]+(\.[^\s@,;:<>()\[\]\\\"\x00-\x1f.]+)*"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
EMAIL_PATTERN = rf"{_LOCAL}@({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?"
"""An address after normalising. Valid both as Python's `re` and as DuckDB's RE2."""
_EMAIL = re.compile(EMAIL_PATTERN)
_PLAIN = "[!-~]+"  # printable ASCII without blanks: lower case is all the normalising it needs
_PLACEHOLDERS = ("0", "-", "n/a", "na", "nan", "none", "null", "undefined", "unknown")


@dataclass(frozen=True, slots=True)
class Blocked:
    """Values that stand for no single person. All normalised like keys."""

    addresses: frozenset[str] = frozenset()
    local_parts: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MatchRules:
    """What makes two contacts one person, and what must not. Sources are (connection, column)."""

    emails: tuple[Source, ...]
    shared_ids: Mapping[str, tuple[Source, ...]]
    blocked: Blocked
    max_contacts_per_key: int
    """A key that more contacts hold (over all connections) links none of them."""


def match_rules(
    fields: Iterable[FieldSpec],
    *,
    shared_ids: Mapping[str, Sequence[Source]] | None = None,
    blocked: Iterable[str] = (),
    max_contacts_per_key: int = 10,
) -> MatchRules:
    """The rules from the field `email`, the declared ids (name → sources) and the blocked values.

    `blocked`: `info@` is that mailbox at every domain, `@example.com` a domain, `a@b.com` one address.
    ValueError for a name or a blocked value that cannot be used.
    """
    ids = {name: tuple(sources) for name, sources in (shared_ids or {}).items()}
    for name in ids:
        if name == EMAIL or ":" in name or not name:
            raise ValueError(f"an id cannot be named {name!r}: choose a name without ':', not '{EMAIL}'")
    emails = tuple(source for field in fields if field.name == EMAIL for source in field.sources)
    return MatchRules(emails, ids, blocked_values(blocked), max_contacts_per_key)


def blocked_values(texts: Iterable[str]) -> Blocked:
    """`info@` → a local part, `@example.com` → a domain, `a@b.com` → an address. ValueError for others."""
    addresses, local_parts, domains = set[str](), set[str](), set[str]()
    for text in texts:
        local, at, domain = text.strip().rpartition("@")
        # A stand-in completes the missing half, so that both halves are normalised as in an address.
        key = email_key(f"{local or 'x'}@{domain or 'example.com'}")
        if not at or not (local or domain) or key is None:
            raise ValueError(f"blocked value {text!r} is none of: 'info@', '@example.com', 'a@example.com'")
        known_local, _, known_domain = key.rpartition("@")
        if not domain:
            local_parts.add(known_local)
        elif not local:
            domains.add(known_domain)
        else:
            addresses.add(key)
    return Blocked(frozenset(addresses), frozenset(local_parts), frozenset(domains))


def email_key(text: str) -> str | None:
    """The one spelling of an e-mail address, or None if it is none.

    Local part: stripped, NFC, casefolded. Domain: IDNA 2008 with UTS 46 mapping, as mail systems
    resolve it (so `straße.de` and `strasse.de` stay two domains).
    """
    local, _, domain = unicodedata.normalize("NFC", text).strip().rpartition("@")
    local = unicodedata.normalize("NFC", local.casefold())
    if domain.isascii():
        domain = domain.lower()
    else:
        try:
            domain = idna.encode(domain, uts46=True, transitional=False).decode("ascii")
        except idna.IDNAError:
            return None
    address = f"{local}@{domain}"
    return address if len(address) <= 254 and _EMAIL.fullmatch(address) else None


def build_keys(database: duckdb.DuckDBPyConnection, contacts: str, *, rules: MatchRules, into: str) -> None:
    """Temp table `into`: contact int32, connection, external_id, keys list<string> (sorted, distinct).

    `contacts` is a table name or `(select …)`; its deleted rows are left out. Columns that the rules name
    but the relation lacks are passed over: that connection was not pulled yet.
    """
    columns = {
        str(name): str(kind) for name, kind, *_ in database.execute(f"DESCRIBE FROM {contacts}").fetchall()
    }
    said = _said(contacts, rules, columns)
    database.execute(f"CREATE OR REPLACE TEMP TABLE identify_said AS {said}")
    odd = database.execute(
        f"SELECT DISTINCT value FROM identify_said"
        f" WHERE kind = '{EMAIL}' AND NOT regexp_full_match(value, ?)",
        [_PLAIN],
    ).fetchall()
    spelled = {value: email_key(value) for (value,) in odd}
    spellings = pa.table(
        {"value": list(spelled), "email": list(spelled.values())},
        schema=pa.schema([("value", pa.string()), ("email", pa.string())]),
    )
    database.register("identify_spellings", spellings)
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE {into} AS
        WITH spelled AS (
            SELECT contact, said.kind,
                CASE WHEN said.kind <> '{EMAIL}' THEN said.value
                     WHEN regexp_full_match(said.value, '{_PLAIN}') THEN lower(said.value)
                     ELSE spelling.email END AS value
            FROM identify_said AS said
            LEFT JOIN identify_spellings AS spelling ON said.kind = '{EMAIL}' AND said.value = spelling.value
        ), keyed AS (
            SELECT contact, list_sort(list(DISTINCT kind || ':' || value)) AS keys
            FROM spelled
            WHERE CASE WHEN kind = '{EMAIL}'
                THEN length(value) <= 254 AND regexp_full_match(value, {text_literal(EMAIL_PATTERN)})
                ELSE lower(value) NOT IN {_PLACEHOLDERS} END
            GROUP BY contact
        )
        SELECT CAST(contact AS INTEGER) AS contact, connection, external_id,
            coalesce(keys, CAST([] AS VARCHAR[])) AS keys
        FROM {contacts} LEFT JOIN keyed USING (contact)
        WHERE NOT coalesce(deleted, false)"""
    )
    database.unregister("identify_spellings")
    database.execute("DROP TABLE identify_said")


def key_columns(database: duckdb.DuckDBPyConnection, contacts: str, rules: MatchRules) -> list[str]:
    """The columns of `contacts`, quoted, that `build_keys` reads."""
    named = {f"{connection}.{column}" for sources in (rules.emails, *rules.shared_ids.values())
             for connection, column in sources}  # fmt: skip
    named |= {"contact", "connection", "external_id", "address", "deleted"}
    there = database.execute(f"DESCRIBE FROM {contacts}").fetchall()
    return [quoted(str(name)) for name, *_ in there if name in named]


def is_blocked_sql(key: str, rules: MatchRules) -> str:
    """SQL: whether the key column `key` is an address that stands for no single person."""
    address = f"substr({key}, {len(EMAIL) + 2})"
    blocked = rules.blocked
    tests = [
        f"{expression} IN ({', '.join(map(text_literal, sorted(values)))})"
        for expression, values in (
            (address, blocked.addresses),
            (f"regexp_replace({address}, '@[^@]*$', '')", blocked.local_parts),
            (f"regexp_extract({address}, '[^@]*$')", blocked.domains),
        )
        if values
    ]
    return f"(starts_with({key}, '{EMAIL}:') AND ({' OR '.join(tests)}))" if tests else "false"


def is_blocked(key: str, rules: MatchRules) -> bool:
    """Whether a key is an address that stands for no single person."""
    kind, _, address = key.partition(":")
    local, at, domain = address.rpartition("@")
    blocked = rules.blocked
    return kind == EMAIL and (
        address in blocked.addresses
        or (local if at else address) in blocked.local_parts
        or domain in blocked.domains
    )


def _said(contacts: str, rules: MatchRules, columns: Mapping[str, str]) -> str:
    """One row per contact and source that says something: contact, kind, value."""
    parts = []
    kinds = [(EMAIL, rules.emails), *rules.shared_ids.items()]
    for kind, sources in kinds:
        for connection, column in sources:
            of_record = column in ("external_id", "address")
            name = column if of_record else f"{connection}.{column}"
            if name not in columns:
                continue
            value = _as_text(quoted(name), columns[name])
            only = f" AND connection = {text_literal(connection)}" if of_record else ""
            parts.append(
                f"SELECT contact, {text_literal(kind)} AS kind, {value} AS value FROM {contacts}"
                f" WHERE NOT coalesce(deleted, false) AND coalesce({value}, '') <> ''{only}"
            )
    nothing = "SELECT 0 AS contact, '' AS kind, '' AS value WHERE false"
    return " UNION ALL ".join(parts) if parts else nothing


def _as_text(column: str, kind: str) -> str:
    """An id kept as a number (millionths) is spelled like the same id kept as a text."""
    if kind == "VARCHAR":
        return f"trim({column})"
    if kind == "BIGINT":
        fraction = f"rtrim(CAST(CAST({column} AS DECIMAL(25, 0)) * 0.000001 AS VARCHAR), '0')"
        return (
            f"CASE WHEN {column} % {NUMBER_SCALE} = 0 THEN CAST({column} // {NUMBER_SCALE} AS VARCHAR)"
            f" ELSE {fraction} END"
        )
    return f"CAST({column} AS VARCHAR)"
