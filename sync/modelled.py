"""The facts of models in the vocabulary: what each is called, and whether what it is made of exists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from rules.vocabulary import Field, Kind, Type
from sync.config.modelling import (
    ChannelSettings,
    EngagementSettings,
    LeadSettings,
    ModelSettings,
    OffersSettings,
    OrderModel,
    SendTimeSettings,
)
from sync.config.problems import did_you_mean
from sync.config.settings import Settings
from sync.facts import facts_of, told_by

_TIMES = {Type.DATE, Type.DATETIME}
Complain = Callable[[str, str], None]


def modelled(
    settings: Settings,
    kinds: Mapping[str, Kind],
    types: Mapping[str, Type],
    versions: Mapping[str, int],
    problem: Complain,
) -> dict[str, Field]:
    """The facts of every model that is on; `problem(key, message)` is told what one is made of in vain."""
    found: dict[str, Field] = {}
    for name, model in settings.models.items():
        where = told_by(name, versions.get(name))
        facts = facts_of(model, currency=settings.business.currency, source=where)
        found.update((fact.name, fact) for fact in facts)
    by_others = {name: fact.type for name, fact in found.items() if fact.model != SendTimeSettings.name}
    for name, model in settings.models.items():
        _Needs(f"models.{name}", kinds, types, by_others, problem).check(model)
    return found


@dataclass(frozen=True, slots=True)
class _Needs:
    """What a model at `key` of the config asks for."""

    key: str
    kinds: Mapping[str, Kind]
    types: Mapping[str, Type]
    told: Mapping[str, Type]  # by models that are made before those that may ask for it
    problem: Complain

    def check(self, model: ModelSettings) -> None:
        if isinstance(model, OrderModel):
            self.orders(model)
            if isinstance(model, OffersSettings) and model.contact is not None:
                self.activity({"contact.sent": model.contact.sent})
        elif isinstance(model, EngagementSettings):
            points = {f"points.{kind}": kind for kind in model.points or ()}
            self.activity({"sent": model.sent, "click": model.click, **points})
        elif isinstance(model, LeadSettings):
            self.activity({"converted": model.converted})
            for place, name in enumerate(model.features):
                self.fact(f"features[{place}]", name, {Type.TEXT})
            self.fact("created", model.created, _TIMES)
            for feature, name in model.filled.items():
                self.fact(f"filled.{feature}", name, _TIMES)
        elif isinstance(model, SendTimeSettings):
            self.activity({"sent": model.sent, "click": model.click})
            if model.zone:
                self.fact("zone", model.zone, {Type.TEXT})
            if model.group and self.told.get(model.group) is not Type.TEXT:
                self.fact("group", model.group, {Type.TEXT})
        elif isinstance(model, ChannelSettings):
            self.channels(model)

    def fact(self, place: str, name: str, wanted: Collection[Type]) -> None:
        if name not in self.types:
            near = did_you_mean(name, self.types)
            self.problem(f"{self.key}.{place}", f'there is no fact "{name}"{near}')
        elif self.types[name] not in wanted:
            listed = " or ".join(sorted(wanted))
            self.problem(f"{self.key}.{place}", f'"{name}" is {self.types[name]}; {listed} is needed here')

    def activity(self, needed: Mapping[str, str]) -> None:
        for place, kind in needed.items():
            if kind not in self.kinds:
                near = did_you_mean(kind, self.kinds)
                self.problem(f"{self.key}.{place}", f'no connection gives the activity "{kind}"{near}')

    def channels(self, model: ChannelSettings) -> None:
        for one in model.channels or ():
            place = f"channels.{one.name}"
            self.activity({f"{place}.sent": one.sent})
            if one.click not in self.kinds and one.reply not in self.kinds:
                self.problem(
                    f"{self.key}.{place}",
                    f'no connection gives the activity "{one.click}" or "{one.reply}"; click or reply names'
                    " what tells that somebody answered",
                )

    def orders(self, model: OrderModel) -> None:
        kind = self.kinds.get(model.activity)
        if kind is None:
            self.activity({"activity": model.activity})
            return
        amount = kind.fields.get(model.amount)
        if amount is None:
            near = did_you_mean(model.amount, kind.fields)
            message = f'the activity "{kind.name}" has no field "{model.amount}"{near}'
            self.problem(f"{self.key}.amount", message)
        elif amount.type is not Type.MONEY:
            self.problem(
                f"{self.key}.amount",
                f"{kind.name}.{amount.name} is {amount.type}, not money; give it that type where it is read",
            )
