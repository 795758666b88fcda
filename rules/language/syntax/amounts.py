"""Texts that are amounts with a unit or a currency: what to write instead."""

from __future__ import annotations

import re
from decimal import Decimal

UNIT = re.compile(r"(hour|day|week|month|quarter|year)s?")
CURRENCY = re.compile(r"[A-Z]{3}")
_LETTERS = {"h": "hours", "d": "days", "w": "weeks", "m": "months", "y": "years", "km": "km", "mi": "miles"}
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_ATTACHED = re.compile(r"(\d+(?:\.\d+)?)([a-z]+|[A-Z]{3})")
_LENGTH = re.compile(r"\s*(\d+)\s*((?:hour|day|week|month|year)s?)\s*")
NO_SEPARATORS = "numbers have no separators for thousands"
_ALONE = "amounts stand alone, in the currency of the config"


def attached(text: str) -> str | None:
    """What to write for a number with letters at its end, `30d` or `500EUR`."""
    if (found := _ATTACHED.fullmatch(text)) is None:
        return None
    number, letters = found.groups()
    if CURRENCY.fullmatch(letters):
        return f"write {number}: {_ALONE}"
    unit = letters if UNIT.fullmatch(letters) else _LETTERS.get(letters)
    return None if unit is None else f"write {number} {unit}"


def sign(text: str) -> str:
    """What to say of a currency sign."""
    return f'remove "{text}": {_ALONE}'


def length(text: str) -> tuple[int, str] | None:
    """A text that is a length of time, `60 days`, as number and unit."""
    found = _LENGTH.fullmatch(text.lower())
    return None if found is None else (int(found[1]), found[2])


def in_days(number: int | Decimal, unit: str) -> str:
    """How to write a length of time where days are counted."""
    days = _DAYS.get(unit.lower().removesuffix("s"))
    if days is None:
        return "write whole days: days since counts days"
    return f"write {number * days}: days since counts days already"


def days_of(number: str, unit: str) -> str:
    """A length of time as a number of days; `…` for hours and quarters, which are no fixed number of them."""
    days = _DAYS.get(unit.lower().removesuffix("s"))
    return "…" if days is None or not number.isdigit() else str(int(number) * days)
