"""`[records.NAME]`: which activity tells the states of things that belong to a person, such as deals.
`[places.NAME]`: which facts tell where a person is."""

from __future__ import annotations

import re

from sync.config.section import Section
from sync.config.settings import PlaceSettings, RecordSettings

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def read_records(section: Section) -> dict[str, RecordSettings]:
    """Every `[records.NAME]`; whether the kinds and the key exist is known when the streams are."""
    found: dict[str, RecordSettings] = {}
    for name, inner in section.sections():
        if not _NAME.fullmatch(name):
            inner.error(None, "the name of a record has small letters, digits and _, such as deal")
        key, kinds = inner.required_text("key"), inner.texts("kinds")
        if not kinds:
            inner.error(
                "kinds" if inner.has("kinds") else None, 'kinds names the activity, such as ["deal_open"]'
            )
        found[name] = RecordSettings(name, key, kinds, inner.text("meaning", ""))
        inner.close()
    return found


def read_places(section: Section) -> dict[str, PlaceSettings]:
    """Every `[places.NAME]`; whether the facts exist is known when the streams are."""
    found: dict[str, PlaceSettings] = {}
    for name, inner in section.sections():
        if not _NAME.fullmatch(name):
            inner.error(None, "the name of a place has small letters, digits and _, such as location")
        latitude, longitude = inner.required_text("latitude"), inner.required_text("longitude")
        found[name] = PlaceSettings(name, latitude, longitude, inner.text("meaning", ""))
        inner.close()
    return found
