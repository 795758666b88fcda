"""Who is told of what is wrong, and of what kinds of trouble, as settings: frozen values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from sync.secrets import Secret


class Level(StrEnum):
    """How bad it is, from good to bad."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0, 1, 2."""
        return list(Level).index(self)


class AlertKind(StrEnum):
    """What is watched. Each kind is watched for every subject it has: a connection, a segment, a schedule."""

    RUN_FAILED = "run_failed"
    CONNECTION_FAILED = "connection_failed"
    REJECTED = "rejected"
    GIVEN_UP = "given_up"
    NO_RUN = "no_run"
    RUN_TIME = "run_time"
    SEGMENT_SIZE = "segment_size"
    DRIFT = "drift"
    QUOTA = "quota"
    PLAN_WAITING = "plan_waiting"
    FROZEN = "frozen"
    EVALUATION = "evaluation"


ALWAYS = frozenset(
    {AlertKind.RUN_FAILED, AlertKind.CONNECTION_FAILED, AlertKind.REJECTED, AlertKind.GIVEN_UP}
)
"""Kinds that cannot be switched off: if no channel takes them, all do."""


class ChannelKind(StrEnum):
    """How a channel is reached."""

    EMAIL = "email"
    SLACK = "slack"
    WEBHOOK = "webhook"


class Encryption(StrEnum):
    """Of the way to the mail server. NONE takes no password."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class EmailSettings:
    """A mail server and who writes to whom over it."""

    host: str
    port: int
    encryption: Encryption
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class HookSettings:
    """An address that takes JSON over https; `secret` signs what is sent."""

    url: str | Secret
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One `[[alerts.channel]]`. `triggers` None: all kinds. Until `mute_until` begins, nothing is sent."""

    name: str
    kind: ChannelKind
    way: EmailSettings | HookSettings
    minimum: Level = Level.WARNING
    triggers: tuple[AlertKind, ...] | None = None
    mute_until: dt.date | None = None


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """`expect_run_every_s`: for installations whose runs are started from outside, by cron say."""

    channels: tuple[ChannelSettings, ...] = ()
    off: frozenset[AlertKind] = frozenset()
    expect_run_every_s: int | None = None
    internal: tuple[
        str, ...
    ] = ()  # "host:port" inside the own network, or at another port, that hooks may reach
