"""Expression text → `tree` nodes, and every place where the text stops making sense.

The grammar is in grammar.lark. Tokens are fed to its automaton one at a time, so that a word counts
as a keyword only where the grammar has a place for it. No types, no vocabulary beyond names with dashes.
"""

from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache

from rules.language.problems import Finding
from rules.language.syntax import tree
from rules.language.syntax.automaton import END, Automaton, Child, Leaf, UnexpectedError, grammar
from rules.language.syntax.builder import Builder
from rules.language.syntax.habits import habit
from rules.language.syntax.recovery import Start, resume
from rules.language.syntax.tokens import Token, TokenKind, tokenize
from rules.language.syntax.units import misread
from rules.language.syntax.wording import unexpected

_DEEPEST = 60
_MOST = 20
"""Mistakes told of one expression; behind so many there is no sense in looking for more."""
_CLOSING = {"LPAR": "RPAR", "LSQB": "RSQB"}

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


def parse(
    text: str, *, zone: str = "UTC", known: Set[str] = frozenset(), prefixes: Set[str] = frozenset()
) -> tuple[tree.Tree | None, list[Finding]]:
    """The tree of an expression and what is wrong with it. Around a mistake of syntax the tree is `Broken`;
    it is None if nothing can be made of the text.

    `known`, `prefixes`: see `tokenize`. `zone` is meant by an instant written without an offset.
    """
    tokens, findings = tokenize(text, known, prefixes)
    if len(tokens) == 1:
        return None, findings or [Finding(0, "the expression is empty")]
    try:
        parsed = _Reading(tokens, findings, known).parsed()
        builder = Builder(zone)
        built = None if parsed is None else builder.build(parsed)
    except RecursionError:
        return None, [Finding(0, "this expression is nested too deeply; name its parts with [[field]]")]
    return built, findings + builder.findings


class _Reading:
    """One expression while its tokens are fed; `findings` grows.

    After a mistake the innermost condition around it is taken for BROKEN, which the grammar knows, and
    reading goes on behind it: so the next mistake is found, and this one is told once.
    """

    def __init__(self, tokens: list[Token], findings: list[Finding], known: Set[str]) -> None:
        self._tokens = tokens
        self._findings = findings
        self._known = known
        self._starts: list[Start] = []
        self._depth = 0
        self._feed([])

    def parsed(self) -> Child | None:
        """The branch of the whole; None if nothing can be made of it."""
        index, quiet = 0, False
        while True:
            token = self._tokens[index]
            choices: Set[str] = self._automaton.choices()
            operand = "NAME" in choices
            if operand and "NOT" in choices:
                while self._starts and self._starts[-1].depth >= self._depth:
                    self._starts.pop()
                self._starts.append(Start(index, self._depth, len(self._fed)))
            terminal = _terminal(self._tokens, index, choices, self._known)
            self._depth += (terminal in ("LPAR", "LSQB")) - (terminal in ("RPAR", "RSQB"))
            if self._depth > _DEEPEST:
                self._findings.append(Finding(token.at, "nested too deeply; name the parts with [[field]]"))
                return None
            fed = Leaf(terminal, token.text, token.at)
            try:
                result = self._automaton.feed(fed)
            except UnexpectedError:
                accepted = self._automaton.accepts()
                told = misread(self._tokens, index, accepted)
                advice = None if told else habit(self._tokens, index, accepted)
                problem = Finding(*told) if told else unexpected(token, accepted, advice)
            else:
                if result is not None:
                    return result
                self._fed.append(fed)
                index, quiet = index + 1, False
                continue
            if not quiet and not self._told(index):
                self._findings.append(problem)
                if len(self._findings) >= _MOST:
                    return None
            if quiet:
                self._starts.pop()
            if token.kind is TokenKind.END and (closed := self._closed(token)) is not None:
                return closed
            if not self._starts:
                return None
            index, quiet = self._recover(index), True

    def _told(self, index: int) -> bool:
        """Whether something was already said about the condition around a token, up to there."""
        start = self._tokens[self._starts[-1].token].at
        return any(start <= finding.at <= self._tokens[index].at for finding in self._findings)

    def _recover(self, index: int) -> int:
        """Take the condition around a token for BROKEN; the index of the token behind it."""
        start = self._starts[-1]
        at = self._tokens[start.token].at
        self._feed([*self._fed[: start.fed], Leaf("BROKEN", "", at)])
        self._depth = start.depth
        return resume(self._tokens, start, index)

    def _closed(self, end: Token) -> Child | None:
        """What comes out with the open brackets closed at the end; None if that does not help."""
        opened: list[str] = []
        for each in self._fed:
            if each.type in _CLOSING:
                opened.append(_CLOSING[each.type])
            elif each.type in _CLOSING.values() and opened:
                opened.pop()
        if not opened:
            return None
        try:
            for terminal in reversed(opened):
                self._automaton.feed(Leaf(terminal, "", end.at))
            return self._automaton.feed(Leaf(END, "", end.at))
        except UnexpectedError:
            self._feed(self._fed)
            return None

    def _feed(self, fed: list[Leaf]) -> None:
        """Start again with these tokens."""
        self._automaton = Automaton()
        for token in fed:
            self._automaton.feed(token)
        self._fed = fed


@lru_cache(maxsize=4096)
def keyword(word: str) -> str | None:
    """The terminal a word stands for where the grammar wants it, e.g. `days` → UNIT."""
    if found := grammar().words.get(word):
        return found
    return next((name for name, each in grammar().patterns.items() if re.fullmatch(each, word)), None)


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
        case TokenKind.END:
            return END
        case TokenKind.BROKEN:
            return "$BROKEN"  # fits nowhere
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
