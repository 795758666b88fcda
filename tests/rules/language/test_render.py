"""Rules as text: in the admin's units, and read back as the same rule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from rules import ir
from rules.language import compile_expression, render
from tests.rules.language.forms import FORMS
from tests.rules.language.written import predicates
from tests.rules.vocabulary import VOCABULARY
from tests.thorough import examples

SHOWN = {
    "sum(purchase.amount, last 365 days) >= 500": "sum(purchase.amount, last 365 days) >= 500",
    "ltv > 499.9": "ltv > 499.90",
    "score > 2.50": "score > 2.5",
    "never purchase": "not count(purchase) >= 1",
    "purchase where gift last 1 month": "count(purchase where gift, last 1 month) >= 1",
    'country not in ["DE"]': 'country not in ["de"]',
    "birthday after 2000-01-31": "birthday since 2000-02-01",
    "(vip or suppressed) and vip": "(vip or suppressed) and vip",
    "score in top 0.5% by country": "score in top 0.5% by country",
    "(score - 1) * 2 > 3": "(score - 1) * 2 > 3",
    "score - (1 - score) > 3": "score - (1 - score) > 3",
    "days since (purchase where gift) > 3": "days since (purchase where (gift)) > 3",
}


@pytest.mark.means("the admin writes `500` or `499.90`.")
@pytest.mark.parametrize(("expression", "shown"), SHOWN.items())
def test_a_rule_is_shown_in_the_units_of_the_admin(expression: str, shown: str) -> None:
    node = compile_expression(expression, VOCABULARY)
    assert not isinstance(node, tuple), node
    assert render(node) == shown


@pytest.mark.parametrize("expression", FORMS)
def test_each_form_reads_back_from_its_text(expression: str) -> None:
    node = compile_expression(expression, VOCABULARY)
    assert not isinstance(node, tuple)
    assert compile_expression(render(node), VOCABULARY) == node


@settings(max_examples=examples(1000), deadline=None, derandomize=True)
@given(predicates())
def test_any_rule_reads_back_from_its_text(node: ir.Predicate) -> None:
    assert compile_expression(render(node), VOCABULARY) == node
