"""What is said where an expression stops making sense."""

from __future__ import annotations

from collections.abc import Set

from rules.language.problems import Finding
from rules.language.syntax.tokens import Token, TokenKind

_SHOWN = {
    "NAME": "a name",
    "TEXT": 'a text in quotes ("…")',
    "NUMBER": "a number",
    "DATE": "a date such as 2026-01-31",
    "UNIT": "a unit such as days",
    "DISTANCE": "km or miles",
    "COMPARE": "a comparison (= != < <= > >=)",
    "END": "the end",
    "AT": '"at least"',
    "PLUS": '"+"',
    "MINUS": '"-"',
    "TIMES": '"*"',
    "DIVIDE": '"/"',
    "PERCENT": '"%"',
    "LPAR": '"("',
    "RPAR": '")"',
    "LSQB": '"["',
    "RSQB": '"]"',
    "COMMA": '","',
}


def unexpected(token: Token, accepted: Set[str], advice: str | None = None) -> Finding:
    """What is wrong with a token where only the `accepted` terminals make sense, or what to write instead."""
    shown = {TokenKind.TEXT: f'the text "{token.text}"', TokenKind.NAME: f"`{token.text}`"}
    if advice is not None and token.kind is not TokenKind.END:
        return Finding(token.at, f"unexpected {shown.get(token.kind, _quote(token.text))}; {advice}")
    names = {"END" if name == "$END" else name for name in accepted} - {"BROKEN"}
    if {"NAME", "NUMBER", "LPAR"} <= names:
        expected = "a fact, an activity or a value"
    elif "COMPARE" in names:
        closing = names & {"AND", "OR", "RPAR", "COMMA", "END"}
        expected = f"a comparison, a window, {_either(closing)}"
    else:
        if {"AND", "FOLLOWED"} <= names:  # how a condition goes on is said by `and` and `or`
            names -= {"THEN", "FOLLOWED"} if "CONTAINS" in names else {"THEN", "FOLLOWED", "NOT"}
        expected = _either(names - {"PLUS", "MINUS", "TIMES", "DIVIDE"})
    if token.kind is TokenKind.END:
        return Finding(token.at, f"the expression ends too early; expected {expected}")
    return Finding(token.at, f"unexpected {shown.get(token.kind, _quote(token.text))}; expected {expected}")


def _quote(text: str) -> str:
    return f'"{text}"'


def _either(names: Set[str]) -> str:
    shown = sorted(_SHOWN.get(name, _quote(name.lower())) for name in names)
    return " or ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
