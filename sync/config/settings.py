"""What a config says, checked: frozen values that the run reads. No file access, no secret values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from connectors.registry import SettingValue
from rules.vocabulary import Type
from sync.config.alerting import AlertSettings
from sync.config.approval import ApprovalSettings
from sync.config.measuring import MeasuringSettings
from sync.config.modelling import ModelSettings
from sync.config.problems import Problem, Severity
from sync.config.quality import QualitySettings
from sync.config.timing import ScheduleSettings
from sync.secrets import Secret

Source: TypeAlias = tuple[str, str]
"""(connection, column of its contacts)."""

BLOCKED = (
    "admin@", "billing@", "contact@", "hello@", "info@", "kontakt@", "mail@", "marketing@", "no-reply@",
    "noreply@", "office@", "postmaster@", "sales@", "support@", "webmaster@",
)  # fmt: skip
"""Addresses that stand for an office, not for a person: equal ones must not make two contacts one."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The control database and the lake. `url` reveals the password: call it only to connect."""

    database: str | Secret  # SQLAlchemy URL; a relative SQLite path is already absolute
    lake: str  # absolute path, or a URL such as s3://bucket/lake
    memory_limit: str | None = None  # for scans, e.g. "2GB"; None: the engine's own choice
    keep_lake_days: int = 7  # old states of the lake
    keep_plans_days: int = 90  # batches of decided plans, tasks of runs
    keep_history_days: int = 400  # past memberships and runs
    keep_rejected_days: int = 90  # rows that could not be used, since they were last seen

    def url(self) -> str:
        """The SQLAlchemy URL, read now. SecretError if it is a reference that leads nowhere."""
        return self.database.reveal() if isinstance(self.database, Secret) else self.database


@dataclass(frozen=True, slots=True)
class SparkSettings:
    """An Apache Spark to ask the rules on: the address of its master, and settings of Spark's own."""

    master: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RulesSettings:
    """How rules are asked. What they mean stands in the rule files."""

    spark: SparkSettings | None = None  # None: on DuckDB, on this machine
    incremental: bool = True  # ask only people of whom something may have changed since the last run
    full_hours: int = 24  # … and so often everybody as well, to see that both tell the same


@dataclass(frozen=True, slots=True)
class BusinessSettings:
    """Calendar words use `zone`; money is kept in `currency`, others are converted at load by `rates`."""

    zone: str = "UTC"
    currency: str = "EUR"
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    """ISO 4217 code → units of `currency` for one unit of it."""


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """A declared id that several connections share: equal values mean the same person."""

    name: str
    sources: tuple[Source, ...]  # two or more


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """What makes two contacts one person, and what must not."""

    max_contacts_per_key: int = 10
    blocked: tuple[str, ...] = BLOCKED
    """`info@` blocks that mailbox at every domain, `@example.com` a domain, `a@b.com` one address."""
    keys: tuple[IdentityKey, ...] = ()


@dataclass(frozen=True, slots=True)
class BrakeSettings:
    """Shares are 0 to 1. Removals are held above `removals_share` AND more than `removals_min` people."""

    removals_share: Decimal = Decimal("0.10")
    removals_min: int = 50
    shrink_share: Decimal = Decimal("0.20")
    moved_share: Decimal = Decimal("0.30")
    quota_share: Decimal = Decimal("0.50")
    hold_additions: bool = False
    learn: bool = True
    approval_hours: int = 24
    changed_share: Decimal = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """One configured account. `values` are the platform's own settings, secrets as `Secret`."""

    name: str
    platform: str
    source: bool = True
    destination: bool = True
    values: Mapping[str, SettingValue | Secret] = field(default_factory=dict)

    def revealed(self) -> dict[str, SettingValue]:
        """The platform's settings with every secret read now. Only for opening the connection."""
        return {
            key: value.reveal() if isinstance(value, Secret) else value for key, value in self.values.items()
        }


@dataclass(frozen=True, slots=True)
class FieldSettings:
    """A field the user mapped. None: as the platforms' standard mapping says."""

    name: str
    type: Type | None = None
    unit: str | None = None
    meaning: str | None = None
    sources: tuple[Source, ...] | None = None  # in order of trust


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """Related records the user declared: activity of `kinds` tells the states of things known by `key`."""

    name: str
    key: str
    kinds: tuple[str, ...]
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """Where a person is: the names of two number facts, degrees north and degrees east."""

    name: str
    latitude: str
    longitude: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """A checked config. Paths are absolute."""

    path: Path
    store: StoreSettings
    rules_dir: Path
    rules: RulesSettings = field(default_factory=RulesSettings)
    business: BusinessSettings = field(default_factory=BusinessSettings)
    audience_prefix: str = "segsync: "
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    brakes: BrakeSettings = field(default_factory=BrakeSettings)
    approval: ApprovalSettings = field(default_factory=ApprovalSettings)
    connections: Mapping[str, ConnectionSettings] = field(default_factory=dict)
    trust: tuple[str, ...] = ()  # every connection, most trusted first
    fields: Mapping[str, FieldSettings] = field(default_factory=dict)
    places: Mapping[str, PlaceSettings] = field(default_factory=dict)
    records: Mapping[str, RecordSettings] = field(default_factory=dict)
    models: Mapping[str, ModelSettings] = field(default_factory=dict)  # those that are on, by name
    quality: QualitySettings = field(default_factory=QualitySettings)
    measuring: MeasuringSettings = field(default_factory=MeasuringSettings)
    schedules: Mapping[str, ScheduleSettings] = field(default_factory=dict)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    warnings: tuple[Problem, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    """Key as a person writes it → line of the file, for problems found later."""

    def problem(self, key: str, message: str, severity: Severity = Severity.ERROR) -> Problem:
        """A problem of `key` that only showed after the load; its line is that of the nearest key written."""
        near = key
        while near and near not in self.lines:
            near = near[: max(near.rfind("."), near.rfind("["), 0)]
        return Problem(self.path.name, message, key, self.lines.get(near), severity=severity)
