"""A world as a shop's tables, pulled into a workspace of its own, and the hundred rules beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import duckdb

from connectors.pacing import ManualClock
from sync.run.pipeline import begin
from sync.run.workspace import Workspace
from tests.benchmarks.evaluation.rules import toml
from tests.benchmarks.generator import AS_OF, SHARES, ZONE, World

_CONTACT = {
    "email": "person || '@example.com'",
    "country": "country",
    "city": "city",
    "last_order_country": "last_order_country",
    "birthday": "birthday",
    "signed_up": "signed_up",
    "ltv": "ltv / 100",
    "score": "score / 1000000",
    "vip": "vip",
    "company.employees": '"company.employees" // 1000000',
    "interests": "array_to_string(interests, ';')",
}
_TYPES = {
    "birthday": "date",
    "signed_up": "datetime",
    "ltv": "money",
    "score": "number",
    "vip": "boolean",
    "company.employees": "number",
    "interests": "texts",
}
_ACTIVITY = {
    "purchase": {"amount": "amount / 100", "quantity": "quantity // 1000000", "category": "category"}
    | {"store": "store"},
    "page_view": {"page": "page"},
    "cart_add": {"sku": "sku"},
    "email_open": {"campaign": "campaign"},
    "email_click": {"campaign": "campaign"},
}
_NUMBERS = {"amount": "money", "quantity": "number"}
_DAY = dt.timedelta(days=1)


def workspace(world: World, folder: Path) -> Path:
    """The config of a workspace that holds the world, made in the folder unless it is there: pulled, and its
    hundred rules asked a day before the world's instant and at it."""
    config = folder / "config.toml"
    if not config.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(world, folder)
        (folder / "rules").mkdir()
        (folder / "rules" / "hundred.toml").write_text(toml(2), encoding="utf-8")
        config.write_text(_config(), encoding="utf-8")
        for as_of in (AS_OF - _DAY, AS_OF):
            with (
                Workspace.open(config, clock=clock(as_of)) as opened,
                begin(opened, "benchmark", as_of=as_of) as pipeline,
            ):
                if as_of < AS_OF:
                    pipeline.pull()
                    pipeline.identify()
                pipeline.assign()
                assert not pipeline.report.failed, pipeline.report.document()
    return config


def clock(at: dt.datetime) -> ManualClock:
    """One that stands there."""
    return ManualClock(at)


def _write(world: World, folder: Path) -> None:
    connection = duckdb.connect()
    columns = ", ".join(f'{value} AS "{name}"' for name, value in _CONTACT.items())
    consent = "CASE WHEN suppressed THEN 'no' WHEN consented_email THEN 'yes' WHEN NOT consented_email"
    connection.execute(
        f"COPY (SELECT person AS id, {columns}, {consent} THEN 'pending' END AS consent,"
        " CASE WHEN len(in_lists) > 0 THEN 'Spring' END AS lists,"
        " TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (person % 80000) SECOND AS updated_at"
        f" FROM '{world.people_file}' ORDER BY person) TO '{folder / 'contacts.parquet'}'"
    )
    for kind in SHARES:
        fields = ", ".join(f'{value} AS "{name}"' for name, value in _ACTIVITY[kind].items())
        connection.execute(
            f"""COPY (SELECT event_id, person || '@example.com' AS email, "at", {fields}
            FROM '{world.activity_file(kind)}' WHERE person IS NOT NULL) TO '{folder / kind}.parquet'"""
        )
    connection.close()


def _config() -> str:
    names = "\n".join(f'"{name}" = "{name}"' for name in _CONTACT)
    types = "\n".join(f'"{name}" = "{type_}"' for name, type_ in _TYPES.items())
    fields = "\n".join(
        f'[fields."{name}"]\nfrom = ["newsletter.{name}"]'
        for name in ("last_order_country", "ltv", "score", "vip", "interests")
    )
    activity = "\n".join(_table(kind, of) for kind, of in _ACTIVITY.items())
    return f"""rules_dir = "rules"
[rules]
incremental = true
[store]
database = "sqlite:///shop.db"
lake = "lake"
memory_limit = "1500MB"
[business]
zone = "{ZONE}"
[connections.newsletter]
platform = "tables"
destination = false
url = "file:."
[connections.newsletter.contacts]
from = "contacts.parquet"
key = "id"
changed_at = "updated_at"
lists = "lists"
[connections.newsletter.contacts.consent]
column = "consent"
opted_in = "yes"
opted_out = "no"
pending = "pending"
[connections.newsletter.contacts.columns]
{names}
[connections.newsletter.contacts.types]
{types}
{fields}
{activity}
"""


def _table(kind: str, of: Mapping[str, str]) -> str:
    columns = ", ".join(f"{name} = '{name}'" for name in of)
    types = ", ".join(f"{name} = '{_NUMBERS[name]}'" for name in of if name in _NUMBERS)
    return f"""[[connections.newsletter.activity]]
kind = "{kind}"
from = "{kind}.parquet"
key = "event_id"
email = "email"
at = "at"
columns = {{ {columns} }}
types = {{ {types} }}"""
