"""The one field we own on a platform: names of segments, joined by `;`. Pure.

Others may put names of their own into it, by hand or by their tools. So a value is never written from what we
know alone: what stands there is read first, our names go in or out, and everything else stays.
"""

from __future__ import annotations

from collections.abc import Iterable

from connectors.base import Change

SEPARATOR = ";"


def names_in(value: str | None) -> list[str]:
    """The names in a value, in their order; blanks around them do not count, and no name counts twice."""
    parts = (part.strip() for part in (value or "").split(SEPARATOR))
    return list(dict.fromkeys(part for part in parts if part))


def joined(names: Iterable[str]) -> str:
    """The names as one value."""
    return SEPARATOR.join(names)


def changed(held: Iterable[str], change: Change) -> list[str]:
    """What is to stand in the field: what stands there, without `change.without`, with `change.value`.

    In alphabetical order, so that the same names are always the same value, whoever put them there first.
    """
    return sorted((set(held) - set(names_in(change.without))) | set(names_in(change.value)))
