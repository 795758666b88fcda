"""How a platform says that the members of an audience are the same as last time, so that none are read."""

from __future__ import annotations

from connectors.base import Audience, Connector, MarksMembers, RemoteAudience


def mark_of(connector: Connector, found: RemoteAudience, *, segment: str) -> str | None:
    """The audience's mark: of the listing, or of a call of its own where the listing cannot tell."""
    if isinstance(connector, MarksMembers):
        return connector.members_mark(Audience(segment, found.name, found.kind, found.remote_id))
    return found.mark
