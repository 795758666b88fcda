"""Runs the compiled grammar: an LALR(1) automaton that takes one terminal after another.

grammar.json is made from grammar.lark by lark (`make grammar`), ahead of time: making it takes a second of
processor time that no check of rules should cost.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Set
from functools import lru_cache
from typing import NamedTuple, TypeAlias

Action: TypeAlias = int
"""Of a terminal: from 0 on, the state to go to; below, the rule ~action to reduce by. Of a rule: a state."""


END = "$END"
"""The terminal behind the last one."""


class Leaf(NamedTuple):
    """A token that the grammar took: `type` is its terminal, `at` where it stands."""

    type: str
    text: str
    at: int

    def __str__(self) -> str:
        return self.text


class Branch(NamedTuple):
    """A rule of the grammar, or the alias of one of its alternatives, and what it is made of."""

    data: str
    children: list[Child]


Child: TypeAlias = Leaf | Branch


class Rule(NamedTuple):
    """The `size` last children become `origin`, a branch called `name`. A name with `_` first is not seen:
    its parent has its children. `single`: nor is a branch seen that has only one child."""

    origin: str
    name: str
    size: int
    single: bool


class Grammar(NamedTuple):
    """States by number, read from 0 on until `final`, where everything is an expression. `words` are the
    terminals by their only word, `patterns` the patterns of those with more words. `passed`: where an operand
    that alone makes a sum, a comparison … ends up, by the state below, its own state and the terminal."""

    states: tuple[dict[str, Action], ...]
    rules: tuple[Rule, ...]
    final: int
    words: dict[str, str]
    patterns: dict[str, str]
    passed: dict[tuple[int, int, str], tuple[int, Action | None]]


class UnexpectedError(Exception):
    """The terminal fits nowhere; the automaton is as it was before."""


@lru_cache(maxsize=1)
def grammar() -> Grammar:
    """The compiled grammar, read once."""
    made = json.loads(pkgutil.get_data(__name__, "grammar.json") or b"")
    rules = tuple(Rule(*each) for each in made["rules"])
    return Grammar(tuple(made["states"]), rules, made["final"], made["words"], made["patterns"], {})


class Automaton:
    """One expression while it is read."""

    __slots__ = ("_grammar", "_states", "_values")

    def __init__(self) -> None:
        self._grammar = grammar()
        self._states = [0]
        self._values: list[Child] = []

    def choices(self) -> Set[str]:
        """What this state knows of: rules, and terminals some of which may turn out not to fit."""
        return self._grammar.states[self._states[-1]].keys()

    def accepts(self) -> frozenset[str]:
        """The terminals that may come next."""
        return frozenset(each for each in self.choices() if not each.islower() and self._fits(each))

    def _fits(self, terminal: str) -> bool:
        table, states = self._grammar.states, self._states.copy()
        while (action := table[states[-1]].get(terminal)) is not None and action < 0:
            rule = self._grammar.rules[~action]
            del states[len(states) - rule.size :]
            states.append(table[states[-1]][rule.origin])
            if terminal == END and states[-1] == self._grammar.final:
                return True
        return action is not None

    def feed(self, leaf: Leaf) -> Child | None:
        """Take a terminal. With `END`: what the expression is."""
        table, rules, final = self._grammar.states, self._grammar.rules, self._grammar.final
        states, values, terminal = self._states, self._values, leaf.type
        action = table[states[-1]].get(terminal)
        if action is not None and action < 0:
            states, values = states.copy(), values.copy()
        while action is not None and action < 0:
            origin, name, size, single = rules[~action]
            if single and size == 1:
                states[-1], action = self._passed(states[-2], states[-1], terminal)
            else:
                children = values[len(values) - size :]
                del values[len(values) - size :]
                values.append(Branch(name, children if name[0] == "_" else _flat(children)))
                del states[len(states) - size :]
                states.append(table[states[-1]][origin])
                action = table[states[-1]].get(terminal)
            if terminal == END and states[-1] == final:
                return values[-1]
        if action is None:
            raise UnexpectedError
        states.append(action)
        values.append(leaf)
        self._states, self._values = states, values
        return None

    def _passed(self, below: int, state: int, terminal: str) -> tuple[int, Action | None]:
        """The state and what to do in it, once all rules that make one thing of one thing are done."""
        grammar = self._grammar
        found = grammar.passed.get((below, state, terminal))
        if found is None:
            now, action = state, grammar.states[state].get(terminal)
            while action is not None and action < 0 and (terminal != END or now != grammar.final):
                rule = grammar.rules[~action]
                if rule.size != 1 or not rule.single:
                    break
                now = grammar.states[below][rule.origin]
                action = grammar.states[now].get(terminal)
            found = grammar.passed[below, state, terminal] = (now, action)
        return found


def _flat(children: list[Child]) -> list[Child]:
    """The children, with those of branches that are not seen in their place."""
    for child in children:
        if isinstance(child, Branch) and child.data[0] == "_":
            break
    else:
        return children
    flat: list[Child] = []
    waiting = children[::-1]
    while waiting:
        child = waiting.pop()
        if isinstance(child, Branch) and child.data[0] == "_":
            waiting += child.children[::-1]
        else:
            flat.append(child)
    return flat
