"""What people write out of habit, from speech and other tools, and what to write instead."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence, Set

from rules.language.syntax.amounts import UNIT, days_of
from rules.language.syntax.tokens import Token, TokenKind

_JOINING = ("and", "or")
_COMPARED = {
    "equals": "=",
    "equal": "=",
    "exceeds": ">",
    "over": ">",
    "above": ">",
    "under": "<",
    "below": "<",
}
_PHRASES = {
    ("at", "least"): ">=",
    ("at", "most"): "<=",
    ("more", "than"): ">",
    ("greater", "than"): ">",
    ("less", "than"): "<",
    ("fewer", "than"): "<",
}
_WORDS = {
    "like": 'contains "…"',
    "includes": 'contains "…", or has "…" of a list',
    "startswith": 'starts with "…"',
    "endswith": 'ends with "…"',
    "per": "by",
    "percent": "%",
}
_FUNCTIONS = {
    "average": "avg",
    "mean": "avg",
    "total": "sum",
    "maximum": "max",
    "minimum": "min",
    "unique": "distinct",
    "first": "earliest",
    "last": "latest",
}
_CALLED = (
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "distinct",
    "list",
    "latest",
    "earliest",
    "any",
    "all",
    "none",
)
_ORDERED = ("<", ">", "<=", ">=")
_WINDOWS = ("last", "next", "this")


def habit(tokens: Sequence[Token], index: int, accepted: Set[str]) -> str | None:
    """What to write instead of a token that fits nowhere and those around it; None if that is not clear."""
    words = [_word(tokens, index + ahead) for ahead in range(4)]
    before, earlier = _word(tokens, index - 1), _word(tokens, index - 2)
    for found in (
        _asked_of(tokens, index, words, before),
        _windowed(tokens, index, before),
        _listed(tokens, index, before),
        _quoted(tokens, index, accepted),
        _dated(tokens, index, accepted),
        _called(tokens, index, before),
    ):
        if found:
            return found
    if "COMPARE" in accepted and words[0] in _COMPARED:
        return f"write {_COMPARED[words[0]]}"
    if "COMPARE" in accepted and (sign := _PHRASES.get((words[0], words[1]))):
        number = tokens[min(index + 2, len(tokens) - 1)].text or "…"
        if UNIT.fullmatch(words[3]):
            return f"how long ago is asked by days since … {sign} {days_of(number, words[3])}"
        what = f"count({_text(tokens, index - 1)})" if words[3] in ("time", "times") else ""
        return f"write {what or '…'} {sign} {number}"
    if words[0] in _WORDS and index > 0:
        return f"write {_WORDS[words[0]]}"
    if words[0] == "the" and before == "in" and words[1] in ("top", "bottom"):
        return f"write in {words[1]}"
    if words[0] in ("top", "bottom", "quintile") and "IN" in accepted:
        return f"write in {words[0]}"
    if before in ("top", "bottom") and tokens[index].kind is TokenKind.NUMBER:
        return f"the value comes first: write VALUE in {before} {tokens[index].text}%"
    if words[0] in ("after", "since") and "FOR" in accepted:
        return "write for"
    if words[0] == "for" and "AFTER" in accepted:
        return "write after"
    if tokens[index].text in ("to", ",") and "AND" in accepted and earlier == "between":
        return "write and: between … and …"
    if tokens[index].text == "," and "AND" in accepted and tokens[index + 1].kind is TokenKind.TEXT:
        return f'write in ["{_text(tokens, index - 1)}", "{tokens[index + 1].text}"]'
    if "NAME" in accepted and before in _JOINING and tokens[index].text in ("=", "!=", *_ORDERED):
        return f"say again what is compared: {before} … {tokens[index].text} …"
    if accepted == {"LPAR"} and before == "of":
        return "write a point in degrees north and east: of (48.14, 11.58)"
    if before == "then" and earlier == "and":
        return "write then without and"
    if tokens[index].text in _ORDERED and index > 1 and tokens[index - 2].text in _ORDERED:
        return "compare twice, joined by and; or write between … and …, both included"
    return None


def _asked_of(tokens: Sequence[Token], index: int, words: Sequence[str], before: str) -> str | None:
    """`is "DE"`, `is not known`, `is null`, `is true`, `not missing`."""
    if before not in ("is", "not"):
        return None
    opposite = words[0] == "not" or before == "not"
    at = index + (words[0] == "not")
    asked, text = _word(tokens, at), _text(tokens, at)
    if asked in ("missing", "null", "empty", "blank", "none", "unknown"):
        return "write is known" if opposite else "write is missing"
    if asked == "known":
        return "write is missing"
    if before == "not":
        return None
    if asked in ("true", "false", "yes", "no"):
        negated = opposite != (asked in ("false", "no"))
        return f"write {'not before the name' if negated else 'the name alone'}"
    if tokens[at].kind is TokenKind.NUMBER:
        return f"write {'!=' if opposite else '='} {text}"
    if tokens[at].kind is TokenKind.TEXT or (asked and asked not in _JOINING):
        return f'write {"!=" if opposite else "="} "{text}"'
    return None


def _windowed(tokens: Sequence[Token], index: int, before: str) -> str | None:
    """`in the last 30 days`, `within the last 30 days`, `in next 7 days`."""
    at = index + (_word(tokens, index) == "the")
    if (
        before not in ("in", "within")
        or _word(tokens, at) not in _WINDOWS
        or (before == "within" and at == index)
    ):
        return None
    window = [token.text for token in tokens[at : at + 3] if token.kind in (TokenKind.WORD, TokenKind.NUMBER)]
    return f"write {' '.join(window)}"


def _listed(tokens: Sequence[Token], index: int, before: str) -> str | None:
    """`in ("DE", "AT")`, `in "DE"`; `in 3 of the last 4 months`."""
    if before != "in":
        return None
    token = tokens[index]
    if token.text == "(" and token.kind is TokenKind.SIGN:
        return 'lists stand in square brackets: ["…", "…"]'
    if token.kind is TokenKind.TEXT:
        return f'lists stand in square brackets: ["{token.text}"]'
    if token.kind is TokenKind.NUMBER and _word(tokens, index + 1) == "of":
        return f"write at least {token.text} of"
    return None


def _quoted(tokens: Sequence[Token], index: int, accepted: Set[str]) -> str | None:
    """`in segment lapsed-vip`, `contains golf`, `[DE, AT]`: what has to be a text."""
    if "TEXT" not in accepted or "NAME" in accepted:
        return None
    token = tokens[index]
    if token.kind not in (TokenKind.WORD, TokenKind.NAME) or token.text.lower() in _JOINING:
        return None
    if _word(tokens, index + 1) == "of" and token.text.lower() in ("any", "all", "none"):
        return f"write has {token.text.lower()} of […]"
    last = index
    while (
        last + 1 < len(tokens) - 1
        and tokens[last + 1].at == tokens[last].end
        and tokens[last + 1].text not in (")", "]", ",", "(")
    ):
        last += 1
    return f'write "{"".join(each.text for each in tokens[index : last + 1])}" in quotes'


def _dated(tokens: Sequence[Token], index: int, accepted: Set[str]) -> str | None:
    """`before "1990-01-01"`, `before 31.1.1990`."""
    if "DATE" not in accepted or "NUMBER" in accepted:
        return None
    token = tokens[index]
    if token.kind is TokenKind.TEXT:
        try:
            return f"write {dt.date.fromisoformat(token.text)} without quotes"
        except ValueError:
            return "write dates as year-month-day without quotes, such as 2026-01-31"
    if token.kind is TokenKind.NUMBER and UNIT.fullmatch(_word(tokens, index + 1)):
        length = f"{token.text} {_word(tokens, index + 1)}"
        return f"a date stands here; a length of time is written within {length}"
    return "write dates as year-month-day, such as 2026-01-31" if token.kind is TokenKind.NUMBER else None


def _called(tokens: Sequence[Token], index: int, before: str) -> str | None:
    """`average(purchase.amount)`, `count purchase`, `no purchase`, `most frequent purchase.store`."""
    token, text = tokens[index], _text(tokens, index)
    if token.text == "(" and token.kind is TokenKind.SIGN and before:
        known = ", ".join(_CALLED)
        return f"write {_FUNCTIONS[before]}(…)" if before in _FUNCTIONS else f"functions are {known}"
    if token.kind not in (TokenKind.WORD, TokenKind.NAME) or token.text.lower() in _JOINING:
        return None
    if before == "most" and text == "frequent":
        return f"write most frequent({_text(tokens, index + 1) or '…'})"
    if before in ("any", "all", "none"):
        return f"write {before}({text} where …)"
    if before in _CALLED:
        return f"write {before}({text})"
    if before == "no":
        return f"write never {text}"
    if before == "days_since" or (before == "days" and text.startswith("since_")):
        return "write days since"
    return None


def _word(tokens: Sequence[Token], index: int) -> str:
    """The word at a place in small letters, or nothing."""
    inside = 0 <= index < len(tokens) and tokens[index].kind is TokenKind.WORD
    return tokens[index].text.lower() if inside else ""


def _text(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text if 0 <= index < len(tokens) else ""
