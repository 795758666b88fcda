"""What segments' orders left, by a table of products, from the exports to `segsync evaluate`."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.scenarios.company import ORDERS, SHOP, Company, email, emails, join, segment

BOUGHT = SHOP.replace('amount = "total" }', 'amount = "total", product = "product" }')
TABLE = '[models.offers]\nitems = "product"\nforce = true\n[models.offers.table]\nfile = "products.csv"\n'
RULES = segment("germans", 'country = "DE"', to="[]") + segment("french", 'country = "FR"', to="[]")
MARGINS = {"cup": 2.5, "pot": 12.0, "gift": -1.25}


def sold(firm: Company) -> pd.DataFrame:
    """Germans buy cups, the French pots; and one refund, one order of long ago, one unnamed thing."""
    firm.customers([(f"c{n}", email(n), "DE" if n < 25 else "FR") for n in range(40)])
    rows = [
        (f"o{n}", f"c{n}", "2026-02-01T10:00:00Z", "30.00", "cup" if n < 25 else "pot") for n in range(40)
    ]
    rows += [
        ("o90", "c0", "2026-02-02T10:00:00Z", "-30.00", "cup"),
        ("o91", "c1", "2024-02-02T10:00:00Z", "30.00", "pot"),
        ("o92", "c2", "2026-02-03T10:00:00Z", "30.00", "lamp"),
        ("o93", "c3", "2026-02-03T10:00:00Z", "30.00", "gift"),
        ("o94", "c3", "2026-02-04T10:00:00Z", "30.00", ""),
    ]
    firm._export("orders.csv", (*ORDERS, "product"), rows)
    return pd.DataFrame(rows, columns=["order", "customer", "at", "total", "product"])


def test_margins_are_those_that_pandas_finds_in_the_exports(firm: Company) -> None:
    lines = "".join(f"{item},{margin}\n" for item, margin in MARGINS.items())
    (firm.folder / "products.csv").write_text(f"item,margin\n{lines}", "utf-8")
    firm.write_config(TABLE, shop=BOUGHT)
    firm.rules(RULES)
    orders = sold(firm)
    firm.run()
    found = firm.segsync("evaluate", "--format", "json").document
    counts = (orders["total"].astype(float) > 0) & (orders["at"] > "2025-03-02") & (orders["product"] != "")
    left = orders[counts].assign(margin=orders["product"].map(MARGINS))
    country = left["customer"].str[1:].astype(int).lt(25).map({True: "germans", False: "french"})
    sums = left.groupby(country)["margin"].sum()
    assert {one["segment"]: one["margin"] for one in found["segments"]} == (sums * 100).to_dict()
    for one in found["segments"]:
        assert one["margin_share"] == pytest.approx(sums[one["segment"]] / sums.sum())
    (told,) = [one for one in found["warnings"] if one["code"] == "eval.margin_partly"]
    assert told["evidence"]["named"] == pytest.approx(left["margin"].notna().mean())  # the lamp is not named
    assert "margin" not in found["unmeasured"]
    assert "margin" in firm.segsync("evaluate").out.splitlines()[3]


def test_without_margins_it_is_told_why_and_no_column_is_shown(firm: Company) -> None:
    firm.write_config(shop=BOUGHT)
    firm.rules(RULES)
    sold(firm)
    firm.run()
    for config, shop, products, why in (
        ("", BOUGHT, None, "[models.offers.table]"),
        (TABLE, BOUGHT, "item,margin\nvase,1\n", "names nothing that was bought"),
        (TABLE, BOUGHT, "item,margin\ncup,\n", "products.csv, line 2: margin is empty"),
        (TABLE, BOUGHT, "item,margin\ncup,-1\npot,-2\n", "left nothing"),
    ):
        if products is not None:
            (firm.folder / "products.csv").write_text(products, "utf-8")
        firm.write_config(config, shop=shop)
        answer = firm.segsync("evaluate", "--format", "json")
        assert answer.code == 0, answer.said
        assert why in answer.document["unmeasured"]["margin"]
        assert {one["margin_share"] for one in answer.document["segments"]} == {None}
    said = firm.segsync("evaluate").out
    assert "not measured: margin: what was bought" in said
    assert "margin" not in said.splitlines()[3]


def test_a_table_that_cannot_be_read_is_held_told_and_mended_and_the_rest_goes_on(firm: Company) -> None:
    firm.write_config(TABLE + "[models.rfm]\n", shop=BOUGHT)
    firm.rules(segment("germans", 'country = "DE"') + segment("offered", "next_offer is known"))
    sold(firm)
    join(firm.newsletter, range(40))
    firm.later(minutes=1)
    file = firm.folder / "products.csv"
    file.write_text("item,margin\ncup,2.50\npot,dear\n", "utf-8")
    said = f"{file}:3:1: warning: margin is no number; write it like 4.20; until then the facts of"
    checked = firm.segsync("check")
    assert (checked.code, said in checked.out) == (0, True), checked.said

    report = firm.run(code=3)
    why = "products.csv, line 3: margin is no number; write it like 4.20"
    assert report["held_facts"] == {"offers": why}
    assert "rfm" in report["models"]["fitted"]
    assert report["segments"] == {"germans": 25, "offered": 0}
    assert firm.tagged("germans") == emails(range(25))
    status = firm.segsync("status", "--format", "json").document
    assert (status["held_facts"], status["runs"][0]["state"]) == ({"offers": why}, "held")
    told = f"held: the facts of model offers stay as they were: {why}"
    for words, code in ((("run",), 3), (("status",), 0), (("plan",), 0)):
        answer = firm.segsync(*words)
        assert (answer.code, told in answer.out.splitlines()) == (code, True), answer.said
    asked = firm.segsync("models", "fit", "offers")
    assert (asked.code, why in asked.err) == (1, True), asked.said
    alerts = firm.segsync("alerts", "--format", "json").document["alerts"]
    (alert,) = [one for one in alerts if one["trigger"] == "run_failed:"]
    assert (alert["level"], "facts of offers" in alert["what"]) == ("warning", True)

    file.write_text("item,margin\ncup,2.50\npot,12\n", "utf-8")
    assert firm.run()["held_facts"] == {}
    assert firm.segsync("status", "--format", "json").document["held_facts"] == {}
    assert "warning: margin" not in firm.segsync("check").out
