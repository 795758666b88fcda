"""People who were moved between segments, from the export to what `segsync evaluate` says of the shares."""

from __future__ import annotations

import pytest
from scipy.stats import chi2_contingency, false_discovery_control
from scipy.stats.contingency import association

from tests.scenarios.company import Company, email, segment

RULES = (
    '[[tiers]]\nid = "land"\nname = "Land"\nto = []\n'
    + "".join(
        f'[[tiers.tier]]\nid = "{code}"\nname = "{code}"\nwhen = \'country = "{code.upper()}"\'\n'
        for code in ("de", "fr")
    )
    + segment("french", 'country = "FR"', to="[]")
    + segment("americans", 'country = "US"', to="[]")
)


def test_shares_that_moved_are_those_of_scipy_and_are_told_by_what_moved_most(firm: Company) -> None:
    """Then 200 Germans, 150 French, 50 Americans; 60 Germans move to France, and ten new Americans come."""
    there = ["DE"] * 200 + ["FR"] * 150 + ["US"] * 50
    firm.write_config()
    firm.rules(RULES)
    firm.orders([("o1", "c0", "2026-02-01T10:00:00Z", "20.00")])
    firm.customers([(f"c{n}", email(n), country) for n, country in enumerate(there)])
    firm.run()
    firm.later(days=10)
    there = ["FR"] * 60 + there[60:] + ["US"] * 10
    firm.customers([(f"c{n}", email(n), country) for n, country in enumerate(there)])
    firm.run()
    found = firm.segsync("evaluate", "--days", "7", "--format", "json").document
    shares = {one["of"]: one for one in found["shares"]}
    assert shares.keys() == {"land/…", "french", "americans"}
    counts = {
        "land/…": [[200, 150, 50], [140, 210, 60]],
        "french": [[150, 250], [210, 200]],
        "americans": [[50, 350], [60, 350]],
    }
    tested = {name: chi2_contingency(table, correction=False) for name, table in counts.items()}
    together = false_discovery_control([one.pvalue for one in tested.values()], method="bh")
    for (name, table), p in zip(counts.items(), together, strict=True):
        one = shares[name]
        assert [one["then"], one["now"]] == table
        assert one["chi_square"] == pytest.approx(tested[name].statistic)
        assert one["v"] == pytest.approx(association(table, method="cramer"))
        assert one["p"] == pytest.approx(p)
    assert [name for name, one in shares.items() if one["alarm"]] == ["land/…", "french"]
    told = [one["evidence"]["of"] for one in found["warnings"] if one["code"] == "drift.shares"]
    assert told == ["land/…", "french"]
    said = firm.segsync("evaluate", "--days", "7").out
    assert "Shares that moved in 7 days" in said
    assert "that of land/de most: 50.0% then, 34.1% now" in said
    assert "shares of people: 2 moved, 1 did not, 0 have too few people to tell" in said
