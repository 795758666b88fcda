"""Walking the representation: which nodes a predicate is made of. Knows no meaning."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from rules.ir import Aggregate, InSegment, Node, Predicate, Quintile, RankCount, RankShare

Rank = RankShare | RankCount | Quintile


def children(node: Node) -> Iterator[Node]:
    """The nodes directly inside `node`, in order; periods are nodes too."""
    for field in dataclasses.fields(node):  # type: ignore[arg-type]
        value = getattr(node, field.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (part for part in value if isinstance(part, Node))


def nodes(roots: Iterable[Node], *, inside_aggregates: bool = True) -> Iterator[Node]:
    """Every node below `roots`, each root first; an aggregate's own `where` and period only if asked."""
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        yield node
        if inside_aggregates or not isinstance(node, Aggregate):
            waiting.extend(children(node))


def aggregates(roots: Iterable[Node]) -> dict[Aggregate, None]:
    """Every different aggregate, in a stable order (by kind, then content)."""
    found = {node for node in nodes(roots, inside_aggregates=False) if isinstance(node, Aggregate)}
    return dict.fromkeys(sorted(found, key=lambda node: (node.kind, node.key)))


def ranks(roots: Iterable[Node]) -> list[Rank]:
    """Every different comparison of people with people, in a stable order."""
    found = {node for node in nodes(roots, inside_aggregates=False) if isinstance(node, Rank)}
    return sorted(found, key=lambda node: node.key)


def uses_segments(predicate: Predicate) -> bool:
    """Whether the membership of another segment is needed to decide it."""
    return any(isinstance(node, InSegment) for node in nodes([predicate], inside_aggregates=False))
