"""`[alerts]` and `[[alerts.channel]]`: what is watched, and who is told over which channel."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from sync.config.alerting import (
    ALWAYS,
    AlertKind,
    AlertSettings,
    ChannelKind,
    ChannelSettings,
    EmailSettings,
    Encryption,
    HookSettings,
    Level,
)
from sync.config.problems import did_you_mean
from sync.config.schedules import read_seconds
from sync.config.section import Section, kind_of
from sync.secrets import Secret

_NAME = re.compile(r"[a-z0-9-]+")
_ADDRESS = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]")
_PLACE = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):[1-9]\d{0,4}")
_PORTS = {Encryption.STARTTLS: 587, Encryption.TLS: 465, Encryption.NONE: 25}


def read_alerts(section: Section) -> AlertSettings:
    """The section; channels have names of their own."""
    channels: list[ChannelSettings] = []
    for part in section.tables("channel"):
        made = _channel(part)
        if made is not None:
            if made.name in {one.name for one in channels}:
                part.error("name", "another channel has this name")
            channels.append(made)
    off = _kinds(section, "off") or ()
    for position, kind in enumerate(off):
        if kind in ALWAYS:
            place = (*section.path, "off", position)
            section.report.error(place, f"{kind} cannot be switched off; mute a channel for some days")
    internal = []
    for position, place_ in section.placed_texts("internal"):
        if not _PLACE.fullmatch(place_):
            section.report.error(
                (*section.path, "internal", position), 'must be a host and a port, such as "chat.lan:443"'
            )
        internal.append(place_.lower())
    made_settings = AlertSettings(
        channels=tuple(channels),
        off=frozenset(off),
        expect_run_every_s=read_seconds(section, "expect_run_every"),
        internal=tuple(internal),
    )
    section.close()
    return made_settings


def _channel(section: Section) -> ChannelSettings | None:
    shape = 'small letters, digits and -, such as "on-call"'
    name = section.required_text("name", _NAME, shape)
    if not section.has("kind"):
        section.error(None, f"kind is missing; known: {', '.join(ChannelKind)}")
    written = section.choice("kind", list(ChannelKind), "kind of channel")
    minimum = section.choice("minimum", ["warning", "critical"], "level") or Level.WARNING
    triggers = _kinds(section, "triggers")
    mute_until = _date(section, "mute_until")
    if written is None:
        return None  # its other keys cannot be judged
    kind = ChannelKind(written)
    way = _email(section) if kind is ChannelKind.EMAIL else _hook(section, kind)
    section.close()
    return ChannelSettings(name, kind, way, Level(minimum), triggers, mute_until)


def _email(section: Section) -> EmailSettings:
    written = section.choice("encryption", list(Encryption), "encryption") or Encryption.STARTTLS
    encryption = Encryption(written)
    host = section.required_text("host", _HOST, "the name of a mail server")
    port = section.whole("port", _PORTS[encryption], low=1, high=65535)
    user, password = section.optional_text("user"), section.secret("password")
    if (user is None) != (password is None):
        section.error(None, "user and password belong together")
    if password is not None and encryption is Encryption.NONE:
        section.error("encryption", "a password is never sent in the clear; use starttls or tls")
    sender = section.required_text("from", _ADDRESS, "one address")
    if not section.has("to"):
        section.error(None, "to is missing: a list of addresses")
    recipients = section.placed_texts("to")
    for position, one in recipients:
        if not _ADDRESS.fullmatch(one):
            section.report.error((*section.path, "to", position), "must be one address")
    if section.has("to") and not recipients:
        section.error("to", "must have an address")
    return EmailSettings(
        host, port, encryption, sender, tuple(one for _, one in recipients), user=user, password=password
    )


def _hook(section: Section, kind: ChannelKind) -> HookSettings:
    url: str | Secret = ""
    if not section.has("url"):
        section.take("url")
        section.error(None, "url is missing")
    elif kind is ChannelKind.SLACK or _is_reference(section.values["url"]):
        url = section.secret("url") or ""  # whoever has a Slack address may write to the channel
    else:
        url = section.text("url", "")
        problem = url_problem(url) if url else None
        if problem:
            section.error("url", problem)
    secret = None
    if kind is ChannelKind.WEBHOOK:
        secret = section.secret("secret")
        if not section.has("secret"):
            section.error(None, "secret is missing: what is sent is signed with it")
    return HookSettings(url, secret)


def url_problem(url: str) -> str | None:
    """What is wrong with the address of a hook; None if nothing is."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme != "https" or not parts.hostname:
        return 'must begin with "https://"'
    if parts.username is not None or parts.password is not None:
        return "must hold no user and no password; put the whole address into env:NAME or file:PATH"
    if any(letter.isspace() or not letter.isprintable() for letter in url) or not url.isascii():
        return "has letters that belong into no address"
    return None


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def _kinds(section: Section, key: str) -> tuple[AlertKind, ...] | None:
    """Kinds by name; None if the key is absent."""
    found: list[AlertKind] = []
    written: Sequence[tuple[int, str]] = section.placed_texts(key)
    for position, name in written:
        if name in list(AlertKind):
            found.append(AlertKind(name))
        else:
            known = did_you_mean(name, list(AlertKind))
            section.report.error((*section.path, key, position), f"there is no such trigger{known}")
    return tuple(found) if section.has(key) else None


def _date(section: Section, key: str) -> dt.date | None:
    value = section.take(key)
    if value is None:
        return None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    what = "a time" if isinstance(value, dt.datetime | dt.time) else kind_of(value)
    section.error(key, f"must be a date without quotes, such as 2027-01-31, not {what}")
    return None
