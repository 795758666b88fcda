"""`[models.lead]`: points for who somebody is, by hand or learned."""

from __future__ import annotations

from rules.text import fold
from sync.config.modelling import LeadGroup, LeadSettings
from sync.config.schedules import read_seconds
from sync.config.section import Section


def read_lead(section: Section, *, refit_s: int, force: bool) -> LeadSettings:
    """Which facts tell who somebody is, and what makes a lead a customer."""
    default = LeadSettings()
    points: dict[str, dict[str, int]] = {}
    for feature, inner in section.table("points").sections():
        points[feature] = {fold(value): inner.whole(value, 0, low=-1000, high=1000) for value in inner.values}
        inner.close()
    features = section.texts("features", tuple(points))
    if not features:
        section.error(
            "features" if section.has("features") else None,
            'features names the facts that tell who somebody is, such as ["country", "company.industry"]',
        )
    for feature in points:
        if feature not in features:
            section.error("points", f'"{feature}" has points, but is none of the features')
    return LeadSettings(
        refit_s=refit_s,
        force=force,
        features=features,
        points=points,
        converted=section.text("converted", default.converted),
        created=section.text("created", default.created),
        within_s=read_seconds(section, "within") or default.within_s,
        groups=_lead_groups(section, features),
        filled=_filled(section, features),
        fit_at_least=_two(section, "fit_at_least"),
        engaged_at_least=_two(section, "engaged_at_least") or default.engaged_at_least,
    )


def _lead_groups(section: Section, features: tuple[str, ...]) -> tuple[LeadGroup, ...]:
    """Every `[[models.lead.group]]`; a feature is in one of them at most."""
    found, taken = list[LeadGroup](), set[str]()
    for part in section.tables("group"):
        group = LeadGroup(part.texts("features"), part.whole("most", 0, low=0))
        part.close()
        if not part.has("most"):
            part.error(None, "most says how many points the features of this group have together at most")
        if not group.features:
            part.error(
                None, 'features names those of this group, such as ["company.industry", "company.size"]'
            )
        for feature in group.features:
            if feature not in features:
                part.error("features", f'"{feature}" is none of the features')
            elif feature in taken:
                part.error("features", f'"{feature}" is in another group, too')
            taken.add(feature)
        found.append(group)
    return tuple(found)


def _filled(section: Section, features: tuple[str, ...]) -> dict[str, str]:
    """Feature → the fact that tells when it was filled."""
    inner, found = section.table("filled"), dict[str, str]()
    for feature in inner.values:
        if feature not in features:
            inner.error(feature, f'"{feature}" is none of the features')
        found[feature] = inner.text(feature, "")
    return found


def _two(section: Section, key: str) -> tuple[int, int] | None:
    """Where the best begins, and where the second begins."""
    value = section.take(key)
    if value is None:
        return None
    whole = [one for one in value if type(one) is int] if isinstance(value, list) else []
    if not isinstance(value, list) or len(value) != 2 or len(whole) != 2 or whole[0] <= whole[1]:
        section.error(key, "must be two whole numbers, the higher one first, such as [20, 5]")
        return None
    return whole[0], whole[1]
