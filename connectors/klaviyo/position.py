"""Where a read of Klaviyo stands: what the run stores as the cursor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from connectors.errors import CursorExpired
from connectors.positions import refuse_future

UNREADABLE = "the stored position of this stream cannot be read; reading anew"


@dataclass(frozen=True, slots=True)
class Position:
    """Profiles. Times are texts in ISO 8601.

    `reached`: everybody whose `updated` is before this second has been read. `checked`: our clock when the
    last complete read began; consent and list changes are asked for from there. `full`: when the last full
    read began. `listing`: the full read that is under way.
    """

    reached: str | None = None
    checked: str | None = None
    full: str | None = None
    listing: str | None = None

    def dump(self) -> str:
        """As stored by the run."""
        given = {name: getattr(self, name) for name in ("reached", "checked", "full", "listing")}
        return json.dumps({k: v for k, v in given.items() if v is not None}, separators=(",", ":"))

    @classmethod
    def load(cls, cursor: str | None, *, now: datetime) -> Position:
        """Raises CursorExpired for a cursor that is not one of ours, or that lies in the future."""
        if cursor is None:
            return cls()
        given = _object(cursor)
        if not given or set(given) - {"reached", "checked", "full", "listing"}:
            raise CursorExpired(UNREADABLE)
        refuse_future([_time(text) for text in given.values()], now=now)
        return cls(**given)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class EventPosition:
    """Events: metric id → everything before this second has been read."""

    reached: Mapping[str, str] = field(default_factory=dict)

    def dump(self) -> str:
        """As stored by the run."""
        return json.dumps({"metrics": dict(self.reached)}, separators=(",", ":"))

    @classmethod
    def load(cls, cursor: str | None, *, now: datetime) -> EventPosition:
        """Raises CursorExpired for a cursor that is not one of ours, or that lies in the future."""
        if cursor is None:
            return cls()
        found = _object(cursor).get("metrics")
        if not isinstance(found, dict):
            raise CursorExpired(UNREADABLE)
        refuse_future([_time(text) for text in found.values()], now=now)
        return cls(found)

    def at(self, metric: str, reached: str) -> EventPosition:
        """The position after a page of that metric."""
        return EventPosition({**self.reached, metric: reached})


def iso(moment: datetime) -> str:
    """In whole seconds, as Klaviyo's times are, and with Z: a + would need quoting in an address."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def earlier(text: str, gap: timedelta) -> str:
    """So long before."""
    return iso(datetime.fromisoformat(text) - gap)


def _object(cursor: str) -> Mapping[str, object]:
    try:
        found = json.loads(cursor)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CursorExpired(UNREADABLE)
    return found


def _time(text: object) -> datetime:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        raise CursorExpired(UNREADABLE) from None
    if time.tzinfo is None:
        raise CursorExpired(UNREADABLE)
    return time
