"""Points of scores: what an activity of some age is worth, and the activities of a day, counted.

All weights are worked out here, once, as whole numbers in decimal arithmetic; engines only look them up and
add integers, so that no order of rows and no engine's own power function can change a score.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

from rules.engine.dialect import Dialect
from rules.engine.periods import DAY_US, Clock, Range, offsets, window
from rules.ir import Earned, Score

_LEAST, _MOST = -(2**63), 2**63 - 1
_DIGITS = Context(prec=60, rounding=ROUND_HALF_EVEN)


@lru_cache(maxsize=256)
def weights(points: int, half_life: int) -> tuple[int, ...]:
    """points × 2^(−age/half_life) for the ages 0, 1, 2, … days, rounded half to even; older ones are 0."""
    # 2^(−r/h) for the days r of one half-life; every further one halves exactly.
    fade = [_DIGITS.power(2, _DIGITS.divide(-r, half_life)) if r else Decimal(1) for r in range(half_life)]
    found: list[int] = []
    for halvings in range(points.bit_length() + 1):
        start = _DIGITS.divide(points, 2**halvings)
        found += [int(_DIGITS.to_integral_value(_DIGITS.multiply(start, each))) for each in fade]
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)


def earning(part: Earned, clock: Clock) -> Range:
    """The instants of activity that may earn points: its window, no older than what is still worth any."""
    found = window(part.period, clock)
    if part.half_life is None:
        return found
    oldest = clock.now - (len(weights(part.points, part.half_life)) + 2) * DAY_US
    return Range(oldest if found.start is None else max(found.start, oldest), found.end)


def age(dialect: Dialect, clock: Clock, rows: Range) -> str:
    """The age of an activity `a` in business days as SQL, for rows of this range."""
    day = dialect.local_day("a.at", within(offsets(clock.zone), rows))
    return dialect.at_least(f"{clock.today} - {day}", 0)


def worth(dialect: Dialect, part: Earned, age: str) -> str:
    """What one activity of an age is worth, as SQL."""
    if part.half_life is None:
        return f"{part.points}::BIGINT"
    return f"coalesce({dialect.entry(weights(part.points, part.half_life), age)}, 0)"


def bounds(score: Score) -> tuple[int, int]:
    """Between what a score is held."""
    return (
        _LEAST if score.at_least is None else score.at_least,
        _MOST if score.at_most is None else score.at_most,
    )


def within(changes: tuple[tuple[int, int], ...], rows: Range) -> tuple[tuple[int, int], ...]:
    """The changes of a zone's offset that matter to instants of a range; the first is in force before."""
    start = 0 if rows.start is None else max(0, sum(at <= rows.start for at, _ in changes) - 1)
    end = len(changes) if rows.end is None else sum(at < rows.end for at, _ in changes)
    return changes[start : max(end, start + 1)]
