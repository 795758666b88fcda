"""grammar.lark → grammar.json, by lark: `make grammar` after every change of the grammar."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from lark import Lark
from lark.parsers.lalr_analysis import Reduce

SYNTAX = files("rules.language.syntax")


def by_lark() -> Lark:
    """The grammar as lark understands it."""
    text = SYNTAX.joinpath("grammar.lark").read_text("utf-8")
    return Lark(text, parser="lalr", maybe_placeholders=False)


def compiled() -> str:
    """The text of grammar.json. States and rules are numbered in an order that lark has no part in."""
    made = by_lark()
    table: Any = made.parser.parser._parse_table  # type: ignore[union-attr]
    shapes = {rule: _shape(rule) for rule in made.rules}
    rules = sorted(set(shapes.values()))
    numbers = {table.start_states["start"]: 0}
    order = [table.start_states["start"]]
    states = []
    for state in order:
        actions = table.states[state]
        found = {}
        for symbol in sorted(actions):
            kind, what = actions[symbol]
            if kind is Reduce:
                found[symbol] = ~rules.index(shapes[what])
                continue
            if what not in numbers:
                numbers[what] = len(order)
                order.append(what)
            found[symbol] = numbers[what]
        states.append(found)
    terminals = {each.name: each.pattern for each in made.terminals}
    words = {each.value: name for name, each in terminals.items() if each.type == "str"}
    patterns = {name: each.value for name, each in terminals.items() if each.type == "re"}
    parts = {
        "final": numbers[table.end_states["start"]],
        "words": dict(sorted(words.items())),
        "patterns": dict(sorted(patterns.items())),
    }
    head = [f"{json.dumps(name)}: {json.dumps(part)}" for name, part in parts.items()]
    many = [
        f"{json.dumps(name)}: [\n{_lines(part)}\n]" for name, part in (("rules", rules), ("states", states))
    ]
    return "{" + ",\n".join([*head, *many]) + "}\n"


def _shape(rule: Any) -> tuple[str, str, int, bool]:
    """What the automaton needs to know of a rule. All terminals have names, so lark leaves none out."""
    assert not any(each.is_term and each.filter_out for each in rule.expansion), rule
    assert not rule.options.empty_indices, rule
    origin = str(rule.origin.name)
    single = (bool(rule.options.expand1) and not rule.alias) or origin == "start"
    return origin, str(rule.alias or origin), len(rule.expansion), single


def _lines(parts: list[Any]) -> str:
    return ",\n".join(json.dumps(part, separators=(",", ":")) for part in parts)


if __name__ == "__main__":
    Path(str(SYNTAX.joinpath("grammar.json"))).write_text(compiled(), encoding="utf-8")
