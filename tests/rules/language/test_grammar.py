"""The grammar shipped ready-made is the one written down, and is read as lark, which made it, reads it."""

from __future__ import annotations

import random

import pytest
from lark import Token

from rules.language.syntax.automaton import END, Automaton, Child, Leaf, UnexpectedError
from tests.rules.language.compile_grammar import SYNTAX, by_lark, compiled

LARK = by_lark()


def test_the_compiled_grammar_is_that_of_grammar_lark() -> None:
    assert SYNTAX.joinpath("grammar.json").read_text("utf-8") == compiled(), "run make grammar"


def plain(child: object) -> object:
    """A tree of either parser, without its classes."""
    if hasattr(child, "children"):
        return str(child.data), [plain(each) for each in child.children]  # type: ignore[attr-defined]
    return (child.type, child.at) if isinstance(child, Leaf) else (child.type, child.start_pos)  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_read_becomes_the_tree_that_lark_makes(seed: int) -> None:
    chance = random.Random(seed)
    mine, theirs = Automaton(), LARK.parse_interactive()
    every = sorted(each.name for each in LARK.terminals)
    for at in range(60):
        if at % 6 == 0:
            assert mine.accepts() == theirs.accepts()
        wrong = chance.choice(every)
        if wrong not in mine.accepts():
            with pytest.raises(UnexpectedError):
                mine.feed(Leaf(wrong, "", at))
        following = sorted(mine.accepts())
        if at > 20 and END in following:
            break
        if at > 20 and (ending := [each for each in following if each in ("RPAR", "RSQB", "NAME", "NUMBER")]):
            following = ending
        terminal = chance.choice([each for each in following if each != END] or following)
        mine.feed(Leaf(terminal, "", at))
        theirs.feed_token(Token(terminal, "", start_pos=at))
    if END in mine.accepts():
        read: Child | None = mine.feed(Leaf(END, "", 99))
        assert ("start", [plain(read)]) == plain(theirs.feed_token(Token(END, "", start_pos=99)))
