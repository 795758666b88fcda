"""`config.toml` → frozen settings, or every problem at once. Secrets stay references."""

from sync.config.approval import ApprovalSettings
from sync.config.load import load
from sync.config.problems import ConfigError, Problem, Severity
from sync.config.settings import (
    BrakeSettings,
    BusinessSettings,
    ConnectionSettings,
    FieldSettings,
    IdentityKey,
    IdentitySettings,
    Settings,
    Source,
    StoreSettings,
)
from sync.config.timing import Blackout, Missed, ScheduleSettings

__all__ = [
    "ApprovalSettings",
    "Blackout",
    "BrakeSettings",
    "BusinessSettings",
    "ConfigError",
    "ConnectionSettings",
    "FieldSettings",
    "IdentityKey",
    "IdentitySettings",
    "Missed",
    "Problem",
    "ScheduleSettings",
    "Settings",
    "Severity",
    "Source",
    "StoreSettings",
    "load",
]
