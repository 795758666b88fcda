"""What `[satisfaction]` and `[campaigns]` name must exist, and be of the type that is needed there."""

from __future__ import annotations

from collections.abc import Mapping

from rules.vocabulary import Kind, Type
from sync.config.problems import did_you_mean
from sync.config.settings import Settings
from sync.related import Complain


def check_measuring(
    settings: Settings, types: Mapping[str, Type], kinds: Mapping[str, Kind], problem: Complain
) -> None:
    """`problem(key, message)` is told of every fact, activity and field that does not hold."""
    check = _Check(types, kinds, problem)
    for scale, one in settings.measuring.satisfaction.items():
        key = f"satisfaction.{scale}"
        if one.fact is not None:
            check.fact(f"{key}.fact", one.fact, Type.NUMBER)
        if one.activity is not None and check.kind(f"{key}.activity", one.activity):
            check.field(f"{key}.field", one.activity, one.field or "", Type.NUMBER)
        if one.asked is not None:
            check.kind(f"{key}.asked", one.asked)
    campaigns = settings.measuring.campaigns
    if campaigns.sent is not None and check.kind("campaigns.sent", campaigns.sent):
        check.field("campaigns.message", campaigns.sent, campaigns.message, Type.TEXT)
        if campaigns.cost is not None:
            check.field("campaigns.cost", campaigns.sent, campaigns.cost, Type.MONEY)
    for place, campaign in enumerate(campaigns.campaigns):
        if campaign.holdout_fact is not None:
            check.fact(f"campaigns.campaign[{place}].holdout_fact", campaign.holdout_fact, Type.TEXT)


class _Check:
    def __init__(self, types: Mapping[str, Type], kinds: Mapping[str, Kind], problem: Complain) -> None:
        self._types, self._kinds, self._problem = types, kinds, problem

    def fact(self, key: str, name: str, wanted: Type) -> None:
        found = self._types.get(name)
        if found is None:
            self._problem(key, f'there is no fact "{name}"{did_you_mean(name, self._types)}')
        elif found is not wanted:
            self._problem(key, f'"{name}" is {found}; {wanted} is needed here')

    def kind(self, key: str, name: str) -> bool:
        if name not in self._kinds:
            self._problem(key, f'no connection gives the activity "{name}"{did_you_mean(name, self._kinds)}')
        return name in self._kinds

    def field(self, key: str, kind: str, name: str, wanted: Type) -> None:
        fields = self._kinds[kind].fields
        if name not in fields:
            self._problem(key, f'the activity "{kind}" has no field "{name}"{did_you_mean(name, fields)}')
        elif fields[name].type is not wanted:
            self._problem(key, f"{kind}.{name} is {fields[name].type}; {wanted} is needed here")
