"""HubSpot CRM, API version 2026-09 (SDK hubspot-api-client 12.0.0, its transport hooked). The fact sheet:

Marks: [rec] seen in recorded traffic, [doc] documented, [2nd] told by others, [?] unverified.
- Keys: a service key (Development → Keys → Service keys) or an OAuth app; legacy private app tokens go on
  working [doc]. Scopes: crm.objects.contacts.read/.write, crm.schemas.contacts.read/.write, crm.lists.read/
  .write; with `companies` and `deals` crm.objects.companies.read and crm.objects.deals.read [doc].
- Limits: 100, 190 or 250 calls in 10 s by plan, told by headers [rec]; search 5 a second per account, told by
  none [rec]; 250,000 to 1,000,000 calls a day [doc]. A share of the day (`daily_reserve`) is left to others.
- Paths are dated; the SDK knows v3 and v4 only, which end in 2027 [doc]. `api_version = "v3"` uses them.
- Search lags up to 30 s, its `total` counts what is gone, results contradict the filter [rec]; at most 10,000
  results, and more may share one millisecond [2nd]. So everybody is read by list (100 a page), changes by
  search in halved windows, and by list again when search cannot tell.
- Erased contacts leave no trace: everybody is listed again every `full_days` days [?].
- Batches of 100; one bad row fails all unless each carries a trace id [2nd]; results come in no order [rec];
  errors may come with 200 [doc]. A property's options are replaced as a whole [doc].
- Lists: names are unique whatever their case [doc]; members per call are stated nowhere [?].
- Consent is only read: `hs_email_optout`, one such property per subscription type, bounces, quarantine, the
  confirmation state [rec: names]; on request the preferences API [doc]. Opted out anywhere is opted out;
  a property that is missing makes the state unknown. Nothing here can subscribe anybody.
- A deal is one row of activity for each contact on it, and keeps its id when it is won, lost or reopened.
  Deals that are deleted, and contacts taken off a deal, stay as they were read.
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
