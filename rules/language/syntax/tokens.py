"""Expression text → tokens with positions. Knows names with dashes; does not know the grammar."""

from __future__ import annotations

import re
from collections.abc import Set
from enum import StrEnum
from typing import NamedTuple

from rules.language.problems import Finding
from rules.language.syntax.amounts import NO_SEPARATORS, attached, sign


class TokenKind(StrEnum):
    """WORD may turn out to be a keyword or a name; NAME (in backquotes, or with a dash) is always a name.

    BROKEN are characters that are nothing, and already reported."""

    WORD = "WORD"
    NAME = "NAME"
    TEXT = "TEXT"
    NUMBER = "NUMBER"
    DATE = "DATE"
    INSTANT = "INSTANT"
    SIGN = "SIGN"
    BROKEN = "BROKEN"
    END = "END"


_KINDS = {kind.value: kind for kind in TokenKind}


class Token(NamedTuple):
    """`text` is the meaning (quotes removed); `at` and `end` are offsets in the expression."""

    kind: TokenKind
    text: str
    at: int
    end: int


_SPACE = re.compile(r"(?:\s|#[^\n]*)+")
_DASHED = re.compile(r"[^\W\d]\w*(?:[-.]\w+)*")
_BOUNDARY = re.compile(r"[-.]|$")
_CURRENCIES = "€$£¥"
_CURLY = "“”„‘’‚«»"
_TOKEN = re.compile(
    r"""(?P<TEXT>"(?:[^"\n]|"")*+"|'(?:[^'\n]|'')*+')
    |(?P<NAME>`[^`\n]*`)
    |(?P<WRONG>==|<>|=>|=<|&&|\|\||!(?!=)|[;≥≤≠])
    |(?P<INSTANT>\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d\d:\d\d)?(?!\w))
    |(?P<DATE>\d{4}-\d\d-\d\d(?![\w-]))
    |(?P<DOTTED>\d{1,3}(?:\.\d{3}){2,}(?![\w.]))
    |(?P<NUMBER>\d+(?:_\d+)*(?:\.\d+)?(?!\w))
    |(?P<SIGN>!=|<=|>=|[=<>+\-*/%()\[\],])
    |(?P<WORD>[^\W\d]\w*(?:\.\w+)*)
    |(?P<CURLY>[“”„‘’‚«»](?P<INSIDE>[^“”„‘’‚«»"'\n]*)[“”„‘’‚«»"'])
    |(?P<UNCLOSED>["'`])[^\n]*
    |(?P<BROKEN>[\w.]+|.)""",
    re.VERBOSE | re.DOTALL,
)
"""`*+` takes doubled quotes whole: a text is never closed by the first half of one."""

_MEANT = {
    "==": (TokenKind.SIGN, "=", "write = to compare"),
    "<>": (TokenKind.SIGN, "!=", "write != for not equal"),
    "=>": (TokenKind.SIGN, ">=", "write >= for at least"),
    "=<": (TokenKind.SIGN, "<=", "write <= for at most"),
    "≥": (TokenKind.SIGN, ">=", "write >= for at least"),
    "≤": (TokenKind.SIGN, "<=", "write <= for at most"),
    "≠": (TokenKind.SIGN, "!=", "write != for not equal"),
    "&&": (TokenKind.WORD, "and", "write and"),
    "||": (TokenKind.WORD, "or", "write or"),
    "!": (TokenKind.WORD, "not", "write not"),
    ";": (None, "", "remove it"),
}
"""Signs of other languages: what is read instead, so that the rest can be checked too."""


def tokenize(
    text: str, known: Set[str], prefixes: Set[str] = frozenset()
) -> tuple[list[Token], list[Finding]]:
    """All tokens, with an END last, and what is wrong with characters that are no token.

    `known` are names that may contain dashes: the longest one that fits wins over a subtraction.
    `prefixes` are connection names: `hubspot-eu.` takes the following word along.
    """
    tokens: list[Token] = []
    findings: list[Finding] = []
    position = end = 0
    while True:
        if space := _SPACE.match(text, position):
            position = space.end()
        found = _TOKEN.match(text, position)
        if found is None:
            tokens.append(Token(TokenKind.END, "", end, end))
            return tokens, findings
        match found.lastgroup:
            case "WORD":
                token: Token | None = _word(text, position, found.end(), known, prefixes)
            case "TEXT":
                quote, inside = text[position], text[position + 1 : found.end() - 1]
                token = Token(TokenKind.TEXT, inside.replace(quote * 2, quote), position, found.end())
            case "NAME":
                token = Token(TokenKind.NAME, found.group()[1:-1], position, found.end())
            case "INSTANT" | "DATE" | "NUMBER" | "SIGN" as kind:
                token = Token(_KINDS[kind], found.group(), position, found.end())
            case _:
                token, message = _wrong(found)
                findings.append(Finding(position, message))
        if token is not None:
            tokens.append(token)
        position = end = found.end() if token is None else token.end


def _wrong(found: re.Match[str]) -> tuple[Token | None, str]:
    """What is read instead of characters that are no token, and what to say about them."""
    at, end, text = found.start(), found.end(), found.group()
    first = text[0]
    if meant := _MEANT.get(text):
        kind, read, advice = meant
        return Token(kind, read, at, end) if kind else None, f'unexpected "{text}"; {advice}'
    if first in _CURLY:
        message = f'unexpected "{first}"; write texts in straight quotes: "…"'
        inside = found.group("INSIDE")
        kind = TokenKind.BROKEN if inside is None else TokenKind.TEXT
        return Token(kind, inside or text, at, end), message
    if found.lastgroup == "DOTTED":
        number = text.replace(".", "")
        return Token(TokenKind.NUMBER, number, at, end), f"write {number}: {NO_SEPARATORS}"
    if first in _CURRENCIES:
        return None, sign(text)
    broken = Token(TokenKind.BROKEN, text, at, end)
    if first in "\"'":
        return broken, f"this {first} is never closed"
    if first == "`":
        return broken, "this backquote is never closed"
    instead = attached(text)
    return broken, f'unexpected "{text}"' + (f"; {instead}" if instead else "")


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
