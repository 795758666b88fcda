"""Errors named after the engine's reaction. A refused *record* is an `Outcome`, never one of these.

Messages name the connection's platform and what to do; they carry no address, no name and no key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


class ConnectorError(Exception):
    """Base of all reactions; never raised itself."""


class RateLimited(ConnectorError):
    """Wait `retry_after_s` seconds (None: the platform did not say), then send the same call again."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QuotaSpent(RateLimited):
    """Park the run: our share of the day's calls is used up. `resets_at`: when one call may look again."""

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, resets_at: datetime | None = None
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.resets_at = resets_at

    def __str__(self) -> str:
        message = super().__str__()
        if self.resets_at is None:
            return message
        return f"{message}; calls are made again from {self.resets_at:%Y-%m-%d %H:%M} UTC on"


class Unavailable(ConnectorError):
    """Back off and send again; whether the call took effect is unknown."""


class Unauthorized(ConnectorError):
    """Pause this connection; a person must mend the credentials or the permissions.

    `scopes`: the rights that are missing, by the platform's names, if it says so.
    """

    def __init__(self, message: str, *, scopes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.scopes = tuple(scopes)


class CursorExpired(ConnectorError):
    """The stored position is no longer valid: read the stream from its start."""


class AudienceLost(ConnectorError):
    """The audience was deleted on the platform: ensure it again, nobody is in it any more."""


class UnexpectedResponse(ConnectorError):
    """The platform answered something we do not understand: stop, write nothing more."""


class BatchRefused(ConnectorError):
    """The platform refused a whole batch for a reason inside it: halve it to find the culprit."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Frozen(ConnectorError):
    """A person stopped all writes: send nothing more until they let it go on. No platform ever says this."""


class BadSource(ConnectorError):
    """The source itself is unusable as configured (missing file or column, wrong encoding): tell the user."""
