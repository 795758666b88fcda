"""The one meaning of text: stripped, NFC, and compared by casefold. Engines only ever compare bytes.

Their own `lower` functions differ ('İ', 'ΣΑΣ', 'ß'); so everything is folded here, once, in Python.
"""

from __future__ import annotations

import unicodedata


def clean(text: str | None) -> str | None:
    """Stripped and NFC-normalised; an empty string is missing (None)."""
    if text is None:
        return None
    text = unicodedata.normalize("NFC", text).strip()
    return text or None


def fold(text: str) -> str:
    """The form in which texts are compared: NFC of the casefold of the cleaned text."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())
