"""What a secret looks like when somebody pasted it into a file. Only where it stands is told, never what.

Better a false alarm than a key in a repository; but names of columns (`pk_customer`) must pass.
"""

from __future__ import annotations

import re

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a HubSpot token", re.compile(r"(?<![a-z0-9])pat-[a-z0-9]{2,}-[\w-]{4,}", re.IGNORECASE)),
    (
        "a Klaviyo or Stripe key",
        re.compile(r"(?<![a-z0-9])(?:pk|sk|rk)_(?=(?:[a-z_]*\d){2})\w{8,}", re.IGNORECASE),
    ),
    ("a Mailchimp key", re.compile(r"(?<![a-z0-9])(?=[a-z]*\d)[0-9a-z]{10,}-us\d{1,3}(?!\d)", re.IGNORECASE)),
    ("a JSON web token", re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}")),
    ("a Salesforce session", re.compile(r"(?<!\w)00D[0-9A-Za-z]{12,15}![\w.]{8,}")),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("an access token", re.compile(r"(?<!\w)(?:gh[pousr]_\w{16,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16})")),
    ("a bearer token", re.compile(r"(?<!\w)(?:bearer|basic)\s+[\w.~+/=-]{16,}", re.IGNORECASE)),
    (
        "an address with a password in it",
        re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@]+@", re.IGNORECASE),
    ),
    (
        "an address with a password in it",
        re.compile(r"://\S*[?&](?:password|passwd|pwd|token|api_?key|secret)=[^&\s]", re.IGNORECASE),
    ),
)


def looks_like(text: str) -> str | None:
    """What kind of secret `text` seems to contain, as words for a message; None if none."""
    for name, pattern in _PATTERNS:
        if pattern.search(text):
            return name
    return None


def advice(kind: str) -> str:
    """The message about a secret of this kind that stands in a file."""
    return (
        f"this looks like {kind}: a secret must not stand in this file. Put it into the environment or a"
        " file, write env:NAME or file:PATH here, and renew it if others could read this file"
    )
