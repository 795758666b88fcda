"""The rules of a marketing team over the generated world, as texts: fifty forms over one set of features,
each with as many thresholds as wanted, so that two of each are a hundred rules and ten of each five hundred.

Every side of the comparison translates the fifty forms by itself and is given the same numbers.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from rules.language import load
from rules.ruleset import RuleSet
from tests.rules.vocabulary import VOCABULARY


@dataclass(frozen=True, slots=True)
class Form:
    """A condition with `{n}` and `{m}` in it, and `{v}` where other segments of its variant are named.

    `n`, `m`: what they are in the first variant, and how much more in each further one.
    """

    text: str
    n: tuple[str, str] = ("0", "0")
    m: tuple[str, str] = ("0", "0")


FORMS: dict[str, Form] = {
    "buyers": Form("count(purchase) >= {n}", ("1", "1")),
    "buyers-30": Form("count(purchase, last 30 days) >= {n}", ("1", "1")),
    "buyers-90": Form("count(purchase, last 90 days) >= {n}", ("2", "1")),
    "loyal": Form("count(purchase, last 365 days) >= {n}", ("4", "1")),
    "big-30": Form("sum(purchase.amount, last 30 days) >= {n}", ("50", "10")),
    "big-90": Form("sum(purchase.amount, last 90 days) >= {n}", ("100", "10")),
    "big-365": Form("sum(purchase.amount, last 365 days) >= {n}", ("200", "20")),
    "big-ever": Form("sum(purchase.amount) > {n}", ("499.90", "25")),
    "lapsed-vip": Form(
        "sum(purchase.amount, last 365 days) >= {n} and days since purchase > {m}", ("150", "10"), ("60", "5")
    ),
    "dearest": Form("max(purchase.amount, last 365 days) >= {n}", ("100", "10")),
    "average": Form("avg(purchase.amount, last 365 days) > {n}", ("39.99", "1")),
    "varied": Form(
        "distinct(purchase.category, last 365 days) >= 3 and sum(purchase.amount) >= {n}", ("20", "10")
    ),
    "shoes": Form('count(purchase where category = "shoes", last 90 days) >= {n}', ("1", "1")),
    "munich": Form('sum(purchase.amount where store = "Munich", last 365 days) >= {n}', ("100", "10")),
    "store": Form('latest(purchase.store) = "Munich" and ltv >= {n}', ("10", "10")),
    "new": Form("first purchase within last {n} days", ("30", "3")),
    "quiet": Form("not last purchase within last {n} days", ("180", "10")),
    "never": Form("never purchase and ltv >= {n}", ("10", "10")),
    "openers": Form("count(email_open, last 30 days) >= {n}", ("3", "1")),
    "openers-90": Form("count(email_open, last 90 days) >= {n}", ("5", "1")),
    "clickers": Form("count(email_click, last 30 days) >= {n}", ("1", "1")),
    "clickers-90": Form("count(email_click, last 90 days) >= {n}", ("2", "1")),
    "asleep": Form("days since email_open > {n} and consented to email", ("180", "10")),
    "rate": Form("count(email_click, last 90 days) / count(email_open, last 90 days) > {n}", ("0.5", "0.1")),
    "visitors": Form("count(page_view, last 7 days) >= {n}", ("2", "1")),
    "visitors-30": Form("count(page_view, last 30 days) >= {n}", ("5", "1")),
    "pricing": Form('count(page_view where page starts with "/pricing", last 30 days) >= {n}', ("2", "1")),
    "gone": Form("days since page_view > {n}", ("90", "10")),
    "carts": Form("count(cart_add, last 7 days) >= {n}", ("1", "1")),
    "abandoned": Form(
        "count(cart_add, last 30 days) >= {n} and count(purchase, last 30 days) = 0", ("1", "1")
    ),
    "top-10": Form("sum(purchase.amount, last 365 days) in top {n}%", ("10", "1")),
    "top-1": Form("sum(purchase.amount) in top {n}%", ("1", "1")),
    "top-500": Form("sum(purchase.amount) in top {n}", ("500", "100")),
    "bottom-5": Form("days since purchase in bottom {n}%", ("5", "1")),
    "recent": Form("days since purchase in quintile 1 and ltv >= {n}", ("10", "10")),
    "frequent": Form("count(purchase, last 365 days) in quintile 5 and ltv >= {n}", ("10", "10")),
    "ltv-top-7": Form("ltv in top {n}%", ("7", "1")),
    "country-top": Form("ltv in top {n}% by country", ("10", "1")),
    "score-5": Form("score in quintile 5 and ltv >= {n}", ("10", "10")),
    "germans": Form('country in ["DE", "AT"] and ltv >= {n}', ("10", "10")),
    "moved": Form("country is known and last_order_country != country and ltv >= {n}", ("10", "10")),
    "town": Form('(city starts with "M" or city contains "stras") and score >= {n}', ("5", "5")),
    "birthday": Form("birthday anniversary within next {n} days", ("7", "1")),
    "joined": Form("signed_up within last {n} days", ("30", "5")),
    "firms": Form("company.employees >= {n} and company.employees < {m}", ("200", "10"), ("1000", "50")),
    "sporty": Form('interests has any of ["sport", "hats"] and ltv >= {n}', ("10", "10")),
    "campaign": Form(
        'consented to email and not suppressed and not in list "newsletter:Spring" and score >= {n}',
        ("5", "5"),
    ),
    "scored": Form("score between {n} and {m}", ("20", "2"), ("60", "3")),
    "best": Form(
        'in segment "top-10{v}" and not in segment "lapsed-vip{v}" and (vip or in segment "recent{v}")'
    ),
    "rest": Form('not in segment "best{v}" and not in segment "quiet{v}" and in segment "buyers{v}"'),
}


def names(variants: int) -> list[tuple[str, int, str]]:
    """(form, variant, id of the segment); the first variant has the name of its form."""
    return [(form, variant, form + suffix(variant)) for variant in range(variants) for form in FORMS]


def suffix(variant: int) -> str:
    """What the ids of a variant end in."""
    return "" if variant == 0 else f"-v{variant + 1}"


def numbers(form: str, variant: int) -> dict[str, str | int]:
    """What a form's text and its translations are filled with: `n` as written, `n_cents`, `n_micros`; `m`."""
    filled: dict[str, str | int] = {"v": suffix(variant)}
    for name, (first, more) in (("n", FORMS[form].n), ("m", FORMS[form].m)):
        number = Decimal(first) + Decimal(more) * variant
        filled |= {
            name: str(number),
            f"{name}_cents": int(number * 100),
            f"{name}_micros": int(number * 10**6),
        }
    return filled


def toml(variants: int) -> str:
    """The rule file."""
    return "\n".join(
        f"[[segment]]\nid = \"{id_}\"\nwhen = '''{FORMS[form].text.format(**numbers(form, variant))}'''\n"
        for form, variant, id_ in names(variants)
    )


@cache
def rules(variants: int) -> RuleSet:
    """The rules, compiled: 50 × `variants`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.toml"
        path.write_text(toml(variants), encoding="utf-8")
        loaded = load(path, VOCABULARY)
    assert loaded.ruleset is not None, loaded.errors
    return loaded.ruleset
