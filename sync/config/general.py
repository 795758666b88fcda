"""The sections that speak of no connection: store, business, names, brakes, identity."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path as FilePath

from rules.engine.spark.starting import FIXED, what_is_missing
from sync.config.problems import did_you_mean
from sync.config.section import Section
from sync.config.settings import (
    BLOCKED,
    BrakeSettings,
    BusinessSettings,
    IdentityKey,
    IdentitySettings,
    RulesSettings,
    SparkSettings,
    StoreSettings,
)
from sync.secrets import Secret

_DUCKDB, _SPARK = "duckdb", "spark"
_MASTER = re.compile(r"local|local(-cluster)?\[[^\]]+\]|yarn|(spark|k8s)://\S+")
_SQLITE = "sqlite:///"
_DATABASE = re.compile(r"(sqlite|postgresql(\+psycopg)?)://.*")
_MEMORY = re.compile(r"[1-9]\d*(\.\d+)? ?[KMGT]i?B")
_CURRENCY = re.compile(r"[A-Z]{3}")
_URL = re.compile(r"[a-z][a-z0-9+.-]+://.*")
_BLOCKED = re.compile(r"[^\s@]+@[^\s@]*|@[^\s@]+")


def read_store(section: Section) -> StoreSettings:
    """`[store]`; relative paths are relative to the config's folder."""
    folder = section.report.document.folder
    database = _database(section)
    lake = section.text("lake", "lake")
    if not _URL.fullmatch(lake):
        lake = str(folder / FilePath(lake).expanduser())
    memory = section.optional_text("memory_limit", _MEMORY, 'a size such as "2GB" or "512MB"')
    standard = StoreSettings(database=database, lake=lake, memory_limit=memory)
    settings = replace(
        standard,
        keep_lake_days=section.whole("keep_lake_days", standard.keep_lake_days, low=1),
        keep_plans_days=section.whole("keep_plans_days", standard.keep_plans_days, low=7),
        keep_history_days=section.whole("keep_history_days", standard.keep_history_days, low=30),
        keep_rejected_days=section.whole("keep_rejected_days", standard.keep_rejected_days, low=1),
    )
    section.close()
    return settings


def read_rules(section: Section) -> RulesSettings:
    """`[rules]`: how they are asked."""
    standard = RulesSettings()
    rules = RulesSettings(
        spark=_spark(section),
        incremental=section.yes_no("incremental", standard.incremental),
        full_hours=section.whole("full_hours", standard.full_hours, low=1),
    )
    section.close()
    return rules


def _spark(section: Section) -> SparkSettings | None:
    """`engine` and `[rules.spark]`, which may stand there unused. What Spark needs must be installed."""
    engine = section.choice("engine", (_DUCKDB, _SPARK), "engine")
    table = section.table("spark")
    master = table.optional_text(
        "master", _MASTER, 'the address of a master, such as "spark://host:7077", "yarn" or "local[4]"'
    )
    own = table.table("settings")
    settings = {name: own.required_text(name) for name in own.values}
    for name in settings:
        if not name.startswith("spark."):
            own.error(name, 'a setting of Spark begins with "spark.", in quotes: "spark.executor.memory"')
        elif name in FIXED:
            own.error(name, "cannot be set: rules would mean something else")
    own.close()
    table.close()
    if engine != _SPARK:
        return None
    if master is None:
        section.error("engine", 'needs to know where Spark is: add master = "…" under [rules.spark]')
        return None
    missing = what_is_missing()
    if missing is not None:
        section.error("engine", f"{missing}; or leave out engine, to ask the rules on this machine")
    return SparkSettings(master, settings)


def _database(section: Section) -> str | Secret:
    key = "database"
    written = section.text(key, _SQLITE + "segsync.db")
    if written.startswith(("env:", "file:")):
        return section.secret(key) or ""
    if not _DATABASE.fullmatch(written):
        section.error(
            key,
            'must be a URL such as "sqlite:///segsync.db" or "postgresql+psycopg://segsync@host/segsync";'
            " with a password in it: env:NAME or file:PATH",
        )
        return ""
    if written.startswith("sqlite:"):
        return _sqlite(section, key, written)
    return written.replace("postgresql://", "postgresql+psycopg://", 1)  # the driver that we ship


