"""What a refusal outside of a person's own change means for the engine."""

from __future__ import annotations

from connectors.errors import AudienceLost, BadSource, ConnectorError, UnexpectedResponse
from connectors.mailchimp.client import Client, Refused


def judged(list_id: str, refused: Refused) -> ConnectorError:
    """The audience is not there, or we do not understand the answer."""
    if refused.missing:
        return BadSource(f"mailchimp: there is no audience with the id {list_id}; see list in the config")
    return UnexpectedResponse(f"Mailchimp answered {refused.status} {refused.code}: {refused.reason}")


def lost(client: Client, list_id: str, refused: Refused) -> ConnectorError:
    """A tag that is not there: the tag alone, or the whole audience with it?"""
    if not refused.missing:
        return judged(list_id, refused)
    check_list(client, list_id)
    return AudienceLost("the tag was deleted on Mailchimp")


def check_list(client: Client, list_id: str) -> None:
    """Raises BadSource if the audience itself is gone: a missing person or tag means nothing then."""
    try:
        client.read(client.lists.get_list, list_id, fields=["id"], expect="id")
    except Refused as refused:
        raise judged(list_id, refused) from None
