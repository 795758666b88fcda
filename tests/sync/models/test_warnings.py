"""Every warning that the methods list is reached by a whole fit, and stored with its code and figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sync.config.modelling import (
    ChurnSettings,
    ClvSettings,
    EngagementSettings,
    LeadSettings,
    LifecycleSettings,
    ModelSettings,
    OffersSettings,
    RfmSettings,
    SendTimeSettings,
)
from sync.models.keeping import keep
from sync.store import Store
from sync.store.shapes import INSTANT
from tests.sync.models.lively import NOW, PEOPLE, letters, orders
from tests.sync.models.made import days_before, put_activity, put_people

Rows = dict[str, pd.DataFrame]


def lively() -> Rows:
    draw = np.random.default_rng(7)
    sent, clicked = letters(draw, "email", signal=True)
    return {"purchase": orders(draw), "email_sent": sent, "email_click": clicked}


def once() -> Rows:
    """Nobody comes back."""
    people = np.arange(1, PEOPLE + 1)
    return {"purchase": pd.DataFrame({"person": people, "age": people % 400 + 0.5, "amount": 100})}


def alike() -> Rows:
    """Nine in ten spend the same in all."""
    rows = lively()["purchase"].groupby("person").head(4)
    many = rows.groupby("person")["age"].transform("size")
    return {
        "purchase": rows.assign(amount=np.where(rows["person"] % 10 == 0, rows["amount"], 12_000 // many))
    }


def a_few_come_back() -> Rows:
    """A third of all orders again, once."""
    rows = once()["purchase"]
    again = rows[rows["age"] > 200]
    return {"purchase": pd.concat([rows, again.assign(age=again["age"] - 40)])}


def faithful() -> Rows:
    """Everybody orders every fortnight, and nobody ever leaves."""
    person, nth = np.divmod(np.arange(PEOPLE * 12), 12)
    age = nth * 14 + person % 13 + 0.5
    return {"purchase": pd.DataFrame({"person": person + 1, "age": age, "amount": 100 + person})}


def worth_by_number() -> Rows:
    """Who orders more often pays more for each."""
    rows = lively()["purchase"]
    many = rows.groupby("person")["age"].transform("size")
    return {"purchase": rows.assign(amount=rows["amount"] * many)}


def half_a_year() -> Rows:
    rows = lively()["purchase"]
    return {"purchase": rows[rows["age"] < 180]}


def back_at_last() -> Rows:
    """The largest spenders who had been away for half of all days order for much, all of them."""
    rows = lively()["purchase"]
    early = rows[rows["age"] > 250].groupby("person").agg(spent=("amount", "sum"), last=("age", "min"))
    lost = early[early["last"] > 320].nlargest(60, "spent").index
    return {"purchase": pd.concat([rows, pd.DataFrame({"person": lost, "age": 5.0, "amount": 900_000})])}


def by_chance() -> Rows:
    draw = np.random.default_rng(5)
    person, age = np.nonzero(draw.random((PEOPLE, 400)) < 0.02)
    items = np.char.add("i", draw.integers(0, 40, len(person)).astype(str))
    return {
        "purchase": pd.DataFrame({"person": person + 1, "age": age + 0.5, "amount": 1, "products": items})
    }


def one_rare_item() -> Rows:
    rows = lively()["purchase"]
    return {"purchase": rows.assign(products=np.where(rows.index % 600 == 7, "rare", rows["products"]))}


def stops() -> Rows:
    """Until two months ago everybody ordered every three weeks or so; then most did not."""
    draw = np.random.default_rng(3)
    person, age = np.nonzero(draw.random((PEOPLE, 400)) < 0.05)
    kept = (age > 60) | (person % 5 == 0)
    return {"purchase": pd.DataFrame({"person": person[kept] + 1, "age": age[kept] + 0.5, "amount": 100})}


def few_hours() -> Rows:
    return {
        kind: rows.assign(age=np.floor(rows["age"]) + (kind == "email_sent") * 0.1)
        for kind, rows in lively().items()
    }


def opens() -> Rows:
    rows = lively()
    kinds = {kind: of[of["person"] % 4 > 0] for kind, of in rows.items() if kind != "email_sent"}
    return {**kinds, "email_sent": rows["email_sent"], "email_open": rows["email_sent"]}


LEAD = LeadSettings(features=("country",), filled={"country": "country_at"})
CASES: dict[str, tuple[Callable[[], Rows], ModelSettings]] = {
    "rfm.floor": (a_few_come_back, RfmSettings()),
    "rfm.empty_class": (alike, RfmSettings()),
    "lifecycle.quantile": (a_few_come_back, LifecycleSettings()),
    "lifecycle.fallback": (once, LifecycleSettings()),
    "engagement.opens_only": (opens, EngagementSettings()),
    "lead.few_outcomes": (lambda: {"purchase": once()["purchase"].head(50)}, LEAD),
    "lead.leak": (lively, LEAD),
    "clv.no_churn_identified": (faithful, ClvSettings()),
    "clv.season": (half_a_year, ClvSettings()),
    "clv.baseline_wins": (back_at_last, ClvSettings()),
    "clv.freq_value_corr": (worth_by_number, ClvSettings()),
    "churn.few_positives": (faithful, ChurnSettings(days=30)),
    "churn.uncalibrated": (stops, ChurnSettings(days=60)),
    "churn.no_gain": (lively, ChurnSettings(days=60)),
    "nbo.no_gain": (by_chance, OffersSettings()),
    "nbo.thin_item": (one_rare_item, OffersSettings()),
    "sendtime.not_spread": (few_hours, SendTimeSettings()),
}


@pytest.mark.parametrize("code", CASES)
def test_every_warning_of_the_methods_is_reached(lake_store: Store, code: str) -> None:
    make, model = CASES[code]
    put(lake_store, make())
    done = keep(lake_store, {model.name: model}, as_of=NOW, currency="EUR")
    (version,) = done.fitted
    notices = {one["code"]: one for one in version.document["notices"]}
    assert code in notices
    one = notices[code]
    assert one["evidence"]
    for figure in one["evidence"].values():  # each figure is in the sentence
        forms = [str(figure)]
        if not isinstance(figure, str):
            forms += [f"{figure:,}", f"{figure:.1%}", f"{figure:.2f}", f"{figure:.3f}", f"{figure:.4g}"]
            forms += [f"{figure:+.1%}", f"{figure:+.4f}", f"{-figure:+.4f}", f"{figure:.0%}", f"{figure:g}"]
        assert any(form in one["message"] for form in forms), (one["message"], figure)
    told = f"model {model.name}: {one['message']}"
    refused = one["severity"] == "refusal" and f"facts are missing: {one['message']}"
    assert any((refused or told) in notice for notice in done.notices) or one["severity"] == "note"


def put(store: Store, kinds: Rows) -> None:
    numbers = np.arange(1, PEOPLE + 1)
    came = pa.array(days_before(NOW, (numbers % 300 + 200).tolist()), INSTANT)
    put_people(
        store,
        numbers.tolist(),
        country__ci=pa.array(np.where(numbers % 2, "de", "fr")),
        signed_up=came,
        country_at=pa.array(days_before(NOW, (numbers % 300 + 20).tolist()), INSTANT),
    )
    for kind, rows in kinds.items():
        at = days_before(NOW, rows["age"].tolist())
        put_activity(store, kind, rows.assign(at=at).drop(columns="age").reset_index(drop=True))
