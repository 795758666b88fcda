"""A rulebook of any number of ordinary segments: no two alike, none with a fault."""

from __future__ import annotations

_CONDITIONS = (
    'country in ["DE", "AT"] and score >= {n}',
    "sum(purchase.amount, last 365 days) >= {n} and days since purchase > 60 and not suppressed",
    'count(purchase where category = "shoes", last {d} days) >= 2 and consented to email',
    "purchase within last {d} days and not (vip or score < {n})",
    'birthday anniversary within next 7 days and country = "DE" and score > {n}',
    "never purchase and signed_up within last {d} days",
    'ltv between {n} and {m} and interests has any of ["shoes", "bags", "hats"]',
    "(did email_click last {d} days or did email_open last 14 days) and not vip and score < {m}",
    'latest(purchase.store) = "Munich" and avg(purchase.amount) > {n}',
    "sum(purchase.amount) / count(purchase) > {n} and country != last_order_country",
    'purchase where (category = "shoes" and amount > {n}) last {d} days',
    'company.employees >= {n} and hubspot-eu.lifecyclestage = "customer" and city starts with "M"',
    "sum(purchase.amount, last 365 days) in top 10% by country and score > {n}",
    'days since first purchase > {d} and count(purchase, last {d} days) = 0 and random 10% of "a{n}"',
)
"""`{n}` and `{m}` (greater) are amounts, `{d}` days."""


def rulebook(rules: int) -> str:
    """The text of a rule file."""
    segments = []
    for number in range(rules):
        turn, which = divmod(number, len(_CONDITIONS))
        when = _CONDITIONS[which].format(n=100 + turn, m=1000 + turn, d=15 + turn)
        segments.append(
            f'[[segment]]\nid = "rule-{number}"\nname = "Rule {number}"\nwhy = "Number {number} of many."\n'
            f'when = """\n    {when}\n"""\nto = ["newsletter"]\nexpect = {{ max_share = 0.5 }}\n'
        )
    return "\n".join(segments)
