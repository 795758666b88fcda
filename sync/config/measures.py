"""`[kpis]`, `[satisfaction]`, `[campaigns]`. Whether the facts and the activity that they name exist is known
with the streams."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

from sync.config.measuring import (
    MONTH_S,
    SCALES,
    Campaign,
    CampaignSettings,
    Each,
    MeasuringSettings,
    ScaleSettings,
)
from sync.config.schedules import read_seconds
from sync.config.section import Section, kind_of


def read_measuring(
    kpis: Section, satisfaction: Section, campaigns: Section, *, zone: str
) -> MeasuringSettings:
    """`zone`: whose midnight a date means."""
    each = Each(kpis.choice("each", list(Each), "time to measure") or Each.DAY)
    kpis.close()
    scales = {scale: _scale(satisfaction.table(scale), scale) for scale in SCALES if satisfaction.has(scale)}
    satisfaction.close(also=SCALES)
    return MeasuringSettings(each, scales, _campaigns(campaigns, zone=zone))


def _scale(section: Section, scale: str) -> ScaleSettings:
    fact, activity = section.optional_text("fact"), section.optional_text("activity")
    inner, asked = section.optional_text("field"), section.optional_text("asked")
    low, high = SCALES[scale]
    if (fact is None) == (activity is None):
        section.error(
            None,
            f"name where the answers from {low} to {high} are: either fact, a number that a person has, or"
            " activity and field",
        )
    elif fact is not None and inner is not None:
        section.error("field", "belongs to activity; with fact there is none")
    elif activity is not None and inner is None:
        section.error(None, "field is missing: the number of the activity that is the answer")
    within = read_seconds(section, "within") or ScaleSettings().within_s
    section.close()
    return ScaleSettings(fact, activity, inner, asked, within)


def _campaigns(section: Section, *, zone: str) -> CampaignSettings:
    default = CampaignSettings()
    sent, cost = section.optional_text("sent"), section.optional_text("cost")
    if cost is not None and sent is None:
        section.error("cost", "is a field of the activity that sent names; say which activity that is")
    found: list[Campaign] = []
    for part in section.tables("campaign"):
        one = _campaign(part, zone=zone, costed=cost is not None)
        if any(one.name == other.name for other in found):
            part.error("name", "another campaign has this name")
        found.append(one)
    settings = CampaignSettings(
        margin=section.share("margin", default.margin),
        sent=sent,
        message=section.text("message", default.message),
        cost=cost,
        campaigns=tuple(found),
    )
    section.close()
    return settings


def _campaign(section: Section, *, zone: str, costed: bool) -> Campaign:
    name, segment = section.required_text("name"), section.required_text("segment")
    holdout = section.optional_text("holdout")
    fact, value = section.optional_text("holdout_fact"), section.optional_text("holdout_value")
    if (fact is None) != (value is None):
        section.error(None, "holdout_fact and holdout_value belong together")
    elif holdout is not None and fact is not None:
        section.error("holdout", "name a segment or a fact that tells who was left out, not both")
    elif holdout is None and fact is None:
        section.error(
            None,
            "who was left out is missing, and nothing else tells what the campaign earned: holdout = a"
            " segment's id, or holdout_fact and holdout_value",
        )
    cost, each = _amount(section, "cost"), _amount(section, "each")
    if cost is not None and each is not None:
        section.error("each", "give the cost of all (cost) or of one message (each), not both")
    elif cost is None and each is None and not costed:
        section.error(None, "the cost is missing: cost of all, or each of one message")
    share = section.share("share", Decimal(0)) if section.has("share") else None
    if share is not None and share in (0, 1):
        section.error("share", "somebody must be held out, and not everybody")
    started = _instant(section, "started", zone=zone)
    within = read_seconds(section, "within") or MONTH_S
    section.close()
    return Campaign(name, started, segment, holdout, fact, value, share, cost, each, within)


def _amount(section: Section, key: str) -> Decimal | None:
    value = section.number(key)
    if value is not None and value <= 0:
        section.error(key, "must be more than 0; what costs nothing has no return on its cost")
        return None
    return value


def _instant(section: Section, key: str, *, zone: str) -> dt.datetime:
    """A date (its midnight), or a time; without an offset one of `zone`."""
    value = section.take(key)
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time(), tzinfo=ZoneInfo(zone))
    shape = "a date or a time without quotes, such as 2027-01-31 or 2027-01-31T09:00:00"
    if key not in section.values:
        section.error(None, f"{key} is missing: {shape}")
    else:
        section.error(key, f"must be {shape}, not {kind_of(value)}")
    return dt.datetime.min.replace(tzinfo=dt.UTC)
