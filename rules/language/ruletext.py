"""A segment's rule as one text, as versions keep it: who enters and, if it lasts, who leaves and when."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = re.compile(r"(.*?)(?:\nleave_when: (.*?))?(?:\nstay: ([^\n]*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RuleText:
    """The texts of the keys, as the admin wrote them; None: there is no such key."""

    when: str
    leave_when: str | None = None
    stay: str | None = None

    def __str__(self) -> str:
        text = self.when
        if self.leave_when is not None:
            text += f"\nleave_when: {self.leave_when}"
        return text if self.stay is None else f"{text}\nstay: {self.stay}"

    @classmethod
    def read(cls, text: str) -> RuleText:
        """Out of what `str` made."""
        found = _TEXT.fullmatch(text)
        return cls(text) if found is None else cls(*found.groups())
