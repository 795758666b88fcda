"""The cursor of a stream: where a read stands, as one line of JSON that the run keeps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from connectors.errors import CursorExpired

FUTURE_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Position:
    """Times in milliseconds. After a complete read `since` is set, and neither `until` nor `began`."""

    since: int | None = None  # everything that changed before has been read
    until: int | None = None  # a read of changes is under way and ends here
    reached: int | None = None  # …and everything up to here has been read
    began: int | None = None  # a listing of everybody is under way and began then
    after: str | None = None  # …and stands at this cursor of HubSpot's
    listed: int | None = None  # when the last complete listing began
    archived: int | None = None  # the archive was looked through for what went there before this

    def dump(self) -> str:
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(given, separators=(",", ":"))

    @classmethod
    def load(cls, cursor: str | None, *, now: int) -> Position:
        """Raises CursorExpired for a cursor that is not ours, or that lies in the future."""
        if cursor is None:
            return cls()
        try:
            given = json.loads(cursor)
            after = given.pop("after", None)
            numbers = {str(name): int(value) for name, value in given.items()}
            position = cls(**numbers, after=None if after is None else str(after))
        except (ValueError, AttributeError, TypeError) as error:
            raise CursorExpired("the stored position of this stream cannot be read; reading anew") from error
        if any(value > now + FUTURE_MS for value in numbers.values()):
            raise CursorExpired("the stored position of this stream lies in the future; reading anew")
        if position.since is None and position.began is None:
            raise CursorExpired("the stored position of this stream says nothing; reading anew")
        return position
