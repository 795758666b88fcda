"""Which segments few people can be asked about, in which order, and what each depends on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rules import ir
from rules.engine import walk
from rules.engine.parts import Unsettled
from rules.engine.touched import Edges, Looking
from rules.engine.walk import Rank
from rules.ruleset import RuleSet

if TYPE_CHECKING:
    from pyroaring import BitMap


def classified(
    rules: RuleSet,
    before: Mapping[str, BitMap],
    versions: Mapping[str, str],
    forgotten: Collection[str],
    settled: Collection[Rank],
    looking: Looking,
) -> tuple[dict[str, list[Edges]], dict[str, str]]:
    """The edges to look at for each segment, and those that everybody must be asked, with the reason."""
    looked_for, in_full = dict[str, list[Edges]](), dict[str, str]()
    for name, segment in rules.segments.items():
        if name not in before:
            in_full[name] = "it is new"
        elif versions.get(name) != segment.version:
            in_full[name] = "its rule is another"
        elif any(used not in before for used in uses(segment.when)):
            in_full[name] = "it uses a segment that is new"
        elif name in forgotten:
            in_full[name] = "what it remembers is not known of the last time"
        elif looking.still and all(rank in settled for rank in needs(segment.when).ranks):
            looked_for[name] = []
        else:
            try:
                looked_for[name] = looking.edges(segment.when, settled)
            except Unsettled as reason:
                in_full[name] = str(reason)
    return looked_for, in_full


def stages(rules: RuleSet, in_full: Collection[str]) -> tuple[list[str], list[str], list[str]]:
    """(What depends on no segment that everybody is asked; those, and what lies between two of them; what
    depends on them): each only uses what is in front of it, or of its own."""
    above: set[str] = set()  # uses one of them, or is one
    for name, segment in rules.segments.items():
        if name in in_full or not above.isdisjoint(uses(segment.when)):
            above.add(name)
    below: set[str] = set()  # is used by one of them, or is one
    for name in reversed(list(rules.segments)):
        if name in in_full or name in below:
            below |= {name, *uses(rules.segments[name].when)}
    names = list(rules.segments)
    return (
        [name for name in names if name not in above],
        [name for name in names if name in above and name in below],
        [name for name in names if name in above and name not in below],
    )


@dataclass(frozen=True, slots=True)
class Needs:
    """What the answer to a condition depends on: the other segments whose members it needs, comparisons of
    people with people, kinds of activity."""

    segments: frozenset[str]
    ranks: tuple[Rank, ...]
    kinds: frozenset[str]


@lru_cache(maxsize=10_000)
def needs(condition: ir.Predicate) -> Needs:
    """See `Needs`."""
    found = walk.nodes([condition], inside_aggregates=False)
    used = {node.segment for node in found if isinstance(node, ir.InSegment | ir.HeldSegment)}
    return Needs(frozenset(used), tuple(walk.ranks([condition])), frozenset(walk.kinds([condition])))


def uses(condition: ir.Predicate) -> frozenset[str]:
    """The other segments whose membership a condition needs."""
    return needs(condition).segments


def ranks_of(conditions: Iterable[ir.Predicate]) -> list[Rank]:
    """As `ranks`, of conditions that were looked at before."""
    found = {rank for condition in conditions for rank in needs(condition).ranks}
    return sorted(found, key=lambda node: node.key)


def those(rules: RuleSet, names: Collection[str]) -> RuleSet:
    """These of the segments."""
    return RuleSet({name: segment for name, segment in rules.segments.items() if name in names})
