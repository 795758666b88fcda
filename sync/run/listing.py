"""The people of a segment as a table or a CSV file. The only output that shows addresses and names."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from typing import TextIO

import pyarrow as pa
from pyroaring import BitMap

from sync.errors import UserError
from sync.run.workspace import Workspace

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
SHOWN = ("email", "first_name", "last_name", "country", "city", "suppressed", "consented_email")


def latest_members(workspace: Workspace, segment: str) -> BitMap:
    """The segment's people as the last run left them; UserError with the nearest id if there is none."""
    latest = workspace.store.segments.latest()
    if segment not in latest:
        from sync.config.problems import did_you_mean

        hint = did_you_mean(segment, latest) or "; `segsync plan` or `segsync run` makes them"
        raise UserError(f"no run has computed a segment {segment}{hint}")
    return BitMap(latest[segment].members)


def members(workspace: Workspace, segment: str, *, limit: int | None) -> tuple[list[str], list[list[object]]]:
    """(columns, rows) of the segment's people by number, at most `limit`."""
    columns = _columns(workspace)
    return columns, [list(row) for row in _rows(workspace, segment, columns, limit=limit)]


def export_csv(workspace: Workspace, segment: str, to: TextIO, *, limit: int | None) -> None:
    """RFC 4180, every cell quoted; what a spreadsheet would take for a formula starts with a quote."""
    columns = _columns(workspace)
    rows = _rows(workspace, segment, columns, limit=limit)
    writer = csv.writer(to, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)


def _columns(workspace: Workspace) -> list[str]:
    there = workspace.store.lake.columns("people")
    return ["person", *(name for name in SHOWN if name in there)]


def _rows(
    workspace: Workspace, segment: str, columns: list[str], *, limit: int | None
) -> Iterator[tuple[object, ...]]:
    wanted = latest_members(workspace, segment)
    if limit is not None:
        wanted = wanted[:limit]
    lake = workspace.store.lake
    database = lake.connect()
    try:
        database.register("wanted_people", pa.table({"person": pa.array(list(wanted), pa.int32())}))
        names = ", ".join(f'"{name}"' for name in columns)
        cursor = database.execute(
            f"SELECT {names} FROM {lake.relation('people')}"
            " WHERE person IN (SELECT person FROM wanted_people) ORDER BY person"
        )
        while rows := cursor.fetchmany(10_000):
            for row in rows:
                yield tuple(_plain(value) for value in row)
    finally:
        database.close()


def cell(value: object) -> object:
    """A value that no spreadsheet runs: texts that begin like a formula get a quote before them.

    Contact data is written by strangers through public forms. Numbers typed by us stay numbers.
    """
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = str(value).replace("\0", "")
    return "'" + text if text.lstrip(" \u00a0\ufeff").startswith(_FORMULA) else text


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    return value
