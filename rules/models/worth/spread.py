"""How far a difference in money between two groups can be trusted: means per person and what they rest on.

Money is mostly nothing and seldom a lot, so every difference is told twice: as it is, and with the 0.5 % of
people who spent most counting no more than where they begin (winsorised at the 99.5 % quantile of both groups
together). Each has Welch's interval (Welch 1947, Biometrika 34, 28-35; degrees of freedom by Satterthwaite
1946, Biometrics Bulletin 2, 110-114), and the percentile interval of the bootstrap (Efron, Tibshirani 1993,
"An Introduction to the Bootstrap", chapter 13).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rules.models.columns import Floats, InputError, column, grouped, same_length

CAPPED_SHARE = 0.005
"""So many of both groups together are capped."""
DRAWS = 2_000
SEED = 33_550
FALL = 0.5
"""A lift that falls by this share of itself once the largest are capped rests on them. A choice of ours."""
_TAIL = 0.025
_DISTINCT = 256
"""More values are drawn as so many: the outermost quarters of these singly, the rest by neighbours."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two means, or a sum of such. `terms`: of each mean its variance and degrees of freedom. `draws`: the
    value in each draw of the bootstrap."""

    value: float
    terms: tuple[tuple[float, int], ...]
    draws: Floats

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(sum(variance for variance, _ in self.terms))

    @property
    def freedom(self) -> float:
        """Degrees of freedom (Satterthwaite); infinite where nothing varies."""
        parts = sum(variance**2 / freedom for variance, freedom in self.terms)
        return self.error**4 / parts if parts else math.inf

    @property
    def welch(self) -> Estimate:
        """By Student's t."""
        from scipy.special import stdtrit  # takes time to load, which every run would wait for

        half = -float(stdtrit(self.freedom, _TAIL)) * self.error if self.error else 0.0
        return Estimate(self.value, self.value - half, self.value + half)

    @property
    def bootstrap(self) -> Estimate:
        """Between the percentiles of the draws."""
        low, high = np.quantile(self.draws, (_TAIL, 1 - _TAIL))
        return Estimate(self.value, float(low), float(high))

    def times(self, factor: float) -> Difference:
        """In another unit, or of so many people."""
        terms = tuple((variance * factor**2, freedom) for variance, freedom in self.terms)
        return Difference(self.value * factor, terms, self.draws * factor)


def added(parts: Iterable[Difference]) -> Difference:
    """The sum of differences that know nothing of each other. InputError if there is none."""
    found = list(parts)
    if not found:
        raise InputError("a sum needs one difference at least")
    terms = tuple(term for one in found for term in one.terms)
    draws = np.sum([one.draws for one in found], axis=0)
    return Difference(math.fsum(one.value for one in found), terms, draws)


@dataclass(frozen=True, slots=True)
class Cap:
    """`at`: nobody counts more. `people`: who would have. `among_spenders`: the quantile is that of spenders,
    for among everybody it would be nothing."""

    at: float
    people: int
    among_spenders: bool


@dataclass(frozen=True, slots=True)
class Spread:
    """What a person of one group spent beyond one of the other: as it is, and with the largest capped."""

    whole: Difference
    capped: Difference
    cap: Cap


def compared(one: Floats, other: Floats, *, seed: int | tuple[int, ...] = SEED) -> Spread:
    """The mean of `one` less that of `other`: what each person spent (0 or more), of two people at least.

    The same seed draws the same. InputError of other columns.
    """
    first, second = (column(name, of, at_least=0) for name, of in (("one", one), ("other", other)))
    if min(len(first), len(second)) < 2:
        raise InputError("a difference needs two people at least in either group")
    cap = cap_of(np.concatenate([first, second]))
    random = np.random.default_rng(seed)
    cut = np.minimum(first, cap.at), np.minimum(second, cap.at)
    draws = _drawn(first, cut[0], random) - _drawn(second, cut[1], random)
    return Spread(_difference(first, second, draws[:, 0]), _difference(*cut, draws[:, 1]), cap)


