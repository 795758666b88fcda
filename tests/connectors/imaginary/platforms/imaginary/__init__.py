"""Imaginary, a platform that exists in these tests only. The fact sheet.

API
- documented: contacts come oldest change first; a tag is written by address.
Limits
- documented: 6 calls at the same time; pages of 50; 25 people in and 25 out in one call.
Scopes
- documented: a key may do everything.
Traps
- unverified: names of tags are compared without regard to case.
What segsync does
- Never written: consent of any kind. Nothing here creates anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connectors.registry import Platform, Setting, SettingValue

if TYPE_CHECKING:
    from connectors.base import Connector
    from connectors.budget import Budgets
    from connectors.pacing import Clock
    from connectors.simulation import Simulation


def _open(settings: Mapping[str, SettingValue], clock: Clock, budgets: Budgets | None = None) -> Connector:
    from connectors.imaginary.connector import ImaginaryConnector

    from connectors.budget import shared_budgets

    return ImaginaryConnector(settings, clock, budgets or shared_budgets(clock))


def _simulator(people: int) -> Simulation:
    from connectors.imaginary.simulator import ImaginarySimulator

    return ImaginarySimulator(people)


PLATFORM = Platform(
    name="imaginary",
    settings=(
        Setting("api_key", required=True, secret=True, meaning="key of the account"),
        Setting("base_url", required=True, meaning="address of the account"),
    ),
    open=_open,
    simulator=_simulator,
)
