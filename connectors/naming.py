"""Which audience a name means. One rule for everybody who looks for one by name."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.base import RemoteAudience
from connectors.errors import BadSource


def only_one_named(audiences: Iterable[RemoteAudience], name: str) -> RemoteAudience | None:
    """The audience of that name, whatever its case; None if there is none.

    BadSource if several have it, as some platforms allow: which one is meant is for a person to say.
    """
    folded = name.casefold()
    same = [one for one in audiences if one.name.casefold() == folded]
    if len(same) > 1:
        ids = ", ".join(one.remote_id for one in same)
        raise BadSource(f'{len(same)} {same[0].kind}s are called "{name}" ({ids}); rename all but one')
    return same[0] if same else None
