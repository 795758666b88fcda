"""What is in the branches of the automaton: terminals, positions, texts."""

from __future__ import annotations

from decimal import Decimal

from rules.language.syntax import tree
from rules.language.syntax.automaton import Branch, Child, Leaf


def terminal(child: Child) -> str:
    """The terminal of a token, "" for a rule."""
    return child.type if isinstance(child, Leaf) else ""


def rule(child: Child) -> str:
    """The rule of a branch, "" for a token."""
    return child.data if isinstance(child, Branch) else ""


def place(child: Child) -> int:
    """Where a token begins."""
    return child.at if isinstance(child, Leaf) else 0


def parts(child: Child) -> list[Child]:
    """What a rule is made of."""
    return child.children if isinstance(child, Branch) else []


def as_name(token: Child) -> tree.Name:
    """A name as written."""
    return tree.Name(place(token), str(token))


def as_text(token: Child) -> tree.Text:
    """A text without its quotes."""
    return tree.Text(place(token), str(token))


def as_number(token: Child) -> tree.Number:
    """A number exactly as written."""
    return tree.Number(place(token), Decimal(str(token).replace("_", "")))
