"""Another wording of one segment in the text of a rule file; all else stays as it is, to the letter."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rules.language.definitions import Drafts
from rules.language.files import sources_of
from rules.language.places import ScalarPlace
from rules.language.ruletext import RuleText
from rules.language.source import Source
from rules.vocabulary import Vocabulary

_ESCAPED = {"\\": "\\\\", '"': '\\"', "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


class CannotRewriteError(ValueError):
    """Why the condition cannot be put there, as a sentence."""


def file_of(path: Path, segment: str) -> Path | None:
    """The file under `path` (a folder, or the one file) in which the segment or tier stands."""
    for source in sources_of(path):
        drafts = Drafts(Vocabulary({}, {}))
        if drafts.read(source) and segment in drafts.segments:
            return path / source.name if path.is_dir() else path
    return None


def rewritten(content: bytes, segment: str, wording: str) -> bytes:
    """The file with this wording of the segment: its `when`, and its `leave_when` and `stay` if it has any.

    The file's line ends and its mark of UTF-8 stay, too.
    """
    place = _Place(content.decode("utf-8"), segment)
    wanted = RuleText.read(wording)
    changes = [place.value("when", wanted.when)]
    added = []
    for key, text in (("leave_when", wanted.leave_when), ("stay", wanted.stay)):
        if key in place.table.keys:
            changes.append(place.no_line(key) if text is None else place.value(key, text))
        elif text is not None:
            written = _string(text, like="'")
            added.append(f"{key} = {written}")
    if added:
        changes.append(place.lines(added))
    raw = place.raw
    for start, end, text in sorted(changes, reverse=True):
        raw = raw[:start] + (text.replace("\n", "\r\n") if "\r\n" in raw else text) + raw[end:]
    return raw.encode("utf-8")


class _Place:
    """Where a segment's keys stand in the text as it is in the file. Answers are (start, end, new text)."""

    def __init__(self, raw: str, segment: str) -> None:
        self.raw = raw
        kept = [at for at, sign in enumerate(raw) if not (sign == "\r" and raw[at + 1 : at + 2] == "\n")]
        if raw.startswith("\ufeff"):
            kept = kept[1:]
        self._kept = [*kept, len(raw)]
        self._text = "".join(raw[at] for at in kept)
        drafts = Drafts(Vocabulary({}, {}))
        if not drafts.read(Source("", self._text)) or segment not in drafts.segments:
            raise CannotRewriteError(f"{segment} does not stand in this file")
        draft = drafts.segments[segment]
        self.table, self._segment = draft.table.place, segment
        if draft.otherwise or "when" not in self.table.keys:
            raise CannotRewriteError(f"{segment} has no condition of its own: it takes everyone else")

    def value(self, key: str, text: str) -> tuple[int, int, str]:
        """Another value for a key that is there."""
        start, end, mark = self._span(key)
        return self._kept[start], self._kept[end - 1] + 1, _string(text, like=mark)

    def no_line(self, key: str) -> tuple[int, int, str]:
        """The line of a key goes."""
        start, after = self._line(key)
        return self._kept[start], self._kept[after], ""

    def lines(self, added: Iterable[str]) -> tuple[int, int, str]:
        """New lines of keys below that of `when`, each as far to the right as it."""
        start, after = self._line("when")
        indent = self._text[start : self.table.keys["when"]]
        text = "".join(f"{indent}{one}\n" for one in added)
        if not self._text[:after].endswith("\n"):
            text = "\n" + text.removesuffix("\n")
        return self._kept[after], self._kept[after], text

    def _span(self, key: str) -> tuple[int, int, str]:
        place = self.table.values.get(key)
        if not isinstance(place, ScalarPlace) or not place.characters:
            raise CannotRewriteError(f"{key} of {self._segment} is not a text in this file")
        quote = self._text[place.at]
        mark = quote * 3 if self._text.startswith(quote * 3, place.at) else quote
        return place.at, place.characters[-1] + len(mark), mark

    def _line(self, key: str) -> tuple[int, int]:
        """Where the lines of a key and its value begin, and where the next one does."""
        at, (_, end, _) = self.table.keys[key], self._span(key)
        start = self._text.rfind("\n", 0, at) + 1
        after = self._text.find("\n", end) + 1 or len(self._text)
        rest = self._text[end:after].strip()
        if self._text[start:at].strip() or (rest and not rest.startswith("#")):
            raise CannotRewriteError(
                f"{self._segment} does not have a line for each key, so leave_when and stay, in which the "
                "two differ, have no place; write them by hand"
            )
        return start, after


def _string(value: str, *, like: str) -> str:
    """The value as a TOML string, in the quotes that are there if they can hold it."""
    long = "\n" in value
    if like[0] == "'" or '"' in value or "\\" in value:
        mark = "'''" if long or "'" in value else "'"
        fits = "'''" not in value and not value.endswith("'")
        if fits and all(sign >= " " or sign in "\n\t" for sign in value):
            return f"'''\n{value}'''" if long else f"{mark}{value}{mark}"
    inner = "".join(_ESCAPED.get(sign, sign) for sign in value)
    return f'"""\n{inner}"""' if long else f'"{inner}"'
