"""Forms of the language that this version knows by sight but cannot evaluate, told plainly."""

from __future__ import annotations

from collections.abc import Sequence, Set

from rules.language.problems import Finding
from rules.language.syntax.tokens import Token, TokenKind

_NUMBER = "\0number"

# (words from this token on, must stand where a value begins (True), where it has ended (False), what it is)
_FORMS: tuple[tuple[tuple[str, ...], bool, str], ...] = (
    (("within", _NUMBER, "km"), False, "places (`within … km of`)"),
    (("within", _NUMBER, "kilometers"), False, "places (`within … km of`)"),
    (("in", "cluster"), True, "clusters (`in cluster`)"),
    (("for", _NUMBER), False, 'held-for (`in segment "…" for N days`)'),
)

_FIRST = frozenset(words[0] for words, _, _ in _FORMS)


def not_supported(what: str) -> str:
    """The one wording for everything that comes later."""
    return f"not supported yet: {what}"


def unsupported(
    tokens: Sequence[Token], index: int, *, operand: bool, keyword: bool, known: Set[str]
) -> Finding | None:
    """The form that begins at this token, if it is one of those.

    `operand`: a name may stand here. `keyword`: the word is one of the language. `known` names are no forms.
    """
    token = tokens[index]
    if token.text.lower() not in _FIRST or token.kind is not TokenKind.WORD:
        return None
    if operand and keyword and token.text.lower() != "in":
        return None
    if operand and token.text in known:
        return None
    for words, starts_value, what in _FORMS:
        if starts_value == operand and all(
            _fits(word, tokens[index + offset] if index + offset < len(tokens) else None)
            for offset, word in enumerate(words)
        ):
            return Finding(token.at, not_supported(what))
    return None


def _fits(word: str, token: Token | None) -> bool:
    if token is None:
        return False
    if word == _NUMBER:
        return token.kind is TokenKind.NUMBER
    return token.kind in (TokenKind.WORD, TokenKind.SIGN) and token.text.lower() == word
