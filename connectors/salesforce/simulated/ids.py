"""Salesforce's record ids: 15 characters in which case matters, and 3 more that make case not matter."""

from __future__ import annotations

import re
from functools import lru_cache

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
POD = "4S0"


def long_id(short: str) -> str:
    """15 characters to 18: each of the last 3 tells which of five are capitals."""
    return short + _told(short[:5]) + _told(short[5:10]) + _told(short[10:15])


@lru_cache(maxsize=10_000)
def _told(five: str) -> str:
    return CHECKSUM[sum(1 << n for n, char in enumerate(five) if "A" <= char <= "Z")]


def made_id(prefix: str, number: int) -> str:
    """The id of the `number`th record of an object."""
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = DIGITS[digit] + text
    return long_id(prefix + POD + text.rjust(9, "0"))


def is_id(text: object) -> bool:
    """Whether it looks like a record id, and its checksum (if any) is right."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?", text):
        return False
    return len(text) == 15 or long_id(text[:15]) == text
