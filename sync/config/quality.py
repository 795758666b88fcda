"""`[quality]`: which faults keep a record out of people."""

from __future__ import annotations

from dataclasses import dataclass

from sync.config.problems import did_you_mean
from sync.config.section import Section

REFUSABLE = (
    "email-invalid", "email-missing", "email-typo", "email-disposable", "email-role", "phone-invalid",
    "phone-no-country", "phone-spelling", "country-unknown", "country-missing", "country-spelling",
    "name-placeholder", "name-missing", "name-spelling", "birthday-impossible", "birthday-placeholder",
)  # fmt: skip
"""Rules of quality that a record breaks by itself, whatever else there is."""


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """`refuse`: ids of rules; a record that breaks one of them makes nobody a person and tells nothing."""

    refuse: tuple[str, ...] = ()


def read_quality(section: Section) -> QualitySettings:
    """Unknown rules are refused with the nearest one, sorted as they are known."""
    written = section.placed_texts("refuse")
    for position, rule in written:
        if rule not in REFUSABLE:
            hint = did_you_mean(rule, REFUSABLE) or f"; there are {', '.join(REFUSABLE)}"
            section.report.error(
                (*section.path, "refuse", position), f"no rule of that name can keep a record out{hint}"
            )
    section.close()
    asked = {rule for _, rule in written}
    return QualitySettings(refuse=tuple(rule for rule in REFUSABLE if rule in asked))
