"""How a platform says that the members of an audience are the same as last time, so that none are read.

While changes are on their way the mark is `unseen`: what the platform said it did counts only when it was
seen, in its count of members right after, or else by the next look at the members themselves.
"""

from __future__ import annotations

from typing import TypeGuard

from connectors.base import Audience, Connector, MarksMembers, RemoteAudience

_UNSEEN = "unseen "


def unseen(mark: str | None) -> str:
    """Changes go out now; `mark` is what was seen last, which stays in it however often this is said."""
    return mark if is_unseen(mark) else f"{_UNSEEN}{mark or ''}"


def is_unseen(mark: str | None) -> TypeGuard[str]:
    """Whether changes went out and nobody has seen yet what became of them."""
    return mark is not None and mark.startswith(_UNSEEN)


def shows(mark: str | None, *, before: str | None, added: int, removed: int) -> bool:
    """Whether the count in the mark moved from that in `before` (maybe unseen) by just these changes.

    A mark without a count shows nothing. An audience that had no mark was empty or its count was not known.
    """
    then, now = _count((before or "").removeprefix(_UNSEEN)), _count(mark or "")
    return then is not None and now is not None and now == then + added - removed


def _count(mark: str) -> int | None:
    first = mark.partition(" ")[0]
    return int(first) if first.isdigit() else None


def mark_of(connector: Connector, found: RemoteAudience, *, segment: str) -> str | None:
    """The audience's mark: of the listing, or of a call of its own where the listing cannot tell."""
    if isinstance(connector, MarksMembers):
        return connector.members_mark(Audience(segment, found.name, found.kind, found.remote_id))
    return found.mark
