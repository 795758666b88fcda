"""The rules of data quality: what each finds, how bad that is, what it keeps from working, how it is mended.

How a rule finds its records stands in `sync.quality.finding` and `sync.quality.together`; here is only what
people read, so that the list can be shown, weighed and checked without any data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Dimension(StrEnum):
    """The six sides of quality that are scored."""

    ACCURACY = "accuracy"  # it is well-formed, and most likely not true
    COMPLETENESS = "completeness"  # it is not there
    CONSISTENCY = "consistency"  # it is there in two spellings, or two sources differ
    VALIDITY = "validity"  # it cannot be what it says it is
    UNIQUENESS = "uniqueness"  # it is there twice
    TIMELINESS = "timeliness"  # it was true once


class Severity(StrEnum):
    """ERROR: the value is of no use. WARNING: do not rely on it. INFO: worth knowing, works all the same."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


WEIGHTS: Mapping[Severity, float] = {Severity.ERROR: 1.0, Severity.WARNING: 0.5, Severity.INFO: 0.1}
"""What a rule counts for in its dimension's score."""


class Feature(StrEnum):
    """What cannot be done with a record that a rule found."""

    MAILING = "mailing"
    CALLING = "calling"
    GREETING = "greeting by name"
    GEOGRAPHY = "geography"
    BIRTHDAYS = "birthdays"
    RFM = "RFM and lifecycle"
    ENGAGEMENT = "engagement"
    MATCHING = "matching across platforms"


@dataclass(frozen=True, slots=True)
class Rule:
    """`fault` goes on "1,240 contacts …"; `fix` is what to do. `alone`: the record by itself decides, so the
    rule may keep records out (`[quality] refuse`)."""

    id: str
    field: str
    dimension: Dimension
    severity: Severity
    fault: str
    fix: str
    blocks: tuple[Feature, ...] = ()
    alone: bool = False

    @property
    def weight(self) -> float:
        """Of the rule in the score of its dimension."""
        return WEIGHTS[self.severity]


_A, _C, _K = Dimension.ACCURACY, Dimension.COMPLETENESS, Dimension.CONSISTENCY
_V, _U, _T = Dimension.VALIDITY, Dimension.UNIQUENESS, Dimension.TIMELINESS
_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

_ALL = (
    Rule("email-invalid", "email", _V, _ERROR, "have an e-mail address that is none",
         "correct the address on the platform, or take it out", (Feature.MAILING, Feature.MATCHING), True),
    Rule("email-missing", "email", _C, _WARNING, "have no e-mail address",
         "ask for it, or declare an id that platforms share in [[identity.id]]",
         (Feature.MAILING, Feature.MATCHING), True),
    Rule("email-typo", "email", _A, _WARNING, "have an e-mail domain one letter away from a large provider's",
         "ask the person, or correct the domain", (Feature.MAILING,), True),
    Rule("email-disposable", "email", _A, _WARNING, "use a throw-away e-mail address",
         "keep them out of offers that a new address earns again", (), True),
    Rule("email-role", "email", _A, _INFO, "have the address of an office, not of a person",
         "ask for a personal address", (), True),
    Rule("email-shared", "email", _U, _WARNING,
         "share an e-mail address with another contact of the connection",
         "merge them on the platform if they are one person"),
    Rule("consent-unknown", "consent", _C, _WARNING,
         "can be mailed, but no platform says whether they consented",
         "ask for consent on the platform that collects it", (Feature.MAILING,)),
    Rule("phone-invalid", "phone", _V, _WARNING, "have a telephone number that is none",
         "correct it, with the country code: +49 30 …", (Feature.CALLING,), True),
    Rule("phone-no-country", "phone", _C, _INFO, "have a telephone number of no known country",
         "write it with the country code, or fill in the country", (Feature.CALLING,), True),
    Rule("phone-spelling", "phone", _K, _INFO, "have a telephone number that is not spelled +COUNTRY NUMBER",
         "spell it in E.164, such as +493012345678", (), True),
    Rule("phone-shared", "phone", _U, _INFO, "have the telephone number of another person",
         "`segsync duplicates` lists the pairs; partners share one, so look before merging"),
    Rule("country-unknown", "country", _V, _WARNING, "have a country that is none",
         "write its name or its ISO 3166 code", (Feature.GEOGRAPHY,), True),
    Rule("country-missing", "country", _C, _INFO, "have no country",
         "fill it in, or map another column in [fields.country]", (Feature.GEOGRAPHY,), True),
    Rule("country-spelling", "country", _K, _INFO, "have a country that is not spelled as its ISO 3166 code",
         "segsync reads it as the code; write that on the platform, too", (), True),
    Rule("name-placeholder", "name", _A, _WARNING, "have a name that stands for none",
         "take it out, so that nobody is greeted by it", (Feature.GREETING,), True),
    Rule("name-missing", "name", _C, _INFO, "have no name",
         "fill it in, or greet without it", (Feature.GREETING,), True),
    Rule("name-spelling", "name", _K, _INFO, "have a name in capitals, in small letters or with stray blanks",
         "spell it as the person does", (), True),
    Rule("birthday-impossible", "birthday", _V, _ERROR, "were born in the future, or over 120 years ago",
         "correct the day, or take it out", (Feature.BIRTHDAYS,), True),
    Rule("birthday-placeholder", "birthday", _A, _WARNING,
         "were born on a day that forms fill in by themselves",
         "take it out unless the person named it", (Feature.BIRTHDAYS,), True),
    Rule("signed-up-in-future", "signed_up", _V, _WARNING, "signed up in the future",
         "correct the date, or the zone in which the source writes it"),
    Rule("date-impossible", "date", _V, _WARNING, "have a date that is none in a column of dates",
         "correct it where it comes from"),
    Rule("date-as-text", "date", _K, _INFO,
         "have a date that is kept as a text, so that rules cannot count days",
         "give the column the type date, such as in [connections.NAME.contacts.types]"),
    Rule("birthdays-differ", "birthday", _K, _WARNING, "have another birthday than the same person elsewhere",
         "correct the wrong one; [trust] says which counts meanwhile", (Feature.BIRTHDAYS,)),
    Rule("countries-differ", "country", _K, _INFO, "have another country than the same person elsewhere",
         "correct the wrong one; [trust] says which counts meanwhile"),
    Rule("purchase-missing", "purchase", _C, _INFO, "have no order with a date",
         "connect the shop, or check that its orders name the contact", (Feature.RFM,)),
    Rule("activity-missing", "activity", _C, _INFO,
         "have done nothing that segsync knows of: unknown, not inactive",
         "connect where they act, or leave them out of engagement", (Feature.ENGAGEMENT,)),
    Rule("stale", "activity", _T, _WARNING, "did nothing in 18 months although they were written to",
         "win them back once, then stop writing"),
    Rule("not-updated", "changed_at", _T, _INFO, "were not changed on their platform in 2 years",
         "ask whether the facts are still true"),
)  # fmt: skip

RULES: Mapping[str, Rule] = {rule.id: rule for rule in _ALL}
"""Every rule by its id, in the order in which findings are listed."""
