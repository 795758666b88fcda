"""Mailchimp by its SDK mailchimp-marketing 3.0.80, whose transport is replaced. The fact sheet.

Marks: recorded (traffic of the real service), documented (by the vendor), unverified (told by others, or a
guess that nothing leans on). What segsync itself does stands under its last heading.

API
- documented: Marketing API 3.0; the key ends in its data centre (`…-us21`).
- documented: a tag is a static segment; one call adds 500 and removes 500 people by address.
- unverified: that call never touches consent; how it treats unsubscribed and archived people.
- recorded: empty values are empty texts; `contact_id` survives a change of address.
Limits
- documented: 10 simultaneous connections per key, those we gave up included, and no daily limit.
- recorded: no answer has a rate header.
- documented: pages of 1,000; 50 tags shown with a member; answers within 120 s.
- unverified: names of tags up to 100 characters; merge tags up to 10; 30 merge fields in most plans.
Scopes
- unverified: keys have none and may do what the role of their user may; viewer and author may not write.
- documented: the account tells the role and the plan.
Traps
- recorded: `last_changed` has whole seconds, and tag writes move it, so our own come back in the next read.
- unverified: archived members are left out unless asked for.
- documented: replacing a segment's members empties it of those of others; `sync_tags` replaces all tags.
- recorded: an archived member that is created anew is subscribed again, tags and all.
- documented: an erased address cannot be imported again.
- unverified: a bare 403 is the gateway's, under load; erased members leave no trace.
What segsync does
- Pages overlap, for offset paging over a moving set loses rows; everybody comes anew every `full_days` days.
- In the own field only our own names change: one call reads a person's value before one writes it. What
  others change in between, within a second, is overwritten.
- At most 6 connections by default, which wait for each other.
- Never written: the consent state of a person. Nothing here creates or re-subscribes anybody.
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
    from connectors.mailchimp.connector import open_connection

    return open_connection(settings, clock, budgets)


def _problems(settings: Mapping[str, SettingValue]) -> Iterable[str]:
    from connectors.mailchimp.settings import settings_problems

    return settings_problems(settings)


def _simulator(people: int) -> Simulation:
    from connectors.mailchimp.simulator import MailchimpSimulator

    return MailchimpSimulator(people=people)


PLATFORM = Platform(
    name="mailchimp",
    settings=(
        Setting(
            "api_key", required=True, secret=True, meaning="API key; ends in its data centre, like …-us21"
        ),
        Setting("list", meaning="id of the audience; not needed if the account has exactly one"),
        Setting("base_url", meaning="another address than Mailchimp's, e.g. a simulator's"),
        Setting(
            "connections", default=6, meaning="calls at the same time, 1 to 10; the account has 10 in all"
        ),
        Setting("account", meaning="name of the account, to share limits with a connection of another key"),
        Setting("own_field", default="SEGMENTS", meaning="merge tag of the field that segsync owns"),
        Setting("lookback_s", default=60, meaning="seconds read again before the last position"),
        Setting("full_days", default=7, meaning="days after which everybody is listed again; 0: never"),
        Setting(
            "campaign_days", default=180, meaning="after the first read, days a campaign is still asked for"
        ),
    ),
    open=_open,
    simulator=_simulator,
    problems=_problems,
)