def _sqlite(section: Section, key: str, written: str) -> str:
    """The URL with an absolute path: SQLAlchemy would take a relative one from the working directory."""
    place = written.removeprefix(_SQLITE)
    if not written.startswith(_SQLITE) or place in ("", ":memory:"):
        section.error(key, 'must name a file, such as "sqlite:///segsync.db": what we own must survive a run')
        return ""
    return _SQLITE + str(section.report.document.folder / FilePath(place).expanduser())


def check_zone(section: Section, zone: str) -> bool:
    """Whether there is the time zone that the section's `zone` names; told if there is not."""
    if zone == "UTC" or zone in _zones():
        return True
    section.error("zone", f"there is no such time zone{did_you_mean(zone, _zones())}")
    return False


@cache
def _zones() -> frozenset[str]:
    """Hundreds of files are looked at to find them."""
    return frozenset(zoneinfo.available_timezones())


def read_business(section: Section) -> BusinessSettings:
    """`[business]`: zone, currency and rates."""
    zone = section.text("zone", "UTC")
    check_zone(section, zone)
    shape = 'three capital letters, such as "EUR" (ISO 4217)'
    currency = section.text("currency", "EUR", _CURRENCY, shape)
    rates: dict[str, Decimal] = {}
    table = section.table("rates")
    for code in table.values:
        rate = table.number(code)
        if not _CURRENCY.fullmatch(code):
            table.error(code, f"a currency is {shape}")
        elif rate is not None and (not rate.is_finite() or rate <= 0):
            table.error(code, "a rate is greater than 0")
        elif rate is not None and code == currency and rate != 1:
            table.error(code, "this is the business's own currency; its rate is 1, leave it out")
        elif rate is not None:
            rates[code] = rate
    section.close()
    return BusinessSettings(zone=zone, currency=currency, rates=rates)


def read_prefix(section: Section) -> str:
    """`[names]`: what the names of our audiences begin with on every platform."""
    prefix = section.text("prefix", "segsync: ", re.compile(r".{0,40}"), "at most 40 characters", empty=True)
    section.close()
    return prefix


def read_brakes(section: Section) -> BrakeSettings:
    """`[brakes]`: when removals wait for a person's approval."""
    standard = BrakeSettings()
    brakes = BrakeSettings(
        removals_share=section.share("removals_share", standard.removals_share),
        removals_min=section.whole("removals_min", standard.removals_min, low=0),
        shrink_share=section.share("shrink_share", standard.shrink_share),
        moved_share=section.share("moved_share", standard.moved_share),
        quota_share=section.share("quota_share", standard.quota_share),
        hold_additions=section.yes_no("hold_additions", standard.hold_additions),
        learn=section.yes_no("learn", standard.learn),
        approval_hours=section.whole("approval_hours", standard.approval_hours, low=1),
        changed_share=section.share("changed_share", standard.changed_share),
    )
    section.close()
    return brakes


def read_identity(section: Section, keys: tuple[IdentityKey, ...]) -> IdentitySettings:
    """`[identity]`; the array `[[identity.id]]` was read before, it speaks of connections."""
    limit = section.whole("max_contacts_per_key", IdentitySettings().max_contacts_per_key, low=2)
    written = section.placed_texts("blocked")
    blocked = tuple(entry for _, entry in written) if section.has("blocked") else BLOCKED
    for position, entry in written:
        if not _BLOCKED.fullmatch(entry):
            section.report.error(
                (*section.path, "blocked", position),
                'must be a mailbox "info@", a domain "@example.com" or an address "a@example.com"',
            )
    section.close(also=("id",))
    return IdentitySettings(max_contacts_per_key=limit, blocked=blocked, keys=keys)
