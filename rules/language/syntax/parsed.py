"""What is in lark's parse tree: terminals, positions, texts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from rules.language.syntax import tree

if TYPE_CHECKING:
    from lark import Token as LarkToken
    from lark import Tree as LarkTree

    Parsed: TypeAlias = LarkTree[LarkToken]
    Child: TypeAlias = Parsed | LarkToken


def terminal(child: object) -> str:
    """The terminal of a token, "" for a rule."""
    return getattr(child, "type", "")


def rule(child: object) -> str:
    """The rule of a tree, "" for a token."""
    return str(getattr(child, "data", ""))


def place(child: Child) -> int:
    """Where a token begins."""
    position = child.start_pos  # type: ignore[union-attr]
    return position if isinstance(position, int) else 0


def parts(child: Child) -> list[Child]:
    """What a rule is made of."""
    return child.children  # type: ignore[union-attr]


def as_name(token: Child) -> tree.Name:
    """A name as written."""
    return tree.Name(place(token), str(token))


def as_text(token: Child) -> tree.Text:
    """A text without its quotes."""
    return tree.Text(place(token), str(token))


def as_number(token: Child) -> tree.Number:
    """A number exactly as written."""
    return tree.Number(place(token), Decimal(str(token).replace("_", "")))
