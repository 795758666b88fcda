"""CSV and Parquet files, or any database SQLAlchemy can reach. The fact sheet.

Source of contacts and activity by a declared mapping of columns; destination of memberships as rows
`segment, external_id, address, since` of one table or file.

Marks: recorded (seen in real exports), documented (by a standard or the library), unverified (a guess that
nothing leans on). What segsync itself does stands under its last heading.

API
- documented: CSV is RFC 4180; Parquet by Arrow; databases by SQLAlchemy, PostgreSQL by COPY.
- recorded: exports come in any encoding, with `, ; | tab`, gzip or not, with or without a byte-order mark.
Limits
- documented: none of calls; rows are read in pages and written 10,000 at a time.
Scopes
- documented: the right to read the tables or files, and to make and write the one of memberships.
Traps
- recorded: records that cannot be a row, and two rows of one key; each is rejected with its line.
- documented: local hours that come twice are taken the first time, those that never come as after the gap.
What segsync does
- A file that did not change (size, time, hash of both ends) yields nothing. A changed one is read again as a
  whole; with an incremental column only its rows at or above the highest value so far come out. A file of
  activity that only grew (a hash of all it held is the same) yields the rows that were added.
- Contacts without an incremental column are a listing of everybody: who is missing from a changed file is
  gone. A read in which a row was refused lists nobody, for that row's contact is not gone.
- The first of two rows with one key is kept; of several files of one pattern the later (by name) wins.
- A quote inside an unquoted field is a letter. Two decimals of money are kept, more rounded half to even.
- A database is read in one statement; without an incremental column, every read is a full one.
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
