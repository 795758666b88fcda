"""Where a read stands: in each lane (one query of one object) a time and an id, both inclusive of nothing.

Rows come in the order of (SystemModstamp, Id), a page at a time, each by a query of its own that starts
after the last row of the page before. No cursor of the server is kept open, so none can expire, and a row
that changes meanwhile only moves to the end. Times have whole seconds and a long transaction shows late, so
the next read starts `lookback` before this one began, unless all that was there is older.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connectors.errors import CursorExpired
from connectors.positions import refuse_future

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything up to this row has been read. An empty `id`: nothing of the second `at` yet."""

    at: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """The cursor of a stream. While a read is under way it names its lane, its start and its listing."""

    marks: Mapping[str, Mark] = field(default_factory=dict)
    lane: str | None = None
    started: str | None = None
    listing: str | None = None

    def dump(self) -> str:
        """The cursor as stored by the run."""
        given = {
            "marks": {name: [mark.at, mark.id] for name, mark in self.marks.items()},
            "lane": self.lane,
            "started": self.started,
            "listing": self.listing,
        }
        return json.dumps({k: v for k, v in given.items() if v is not None}, separators=(",", ":"))

    @classmethod
    def load(cls, cursor: str, *, now: datetime) -> Position:
        """Raises CursorExpired for a cursor that is not one of ours, or that lies in the future."""
        try:
            given = json.loads(cursor)
            marks = {str(name): Mark(str(at), str(id)) for name, (at, id) in given["marks"].items()}
            position = cls(marks, given.get("lane"), given.get("started"), given.get("listing"))
            texts = (*(mark.at for mark in marks.values()), *filter(None, [position.started]))
            times = [parsed(text) for text in texts]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CursorExpired("the stored position of this stream cannot be read; reading anew") from error
        refuse_future(times, now=now)
        return position


def parsed(text: str) -> datetime:
    """A time as cursors and queries write it."""
    return datetime.strptime(text, FORMAT).replace(tzinfo=UTC)


def written(moment: datetime) -> str:
    """Whole seconds, UTC, as SOQL wants them."""
    return moment.astimezone(UTC).strftime(FORMAT)
