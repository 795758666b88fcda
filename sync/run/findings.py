"""Every rule of data quality asked of what the last run left, and the list of what they found.

The list tells contacts by their numbers; addresses, names and ids of platforms only where they are asked for.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pyroaring import BitMap

from sync.assign import IDENTIFIED
from sync.errors import UserError
from sync.fields import FieldSpec
from sync.identify.sql import text_literal
from sync.quality.finding import FINDINGS, build_findings, findings_alone
from sync.quality.kept_out import KeptOut, remembered
from sync.quality.rules import RULES, Dimension
from sync.quality.said import Said, by_name
from sync.quality.together import Doings, findings_together
from sync.run.listing import cell
from sync.run.workspace import Workspace
from sync.whereabouts import bitmap

ROWS = ("contact", "connection", "person", "field", "rule", "severity", "kept_out", "fix")
VALUES = ("external_id", "value", "better")
"""Columns with personal values; only shown where they were asked for."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Findings that were made, on the database of `said`, which is what people are made of. `contacts`,
    `links`: of everybody, also of who is kept out."""

    workspace: Workspace
    said: Said
    contacts: str
    links: str
    fields: Sequence[FieldSpec]
    checked: Mapping[str, int]
    as_of: dt.datetime
    run: int | None
    kept: KeptOut

    def found(self) -> dict[tuple[str, str], BitMap]:
        """(rule, field) → people. What was found in a record that is kept out is no fault of a person."""
        database = self.said.database
        pairs = database.sql(f"SELECT DISTINCT rule, field FROM {FINDINGS}").fetchall()
        order = list(RULES)
        return {
            (rule, field): bitmap(
                database,
                f"""SELECT DISTINCT person FROM {FINDINGS} JOIN {self.said.links} AS links USING (contact)
                WHERE rule = {text_literal(rule)} AND field = {text_literal(field)}""",
            )
            for rule, field in sorted(pairs, key=lambda pair: (order.index(pair[0]), pair[1]))
        }


@contextmanager
def looked(workspace: Workspace) -> Iterator[Looked]:
    """Every rule of quality asked, over the lake as it is; as of the last run, so that asking again tells
    the same. UserError if nothing was ever pulled."""
    store = workspace.store
    if store.notes.get(IDENTIFIED) is None:
        raise UserError(
            "nothing has been pulled yet, so there is nothing to look at; `segsync pull` comes first"
        )
    vocabulary, fields = workspace.vocabulary()
    last = next(iter(store.runs.latest(limit=1)), None)
    as_of = last.as_of if last is not None else workspace.clock.utc_now()
    lake = store.lake
    database = lake.connect()
    try:
        contacts, links = lake.relation("contacts"), lake.relation("links")
        kept = remembered(store) or KeptOut()
        said, out = kept.apart(database, by_name(fields), contacts=contacts, links=links)
        checked = Counter(_of_kept_out(out, kept, as_of=as_of))
        doings = Doings(lake.relation("activity"), frozenset(vocabulary.kinds))
        checked.update(build_findings(said, findings_alone(said, as_of=as_of)))
        checked.update(build_findings(said, findings_together(said, doings, as_of=as_of)))
        run = last.id if last else None
        yield Looked(workspace, said, contacts, links, fields, checked, as_of, run, kept)
    finally:
        database.close()


def _of_kept_out(out: Said | None, kept: KeptOut, *, as_of: dt.datetime) -> Mapping[str, int]:
    """What records that are kept out say by themselves. What they lack is only asked where that keeps them
    out: other records may have it."""
    if out is None:
        return {}
    lacks = Dimension.COMPLETENESS
    only = [rule.id for rule in RULES.values() if rule.dimension is not lacks or rule.id in kept.by_rule]
    checked = build_findings(out, findings_alone(out, as_of=as_of), only=only)
    out.drop(but=FINDINGS)
    return checked


def rows(look: Looked, *, rule: str | None = None, values: bool = False) -> Iterator[dict[str, object]]:
    """Every finding, by connection, contact and rule. `values`: with what stands there, and the ids."""
    if rule is not None and rule not in RULES:
        from sync.config.problems import did_you_mean

        raise UserError(f"there is no rule {rule}{did_you_mean(rule, RULES)}")
    order = " ".join(f"WHEN {text_literal(name)} THEN {place}" for place, name in enumerate(RULES))
    only = f"WHERE rule = {text_literal(rule)}" if rule else ""
    out = look.kept.contacts
    cursor = look.said.database.execute(
        f"""SELECT contact, contacts.connection, person, field, rule, hint,
            contacts.external_id, value, better
        FROM {FINDINGS} JOIN {look.contacts} AS contacts USING (contact)
            LEFT JOIN {look.links} AS links USING (contact)
        {only} ORDER BY contacts.connection, contact, CASE rule {order} END, field, value"""
    )
    while some := cursor.fetchmany(10_000):
        for contact, connection, person, field, name, hint, external_id, value, better in some:
            known = RULES[name]
            row: dict[str, object] = {
                "contact": contact,
                "connection": connection,
                "person": person,
                "field": field,
                "rule": name,
                "severity": known.severity.value,
                "kept_out": contact in out,
                "fix": f"{known.fix} (most likely {hint})" if hint else known.fix,
            }
            if values:
                row |= {"external_id": external_id, "value": value, "better": better}
            yield row


def write_rows(found: Iterator[dict[str, object]], to: TextIO, *, values: bool) -> int:
    """CSV as RFC 4180, safe to open in a spreadsheet; returns how many rows."""
    columns = [*ROWS, *(VALUES if values else ())]
    writer = csv.writer(to, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    count = 0
    for row in found:
        writer.writerow([cell(_plain(row[name])) for name in columns])
        count += 1
    return count


def write_file(found: Iterator[dict[str, object]], to: Path, *, values: bool) -> int:
    """The same into a file, in one step; its owner alone may read it, for personal values may stand in it.

    An earlier list is replaced. UserError, and nothing is written, if any other file is there, or the folder
    takes none.
    """
    real = to.resolve()
    fresh = real.with_name(f".{real.name}.{secrets.token_hex(4)}")
    try:
        if real.is_dir():
            raise UserError(f"{to} is a folder; name a file in it with --rows")
        if real.exists() and not _ours(real):
            raise UserError(f"{to} is no list of findings; name another file with --rows")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="") as file:
            count = write_rows(found, file, values=values)
        fresh.replace(real)
    except OSError as error:
        raise UserError(f"findings could not be written to {to}: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _ours(file: Path) -> bool:
    begins = ",".join(f'"{name}"' for name in ROWS).encode()
    with file.open("rb") as there:
        return there.read(len(begins)) == begins


def _plain(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
