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


def test_a_list_is_its_owners_alone_and_replaces_nothing_but_a_list(firm: Company) -> None:
    planted(firm)
    firm.run()
    to = firm.folder / "findings.csv"
    assert firm.segsync("quality", "--rows", str(to), "--show-values").code == 0
    assert to.stat().st_mode & 0o777 == 0o600
    first = to.read_text(encoding="utf-8")
    to.chmod(0o644)  # whoever made it readable did so for what stood in it then
    assert firm.segsync("quality", "--rows", str(to), "--rule", "nope").code == 1
    assert to.read_text(encoding="utf-8") == first
    assert firm.segsync("quality", "--rows", str(to), "--rule", "email-typo").code == 0
    assert to.stat().st_mode & 0o777 == 0o600
    assert len(to.read_text(encoding="utf-8")) < len(first)
    config = firm.folder / "config.toml"
    before = config.read_bytes()
    for path, told in (
        (config, "no list of findings"),
        (firm.folder, "is a folder"),
        (firm.folder / "no" / "such.csv", "could not be written"),
    ):
        answer = firm.segsync("quality", "--rows", str(path))
        assert (answer.code, told in answer.err) == (1, True), answer.said
    assert config.read_bytes() == before
    assert not list(firm.folder.glob(".*csv*"))


def test_before_the_first_pull_the_report_says_what_comes_first(firm: Company) -> None:
    planted(firm)
    answer = firm.segsync("quality")
    assert answer.code == 1
    assert "segsync pull" in answer.err


REFUSE = '[quality]\nrefuse = ["email-typo", "country-unknown"]\n'


def test_refused_records_stay_outside_until_they_are_mended_or_the_rule_is_let_go(firm: Company) -> None:
    planted(firm)
    firm.customers([*people(range(1, 11)), ("c11", "person11@example.com", "Atlantis")])
    join(firm.newsletter, [13])
    firm.rules(segment("everybody", "true") + segment("buyers", "count(purchase) >= 1"))
    firm.orders([("o1", "c11", "2026-02-01T10:00:00Z", "20.00")])
    before = firm.run()
    assert before["segments"] == {"everybody": 13, "buyers": 1}
    everybody = firm.tagged("everybody")

    firm.write_config(REFUSE)
    refused = firm.run()
    # 11 keeps the newsletter's record, which says nothing of a country; his order stays his
    assert refused["segments"] == {"everybody": 13, "buyers": 1}
    assert any("1 record is kept out" in notice for notice in refused["notices"])
    (buyer,) = firm.segsync("people", "buyers", "--format", "json").document["people"]
    assert (buyer["email"], buyer["country"]) == ("person11@example.com", None)
    answer = firm.segsync("explain", str(buyer["person"]), "--format", "json").document
    assert not [one for one in answer["sources"].values() if "shop" in str(one)]

    firm.customers([*people(range(1, 11)), ("c20", "person20@gmial.com", "DE")])
    assert firm.run()["people"] == 13  # the newsletter's 13, of whom 10 are customers
    status = firm.segsync("status", "--format", "json").document
    assert status["kept_out"] == {"email-typo": 1}
    report = firm.segsync("quality", "--format", "json").document
    assert report["kept_out"] == {"email-typo": 1, "country-unknown": 0}
    assert {one["connection"]: one["kept_out"] for one in report["sources"]} == {"newsletter": 0, "shop": 1}
    (row,) = firm.segsync("quality", "--rows", "-", "--rule", "email-typo", "--format", "json").document[
        "rows"
    ]
    assert row["kept_out"] is True
    told = firm.segsync("quality").out.splitlines()
    assert [line for line in told if "kept out of people" in line] == [
        "1 record is kept out of people: email-typo ([quality] refuse)"
    ]
    why = firm.segsync("explain", str(row["person"]))
    assert (why.code, "kept out (email-typo" in why.err) == (1, True)
    assert firm.tagged("everybody") == everybody

    firm.customers([*people(range(1, 11)), ("c20", "person20@gmail.com", "DE")])
    assert firm.run()["people"] == 14
    firm.customers([*people(range(1, 11)), ("c20", "person20@gmial.com", "DE")])
    assert firm.run()["people"] == 13
    firm.write_config()
    assert firm.run()["people"] == 14


