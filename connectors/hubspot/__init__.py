"""HubSpot CRM by its SDK hubspot-api-client 12.0.0, whose transport is hooked. The fact sheet.

Marks: recorded (traffic of the real service), documented (by the vendor), unverified (told by others, or a
guess that nothing leans on). What segsync itself does stands under its last heading.

API
- documented: paths are dated, 2026-09 here; the SDK knows v3 and v4 only, which end in 2027 (`api_version`).
- documented: a service key (Development, Keys, Service keys) or an OAuth app; old private apps go on.
- documented: a property's options are replaced as a whole; list names are unique whatever their case.
- recorded: values are texts or null; results of a batch come in no order.
Limits
- recorded: headers tell the calls of 10 s and of the day; searches only the day's, OAuth apps no day's.
- documented: 100, 190 or 250 calls in 10 s by plan; 250,000 to 1,000,000 a day; search 5 a second.
- documented: pages of 100, batches of 100, searches of 200 and at most 10,000 results.
- unverified: how many members of a list one call takes, so `ids_per_call` is a setting.
Scopes
- documented: crm.schemas.contacts.read and crm.objects.contacts.read to read; crm.lists.read for every plan.
- documented: crm.objects.companies.read with `companies`, crm.objects.deals.read with `deals`.
- documented: crm.lists.write for lists; crm.schemas.contacts.write and crm.objects.contacts.write for the
  property.
- documented: communication_preferences.statuses.batch.read with `ask_unsubscribed`.
- unverified: that one belongs to Marketing Hub Enterprise; a 403 names the scope; scope before content.
Traps
- recorded: search lags up to 30 s, its `total` counts what is gone, results contradict the filter.
- recorded: the modification time moves without us, up to 25 s after a write.
- unverified: more than 10,000 records share one millisecond after updates of HubSpot's own.
- documented: one bad row fails its whole batch unless each row carries a trace id.
- documented: errors may come with a 200; erasing an unknown address blocks it for good.
- recorded: consent is in `hs_email_optout`, one such property per subscription type, bounces, quarantine.
- unverified: erased contacts leave no trace.
What segsync does
- Everybody is read by list, changes by search in halved windows, and everybody again every `full_days` days.
- Opted out anywhere is opted out; a property that is missing makes the state unknown. Consent is only read.
- In the property only our own names change: one call reads the values of 100 people before one writes them.
  What others change in between, within a second, is overwritten.
- A deal is one row of activity per contact on it. Deleted deals, contacts taken off a deal, stay as read.
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
    from connectors.hubspot.connector import open_connection

    return open_connection(settings, clock, budgets)


def _problems(settings: Mapping[str, SettingValue]) -> Iterable[str]:
    from connectors.hubspot.settings import settings_problems

    return settings_problems(settings)


def _simulator(people: int) -> Simulation:
    from connectors.hubspot.simulator import HubspotSimulator

    return HubspotSimulator(people=people)


PLATFORM = Platform(
    name="hubspot",
    settings=(
        Setting("access_token", secret=True, meaning="service key, or token of a legacy private app"),
        Setting("client_id", meaning="OAuth instead of a service key: the app's id"),
        Setting("client_secret", secret=True, meaning="OAuth: the app's secret"),
        Setting("refresh_token", secret=True, meaning="OAuth: the refresh token of the installation"),
        Setting("base_url", meaning="another address than HubSpot's, e.g. a simulator's"),
        Setting("api_version", default="2026-09", meaning="2026-09, or v3 for the old paths"),
        Setting("connections", default=6, meaning="calls at the same time, 1 to 16"),
        Setting("properties", meaning="further properties of contacts to read, by their internal names"),
        Setting("companies", default=True, meaning="read facts of the contact's primary company"),
        Setting("deals", default=True, meaning="read deals as activity"),
        Setting(
            "subscriptions", meaning="ids of the subscription types whose opt-out counts; all if not given"
        ),
        Setting(
            "ask_unsubscribed",
            default=False,
            meaning="ask the preferences API too who unsubscribed from everything (one call per 100 people)",
        ),
        Setting("own_field", default="segsync_segments", meaning="internal name of the property we own"),
        Setting("folder", default="segsync", meaning="folder for our lists; empty: none"),
        Setting("ids_per_call", default=1000, meaning="people added, and removed, in one call to a list"),
        Setting("lookback_s", default=600, meaning="seconds read again before the last position"),
        Setting("full_days", default=7, meaning="days after which everybody is listed again; 0: never"),
        Setting("archived_hours", default=24, meaning="hours after which the archive is looked at again"),
        Setting("account", meaning="name of the account, to share limits with a connection of another key"),
        Setting("daily_reserve", default=0.1, meaning="share of the day's calls left to other tools"),
    ),
    open=_open,
    simulator=_simulator,
    problems=_problems,
)
