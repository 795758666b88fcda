"""Imaginary, a platform that exists in these tests only. The fact sheet:

- Limits: 6 calls at the same time; contacts come in pages of 50, oldest change first.
- A tag takes 25 people in and 25 out by address in one call, and never touches consent.
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
