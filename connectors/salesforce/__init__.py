"""Salesforce, REST API 66.0 and Bulk API 2.0 (SDK simple-salesforce 1.12). The fact sheet:

Marked [rec] seen in recorded traffic, [doc] the vendor's pages, [?] unverified.

- Logins: client credentials or JWT bearer through an External Client App with the scope `api` [doc]. Ended
  sessions answer 401 INVALID_SESSION_ID; we log in once for all threads and send the call again.
- Limits: calls per rolling 24 hours, shared by every tool of the org; `Sforce-Limit-Info` counts them,
  approximately [rec]. 25 long calls at once (5 in developer orgs) [doc]; we use 4. A share is left to others.
- Collections: 200 records a call; 200 OK with errors inside, one result a row, in order [rec].
- Bulk 2.0: one job for the own field of more than 2,000 people; JobComplete does not mean that all rows
  worked; results come in any order [doc].
- Times have whole seconds [rec], so ties are normal: reads go by (SystemModstamp, Id), with an overlap.
- A field our user may not see is in no answer [rec]: a hidden HasOptedOutOfEmail means *unknown*. Nobody is
  written to while it cannot be read, unless `write_without_opt_out` says so.
- A converted lead can be read but not written [rec]; writes go to the contact it became.
- Deleted records go to the bin for about 15 days [doc]; erasing does no more than that, unless
  `hard_delete` is on and our user has that permission.
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
