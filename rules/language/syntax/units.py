"""Numbers with a unit, a currency or separators: what to say where the parser meets what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from decimal import Decimal

from rules.language.syntax.amounts import CURRENCY, NO_SEPARATORS, UNIT, days_of, in_days, length, sign
from rules.language.syntax.tokens import Token, TokenKind


def misread(tokens: Sequence[Token], index: int, accepted: Set[str]) -> tuple[int, str] | None:
    """Where and what to say if the token that fits nowhere belongs to the number before it."""
    token, before = tokens[index], tokens[max(index - 1, 0)]
    if (
        token.kind is TokenKind.TEXT
        and {"NUMBER"} <= accepted <= {"NUMBER", "UNIT"}
        and (found := length(token.text))
    ):
        return token.at, f"write {found[0]} {found[1]} without quotes"
    if grouped := _grouped(tokens, index):
        return grouped
    if before.kind is not TokenKind.NUMBER or index == 0:
        return None
    word = token.text.lower() if token.kind is TokenKind.WORD else ""
    closing = token.kind is TokenKind.END or word in ("and", "or") or token.text in (")", ",")
    if "UNIT" in accepted and closing:
        return before.at, f"{before.text} what? Write {before.text} days, or hours, weeks, months, years"
    if UNIT.fullmatch(word):
        if tokens[index + 1].text.lower() == "ago" and not _since(tokens, index):
            days = days_of(before.text, word)
            return token.at, f'unexpected "{token.text}"; how long ago is asked by days since … > {days}'
        if _since(tokens, index):
            return token.at, f'unexpected "{token.text}"; {in_days(Decimal(before.text), word)}'
        return token.at, f'unexpected "{token.text}"; a value has no unit here: write {before.text}'
    if token.kind is TokenKind.WORD and CURRENCY.fullmatch(token.text) and word not in ("and", "not", "ago"):
        return token.at, sign(token.text)
    return None


def _grouped(tokens: Sequence[Token], index: int) -> tuple[int, str] | None:
    """`1,000` and `1 000`, and `2,5`, where a comma or a second number fits nowhere."""
    if tokens[index].text == "," and index > 0:
        low, high = index - 1, index + 1
    elif tokens[index].kind is TokenKind.NUMBER and index > 0:
        low, high = (index - 2 if tokens[index - 1].text == "," else index - 1), index
    else:
        return None
    if low < 0 or high >= len(tokens):
        return None
    first, second = tokens[low], tokens[high]
    if first.kind is not TokenKind.NUMBER or second.kind is not TokenKind.NUMBER:
        return None
    if second.at - first.end > 1:
        return None
    whole = second.text.split(".")[0]
    if len(whole) == 3 and first.text.isdigit():
        return first.at, f"write {first.text}{second.text}: {NO_SEPARATORS}"
    if high - low == 2 and second.text.isdigit():
        return first.at, f"write {first.text.replace('.', '')}.{second.text}: decimals have a point"
    return None


def _since(tokens: Sequence[Token], index: int) -> bool:
    """Whether the number before the token is compared with `days since …`."""
    for place in range(index - 1, -1, -1):
        word = tokens[place].text.lower() if tokens[place].kind is TokenKind.WORD else ""
        if word in ("and", "or", "not"):
            return False
        if word == "since":
            return place > 0 and tokens[place - 1].text.lower() == "days"
    return False
