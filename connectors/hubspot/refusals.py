"""What a refusal outside of a person's own change means for the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from connectors.errors import ConnectorError, UnexpectedResponse
from connectors.hubspot.answers import Refused

Answer = TypeVar("Answer")


def judged(refused: Refused) -> ConnectorError:
    """A refusal that nobody expected here."""
    return UnexpectedResponse(f"HubSpot answered {refused.status} {refused.code}: {refused.reason}")


def expected(call: Callable[[], Answer]) -> Answer:
    """The answer of a call that HubSpot has no reason to refuse; raises UnexpectedResponse if it does."""
    try:
        return call()
    except Refused as refused:
        raise judged(refused) from None
