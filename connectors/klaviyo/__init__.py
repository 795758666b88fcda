"""Klaviyo, by its SDK klaviyo-api 25.0.0 (API revision 2026-10-15). The fact sheet:

Documented by the vendor's OpenAPI (revision 2026-07-15; 25.0.0 changes no path or parameter we use):
- Limits: fixed windows of 1 s and 60 s per endpoint and account, with RateLimit headers (`operations.py`).
- Profiles are filtered by `updated` with "greater than" only; predictions cut 750 calls a minute to 150.
- A bulk import takes 10,000 profiles, 5 MB, 100 KB each, and answers 202; errors come with the finished job.
- Lists take 1,000 ids a call, 150 new lists a day, names may repeat. Tags never label people.
- Scopes: profiles:read/write, lists:read/write, events:read, metrics:read, segments:read;
  data-privacy:write to erase; accounts:read only to show the account's name. Leave out subscriptions:write.
Second-hand: one malformed profile refuses the whole import, and one unknown id the whole list call; null
`next` on the last page; 403 pages of a bot check that say nothing about the key; a null clears nothing in an
import; adding to a list starts "added to list" flows.
Unverified, so nothing leans on it: whether consent, lists or events move `updated`; how long cursors and
jobs live; when values can be read after a job is complete; the words of 401, 403 and 404.
Never written: consent of any kind. Nobody is created: people are named by profile id only.
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
    from connectors.klaviyo.connector import open_connection

    return open_connection(settings, clock, budgets)


def _problems(settings: Mapping[str, SettingValue]) -> Iterable[str]:
    from connectors.klaviyo.settings import settings_problems

    return settings_problems(settings)


def _simulator(people: int) -> Simulation:
    from connectors.klaviyo.simulator import KlaviyoSimulator

    return KlaviyoSimulator(people=people)


PLATFORM = Platform(
    name="klaviyo",
    settings=(
        Setting("api_key", required=True, secret=True, meaning="private API key, pk_…"),
        Setting("base_url", meaning="another address than Klaviyo's, e.g. a simulator's"),
        Setting("own_property", default="segsync_segments", meaning="the profile property that segsync owns"),
        Setting("properties", meaning='profile properties to read, such as ["plan", "points:number"]'),
        Setting(
            "metrics",
            meaning='further kinds of events: ["Started Checkout"], or { "Viewed Item" = "page_view" }',
        ),
        Setting("lists", meaning="names or ids of lists and segments whose members are read at every pull"),
        Setting(
            "predictive", default=True, meaning="read predictions; without, a full read is 5 times faster"
        ),
        Setting("currency", meaning="ISO 4217 code of the account's amounts; the business's own if missing"),
        Setting("connections", default=4, meaning="calls at the same time, 1 to 10"),
        Setting("account", meaning="name of the account, to share limits with a connection of another key"),
        Setting("daily_reserve", default=0.1, meaning="share of a day's new lists left to other tools"),
        Setting("lookback_s", default=600, meaning="seconds of profiles read again before the last position"),
        Setting("event_lookback_s", default=86_400, meaning="the same for events, which often arrive late"),
        Setting("full_read_days", default=7, meaning="days until all profiles are read again; 0: never"),
        Setting("job_patience_s", default=900, meaning="seconds to wait for an import to be complete"),
        Setting(
            "record_opt_outs",
            default=False,
            meaning="true: who opted out on another platform is unsubscribed from e-mail marketing here, "
            "too. plan shows them first; segsync cannot undo it. The key then needs subscriptions:write",
        ),
    ),
    open=_open,
    simulator=_simulator,
    problems=_problems,
)
