"""`[models.NAME]`: a section turns the model on. Whether its activity exists is known with the streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import TypedDict

from rules.models.groups import SCORES, Group, uncovered
from sync.config.leads import read_lead
from sync.config.modelling import (
    QUARTER_S,
    ChannelKinds,
    ChannelSettings,
    ChurnSettings,
    ClvSettings,
    ContactRules,
    EngagementSettings,
    LifecycleSettings,
    ModelSettings,
    OffersSettings,
    OrderModel,
    ProductTable,
    RfmSettings,
    SendTimeSettings,
)
from sync.config.problems import did_you_mean
from sync.config.schedules import read_seconds
from sync.config.section import Section, kind_of


def read_models(section: Section, *, zone: str) -> dict[str, ModelSettings]:
    """Every `[models.NAME]`, in the order of the file. `zone`: the business's."""
    found: dict[str, ModelSettings] = {}
    for name, inner in section.sections():
        read = _READERS.get(name)
        if read is None:
            near = did_you_mean(name, _READERS)
            section.error(name, f"there is no such model{near}; there are {', '.join(_READERS)}")
            continue
        model = read(inner)
        found[name] = replace(model, home=zone) if isinstance(model, SendTimeSettings) else model
        inner.close()
    return found


class _Common(TypedDict):
    refit_s: int
    force: bool


class _OfOrders(_Common):
    activity: str
    amount: str
    free_orders: bool


def _common(section: Section) -> _Common:
    return _Common(refit_s=read_seconds(section, "refit") or QUARTER_S, force=section.yes_no("force", False))


def _of_orders(section: Section) -> _OfOrders:
    default = OrderModel()
    return _OfOrders(
        **_common(section),
        activity=section.text("activity", default.activity),
        amount=section.text("amount", default.amount),
        free_orders=section.yes_no("free_orders", default.free_orders),
    )


def _rfm(section: Section) -> ModelSettings:
    return RfmSettings(
        **_of_orders(section),
        fixed_frequency=section.yes_no("fixed_frequency", True),
        groups=_groups(section),
    )


def _lifecycle(section: Section) -> ModelSettings:
    return LifecycleSettings(**_of_orders(section))


def _clv(section: Section) -> ModelSettings:
    default = ClvSettings()
    discount = section.share("discount", default.discount)
    return ClvSettings(
        **_of_orders(section),
        months=section.whole("months", default.months, low=1, high=60),
        margin=section.share("margin", default.margin),
        discount=discount,
    )


def _engagement(section: Section) -> ModelSettings:
    default = EngagementSettings()
    return EngagementSettings(
        **_common(section),
        sent=section.text("sent", default.sent),
        click=section.text("click", default.click),
        open=section.text("open", default.open),
        message=section.text("message", default.message),
        points=_points(section.table("points")) if section.has("points") else None,
        half_life_s=read_seconds(section, "half_life"),
    )


def _points(section: Section) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for kind in section.values:
        value = section.number(kind)
        if value is not None and value < 0:
            section.error(kind, "must be 0 or more; who must not be written to is not scored anyway")
        found[kind] = value or Decimal(0)
    return found


def _lead(section: Section) -> ModelSettings:
    return read_lead(section, **_common(section))


def _churn(section: Section) -> ModelSettings:
    return ChurnSettings(
        **_of_orders(section), days=section.whole("days", ChurnSettings().days, low=7, high=730)
    )


def _offers(section: Section) -> ModelSettings:
    default = OffersSettings()
    return OffersSettings(
        **_of_orders(section),
        items=section.text("items", default.items),
        most=section.whole("most", default.most, low=2, high=10_000),
        table=_product_table(section.table("table")) if section.has("table") else None,
        contact=_contact(section.table("contact")) if section.has("contact") else None,
    )


def _send_time(section: Section) -> ModelSettings:
    default = SendTimeSettings()
    return SendTimeSettings(
        **_common(section),
        sent=section.text("sent", default.sent),
        click=section.text("click", default.click),
        message=section.text("message", default.message),
        within_s=read_seconds(section, "within") or default.within_s,
        zone=section.optional_text("zone", empty=True),
        group=section.optional_text("group"),
    )


def _channel(section: Section) -> ModelSettings:
    default = ChannelSettings()
    channels = section.table("channels")
    named = [_channel_kinds(name, inner) for name, inner in channels.sections()]
    if section.has("channels") and len(named) < 2:
        section.error("channels", "names one channel; a preferred one can only be found among two or more")
    return ChannelSettings(
        **_common(section),
        channels=tuple(named) if section.has("channels") else None,
        half_life_s=read_seconds(section, "half_life") or default.half_life_s,
        message=section.text("message", default.message),
        within_s=read_seconds(section, "within") or default.within_s,
    )


def _channel_kinds(name: str, section: Section) -> ChannelKinds:
    usual = ChannelKinds.usual(name)
    kinds = [section.text(each.name, getattr(usual, each.name)) for each in fields(usual)[1:]]
    section.close()
    return ChannelKinds(name, *kinds)


def _product_table(section: Section) -> ProductTable:
    file = section.required_text("file")
    default = ProductTable(file)
    found = ProductTable(
        file=str(section.report.document.folder / Path(file).expanduser()),
        item=section.text("item", default.item),
        margin=section.text("margin", default.margin),
        cost=section.optional_text("cost"),
        stock=section.optional_text("stock"),
    )
    section.close()
    return found


def _contact(section: Section) -> ContactRules:
    default = ContactRules()
    found = ContactRules(
        sent=section.text("sent", default.sent),
        most=section.whole("most", default.most, low=1),
        within_s=read_seconds(section, "within") or default.within_s,
    )
    section.close()
    return found


_READERS: dict[str, Callable[[Section], ModelSettings]] = {
    "rfm": _rfm,
    "lifecycle": _lifecycle,
    "clv": _clv,
    "churn": _churn,
    "offers": _offers,
    "engagement": _engagement,
    "lead": _lead,
    "send_time": _send_time,
    "channel": _channel,
}


def _groups(section: Section) -> tuple[Group, ...]:
    """Every `[[models.rfm.group]]`; together they must leave out nobody."""
    parts, found = section.tables("group"), list[Group]()
    complete = True
    for part in parts:
        before = len(part.report.problems)
        group = Group(
            part.required_text("name"),
            _bounds(part, "recency"),
            _bounds(part, "frequency"),
            _bounds(part, "money"),
        )
        part.close()
        complete = complete and len(part.report.problems) == before
        if any(group.name.casefold() == other.name.casefold() for other in found):
            part.error("name", "another group has this name")
        found.append(group)
    if found and complete:
        missing = uncovered(found)
        if missing:
            r, f, m = missing[0]
            section.error(
                "group",
                f"no group fits recency {r}, frequency {f}, money {m} ({len(missing)} of 125 combinations in"
                " all); widen a group, or add one without bounds at the end",
            )
    return tuple(found)


def _bounds(section: Section, key: str) -> tuple[int, int]:
    """`[4, 5]`, or one score; every score if absent."""
    value = section.take(key)
    shape = f"one score, or the lowest and the highest, such as [4, 5]; scores are 1 to {SCORES}"
    if value is None:
        return 1, SCORES
    ends = value if isinstance(value, list) else [value, value]
    whole = [one for one in ends if isinstance(one, int) and not isinstance(one, bool)]
    if len(ends) != 2 or len(whole) != 2 or not 1 <= whole[0] <= whole[1] <= SCORES:
        section.error(
            key, f"must be {shape}{'' if isinstance(value, int | list) else f', not {kind_of(value)}'}"
        )
        return 1, SCORES
    return whole[0], whole[1]
