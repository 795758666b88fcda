"""Consent for e-mail, read from every place where HubSpot keeps an opt-out. Read only, refused by default.

Unknown is not consent: a key that is absent although it was asked for, or a property that the account does
not have, makes the state unknown (null), never "did not opt out".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connectors.base import Consent

OPT_OUT = "hs_email_optout"
"""Unsubscribed from all e-mail; `hs_email_optout_ID` the same for one type of subscription."""
UNDELIVERABLE = ("hs_email_bad_address", "hs_email_quarantined", "hs_email_is_ineligible")
HARD_BOUNCE = "hs_email_hard_bounce_reason_enum"
CONFIRMATION = "hs_emailconfirmationstatus"
LEGAL_BASIS = "hs_legal_basis"
FREELY_GIVEN = "freely given consent"

NAMES = (OPT_OUT, *UNDELIVERABLE, HARD_BOUNCE, CONFIRMATION, LEGAL_BASIS)


def unsubscribed_path(version: str) -> str:
    """Where the preferences API tells who unsubscribed from everything; it only reads. v3 has it as v4."""
    version = "v4" if version == "v3" else version
    return f"/communication-preferences/{version}/statuses/batch/unsubscribe-all/read"


def consent_properties(existing: Sequence[str], *, subscriptions: Sequence[str] = ()) -> tuple[str, ...]:
    """The properties to ask for, of those the account has. `subscriptions` limits the types that count."""
    types = [name for name in existing if name.startswith(f"{OPT_OUT}_")]
    if subscriptions:
        types = [name for name in types if name.removeprefix(f"{OPT_OUT}_") in subscriptions]
    return (*(name for name in NAMES if name in existing), *sorted(types))


def email_consent(
    properties: Mapping[str, str | None], *, asked: Sequence[str], unsubscribed: bool = False
) -> str | None:
    """The strictest of what the properties say. `unsubscribed`: the preferences API says so."""
    out = [name for name in asked if name == OPT_OUT or name.startswith(f"{OPT_OUT}_")]
    if unsubscribed or any(_yes(properties.get(name)) for name in out):
        return Consent.OPTED_OUT
    if properties.get(HARD_BOUNCE) or any(_yes(properties.get(name)) for name in UNDELIVERABLE):
        return Consent.UNDELIVERABLE
    if OPT_OUT not in asked or any(name not in properties for name in asked):
        return None
    confirmation = (properties.get(CONFIRMATION) or "").lower()
    if confirmation == "confirmed" or FREELY_GIVEN in (properties.get(LEGAL_BASIS) or "").lower():
        return Consent.OPTED_IN
    return Consent.PENDING if confirmation else Consent.NEVER_ASKED


def _yes(value: str | None) -> bool:
    return (value or "").strip().lower() in ("true", "yes", "1")