def within(one: Floats, other: Floats, *, less: Floats, seed: int | tuple[int, ...] = SEED) -> Spread:
    """The mean of what each of the same people brought by `one` choice (0 or more), less that by the `other`
    and `less` (such as what the one costs more). The interval is that of Student's t for pairs.

    InputError with fewer than two people, or other columns.
    """
    first, second = (column(name, of, at_least=0) for name, of in (("one", one), ("other", other)))
    less = column("less", less)
    if same_length(one=first, other=second, less=less) < 2:
        raise InputError("a difference needs two people at least")
    cap = cap_of(np.concatenate([first, second]))
    each = first - second - less, np.minimum(first, cap.at) - np.minimum(second, cap.at) - less
    draws = _drawn(*each, np.random.default_rng(seed))
    whole, capped = (
        Difference(float(of.mean()), ((float(of.var(ddof=1)) / len(of), len(of) - 1),), draws[:, place])
        for place, of in enumerate(each)
    )
    return Spread(whole, capped, cap)


def cap_of(spent: Floats) -> Cap:
    """Where the 0.5 % of people begin who spent most; with few people it is the second largest value, so that
    one at least is capped.

    Where fewer than that spent anything it is where the 0.5 % of spenders begin; of one spender alone nothing
    is left, for nobody tells what would have been usual.
    """
    spenders = spent[spent > 0]
    at = _below_largest(spent)
    among = at == 0 and len(spenders) > 0
    if among:
        at = _below_largest(spenders)
    return Cap(at, int(np.count_nonzero(spent > at)), among)


def driven(whole: Estimate, capped: Estimate, *, nothing: float = 0.0, even: float = 0.0) -> bool:
    """Whether what is said rests on the largest: the interval lies on another side of `even` once they are
    capped; or the value falls by half of what it was above `nothing`, or to the other side of `even`, and by
    more than chance moves the capped one: a quarter of its interval, which is a standard error."""
    if _side(whole, even) != _side(capped, even):
        return True
    moved = abs(whole.value - capped.value)
    fallen = moved >= FALL * abs(whole.value - nothing)
    crossed = (whole.value - even) * (capped.value - even) < 0
    return (fallen or crossed) and moved > (capped.high - capped.low) / 4


def _side(of: Estimate, even: float) -> int:
    """1: all of it above, -1: below, 0: neither was shown."""
    return int(of.low > even) - int(of.high < even)


def _below_largest(values: Floats) -> float:
    if len(values) < 2:
        return 0.0
    return float(min(np.quantile(values, 1 - CAPPED_SHARE), np.partition(values, -2)[-2]))


def _difference(one: Floats, other: Floats, draws: Floats) -> Difference:
    terms = tuple((float(of.var(ddof=1)) / len(of), len(of) - 1) for of in (one, other))
    return Difference(float(one.mean()) - float(other.mean()), terms, draws)


def _drawn(values: Floats, capped: Floats, random: np.random.Generator) -> Floats:
    """(draws, 2): the means of samples of as many people, drawn with replacement: as they are, and capped.

    How often each value is drawn is multinomial, so that memory is that of some values, not of people.
    """
    (first, second), counts = grouped(values, capped)
    groups, counts = _fewer(np.column_stack([first, second]), counts)
    sums = random.multinomial(len(values), counts / len(values), size=DRAWS) @ groups
    return np.asarray(sums / len(values), dtype=np.float64)


def _fewer(ascending: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Neighbours joined at their mean; the outermost, on which the interval rests, stay single."""
    many, singly = len(counts), _DISTINCT // 4
    if many <= _DISTINCT:
        return ascending, counts
    between = np.linspace(singly, many - singly, _DISTINCT - 2 * singly, endpoint=False).astype(np.int64)
    starts = np.concatenate([np.arange(singly), between, np.arange(many - singly, many)])
    together = np.add.reduceat(counts, starts)
    sums = np.add.reduceat(ascending * counts[:, None], starts, axis=0)
    return sums / together[:, None], together
