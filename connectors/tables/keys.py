"""Reads typed values out of the config's nested mapping and notes every problem under its key's path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` or nothing."""
    names = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(name.casefold(), list(names), n=1, cutoff=0.6)
    return f'; did you mean "{names[found[0]]}"?' if found else ""


class Keys:
    """One table of the config. Reading a value of the wrong type notes a problem and yields a blank."""

    def __init__(self, raw: Mapping[str, object], path: str, problems: list[str]) -> None:
        self._raw = raw
        self.path = path
        self._problems = problems

    def problem(self, name: str | None, sentence: str) -> None:
        """Note that the key `name` (None: the table itself) is wrong."""
        where = (self.path or "the connection") if name is None else self.below(name)
        message = f"{where}: {sentence}"
        if message not in self._problems:
            self._problems.append(message)

    def below(self, name: str) -> str:
        """The full path of the key `name`."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        return name in self._raw

    def only(self, known: Sequence[str]) -> None:
        """Every other key is a problem, with the nearest known one."""
        for name in self._raw:
            if name not in known:
                self.problem(name, f"is not known here{nearest(name, known)}")

    def text(self, name: str, *, blank: bool = False) -> str | None:
        """The text under `name`; `blank` allows one made of blanks, such as a tab."""
        value = self._raw.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not (value if blank else value.strip()):
            self.problem(name, "must be a text that is not empty")
            return None
        return value

    def needed_text(self, name: str) -> str:
        value = self.text(name)
        if value is None and name not in self._raw:
            self.problem(name, "is missing")
        return value or ""

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, or one text."""
        value = self._raw.get(name)
        if value is None:
            return ()
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
            self.problem(name, "must be a text or a list of texts")
            return ()
        return tuple(str(v) for v in values)

    def needed_texts(self, name: str) -> tuple[str, ...]:
        values = self.texts(name)
        if not values and self._raw.get(name) in (None, (), []):
            self.problem(name, "is missing")
        return values

    def texts_by_name(self, name: str) -> dict[str, str]:
        """A table of name = text."""
        own = self.table(name)
        if own is None:
            return {}
        return {key: own.needed_text(key) for key in own._raw}

    def spellings(self, name: str) -> dict[str, str]:
        """`["a", "b"]` or `{ a = ["A", "Alpha"] }` → each value of the source and what it means."""
        value = self._raw.get(name)
        if isinstance(value, Mapping):
            own = Keys(value, self.below(name), self._problems)
            return {spelling: key for key in value for spelling in own.texts(key)}
        return {text: text for text in self.texts(name)}

    def is_table(self, name: str) -> bool:
        return isinstance(self._raw.get(name), Mapping)

    def table(self, name: str, *, required: bool = False) -> Keys | None:
        """The table under `name`, or None."""
        value = self._raw.get(name)
        if value is None:
            if required:
                self.problem(name, "is missing")
            return None
        if not isinstance(value, Mapping):
            self.problem(name, "must be a table")
            return None
        return Keys(value, self.below(name), self._problems)

    def text_or_table(self, name: str) -> tuple[Keys | None, str | None]:
        return (self.table(name), None) if self.is_table(name) else (None, self.text(name))

    def tables(self, name: str) -> list[Keys]:
        """A list of tables; its members' paths are `name[0]`, `name[1]`, …"""
        value = self._raw.get(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple) or not all(isinstance(v, Mapping) for v in value):
            self.problem(name, "must be a list of tables")
            return []
        return [Keys(v, f"{self.below(name)}[{n}]", self._problems) for n, v in enumerate(value)]
