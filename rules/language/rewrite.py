"""Another condition for one segment in the text of a rule file; all else stays as it is, to the letter."""

from __future__ import annotations

from pathlib import Path

from rules.language.definitions import Drafts
from rules.language.files import sources_of
from rules.language.places import ScalarPlace
from rules.language.source import Source
from rules.vocabulary import Vocabulary

OTHERWISE = "otherwise"
"""What stands for the condition of a tier that takes the rest."""
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


def rewritten(content: bytes, segment: str, condition: str) -> bytes:
    """The file with this condition as the segment's `when`. Its line ends and its mark of UTF-8 stay, too."""
    raw = content.decode("utf-8")
    start, end, mark = _place(raw, segment)
    written = _string(condition, like=mark)
    if "\r\n" in raw:
        written = written.replace("\n", "\r\n")
    return (raw[:start] + written + raw[end:]).encode("utf-8")


def _place(raw: str, segment: str) -> tuple[int, int, str]:
    """Where the value of `when` begins and ends in the text as it is in the file, and its quotes."""
    kept = [at for at, sign in enumerate(raw) if not (sign == "\r" and raw[at + 1 : at + 2] == "\n")]
    if raw.startswith("\ufeff"):
        kept = kept[1:]
    text = "".join(raw[at] for at in kept)
    drafts = Drafts(Vocabulary({}, {}))
    if not drafts.read(Source("", text)) or segment not in drafts.segments:
        raise CannotRewriteError(f"{segment} does not stand in this file")
    draft = drafts.segments[segment]
    place = draft.table.place.values.get("when")
    if draft.otherwise or not isinstance(place, ScalarPlace) or not place.characters:
        raise CannotRewriteError(f"{segment} has no condition of its own: it takes everyone else")
    quote = text[place.at]
    mark = quote * 3 if text.startswith(quote * 3, place.at) else quote
    return kept[place.at], kept[place.characters[-1] + len(mark) - 1] + 1, mark


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
