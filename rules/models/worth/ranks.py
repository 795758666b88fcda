"""How likely so small a difference of ranks is by chance, for every two of many samples at once.

Mann and Whitney (1947, Annals of Mathematical Statistics 18, 50-60): the normal approximation, corrected for
ties and continuity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rules.models.columns import Floats


def chances(samples: Sequence[Floats]) -> Floats:
    """The two-sided p of each two samples: a symmetric table, 1 on its diagonal and of two that are the same
    number throughout. No sample may be empty or have NaN.

    Each sample is sorted once and kept as how often it has each number; of each two only the numbers that one
    of them has are looked at.
    """
    from scipy.special import ndtr  # takes time to load, which every run would wait for

    table = np.ones((len(samples), len(samples)))
    if len(samples) < 2:
        return table
    counted = [np.unique(one, return_counts=True) for one in samples]
    known = np.unique(np.concatenate([numbers for numbers, _ in counted]))
    ranks = np.concatenate([np.searchsorted(known, numbers) for numbers, _ in counted])
    times = np.concatenate([counts for _, counts in counted]).astype(np.int64)
    ends = np.cumsum([len(numbers) for numbers, _ in counted])
    starts = ends - [len(numbers) for numbers, _ in counted]
    sizes = np.array([len(one) for one in samples], dtype=np.float64)
    cubes = np.array([(counts.astype(np.float64) ** 3).sum() for _, counts in counted])
    for at in range(len(samples) - 1):
        own = np.zeros(len(known), np.int64)
        own[ranks[starts[at] : ends[at]]] = times[starts[at] : ends[at]]
        twice_below = 2 * np.cumsum(own) - own  # ties half
        later, theirs = ranks[ends[at] :], times[ends[at] :]
        first = starts[at + 1 :] - ends[at]
        above = np.add.reduceat(theirs * twice_below[later], first) / 2
        tied = own[later].astype(np.float64)
        mixed = np.add.reduceat(theirs * tied * (theirs + tied), first)
        n1, n2 = sizes[at], sizes[at + 1 :]
        n = n1 + n2
        ties = cubes[at] + 3 * mixed + cubes[at + 1 :] - n
        # As whole numbers: rounding would leave some spread to two that are the same number throughout.
        one_number = (ends[at] - starts[at] == 1) & (ends - starts == 1)[at + 1 :]
        same = one_number & (ranks[starts[at]] == ranks[starts[at + 1 :]])
        spread = np.sqrt(np.where(same, 1.0, n1 * n2 / 12 * (n + 1 - ties / (n * (n - 1)))))
        beyond = np.maximum(above, n1 * n2 - above) - n1 * n2 / 2 - 0.5
        p = np.where(same, 1.0, np.clip(2 * ndtr(-beyond / spread), 0.0, 1.0))
        table[at, at + 1 :] = table[at + 1 :, at] = p
    return table
