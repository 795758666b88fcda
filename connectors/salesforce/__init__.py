"""Salesforce REST and Bulk 2.0 by its SDK simple-salesforce 1.12. The fact sheet.

Marks: recorded (traffic of the real service), documented (by the vendor), unverified (told by others, or a
guess that nothing leans on). What segsync itself does stands under its last heading.

API
- documented: version 66.0 here (`api_version`); logins by client credentials or JWT bearer, through an
  External Client App.
- recorded: sessions last two hours, or as the org's policy says.
- unverified: one that has ended answers 401 INVALID_SESSION_ID.
- recorded: collections answer 200 with errors inside, one result a row, in order.
- documented: a bulk job that is complete need not have worked for all rows; results come in any order.
Limits
- recorded: `Sforce-Limit-Info` counts the calls of 24 hours, shared by every tool of the org, approximately.
- documented: 200 records a collections call; 25 long calls at once, 5 in developer orgs.
- documented: 2,000 rows a page; 100 MB a bulk job; bulk pays above about 2,000 rows.
- unverified: 100,000 calls and 1,000 a licence in Enterprise.
Scopes
- documented: the login's scope `api`; all else are permissions of the run-as user, among them API Enabled.
- documented: Customize Application to make the field; UserPermissionAccess tells which of them the user has.
- recorded: an object's description tells createable, updateable, deletable.
- unverified: Manage Profiles and Permission Sets to show a new field; Marketing User to make campaigns.
- unverified: Bulk API Hard Delete for `hard_delete`.
Traps
- recorded: a field the user may not see is in no answer: a hidden HasOptedOutOfEmail means unknown.
- recorded: times have whole seconds, so ties are normal.
- recorded: a converted lead can be read but not written.
- documented: deleted records go to the bin for about 15 days.
- unverified: names of campaigns may repeat.
- unverified: a new field is hidden from everybody; an empty text clears or is ignored; words of row errors.
What segsync does
- Reads go by (SystemModstamp, Id) with an overlap; one login serves all threads.
- Nobody is written to while opt-outs cannot be read, unless `write_without_opt_out` says so.
- Writes to a converted lead go to the contact it became; erasing for good needs `hard_delete`.
- In the own field only our own names change: the values are read right before they are written, 450 records
  a reading call. What others change in between (seconds, in a bulk job minutes) is overwritten.
- Topics are left out: neither reports nor mailings can select by them, and each assignment is a record.
- Never written: HasOptedOutOfEmail, Individual, consent records; nobody is created.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from connectors.registry import Platform, Setting, SettingValue

if TYPE_CHECKING:
    from connectors.base import Connector
    from connectors.budget import Budgets
    from connectors.pacing import Clock
    from connectors.simulation import Simulation


def _open(settings: Mapping[str, SettingValue], clock: Clock, budgets: Budgets | None = None) -> Connector:
    from connectors.salesforce.connector import open_connection

    return open_connection(settings, clock, budgets)


def _problems(settings: Mapping[str, SettingValue]) -> Iterable[str]:
    from connectors.salesforce.settings import settings_problems

    return settings_problems(settings)


def _simulator(people: int) -> Simulation:
    from connectors.salesforce.simulator import SalesforceSimulator

    return SalesforceSimulator(people=people)


PLATFORM = Platform(
    name="salesforce",
    settings=(
        Setting("domain", required=True, meaning="the org's My Domain, like acme.my.salesforce.com"),
        Setting(
            "consumer_key", required=True, secret=True, meaning="consumer key of the External Client App"
        ),
        Setting("consumer_secret", secret=True, meaning="its secret, for the client credentials flow"),
        Setting("private_key", secret=True, meaning="instead of the secret: PEM key for the JWT flow"),
        Setting("username", meaning="with private_key: the user to log in as"),
        Setting("api_version", default="66.0", meaning="version of the API"),
        Setting("base_url", meaning="another address than Salesforce's, e.g. a simulator's"),
        Setting("connections", default=4, meaning="calls at the same time, 1 to 25"),
        Setting("daily_reserve", default=0.1, meaning="share of the daily calls that is left to other tools"),
        Setting("lookback_s", default=300, meaning="seconds before the last read that are read again"),
        Setting(
            "fields",
            meaning="names of the fields of Contact and Lead to read; default: the usual and custom ones",
        ),
        Setting("own_field", default="Segments__c", meaning="multi-select picklist that segsync owns"),
        Setting("create_field", default=False, meaning="make that field if it is missing"),
        Setting(
            "permission_set", meaning="with create_field: name of the permission set that grants it to us"
        ),
        Setting(
            "own_campaigns", default="segsync: ", meaning="campaigns named so are segments, not activity"
        ),
        Setting("write_without_opt_out", default=False, meaning="write even if opt-outs cannot be read"),
        Setting("hard_delete", default=False, meaning="erase for good instead of into the recycle bin"),
    ),
    open=_open,
    simulator=_simulator,
    problems=_problems,
)
