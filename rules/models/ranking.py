"""How well a score ranks people by what came: the area under the ROC curve, and how sure that is."""

from __future__ import annotations

import numpy as np

from rules.models.columns import Bools, Floats

COIN = 0.5
"""The area of whoever treats everybody alike."""
Z95 = 1.959964


def auc(scores: Floats, positive: Bools) -> float:
    """The probability that a positive scores above another, ties half; 0.5 if there are none of either."""
    hits, misses = int(positive.sum()), int((~positive).sum())
    if not hits or not misses:
        return COIN
    ordered = np.sort(scores[~positive])
    below = np.searchsorted(ordered, scores[positive], side="left")
    up_to = np.searchsorted(ordered, scores[positive], side="right")
    return float((below + up_to).sum() / (2 * hits * misses))


def least_auc(scores: Floats, positive: Bools) -> float:
    """The lower end of the 95 % interval of `auc` (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44,
    837-845); 0 with fewer than two of either. Above 0.5 the score tells something that is not chance."""
    hits, misses = scores[positive], scores[~positive]
    if min(len(hits), len(misses)) < 2:
        return 0.0
    variance = sum(
        float(_above(own, others).var(ddof=1)) / len(own) for own, others in ((hits, misses), (misses, hits))
    )
    return auc(scores, positive) - Z95 * float(np.sqrt(variance))


def _above(own: Floats, others: Floats) -> Floats:
    """Of each of `own`, which share of `others` it lies above, ties half."""
    ordered = np.sort(others)
    below, up_to = (np.searchsorted(ordered, own, side=side) for side in ("left", "right"))
    return np.asarray((below + up_to) / (2 * len(ordered)), dtype=np.float64)
