"""The settings of a connection, checked without network, SDK or the secrets themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from connectors.errors import BadSource
from connectors.registry import SettingValue

SUFFIX = ".salesforce.com"
DOMAIN = re.compile(r"(?:https://)?([a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*)\.salesforce\.com/?", re.IGNORECASE)
CUSTOM_FIELD = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
FIELD = re.compile(r"[A-Za-z]\w*")
MOST_CONNECTIONS = 25


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one connection. `domain` is without `.salesforce.com`."""

    domain: str
    consumer_key: str
    consumer_secret: str | None
    private_key: str | None
    username: str | None
    api_version: str
    base_url: str | None
    connections: int
    daily_reserve: float
    lookback_s: int
    fields: tuple[str, ...] | None
    own_field: str
    create_field: bool
    permission_set: str | None
    own_campaigns: str
    write_without_opt_out: bool
    hard_delete: bool

    @property
    def sandbox(self) -> bool:
        """Sandboxes log in at test.salesforce.com."""
        return ".sandbox." in f".{self.domain}."


def settings_problems(settings: Mapping[str, SettingValue]) -> Iterator[str]:
    """Everything that is wrong, as "KEY: sentence". Secrets may still be references and are not looked at."""
    domain = str(settings.get("domain") or "")
    found = DOMAIN.fullmatch(domain)
    if domain and found is None:
        yield "domain: is the org's My Domain, like acme.my.salesforce.com"
    elif found is not None and found.group(1).lower() in ("login", "test", "www"):
        yield "domain: is not login or test but the org's own, like acme.my.salesforce.com"
    secret, key = settings.get("consumer_secret"), settings.get("private_key")
    if (secret is None) == (key is None):
        yield "consumer_secret: give either this (client credentials) or private_key (JWT)"
    elif key is not None and not settings.get("username"):
        yield "username: is needed with private_key"
    if not re.fullmatch(r"\d\d\.0", str(settings.get("api_version", "66.0"))):
        yield 'api_version: is written like "66.0"'
    base_url = settings.get("base_url")
    if base_url is not None and not re.match(r"https?://\S+$", str(base_url)):
        yield "base_url: must start with https:// or http://"
    connections = settings.get("connections", 4)
    if not _whole(connections) or not 1 <= int(str(connections)) <= MOST_CONNECTIONS:
        yield f"connections: must be between 1 and {MOST_CONNECTIONS}"
    share = settings.get("daily_reserve", 0.1)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        yield "daily_reserve: must be at least 0 and less than 1"
    if not _whole(settings.get("lookback_s", 300)):
        yield "lookback_s: must be a whole number, not less than 0"
    if not CUSTOM_FIELD.fullmatch(str(settings.get("own_field", "Segments__c"))):
        yield "own_field: is the API name of a custom field, like Segments__c"
    fields = settings.get("fields")
    if fields is not None and not (
        isinstance(fields, Sequence)
        and not isinstance(fields, str)
        and all(isinstance(name, str) and FIELD.fullmatch(name) for name in fields)
    ):
        yield 'fields: is a list of API names, like ["Email", "Level__c"]'
    for name in ("create_field", "write_without_opt_out", "hard_delete"):
        if not isinstance(settings.get(name, False), bool):
            yield f"{name}: must be true or false"
    if settings.get("create_field") is True and not settings.get("permission_set"):
        yield "permission_set: is needed with create_field, or the new field would be hidden from everybody"


def load(settings: Mapping[str, SettingValue]) -> Settings:
    """The settings with defaults filled in. Raises BadSource with everything that is wrong."""
    given = {name: value for name, value in settings.items() if value is not None}
    problems = [f"{name}: is missing" for name in ("domain", "consumer_key") if not given.get(name)]
    problems += settings_problems(given)
    if problems:
        raise BadSource(f"salesforce: {'; '.join(problems)}")

    def text(name: str) -> str | None:
        return str(given[name]) if name in given else None

    fields = given.get("fields")
    domain = DOMAIN.fullmatch(str(given["domain"]))
    return Settings(
        domain=domain.group(1).lower() if domain else "",
        consumer_key=str(given["consumer_key"]),
        consumer_secret=text("consumer_secret"),
        private_key=text("private_key"),
        username=text("username"),
        api_version=str(given.get("api_version", "66.0")),
        base_url=text("base_url"),
        connections=int(str(given.get("connections", 4))),
        daily_reserve=float(str(given.get("daily_reserve", 0.1))),
        lookback_s=int(str(given.get("lookback_s", 300))),
        fields=tuple(str(f) for f in fields) if isinstance(fields, Sequence) else None,
        own_field=str(given.get("own_field", "Segments__c")),
        create_field=given.get("create_field") is True,
        permission_set=text("permission_set"),
        own_campaigns=str(given.get("own_campaigns", "segsync: ")),
        write_without_opt_out=given.get("write_without_opt_out") is True,
        hard_delete=given.get("hard_delete") is True,
    )


def _whole(value: SettingValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
