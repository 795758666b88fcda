"""Reads streams lane by lane so that nothing is lost while records change under us (see position.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pyarrow as pa

from connectors.base import Page, RejectedRow
from connectors.errors import BadSource, CursorExpired
from connectors.salesforce.answers import Refused, judged
from connectors.salesforce.client import Client, Json
from connectors.salesforce.mapping import reach
from connectors.salesforce.position import Mark, Position, parsed, written

PAGE = 2000
LONGEST_QUERY = 12_000
"""Characters; an address may have about 16,000."""
Converted = tuple[pa.Table, tuple[RejectedRow, ...]]


@dataclass(frozen=True, slots=True)
class Lane:
    """One query of one object, by one time stamp. `name` stands in cursors."""

    name: str
    object: str
    fields: tuple[str, ...]
    stamp: str = "SystemModstamp"  # or that of a related record, e.g. "Account.SystemModstamp"
    where: str = ""
    bin: bool = False  # from the second read on, deleted rows are asked for, too
    archive: bool = False  # old rows that only queryAll shows
    only_changes: bool = False  # a read from the start has these rows by another lane


def quoted(text: str) -> str:
    """A text as SOQL writes it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


class Reader:
    """Reads one org."""

    def __init__(self, client: Client, *, lookback_s: int, page: int = PAGE) -> None:
        self._client = client
        self._lookback = timedelta(seconds=lookback_s)
        self._page = page

    def stream(
        self,
        lanes: Sequence[Lane],
        after: str | None,
        convert: Callable[[Lane, list[Json]], Converted],
        *,
        listed: bool,
    ) -> Iterator[Page]:
        """Pages of all lanes; the last one is empty and carries the final position.

        `listed`: a read from the start names everybody there is, so whoever is missing is gone.
        """
        now = written(self._client.time.utc_now())
        if after is None:
            position = Position(lane=lanes[0].name, started=now, listing=now if listed else "")
        else:
            position = Position.load(after, now=self._client.time.utc_now())
        full = position.listing is not None
        if position.started is None or position.lane is None:
            position = replace(position, started=now, lane=lanes[0].name)
        if position.lane not in [lane.name for lane in lanes]:
            raise CursorExpired("the stored position belongs to other settings; reading anew")
        started = str(position.started)
        edge = written(parsed(started) - self._lookback)
        marks = dict(position.marks)
        first = [lane.name for lane in lanes].index(str(position.lane))
        for lane in lanes[first:]:
            if not (full and lane.only_changes):
                for rows, mark in self._lane(lane, marks.get(lane.name), full=full):
                    marks[lane.name] = mark
                    table, rejected = convert(lane, rows)
                    here = Position(dict(marks), lane.name, started, position.listing)
                    yield Page(table, here.dump(), rejected, position.listing or None)
            reached = marks.get(lane.name)
            if reached is None or reached.at >= edge:
                marks[lane.name] = Mark(edge)
        empty, _ = convert(lanes[0], [])
        name = position.listing or None
        yield Page(empty, Position(marks).dump(), (), name, listing_ends=name is not None)

    def _lane(self, lane: Lane, mark: Mark | None, *, full: bool) -> Iterator[tuple[list[Json], Mark]]:
        deleted = lane.archive or (lane.bin and not full)
        while True:
            after = "" if mark is None else _after(lane.stamp, mark)
            where = " AND ".join(part for part in (lane.where, after) if part)
            rows, more = self._rows(
                lane.object, (*lane.fields, lane.stamp), where, lane.stamp, deleted=deleted
            )
            if rows:
                last = rows[-1]
                mark = Mark(str(reach(last, lane.stamp))[:19] + "Z", str(last["Id"]))
                yield rows, mark
            if not more or mark is None:
                return

    def scan(self, object: str, fields: Sequence[str], where: str = "") -> Iterator[list[Json]]:
        """All rows by id, for lists without a time."""
        last = ""
        while True:
            after = f"Id > {quoted(last)}" if last else ""
            both = " AND ".join(part for part in (where, after) if part)
            rows, more = self._rows(object, fields, both, "")
            if rows:
                yield rows
                last = str(rows[-1]["Id"])
            if not more:
                return

    def _rows(
        self, object: str, fields: Sequence[str], where: str, order: str, *, deleted: bool = False
    ) -> tuple[list[Json], bool]:
        """(rows, whether there may be more). The server may send fewer rows than we ask for."""
        columns = ", ".join(dict.fromkeys(("Id", *fields)))
        soql = f"SELECT {columns} FROM {object}"
        soql += f" WHERE {where}" if where else ""
        soql += f" ORDER BY {order + ', ' if order else ''}Id LIMIT {self._page}"
        if len(soql) > LONGEST_QUERY:
            raise BadSource(
                f"salesforce: {object} has more fields than one query can name;"
                ' list those that rules need, fields = ["…", "…"]'
            )
        try:
            answer = self._client.query(soql, deleted=deleted)
        except Refused as refused:
            raise judged(refused) from None
        rows = list(answer["records"])
        return rows, bool(rows) and (not answer["done"] or len(rows) >= self._page)


def _after(stamp: str, mark: Mark) -> str:
    """Rows after the mark, by time and id."""
    if not mark.id:
        return f"{stamp} >= {mark.at}"
    return f"{stamp} >= {mark.at} AND ({stamp} > {mark.at} OR Id > {quoted(mark.id)})"
