"""Planted faults, from the export to the report: found, blocked, badged, compared, and never shown."""

from __future__ import annotations

import csv
import io

from tests.scenarios.company import Company, join, people, segment

SEGMENTS = segment("germans", 'country = "DE"') + segment("abroad", 'country != "DE"')
CANARY = "canary.example"


def planted(firm: Company) -> None:
    """20 customers: 4 in no country there is, one with a slip in the address, one whom no mail can reach."""
    rows = people(range(1, 15))
    rows += [(f"c{n}", f"canary{n}@{CANARY}", "Canaryland") for n in range(15, 19)]
    rows += [("c19", "canary19@gmial.com", "DE"), ("c20", "canary20@canary.test", "DE")]
    firm.customers(rows)
    firm.orders([("o1", "c1", "2026-02-01T10:00:00Z", "20.00")])
    firm.rules(SEGMENTS)
    join(firm.newsletter, range(1, 11))
    join(firm.newsletter, range(11, 13), status="unsubscribed")


def test_planted_faults_are_found_from_export_to_report(firm: Company) -> None:
    planted(firm)
    firm.run()
    found = firm.segsync("quality", "--format", "json").document
    assert [(one["step"], one["people"]) for one in found["mailable"]["steps"]] == [
        ("all people", 20),
        ("with a valid address", 19),
        ("who consented, now or once", 12),
        ("whose mail does not bounce", 12),
        ("not suppressed", 10),
    ]
    issues = {one["rule"]: (one["people"], one["segments"]) for one in found["issues"]}
    assert issues["country-unknown"] == (4, ["germans", "abroad"])
    assert issues["email-typo"] == (1, ["germans", "abroad"])  # both are sent
    assert issues["email-invalid"] == (1, ["germans", "abroad"])
    assert issues["purchase-missing"] == (19, [])
    assert {one["rule"]: one["hints"] for one in found["issues"]}["email-typo"] == {"gmail.com": 1}
    trust = {one["segment"]: (one["badge"], one["share"], one["worst"]) for one in found["trust"]}
    assert trust == {
        "germans": ("trusted", 0.0, None),
        "abroad": ("untrusted", 1.0, "country-unknown"),
    }
    codes = {one["code"]: one["message"] for one in found["warnings"]}
    assert set(codes) == {"dq.blocked_feature", "dq.segment_untrusted"}
    assert codes["dq.segment_untrusted"].startswith("100% of abroad rest on faulty data, 100% on country")
    assert any("no RFM" in one["message"] for one in found["warnings"])


def test_a_mended_export_shows_in_the_next_report(firm: Company) -> None:
    planted(firm)
    first = firm.run()["run"]
    before = firm.segsync("quality", "--format", "json").document
    assert before["compared_with_run"] is None
    firm.later(days=1)
    firm.customers(people(range(1, 21)))
    firm.run()
    after = firm.segsync("quality", "--format", "json").document
    assert after["compared_with_run"] == first
    assert after["mailable"]["before"] == before["mailable"]["share"]
    scores = {one["dimension"]: one["score"] for one in before["dimensions"]}
    for one in after["dimensions"]:
        assert one["trend"] == round(one["score"] - scores[one["dimension"]], 1)
    validity = next(one for one in after["dimensions"] if one["dimension"] == "validity")
    assert validity["score"] == 100.0
    assert validity["trend"] > 0
    again = firm.segsync("quality", "--format", "json").document
    assert again == after  # the same run is not compared with itself


def test_values_are_shown_to_whoever_asks_and_to_nobody_else(firm: Company) -> None:
    planted(firm)
    firm.run()
    for words in ((), ("--format", "json"), ("--rows", "-"), ("--rows", "-", "--format", "json")):
        said = firm.segsync("quality", *words).said
        assert "canary" not in said.lower(), words
        assert "email-typo" in said
    shown = firm.segsync("quality", "--rows", "-", "--show-values").out
    rows = {row["rule"]: row for row in csv.DictReader(io.StringIO(shown))}
    assert rows["email-typo"]["value"] == "canary19@gmial.com"
    assert rows["email-typo"]["better"] == "canary19@gmail.com"
    assert rows["email-typo"]["external_id"] == "c19"
    assert "most likely gmail.com" in rows["email-typo"]["fix"]


def test_before_the_first_pull_the_report_says_what_comes_first(firm: Company) -> None:
    planted(firm)
    answer = firm.segsync("quality")
    assert answer.code == 1
    assert "segsync pull" in answer.err
