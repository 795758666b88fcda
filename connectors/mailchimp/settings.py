"""Checks a connection's settings without network, SDK or the key itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from connectors.registry import SettingValue

MOST_CONNECTIONS = 10
FIELD_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,9}")


def settings_problems(settings: Mapping[str, SettingValue]) -> Iterator[str]:
    """Everything that is wrong, as "KEY: sentence". The key may still be a reference and is not looked at."""
    connections = settings.get("connections", 6)
    if not _whole(connections) or not 1 <= int(str(connections)) <= MOST_CONNECTIONS:
        yield "connections: must be between 1 and 10, all that Mailchimp allows for an account"
    own_field = settings.get("own_field", "SEGMENTS")
    if not isinstance(own_field, str) or not FIELD_NAME.fullmatch(own_field):
        yield "own_field: is a merge tag: capital letters, digits and _, at most 10, starting with a letter"
    for name in ("lookback_s", "campaign_days", "full_days"):
        if not _whole(settings.get(name, 0)):
            yield f"{name}: must be a whole number, not less than 0"
    base_url = settings.get("base_url")
    if base_url is not None and not re.match(r"https?://\S+$", str(base_url)):
        yield "base_url: must start with https:// or http://"


def address_for(key: str) -> str | None:
    """Mailchimp's address for a key, which ends in its data centre; None if it does not."""
    centre = key.rpartition("-")[2] if key.count("-") == 1 else ""
    return f"https://{centre}.api.mailchimp.com" if re.fullmatch(r"[a-z]+\d+", centre) else None


def _whole(value: SettingValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
