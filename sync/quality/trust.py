"""Whether a segment can be trusted: how many of its members rest on a field in which a fault was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pyroaring import BitMap

from rules import ir
from rules.engine.walk import children, kinds_in, segments_in
from rules.ruleset import RuleSet
from sync.fields import FieldSpec
from sync.quality.rules import RULES, Dimension, Rule, Severity

DOUBTFUL, UNTRUSTED = 0.05, 0.20
"""From these shares of members on."""
_OF_ACTIVITY = (ir.Aggregate, ir.Earned, ir.Step, ir.Unless, ir.Restarted)


class Badge(StrEnum):
    """What the segment's members are worth."""

    TRUSTED = "trusted"
    DOUBTFUL = "doubtful"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True)
class Trust:
    """`share` of the members for whom a fault was found in a field that the rule asks for. `worst`: the rule
    of quality that found most of them, and the field, with its share; None: none found any."""

    segment: str
    members: int
    faulty: int
    share: float
    badge: Badge
    worst: tuple[str, str] | None
    worst_share: float


def needs(rules: RuleSet, fields: Sequence[FieldSpec]) -> dict[str, frozenset[str]]:
    """Segment → what its rule asks for, also through other segments: fields, kinds of activity, `consent`.

    A field counts with the platforms' columns it is made of, and a column with the fields made of it.
    """
    also: dict[str, set[str]] = {}
    for field in fields:
        for connection, column in field.sources:
            also.setdefault(f"{connection}.{column}", set()).add(field.name)
            also.setdefault(field.name, set()).add(f"{connection}.{column}")
    found: dict[str, frozenset[str]] = {}
    for id_, segment in rules.segments.items():  # each stands after those it uses
        mine = set(kinds_in(segment.when))
        if mine:
            mine.add("activity")
        for name in facts_of(segment.when):
            mine |= {name, *also.get(name, ())}
        inner = [found[name] for name in segments_in(segment.when) if name in found]
        found[id_] = frozenset(mine.union(*inner))
    return found


def trust(
    members: Mapping[str, BitMap],
    needed: Mapping[str, frozenset[str]],
    found: Mapping[tuple[str, str], BitMap],
) -> tuple[Trust, ...]:
    """A badge per segment, in the order of `needed`. `found`: (rule of quality, field) → people it found.

    What is only worth knowing (`Severity.INFO`) takes no trust away, nor what is true of the people: a
    segment of those who lapsed is made of such as did nothing for long.
    """
    badges = []
    for segment, fields in needed.items():
        people = members.get(segment, BitMap())
        faults = {
            (rule, field): both
            for (rule, field), some in found.items()
            if field in fields and _is_fault(RULES[rule]) and (both := people & some)
        }
        faulty = len(BitMap.union(BitMap(), *faults.values()))
        share = faulty / len(people) if people else 0.0
        badge = (
            Badge.UNTRUSTED if share >= UNTRUSTED else Badge.DOUBTFUL if share >= DOUBTFUL else Badge.TRUSTED
        )
        worst = max(faults, key=lambda one: len(faults[one]), default=None)
        most = len(faults[worst]) / len(people) if worst is not None else 0.0
        badges.append(Trust(segment, len(people), faulty, share, badge, worst, most))
    return tuple(badges)


def _is_fault(rule: Rule) -> bool:
    return rule.severity is not Severity.INFO and rule.dimension is not Dimension.TIMELINESS


def resting(needed: Mapping[str, frozenset[str]], field: str) -> frozenset[str]:
    """The segments whose rules ask for a field."""
    return frozenset(segment for segment, fields in needed.items() if field in fields)


def facts_of(root: ir.Node) -> Iterator[str]:
    """Facts of people that the condition asks for; inside activity other things have the same names."""
    waiting: list[ir.Node] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ir.Fact):
            yield node.name
        elif isinstance(node, ir.Consented):
            yield "consent"
        elif not isinstance(node, _OF_ACTIVITY):
            waiting.extend(children(node))
