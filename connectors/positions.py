"""What the stored positions of all platforms have in common. Pure; `now` is passed in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from connectors.errors import CursorExpired

AHEAD = timedelta(days=1)
"""How far a position may lie before our clock: clocks differ, and a platform's may be the faster one."""


def refuse_future(times: Iterable[datetime], *, now: datetime) -> None:
    """Raises CursorExpired if a time lies in the future: what changes until then would never be read.

    It happens where a clock was wrong for a while, or where the database is older than the position.
    """
    if any(time > now + AHEAD for time in times):
        raise CursorExpired("the stored position of this stream lies in the future; reading anew")
