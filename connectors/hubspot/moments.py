"""Times as HubSpot writes them: ISO 8601 in UTC with milliseconds, or milliseconds since 1970 as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(value: object) -> datetime | None:
    """Aware UTC; null for nothing and for what is no time."""
    text = "" if value is None else str(value)
    if not text:
        return None
    try:
        if text.lstrip("-").isdigit() and len(text) > 8:
            return EPOCH + timedelta(milliseconds=int(text))
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def milliseconds(at: datetime) -> int:
    """Whole milliseconds since 1970."""
    return (at - EPOCH) // timedelta(milliseconds=1)
