"""Brakes: what makes a plan's risky part wait for a person. Pure; limits and their defaults stand here.

A brake says what it holds. It may only ever hold more: nothing here can let go what another brake holds, and
what was learned from the past may tighten a limit, never loosen it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pyroaring import BitMap

from rules.ruleset import Expect
from sync.audience import AudienceInput, Changes, Usual

LEARN_FROM = 20
"""Changes of a segment that are looked back at, at most …"""
LEARN_LEAST = 8
"""… and at least, or nothing is learned."""
LEARN_SPREAD = 6.0
"""Median absolute deviations above the median that are still usual."""
LEARN_FLOOR = 0.02
"""No learned limit is below this share: a segment that never moved may begin to."""


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """When a plan's risky part is held. Shares are fractions of 1."""

    removals_share: float = 0.10
    removals_min: int = 50
    shrink_share: float = 0.20
    moved_share: float = 0.30
    quota_share: float = 0.50
    hold_additions: bool = False  # where removals are held, additions wait, too
    learn: bool = True


class BrakeKind(StrEnum):
    """Why something is held or left out."""

    REMOVALS = "removals"
    EMPTIED = "emptied"
    MOVED = "moved"
    SOURCE_SHRANK = "source_shrank"
    SOURCE_INCOMPLETE = "source_incomplete"
    FIRST_WRITE = "first_write"
    CONSENT = "consent"
    COST = "cost"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    OPT_OUTS = "opt_outs"
    PAUSED = "paused"


class Holds(StrEnum):
    """What a brake holds. NOTHING: it only tells who is left out."""

    REMOVALS = "removals"
    ADDS = "adds"
    BOTH = "both"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Brake:
    """One reason to hold, in a sentence for the person who approves.

    `audience` and `connection` None: the whole plan.
    """

    kind: BrakeKind
    message: str
    audience: int | None = None
    holds: Holds = Holds.REMOVALS
    connection: str | None = None

    def touches(self, audience: AudienceInput) -> bool:
        """Whether it is about this audience."""
        return self.audience in (None, audience.audience) and self.connection in (None, audience.connection)

    @property
    def holds_adds(self) -> bool:
        """Additions wait."""
        return self.holds in (Holds.ADDS, Holds.BOTH)

    @property
    def holds_removals(self) -> bool:
        """Removals wait."""
        return self.holds in (Holds.REMOVALS, Holds.BOTH)


@dataclass(frozen=True, slots=True)
class SourceCount:
    """Living contacts of a source: at the last good pull and now; `ended_early` if the pull failed."""

    connection: str
    before: int
    now: int
    ended_early: bool = False


def usual(sizes_and_leavers: Sequence[tuple[int, int]]) -> Usual | None:
    """Learned from a segment's changes, oldest first: (members before, how many of them left).

    Median and median absolute deviation, because a held accident among the past must not move the limit
    (Leys et al. 2013, doi:10.1016/j.jesp.2013.03.013). None if there are too few changes to learn from.
    """
    shares = [left / size for size, left in sizes_and_leavers[-LEARN_FROM:] if size]
    if len(shares) < LEARN_LEAST:
        return None
    middle = statistics.median(shares)
    spread = statistics.median(abs(share - middle) for share in shares)
    return Usual(middle, max(middle + LEARN_SPREAD * spread, 2 * middle, LEARN_FLOOR), len(shares))


def source_brakes(sources: Sequence[SourceCount], limits: BrakeLimits) -> Iterator[Brake]:
    """A pull that failed or found far fewer contacts must never look as if everybody had left."""
    for source in sources:
        if source.ended_early:
            yield Brake(
                BrakeKind.SOURCE_INCOMPLETE,
                f"{source.connection}: the pull ended early, so people may only seem to have left",
            )
        elif source.now < source.before * (1 - limits.shrink_share):
            yield Brake(
                BrakeKind.SOURCE_SHRANK,
                f"{source.connection}: {source.now} contacts, {source.before} at the last good pull "
                f"(−{1 - source.now / source.before:.0%}; the limit is {limits.shrink_share:.0%})",
            )


def moved_brakes(found: Sequence[tuple[AudienceInput, Changes]], limits: BrakeLimits) -> Iterator[Brake]:
    """People who enter or leave any audience that was written to before; a new one moves nobody."""
    known = [(audience, some) for audience, some in found if not audience.first]
    moved = BitMap.union(BitMap(), *(some.adds | some.removes for _, some in known))
    people = max((audience.people for audience, _ in known), default=0)
    risky = limits.hold_additions or any(some.removes for _, some in known)
    if risky and len(moved) > limits.removals_min and len(moved) > limits.moved_share * people > 0:
        yield Brake(
            BrakeKind.MOVED,
            f"{len(moved)} of {people} people would change segment ({len(moved) / people:.0%}; the limit is "
            f"{limits.moved_share:.0%} and {limits.removals_min} people)",
        )