def test_who_is_kept_out_is_no_person_of_the_report(firm: Company) -> None:
    rows = people([*range(1, 8), 11])
    rows += [(f"c{n}", f"person{n}@example.com", "Atlantis") for n in (8, 9)]
    firm.customers([*rows, ("c10", "person10@gmial.com", "DE")])
    firm.orders([])
    firm.rules(segment("everybody", "true"))
    join(firm.newsletter, [1, 2, 3, 4, 5, 6, 8])
    join(firm.newsletter, [7], status="unsubscribed")
    firm.write_config(REFUSE)
    assert firm.run()["people"] == 9  # 8 is one by the newsletter's record; 9 and 10 have no other
    found = firm.segsync("quality", "--format", "json").document
    assert [(one["people"], one["lost"]) for one in found["mailable"]["steps"]] == [
        (9, 0),
        (9, 0),
        (8, 1),  # 11 is in no newsletter
        (8, 0),
        (7, 1),  # 7 left it
    ]
    assert (found["people"], found["contacts"], found["mailable"]["share"]) == (9, 19, 7 / 9)
    issues = {one["rule"]: (one["contacts"], one["people"]) for one in found["issues"]}
    assert (issues["country-unknown"], issues["email-typo"]) == ((2, 0), (1, 0))
    assert issues["country-missing"] == (1, 1)  # of 8 nothing else tells it
    assert issues["consent-unknown"] == (1, 1)
    assert max(one["share"] for one in (*found["issues"], *found["blocked"])) <= 1
    listed = firm.segsync("quality", "--rows", "-", "--format", "json").document["rows"]
    out = {(row["rule"], row["contact"]) for row in listed if row["kept_out"]}
    assert sorted(rule for rule, _ in out) == ["country-unknown", "country-unknown", "email-typo"]


def test_what_was_written_to_a_record_is_taken_back_when_it_is_refused(firm: Company) -> None:
    planted(firm)
    firm.newsletter.add_member("person30@gmial.com")
    firm.rules(segment("everybody", "true"))
    firm.run()
    assert "person30@gmial.com" in firm.tagged("everybody")
    firm.write_config(REFUSE)
    firm.run()
    assert "person30@gmial.com" not in firm.tagged("everybody")
    assert "person1@example.com" in firm.tagged("everybody")


def test_many_who_are_kept_out_at_once_wait_for_an_approval_that_tells_why(firm: Company) -> None:
    firm.orders([])
    firm.customers(people(range(1, 101)))
    join(firm.newsletter, range(1, 101))
    firm.rules(segment("germans", 'country = "DE"'))
    firm.write_config('[quality]\nrefuse = ["country-unknown"]\n')
    firm.later(minutes=1)
    firm.run()
    everybody = firm.tagged("germans")
    assert len(everybody) == 100
    firm.customers([*people(range(1, 41)), *people(range(41, 101), country="Atlantis")])
    firm.later(minutes=1)
    report = firm.run(code=3)
    assert (report["segments"], report["held"]) == ({"germans": 40}, 60)
    assert firm.tagged("germans") == everybody
    (part,) = firm.segsync("held", "--format", "json").document["held"][0]["parts"]
    assert part["cause"] == "kept_out"
    assert part["why"].startswith(
        "records of 60 of 60 people are kept out ([quality] refuse: country-unknown)"
    )

    firm.customers(people(range(1, 101)))  # mended: nothing waits, and nobody was touched
    firm.later(minutes=1)
    assert firm.run()["held"] == 0
    assert firm.tagged("germans") == everybody


def test_what_is_no_address_at_all_is_a_rejected_value_and_may_keep_the_record_out(firm: Company) -> None:
    firm.customers([*people(range(1, 4)), ("c4", "a@example.com, b@example.com", "DE"), ("c5", "n/a", "DE")])
    firm.orders([])
    firm.rules(segment("everybody", "true"))
    assert firm.run()["people"] == 5
    report = firm.segsync("quality")
    assert "2 rows or values were rejected: segsync status lists them" in report.out.splitlines()
    told = firm.segsync("status").out
    assert "customers.csv line 5" in told
    assert "customers.csv line 6" in told
    firm.write_config('[quality]\nrefuse = ["email-missing"]\n')
    assert firm.run()["people"] == 3
