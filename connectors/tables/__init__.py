"""Platform `tables`: CSV and Parquet files, or any database SQLAlchemy can reach.

Source of contacts and activity by a declared mapping of columns; destination of memberships as rows
`segment, external_id, address, since` of one table or file.

Limits and traps, measured or by design
- CSV is read by RFC 4180: any encoding, gzip, byte-order mark, `, ; | tab` found out from the header. Every
  record that cannot be a row is rejected with its line. A quote inside an unquoted field is a letter.
- A file that did not change (size, time, hash of both ends) yields nothing. A changed one is read again as a
  whole; with an incremental column only its rows at or above the highest value so far come out.
- Contacts without an incremental column are a listing of everybody: who is missing from a changed file is
  gone. A read in which a row was refused lists nobody, for that row's contact is not gone.
- Two rows of a file with one key: the first is kept, the later ones are rejected with both lines. In several
  files named by one pattern, the later file (by name) wins.
- Two decimals of money are kept, more are rounded half to even. Local hours that come twice are taken the
  first time; those that never come as the moment after the gap.
- A database is read in one statement; PostgreSQL by COPY. Without an incremental column, every read is a
  full one.
- Only rows of our segments are ever deleted from the memberships table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from connectors.registry import Platform, Setting, SettingValue

if TYPE_CHECKING:
    from connectors.base import Connector
    from connectors.budget import Budgets
    from connectors.pacing import Clock


def _open(
    settings: Mapping[str, SettingValue],
    clock: Clock,
    budgets: Budgets | None = None,  # noqa: ARG001 - files and databases have no limits to share
) -> Connector:
    from connectors.tables.connector import open_tables

    return open_tables(settings, clock)


def _problems(settings: Mapping[str, SettingValue]) -> Iterable[str]:
    from connectors.tables.settings import settings_problems

    return settings_problems(settings)


PLATFORM = Platform(
    name="tables",
    settings=(
        Setting("url", meaning='"file:FOLDER", or a database URL as env:NAME', default="file:."),
        Setting("contacts", meaning="the table with one contact per row, and what its columns mean"),
        Setting("activity", meaning="tables with one thing that happened per row"),
        Setting("memberships", meaning="the table or file that receives the members of segments"),
    ),
    open=_open,
    problems=_problems,
)
