"""Mailchimp, Marketing API 3.0 (SDK mailchimp-marketing 3.0.80, its transport replaced). The fact sheet:

- Limits: 10 simultaneous connections per key and nothing else; no rate headers. We use 6, blocking.
- A tag is a static segment; one call adds 500 and removes 500 people by address, and never touches consent.
- `last_changed` has a resolution of one second; archived members need a read of their own; offset
  paging over a moving set loses rows, so pages overlap (reading.py).
- Erased members leave no trace: everybody is listed again every `full_days` days.
- Never written: the consent state of a person. Nothing here creates or re-subscribes anybody.
- Keys have no scopes; they may do what their user's role may. They end in their data centre (`…-us21`).
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
