"""Parse tree → `tree`: `then`, `not followed by`, `in at least`, `stopped`, `restarted`.

A condition after `where` takes along what follows it (`cart_add where gift then purchase` parses as `where
(gift then purchase)`). None of these forms can stand inside a condition, so here it is put outside again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from rules.language.syntax import tree
from rules.language.syntax.automaton import Child
from rules.language.syntax.parsed import as_name, as_number, parts, place, rule, terminal

Build: TypeAlias = Callable[[Child], tree.Tree]

_Found = TypeVar("_Found", bound=tree.Tree)


def outside(value: tree.Tree, at: int, where: tree.Tree) -> tree.Tree:
    """`value where …`, the form that belongs to the whole put outside."""

    def filtered(inner: tree.Tree) -> tree.Tree:
        return tree.Filtered(at, value, inner)

    if taken := _taken(where, tree.Sequence):
        inner, sequence = taken
        return tree.Sequence(sequence.at, filtered(inner), sequence.links)
    if taken_regular := _taken(where, tree.Regular):
        inner, regular = taken_regular
        return tree.Regular(regular.at, filtered(inner), regular.least, regular.number, regular.unit)
    return filtered(where)


def sequence(children: list[Child], build: Build) -> tree.Tree:
    """`A then B within 2 days then C, last 30 days`; the links as one flat list."""
    links: list[tree.Link] = []
    heads = [child for child in children if rule(child) != "link"]
    for child in children[len(heads) :]:
        links += _links(child, build)
    value = build(heads[0])
    if len(heads) == 2:  # a window too early, which the check will tell
        window = build(heads[1])
        value = tree.During(window.at, value, window) if isinstance(window, tree.Period) else window
    if len(heads) > 2:
        value = outside(value, place(heads[1]), build(heads[2]))
    if isinstance(value, tree.Sequence):  # the condition of the first step has taken some links along
        return tree.Sequence(value.at, value.of, (*value.links, *links))
    return tree.Sequence(links[0].at, value, tuple(links))


def _links(child: Child, build: Build) -> list[tree.Link]:
    found = parts(child)
    negated = terminal(found[0]) == "NOT"
    activity = next(_step(each, build) for each in found if rule(each) == "step")
    span: tree.Span | None = None
    window: tree.Tree | None = None
    for each in found:
        if rule(each) == "span":
            within, number, unit = parts(each)
            span = tree.Span(place(within), as_number(number), str(unit))
        elif rule(each) == "closing":
            window = closing(each, build)
    where = activity.where
    rest: tuple[tree.Link, ...] = ()
    if where is not None and (taken := _taken(where, tree.Sequence)):
        where, rest = taken[0], taken[1].links
    if where is not None and span is None and (spanned := _span(where, "within")):
        where, span = spanned
    step = tree.Activity(activity.at, activity.name, where, None)
    return [tree.Link(place(found[0]), negated, step, span, window), *rest]


def closing(child: Child, build: Build) -> tree.Tree:
    """The window at the end, without its comma."""
    return build(parts(child)[-1])


def _step(child: Child, build: Build) -> tree.Activity:
    found = parts(child)
    where = build(found[2]) if len(found) > 1 else None
    return tree.Activity(place(found[0]), as_name(found[0]), where, None)


def regular(children: list[Child], build: Build) -> tree.Tree:
    """`A in at least 3 of the last 4 months`."""
    value = build(children[0])
    if len(children) > 3:
        value = outside(value, place(children[1]), build(children[2]))
    words = parts(children[-1])
    numbers = [as_number(word) for word in words if terminal(word) == "NUMBER"]
    return tree.Regular(place(words[0]), value, numbers[0], numbers[1], str(words[-1]))


def pausing(children: list[Child], build: Build) -> tree.Tree:
    """`stopped A for 60 days`, `restarted A after 90 days, last 30 days`."""
    activity = _step(children[1], build)
    span: tree.Span | None = None
    window: tree.Tree | None = None
    for number, child in enumerate(children):
        if terminal(child) in ("FOR", "AFTER"):
            span = tree.Span(place(child), as_number(children[number + 1]), str(children[number + 2]))
        elif rule(child) == "closing":
            window = closing(child, build)
    where = activity.where
    if where is not None and span is None and (taken := _span(where, "after")):
        where, span = taken
    step = tree.Activity(activity.at, activity.name, where, None)
    return tree.Pausing(place(children[0]), str(children[0]).lower(), step, span, window)


def _span(where: tree.Tree, word: str) -> tuple[tree.Tree, tree.Span] | None:
    found = _taken(where, tree.Spanned)
    return (found[0], found[1].span) if found and found[1].word == word else None


def _taken(where: tree.Tree, form: type[_Found]) -> tuple[tree.Tree, _Found] | None:
    """The condition without the form that it took along, and the form."""
    if isinstance(where, form):
        return where.of, where  # type: ignore[attr-defined]
    if isinstance(where, tree.Negation) and (inner := _taken(where.part, form)):
        return tree.Negation(where.at, inner[0]), inner[1]
    return None
