"""Expression text → tokens with positions. Knows names with dashes; does not know the grammar."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum

from rules.language.problems import Finding


class TokenKind(StrEnum):
    """WORD may turn out to be a keyword or a name; NAME (in backquotes, or with a dash) is always a name."""

    WORD = "WORD"
    NAME = "NAME"
    TEXT = "TEXT"
    NUMBER = "NUMBER"
    DATE = "DATE"
    INSTANT = "INSTANT"
    SIGN = "SIGN"
    END = "END"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is the meaning (quotes removed); `at` and `end` are offsets in the expression."""

    kind: TokenKind
    text: str
    at: int
    end: int


_SPACE = re.compile(r"(?:\s|#[^\n]*)+")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d\d:\d\d)?(?!\w)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?![\w-])")
_NUMBER = re.compile(r"\d+(?:_\d+)*(?:\.\d+)?(?!\w)")
_SIGN = re.compile(r"!=|<=|>=|[=<>+\-*/%()\[\],]")
_WORD = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_DASHED = re.compile(r"[^\W\d]\w*(?:[-.]\w+)*")
_BOUNDARY = re.compile(r"[-.]|$")

_HINTS = {
    "==": "write = to compare",
    "<>": "write != for not equal",
    "=>": "write >= for at least",
    "=<": "write <= for at most",
    "&&": "write and",
    "||": "write or",
    "!": "write not",
    ";": "remove it",
}
_CURLY = "“”„‘’‚«»"


def tokenize(text: str, known: Set[str], prefixes: Set[str] = frozenset()) -> list[Token] | Finding:
    """All tokens, with an END last; or what is wrong with the first characters that are no token.

    `known` are names that may contain dashes: the longest one that fits wins over a subtraction.
    `prefixes` are connection names: `hubspot-eu.` takes the following word along.
    """
    tokens: list[Token] = []
    position = end = 0
    while True:
        if space := _SPACE.match(text, position):
            position = space.end()
        if position >= len(text):
            tokens.append(Token(TokenKind.END, "", end, end))
            return tokens
        token = _token(text, position, known, prefixes)
        if isinstance(token, Finding):
            return token
        tokens.append(token)
        position = end = token.end


def _token(text: str, at: int, known: Set[str], prefixes: Set[str]) -> Token | Finding:
    first = text[at]
    if first in "\"'":
        return _quoted(text, at)
    if first == "`":
        end = text.find("`", at + 1)
        if end < 0 or "\n" in text[at:end]:
            return Finding(at, "this backquote is never closed")
        return Token(TokenKind.NAME, text[at + 1 : end], at, end + 1)
    for hint, advice in _HINTS.items():
        if text.startswith(hint, at) and not text.startswith("!=", at):
            return Finding(at, f'unexpected "{hint}"; {advice}')
    for kind, pattern in (
        (TokenKind.INSTANT, _INSTANT),
        (TokenKind.DATE, _DATE),
        (TokenKind.NUMBER, _NUMBER),
        (TokenKind.SIGN, _SIGN),
    ):
        if found := pattern.match(text, at):
            return Token(kind, found.group(), at, found.end())
    if word := _WORD.match(text, at):
        return _word(text, at, word.end(), known, prefixes)
    if first in _CURLY:
        return Finding(at, f'unexpected "{first}"; write texts in straight quotes: "…"')
    shown = re.match(r"[\w.]+|.", text[at:], re.DOTALL)
    return Finding(at, f'unexpected "{shown.group() if shown else first}"')


def _quoted(text: str, at: int) -> Token | Finding:
    """A text in single or double quotes; inside, the quote itself is written twice."""
    quote = text[at]
    position = at + 1
    parts: list[str] = []
    while True:
        end = text.find(quote, position)
        line_end = text.find("\n", position)
        if end < 0 or 0 <= line_end < end:
            return Finding(at, f"this {quote} is never closed")
        parts.append(text[position:end])
        if not text.startswith(quote, end + 1):
            return Token(TokenKind.TEXT, "".join(parts), at, end + 1)
        parts.append(quote)
        position = end + 2


def _word(text: str, at: int, end: int, known: Set[str], prefixes: Set[str]) -> Token:
    """A word; with dashes where that makes a known name, or where nothing else can be meant."""
    dashed = _DASHED.match(text, at)
    whole = dashed.group() if dashed else text[at:end]
    if "-" not in whole:
        return Token(TokenKind.WORD, whole, at, at + len(whole))
    cuts = [cut.start() for cut in _BOUNDARY.finditer(whole)]
    for cut in reversed(cuts):
        if whole[:cut] in known:
            kind = TokenKind.NAME if "-" in whole[:cut] else TokenKind.WORD
            return Token(kind, whole[:cut], at, at + cut)
    for cut in reversed(cuts):
        if whole[:cut] in prefixes and whole.startswith(".", cut):
            following = next(c for c in cuts if c > cut)
            return Token(TokenKind.NAME, whole[:following], at, at + following)
    if "." in whole and "-" in whole.split(".", 1)[0]:  # an unknown connection rather than a subtraction
        return Token(TokenKind.NAME, whole, at, at + len(whole))
    return Token(TokenKind.WORD, text[at:end], at, end)
