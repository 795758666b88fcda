"""Where reading goes on after a mistake: behind the condition that the mistake is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rules.language.syntax.tokens import Token, TokenKind


class Start(NamedTuple):
    """Where a condition may begin: its token, how many brackets are open there, how many tokens were fed."""

    token: int
    depth: int
    fed: int


def resume(tokens: Sequence[Token], start: Start, index: int) -> int:
    """The first token from `index` on that stands behind the condition beginning at `start`: an `and` or `or`
    outside its own brackets, a comma or bracket that ends it, or the end. The `and` of a `between`, or an
    `or` written instead, is part of it.

    If it has a bracket that is never closed, the next `and` or `or` is taken.
    """
    depth = betweens = 0
    for position in range(start.token, len(tokens) - 1):
        token = tokens[position]
        word = token.text.lower() if token.kind in (TokenKind.WORD, TokenKind.SIGN) else ""
        if depth == 0:
            ends = word == "or" or (start.depth > 0 and word in (",", ")", "]"))
            if word == "and" or (word == "or" and position == index):
                ends = betweens == 0
                betweens = max(betweens - 1, 0)
            if ends and position >= index:
                return position
        if word == "between":
            betweens += depth == 0
        elif word in ("(", "["):
            depth += 1
        elif word in (")", "]"):
            depth = max(depth - 1, 0)
    if depth > 0:
        for position in range(index + 1, len(tokens) - 1):
            if tokens[position].kind is TokenKind.WORD and tokens[position].text.lower() in ("and", "or"):
                return position
    return len(tokens) - 1
