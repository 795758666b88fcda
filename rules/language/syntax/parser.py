"""Expression text → `tree` nodes, or the first place where the text stops making sense.

The grammar is in grammar.lark. Tokens are fed to lark's LALR parser one at a time, so that a word counts
as a keyword only where the grammar has a place for it. No types, no vocabulary beyond names with dashes.
"""

from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from rules.language.problems import Finding
from rules.language.syntax import tree
from rules.language.syntax.builder import Builder
from rules.language.syntax.tokens import Token, TokenKind, tokenize
from rules.language.syntax.unsupported import unsupported

if TYPE_CHECKING:
    from lark import Lark
    from lark import Token as LarkToken

_DEEPEST = 60

_RESERVED = frozenset({"AND", "OR", "NOT", "IN", "IS", "BETWEEN", "WHERE", "TRUE", "FALSE"}) | frozenset(
    {"CONTAINS", "STARTS", "ENDS", "MATCHES", "HAS", "WITHIN"}
)
"""Never a name without backquotes: a missing operand is then told as such, not as an unknown fact."""

_SIGNS = {
    "+": "PLUS",
    "-": "MINUS",
    "*": "TIMES",
    "/": "DIVIDE",
    "%": "PERCENT",
    "(": "LPAR",
    ")": "RPAR",
    "[": "LSQB",
    "]": "RSQB",
    ",": "COMMA",
}

_SHOWN = {
    "NAME": "a name",
    "TEXT": 'a text in quotes ("…")',
    "NUMBER": "a number",
    "DATE": "a date such as 2026-01-31",
    "UNIT": "a unit such as days",
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


def parse(
    text: str, *, zone: str = "UTC", known: Set[str] = frozenset(), prefixes: Set[str] = frozenset()
) -> tuple[tree.Tree | None, list[Finding]]:
    """The tree of an expression and what is wrong with it; the tree is None after a syntax error.

    `known`, `prefixes`: see `tokenize`. `zone` is meant by an instant written without an offset.
    """
    tokens = tokenize(text, known, prefixes)
    if isinstance(tokens, Finding):
        return None, [tokens]
    if len(tokens) == 1:
        return None, [Finding(0, "the expression is empty")]
    try:
        return _parse(tokens, zone, known)
    except RecursionError:
        return None, [Finding(0, "this expression is nested too deeply; name its parts with [[field]]")]


def _parse(tokens: list[Token], zone: str, known: Set[str]) -> tuple[tree.Tree | None, list[Finding]]:
    from lark import Token as NewToken
    from lark.exceptions import UnexpectedToken

    parser = grammar().parse_interactive()
    before: list[LarkToken] = []
    depth = 0
    for index, token in enumerate(tokens):
        choices: Set[str] = parser.choices().keys()  # type: ignore[no-untyped-call]
        terminal = _terminal(tokens, index, choices, known)
        operand, is_keyword = "NAME" in choices, terminal != "NAME"
        expected = terminal == "FOR" and any(one.type == "STOPPED" for one in before)
        missing = unsupported(tokens, index, operand=operand, keyword=is_keyword, known=known)
        if missing and not expected:
            return None, [missing]
        if token.kind is TokenKind.END:
            terminal = "$END"
        depth += (terminal in ("LPAR", "LSQB")) - (terminal in ("RPAR", "RSQB"))
        if depth > _DEEPEST:
            return None, [Finding(token.at, "nested too deeply; name the parts with [[field]]")]
        fed = NewToken(terminal, token.text, start_pos=token.at, end_pos=token.end)
        try:
            result = parser.feed_token(fed)
        except UnexpectedToken:
            return None, [_unexpected(tokens[index], _accepted(before))]
        before.append(fed)
    builder = Builder(zone)
    return builder.build(result.children[0]), builder.findings


@lru_cache(maxsize=1)
def grammar() -> Lark:
    """The compiled grammar; lark is only imported here."""
    from lark import Lark

    text = files("rules.language.syntax").joinpath("grammar.lark").read_text("utf-8")
    return Lark(text, parser="lalr", maybe_placeholders=False)


@lru_cache(maxsize=4096)
def keyword(word: str) -> str | None:
    """The terminal a word stands for where the grammar wants it, e.g. `days` → UNIT."""
    for terminal in grammar().terminals:
        if re.fullmatch(terminal.pattern.to_regexp(), word):
            return str(terminal.name)
    return None


def _terminal(tokens: list[Token], index: int, choices: Set[str], known: Set[str]) -> str:
    token = tokens[index]
    match token.kind:
        case TokenKind.SIGN:
            return _SIGNS.get(token.text, "COMPARE")
        case TokenKind.WORD:
            found = keyword(token.text.lower())
            if found is None:
                return "NAME"
            if found not in choices:
                return found if found in _RESERVED or "NAME" not in choices else "NAME"
            if "NAME" in choices and not _starts_form(found, tokens[index : index + 3], known):
                return "NAME"
            return found
        case _:
            return token.kind.value


def _starts_form(terminal: str, ahead: list[Token], known: Set[str]) -> bool:
    """Where a name may stand too, a word is a keyword only if what follows fits: a fact may be `first`."""
    token, following = ahead[:2]
    word = following.text.lower() if following.kind is TokenKind.WORD else ""
    is_name = following.kind is TokenKind.NAME or (bool(word) and keyword(word) not in _RESERVED)
    match terminal:
        case "FUNCTION" | "LIST" | "ANY" | "ALL" | "NONE":
            return following.kind is TokenKind.SIGN and following.text == "("
        case "UNIT":
            return word == "since"
        case "FIRST" | "LAST" | "DID" | "NEVER":
            return is_name
        case "STOPPED" | "RESTARTED":
            return is_name and (token.text not in known or _is_word(ahead[2], "where", "for", "after"))
        case "MOST":
            return word == "frequent" and ahead[2].text == "("
        case "CONSENTED":
            return word == "to"
        case "RANDOM":
            return following.kind is TokenKind.NUMBER
        case _:
            return True


def _is_word(token: Token, *words: str) -> bool:
    return token.kind is TokenKind.WORD and token.text.lower() in words


def _accepted(before: list[LarkToken]) -> Set[str]:
    """What could have come after these tokens; parsed again, as the failed parser is in between states."""
    parser = grammar().parse_interactive()
    for token in before:
        parser.feed_token(token)
    accepted: Set[str] = parser.accepts()  # type: ignore[no-untyped-call]
    return accepted


def _unexpected(token: Token, accepted: Set[str]) -> Finding:
    names = {"END" if name == "$END" else name for name in accepted}
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
    shown = {TokenKind.TEXT: f'the text "{token.text}"', TokenKind.NAME: f"`{token.text}`"}
    return Finding(token.at, f"unexpected {shown.get(token.kind, _quote(token.text))}; expected {expected}")


def _quote(text: str) -> str:
    return f'"{text}"'


def _either(names: Set[str]) -> str:
    shown = sorted(_SHOWN.get(name, _quote(name.lower())) for name in names)
    return " or ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
