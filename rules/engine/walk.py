"""Walking the representation: which nodes a predicate is made of. Knows no meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain

from rules.ir import (
    Aggregate,
    Earned,
    Fact,
    HeldSegment,
    InSegment,
    Lasting,
    Node,
    Predicate,
    Quintile,
    RankCount,
    RankShare,
    RecordAggregate,
    Restarted,
    Sequence,
    Step,
    Unless,
)
from rules.ir import children as children

Rank = RankShare | RankCount | Quintile
Feature = Aggregate | Earned
"""What is computed over the activity of a person."""
Chain = Sequence | Restarted
"""Predicates over the order of activity."""


def nodes(roots: Iterable[Node], *, inside_aggregates: bool = True) -> Iterator[Node]:
    """Every node below `roots`, each root first; a feature's own `where` and period only if asked."""
    return chain.from_iterable(_below(root, inside_aggregates) for root in roots)


@lru_cache(maxsize=10_000)
def _below(root: Node, inside_aggregates: bool) -> tuple[Node, ...]:
    found, waiting = list[Node](), [root]
    while waiting:
        node = waiting.pop()
        found.append(node)
        if inside_aggregates or not isinstance(node, Feature):
            waiting.extend(children(node))
    return tuple(found)


def aggregates(roots: Iterable[Node]) -> dict[Feature, None]:
    """Every different feature over activity, in a stable order (by kind, then content)."""
    found = {node for node in nodes(roots, inside_aggregates=False) if isinstance(node, Feature)}
    return dict.fromkeys(sorted(found, key=lambda node: (node.kind, node.key)))


@lru_cache(maxsize=4096)
def aggregates_in(node: Node) -> tuple[Feature, ...]:
    """The different features of one node, in a stable order."""
    return tuple(aggregates([node]))


def record_aggregates(found: Iterable[Feature]) -> list[list[RecordAggregate]]:
    """Those over related records, gathered by the records they are about."""
    gathered: dict[str, list[RecordAggregate]] = {}
    for aggregate in found:
        if isinstance(aggregate, RecordAggregate):
            gathered.setdefault(aggregate.kind, []).append(aggregate)
    return list(gathered.values())


def chains(roots: Iterable[Node]) -> list[Chain]:
    """Every different predicate over the order of activity, in a stable order."""
    found = {node for node in nodes(roots, inside_aggregates=False) if isinstance(node, Chain)}
    return sorted(found, key=lambda node: node.key)


def kinds(roots: Iterable[Node]) -> set[str]:
    """The kinds of activity whose rows are read."""
    found: set[str] = set()
    for node in nodes(roots, inside_aggregates=False):
        if isinstance(node, RecordAggregate):
            found.update(node.states)
        elif isinstance(node, Feature | Step | Unless | Restarted):
            found.add(node.kind)
    return found


@lru_cache(maxsize=4096)
def kinds_in(node: Node) -> frozenset[str]:
    """The kinds of activity whose rows are read for one node."""
    return frozenset(kinds([node]))


@lru_cache(maxsize=4096)
def record_kinds_in(node: Node) -> frozenset[str]:
    """Those of them that are states of related records."""
    found = (one for one in nodes([node]) if isinstance(one, RecordAggregate))
    return frozenset(kind for one in found for kind in one.states)


@lru_cache(maxsize=4096)
def fields_in(node: Node) -> frozenset[str]:
    """The fields of people and of activity that stand in one node."""
    found: set[str] = set()
    for one in nodes([node]):
        if isinstance(one, Fact):
            found.add(one.name)
        elif isinstance(one, Aggregate) and one.field is not None:
            found.add(one.field)
    return frozenset(found)


@lru_cache(maxsize=4096)
def segments_in(node: Node) -> tuple[str, ...]:
    """The segments that stand in a node itself, each as often as it does."""
    return tuple(one.segment for one in nodes([node]) if isinstance(one, InSegment | HeldSegment))


@lru_cache(maxsize=4096)
def has_ranks(node: Node) -> bool:
    """Whether people are compared with people anywhere in a node."""
    return any(isinstance(one, Rank) for one in nodes([node]))


def ranks(roots: Iterable[Node]) -> list[Rank]:
    """Every different comparison of people with people, in a stable order."""
    found = {node for node in nodes(roots, inside_aggregates=False) if isinstance(node, Rank)}
    return sorted(found, key=lambda node: node.key)


@lru_cache(maxsize=4096)
def ranks_in(node: Node) -> tuple[Rank, ...]:
    """The comparisons of people with people in one node, in a stable order."""
    return tuple(ranks([node]))


def uses_segments(predicate: Predicate) -> bool:
    """Whether the members of a segment, now or before, are needed to decide it."""
    needing = InSegment | HeldSegment | Lasting
    return any(isinstance(node, needing) for node in nodes([predicate], inside_aggregates=False))
