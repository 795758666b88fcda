"""Records that must not enter: they make nobody a person and tell nothing, but what they forbid still counts.

Such a record stays in the lake and stays linked, so that its opt-out suppresses the person it belongs to,
what was written to it can be taken back, and it enters by itself once it is mended or the rule is let go.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
from pyroaring import BitMap

from connectors.base import Consent
from sync.fields import FieldSpec
from sync.identify.sql import quoted, text_literal
from sync.quality.finding import FINDINGS, build_findings, findings_alone
from sync.quality.said import LIVING, Said, by_name
from sync.store import Store

NOTE = "quality:kept_out"
"""Note of who is kept out by which rule, and of the pass that found it."""
_FORBIDS = (Consent.OPTED_OUT, Consent.UNDELIVERABLE, Consent.PENDING)
"""Consents that count all the same: they can only keep people from being mailed."""


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Rule → numbers of the contacts it keeps out."""

    by_rule: Mapping[str, BitMap] = field(default_factory=dict)

    @property
    def contacts(self) -> BitMap:
        """All of them."""
        return BitMap.union(BitMap(), *self.by_rule.values())

    def sentences(self) -> list[str]:
        """For the report of a run."""
        return [
            f"{records(len(contacts))} kept out of people ([quality] refuse): segsync quality --rows FILE.csv"
            f" --rule {rule} lists them"
            for rule, contacts in self.by_rule.items()
            if contacts
        ]

    def relations(self, database: duckdb.DuckDBPyConnection, *, contacts: str, links: str) -> tuple[str, str]:
        """(contacts, links) as people are made of them: these records without a value, and nobody who has
        no other record. Registers a table on `database`."""
        if not self.contacts:
            return contacts, links
        kept = self._registered(database)
        forbids = ", ".join(map(text_literal, _FORBIDS))
        masked = f"""(SELECT * FROM {contacts} WHERE NOT ({kept})
            UNION ALL BY NAME
            SELECT contact, connection, changed_at, deleted,
                CASE WHEN email_consent IN ({forbids}) THEN email_consent END AS email_consent
            FROM {contacts} WHERE {kept})"""
        others = f"(SELECT * FROM {links} WHERE person IN (SELECT person FROM {links} WHERE NOT ({kept})))"
        return masked, others

    def apart(
        self,
        database: duckdb.DuckDBPyConnection,
        fields: Mapping[str, FieldSpec],
        *,
        contacts: str,
        links: str,
    ) -> tuple[Said, Said | None]:
        """What the others say, as people are made of it, and what these say, if there are any."""
        if not self.contacts:
            return Said(database, contacts, fields, links), None
        masked, others = self.relations(database, contacts=contacts, links=links)
        stated = f"""(SELECT person, email_consent FROM {others} AS links
            JOIN {masked} AS contacts USING (contact) WHERE {LIVING})"""
        kept = self._registered(database)
        inside, out = (f"(SELECT * FROM {contacts} WHERE {each})" for each in (f"NOT ({kept})", kept))
        theirs = f"(SELECT * FROM {links} WHERE NOT ({kept}))"
        return Said(database, inside, fields, theirs, stated), Said(database, out, fields)

    def _registered(self, database: duckdb.DuckDBPyConnection) -> str:
        """SQL: whether the row is of one of these contacts."""
        database.register("quality_kept", pa.table({"contact": pa.array(list(self.contacts), pa.int32())}))
        return "contact IN (SELECT contact FROM quality_kept)"


def records(count: int) -> str:
    """`1 record is`, `1,240 records are`."""
    return f"{count:,} {'record is' if count == 1 else 'records are'}"


def look(
    database: duckdb.DuckDBPyConnection,
    *,
    contacts: str,
    fields: Sequence[FieldSpec],
    refuse: Iterable[str],
    as_of: dt.datetime,
    changed: str | None = None,
    before: KeptOut | None = None,
) -> KeptOut:
    """Which of the records break one of the rules `refuse`.

    `changed`: a relation with the numbers (column `contact`) of those that may have become others since
    `before`; None: all are looked at.
    """
    rules = tuple(refuse)
    if not rules:
        return KeptOut()
    if changed is not None:
        wanted = {f"{connection}.{column}" for spec in fields for connection, column in spec.sources}
        wanted |= {"contact", "connection", "external_id", "address", "deleted"}
        there = [str(name) for name, *_ in database.execute(f"DESCRIBE FROM {contacts}").fetchall()]
        columns = ", ".join(quoted(name) for name in there if name in wanted)
        database.execute(
            f"""CREATE OR REPLACE TEMP TABLE quality_looked AS
            SELECT {columns} FROM {contacts} WHERE contact IN (SELECT contact FROM {changed})"""
        )
        contacts = "quality_looked"
    said = Said(database, contacts, by_name(fields))
    build_findings(said, findings_alone(said, as_of=as_of), only=rules)
    found = {
        rule: _numbers(database, f"SELECT contact FROM {FINDINGS} WHERE rule = '{rule}'") for rule in rules
    }
    if changed is not None and before is not None:
        again = _numbers(database, f"SELECT contact FROM {changed}")
        found = {rule: found[rule] | (before.by_rule.get(rule, BitMap()) - again) for rule in rules}
    said.drop()
    return KeptOut(found)


def remember(store: Store, kept: KeptOut, *, of: Mapping[str, object]) -> None:
    """Note it as found by the pass `of`; nothing is written where nothing was ever kept out."""
    if not kept.by_rule and store.notes.get(NOTE) is None:
        return
    rows = {
        rule: base64.b64encode(contacts.serialize()).decode("ascii")
        for rule, contacts in kept.by_rule.items()
    }
    store.notes.set(NOTE, {"of": dict(of), "by_rule": rows})


def remembered(store: Store, *, of: Mapping[str, object] | None = None) -> KeptOut | None:
    """What was found last; None: never, or not by the pass `of`."""
    noted = store.notes.get(NOTE)
    if not isinstance(noted, dict) or (of is not None and noted["of"] != of):
        return None
    return KeptOut(
        {rule: BitMap.deserialize(base64.b64decode(text)) for rule, text in noted["by_rule"].items()}
    )


def _numbers(database: duckdb.DuckDBPyConnection, query: str) -> BitMap:
    return BitMap(database.sql(query).to_arrow_table().column("contact").to_numpy().astype("uint32"))
