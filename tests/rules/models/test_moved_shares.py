"""Whether segments' shares of people moved: a published table, and SciPy's second way for what is planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control
from scipy.stats.contingency import association

from rules.models.columns import Severity
from rules.models.worth.moved import moved, told_moved

PARTIES = ("democrat", "independent", "republican")


def test_a_published_table_has_its_published_chi_square() -> None:
    """Agresti, An Introduction to Categorical Data Analysis (1996), table 2.5: X² = 7.01, df = 2, P = .03."""
    one = moved({"party": (PARTIES, (279, 73, 225), (165, 47, 191))})["party"]
    assert (round(one.chi_square, 2), one.freedom, round(one.p, 2)) == (7.01, 2, 0.03)
    assert one.v == pytest.approx((7.01 / 980) ** 0.5, abs=1e-4)
    assert not one.alarm  # by more than chance, yet by little: V is .08


def test_what_moved_is_told_with_the_part_that_moved_most_and_what_did_not_is_not() -> None:
    tables = {
        "rfm/…": (("rfm/a", "rfm/b", "rfm/never"), (300, 700, 0), (450, 550, 0)),
        "same": (("same", "everybody else"), (300, 700), (305, 700)),
        "tiny": (("tiny", "everybody else"), (2, 997), (6, 1000)),
        "few": (("few", "everybody else"), (50, 149), (149, 50)),
    }
    found = moved(tables)
    counts = np.array([[300, 700], [450, 550]])
    assert found["rfm/…"].v == pytest.approx(association(counts, method="cramer", correction=False))
    # 2x2 by hand: n (ad - bc)² over the product of the four sums
    assert found["rfm/…"].chi_square == pytest.approx(
        2000 * (300 * 550 - 700 * 450) ** 2 / (1e6 * 750 * 1250)
    )
    assert found["rfm/…"].parts == ("rfm/a", "rfm/b")
    assert {name for name, one in found.items() if one.too_small} == {"tiny", "few"}
    (notice,) = told_moved(found)
    assert (notice.code, notice.severity) == ("drift.shares", Severity.WARNING)
    assert "that of rfm/a most: 30.0% then, 45.0% now" in notice.message


def test_many_that_are_asked_together_are_judged_together() -> None:
    one = ((300, 700), (350, 650))
    alone = moved({"a": (("a", "rest"), *one)})["a"].p
    still = {f"s{n}": (("a", "rest"), (300, 700), (301, 700)) for n in range(9)}
    together = moved({"a": (("a", "rest"), *one)} | still)
    assert alone < 0.05 < together["a"].p
    unmoved = moved({"s": (("a", "rest"), (300, 700), (301, 700))})["s"].p
    assert together["a"].p == pytest.approx(false_discovery_control([alone, *[unmoved] * 9], method="bh")[0])
