"""Checks a connection's settings without network, SDK or the key itself, and makes values of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from connectors.base import FieldType
from connectors.registry import SettingValue

MOST_CONNECTIONS = 10
PROPERTY_TYPES: Mapping[str, FieldType] = {
    name: FieldType(name) for name in ("text", "number", "boolean", "date", "datetime", "texts")
}
CURRENCY = re.compile(r"[A-Z]{3}")
KIND = re.compile(r"[a-z][a-z0-9_]*")
WHOLE = {"lookback_s": 600, "event_lookback_s": 86_400, "full_read_days": 7, "job_patience_s": 900}
OWN_PROPERTY = "segsync_segments"


@dataclass(frozen=True, slots=True)
class Settings:
    """A connection's settings, checked. `properties`: name → type; `metrics`: name → kind of activity."""

    own_property: str = OWN_PROPERTY
    properties: Mapping[str, FieldType] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    predictive: bool = True
    currency: str | None = None
    connections: int = 4
    daily_reserve: float = 0.1
    lookback_s: int = WHOLE["lookback_s"]
    event_lookback_s: int = WHOLE["event_lookback_s"]
    full_read_days: int = WHOLE["full_read_days"]
    job_patience_s: int = WHOLE["job_patience_s"]
    record_opt_outs: bool = False


def kind_named(metric: str) -> str:
    """The kind of activity a metric becomes if no other is given: "Started Checkout" → started_checkout."""
    return re.sub(r"[^a-z0-9]+", "_", metric.lower()).strip("_")


def checked(settings: Mapping[str, SettingValue]) -> Settings:
    """The settings as values; those that are wrong are reported by `settings_problems`, not here."""
    own = str(settings.get("own_property") or OWN_PROPERTY)
    whole = {name: int(str(settings.get(name, default))) for name, default in WHOLE.items()}
    return Settings(
        own_property=own,
        properties={n: PROPERTY_TYPES[t] for n, t in _properties(settings.get("properties"))},
        metrics=dict(_metrics(settings.get("metrics"))),
        lists=tuple(str(name) for name in _listed(settings.get("lists"))),
        predictive=bool(settings.get("predictive", True)),
        currency=str(settings["currency"]) if settings.get("currency") else None,
        connections=int(str(settings.get("connections", 4))),
        daily_reserve=float(str(settings.get("daily_reserve", 0.1))),
        record_opt_outs=settings.get("record_opt_outs", False) is True,
        **whole,
    )


def settings_problems(settings: Mapping[str, SettingValue]) -> Iterator[str]:
    """Everything that is wrong, as "KEY: sentence". The key may still be a reference and is not looked at."""
    connections = settings.get("connections", 4)
    if not _whole(connections) or not 1 <= int(str(connections)) <= MOST_CONNECTIONS:
        yield "connections: must be between 1 and 10"
    reserve = settings.get("daily_reserve", 0.1)
    if isinstance(reserve, bool) or not isinstance(reserve, int | float) or not 0 <= reserve < 1:
        yield "daily_reserve: is a share of the day's calls, from 0 to less than 1"
    for name in WHOLE:
        if not _whole(settings.get(name, 0)):
            yield f"{name}: must be a whole number, not less than 0"
    own = settings.get("own_property", OWN_PROPERTY)
    if not isinstance(own, str) or not own.strip() or own.startswith("$"):
        yield "own_property: must be a name; those that start with $ are Klaviyo's own"
    base_url = settings.get("base_url")
    if base_url is not None and not re.match(r"https?://\S+$", str(base_url)):
        yield "base_url: must start with https:// or http://"
    currency = settings.get("currency")
    if currency and not CURRENCY.fullmatch(str(currency)):
        yield "currency: is an ISO 4217 code, such as EUR"
    for name, type_ in _properties(settings.get("properties")):
        if not name or name.startswith("$") or name == own:
            yield f'properties: "{name}" cannot be read: it is Klaviyo\'s own or the one segsync writes'
        if type_ not in PROPERTY_TYPES:
            yield f'properties: "{name}" has the type {type_}; there are: {", ".join(PROPERTY_TYPES)}'
    for name, kind in _metrics(settings.get("metrics")):
        if not KIND.fullmatch(kind):
            yield f'metrics: "{name}" becomes "{kind}"; a kind has small letters, digits and _ only'


def _properties(given: SettingValue) -> list[tuple[str, str]]:
    """`["plan", "points:number"]` as (name, type)."""
    found = []
    for entry in _listed(given):
        name, colon, type_ = str(entry).rpartition(":")
        found.append((name, type_) if colon else (str(entry), "text"))
    return found


def _metrics(given: SettingValue) -> list[tuple[str, str]]:
    """`["Started Checkout"]` or `{ "Viewed Item" = "page_view" }` as (metric, kind)."""
    if isinstance(given, Mapping):
        return [(str(name), str(kind)) for name, kind in given.items()]
    return [(str(name), kind_named(str(name))) for name in _listed(given)]


def _listed(given: SettingValue) -> Sequence[SettingValue]:
    if given is None:
        return ()
    return given if isinstance(given, list | tuple) else (given,)


def _whole(value: SettingValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
