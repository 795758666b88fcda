"""Klaviyo by its SDK klaviyo-api 25.0.0, without its models and retries. The fact sheet.

Marks: recorded (traffic of the real service), documented (by the vendor), unverified (told by others, or a
guess that nothing leans on). What segsync itself does stands under its last heading.

API
- documented: revision 2026-10-15; it changes no path or parameter we use since the described 2026-07-15.
- documented: profiles are filtered by `updated` with "greater than" only; deleted ones leave no trace.
- documented: an import answers 202; what it refused comes with the finished job.
- documented: tags never label people, so a segment is a value of one array property, or a list.
Limits
- documented: fixed windows of 1 s and 60 s per endpoint and account, told by RateLimit headers; no daily one.
- documented: imports take 10,000 profiles, 5 MB, 100 KB each, 150 a minute; lists 1,000 ids a call.
- documented: 150 new lists a day; predictions cut 750 calls a minute to 150; opt-outs 100 addresses a call.
- recorded: a 429 may come without Retry-After.
Scopes
- documented: metrics:read, profiles:read, events:read to read; lists:read, segments:read with `lists`.
- documented: lists:read, lists:write, profiles:write to write, imports included.
- documented: subscriptions:write only with `record_opt_outs`; without it the key cannot subscribe anybody.
- documented: data-privacy:write to erase; accounts:read only to show the account's name.
- unverified: the words of 401, 403 and 404; that scopes are looked at before the content of a call.
Traps
- unverified: one malformed profile refuses the whole import, one unknown id the whole list call.
- unverified: `next` is null on the last page; a 403 page of a bot check says nothing about the key.
- documented: a null clears nothing in an import.
- unverified: names of lists may repeat; adding to a list starts "added to list" flows.
- documented: an unsubscription makes a profile for an unknown address, and with a list reaches all others.
- unverified: whether members move a list's `updated`, or consent, lists and events a profile's.
- unverified: how long cursors and jobs live; when values can be read after a job is complete.
What segsync does
- Who left a list is found by comparing the ids of the last 1,000 who came and, for longer lists, the count.
- In the property only our own names change: the arrays are read right before an import, 100 people a call, so
  100 reading calls for a full one. What others change until the job is complete is overwritten.
- An opt-out from elsewhere looks first, names no list, and looks again until the profile says so.
- Never written: consent, except those opt-outs where `record_opt_outs` is on; the calls that could subscribe
  do not exist here. Nobody is created: people are named by profile id only.
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