def cost_brakes(calls: Mapping[str, int], left: Mapping[str, int], limits: BrakeLimits) -> Iterator[Brake]:
    """`calls`: connection → write calls that would go out; `left`: what the day's quota has left for us."""
    for connection, number in calls.items():
        quota = left.get(connection)
        if quota is not None and number > limits.quota_share * quota:
            yield Brake(
                BrakeKind.COST,
                f"{connection}: {number:,} write calls, and {quota:,} are left of today's quota "
                f"(the limit is {limits.quota_share:.0%} of what is left)",
                holds=Holds.BOTH,
                connection=connection,
            )


def audience_brakes(
    audience: AudienceInput, found: Changes, wanted: BitMap, limits: BrakeLimits
) -> Iterator[Brake]:
    """Everything that depends on one audience alone."""
    said = f"{audience.segment} → {audience.connection}"
    ours = len(audience.owned & audience.actual)
    leaving = len(found.removes)
    if audience.paused and (found.adds or found.removes):
        yield Brake(BrakeKind.PAUSED, f"{said}: {audience.paused}", audience.audience, Holds.BOTH)
    if leaving and audience.first:
        yield Brake(
            BrakeKind.FIRST_WRITE,
            f"{said}: {leaving} members would be removed by the first write to it; a first write only adds",
            audience.audience,
        )
    if leaving and not wanted:
        yield Brake(
            BrakeKind.EMPTIED,
            f"{said}: the segment has become empty; all {ours} members would be removed",
            audience.audience,
        )
    elif leaving:
        yield from _removal_brakes(audience, said, leaving=leaving, ours=ours, limits=limits)
    left_out = audience.desired & audience.reachable & audience.not_mailable
    dropped = left_out - audience.actual
    if dropped and not audience.include_suppressed:
        yield Brake(
            BrakeKind.CONSENT,
            f"{said}: {len(dropped)} people belong to it but must not be marketed to; they are left out",
            audience.audience,
            Holds.NOTHING,
        )
    if audience.expect is not None:
        yield from _size_brakes(audience, audience.expect, size=len(audience.desired))


def _removal_brakes(
    audience: AudienceInput, said: str, *, leaving: int, ours: int, limits: BrakeLimits
) -> Iterator[Brake]:
    expect = audience.expect
    own = expect is not None and expect.removals_share is not None
    share = limits.removals_share
    if expect is not None and expect.removals_share is not None:
        share = expect.removals_share
    why = f"the limit is {share:.0%} and {limits.removals_min} people"
    learned = audience.usual if limits.learn and not own else None
    if learned is not None and learned.limit < share:
        share = learned.limit
        why = (
            f"by its last {learned.changes} changes it usually loses {learned.share:.1%}, so the limit is "
            f"{share:.1%} and {limits.removals_min} people"
        )
    elif own:
        why = f"its rule's limit is {share:.0%}, and {limits.removals_min} people"
    if leaving > limits.removals_min and leaving > share * ours:
        yield Brake(
            BrakeKind.REMOVALS,
            f"{said}: {leaving} of {ours} members would be removed ({leaving / ours:.0%}; {why})",
            audience.audience,
        )


def _size_brakes(audience: AudienceInput, expect: Expect, *, size: int) -> Iterator[Brake]:
    share = size / audience.people if audience.people else 0.0
    said = f"{audience.segment} → {audience.connection}: {size} people ({share:.1%} of all)"
    large, small, id_ = BrakeKind.TOO_LARGE, BrakeKind.TOO_SMALL, audience.audience
    if expect.max is not None and size > expect.max:
        yield Brake(large, f"{said}, at most {expect.max} expected", id_, Holds.ADDS)
    if expect.max_share is not None and share > expect.max_share:
        yield Brake(large, f"{said}, at most {expect.max_share:.1%} expected", id_, Holds.ADDS)
    if expect.min is not None and size < expect.min:
        yield Brake(small, f"{said}, at least {expect.min} expected", id_)
    if expect.min_share is not None and share < expect.min_share:
        yield Brake(small, f"{said}, at least {expect.min_share:.1%} expected", id_)
