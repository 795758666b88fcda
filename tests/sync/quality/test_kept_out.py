"""Records that must not enter: who is a person, what they are, and whom their opt-outs suppress."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from connectors.base import FieldType, Stream, StreamField, StreamKind
from rules.vocabulary import Type
from sync.assign import IDENTIFIED
from sync.config.quality import REFUSABLE
from sync.fields import FieldSpec
from sync.identify import match_rules
from sync.persons import Absorbed, absorb
from sync.quality.finding import build_findings, findings_alone
from sync.quality.kept_out import remembered
from sync.quality.mailable import waterfall
from sync.quality.rules import RULES
from sync.quality.said import by_name
from sync.store import Store
from sync.store.attach import reattach
from sync.store.values import Money
from sync.store.whole import overwrite
from tests.databases import sqlite_url
from tests.sync.store.records import AT, commit, read

MEMBERS = Stream(
    "members",
    StreamKind.CONTACTS,
    (StreamField("mail", FieldType.TEXT), StreamField("land", FieldType.TEXT)),
)
ORDERS = Stream("orders", StreamKind.ACTIVITY, (), activity_kinds=("purchase",))
CONNECTIONS = ("shop", "news")
FIELDS = (
    FieldSpec("email", Type.TEXT, sources=tuple((name, "mail") for name in CONNECTIONS)),
    FieldSpec("country", Type.TEXT, sources=tuple((name, "land") for name in CONNECTIONS)),
)
IDS = match_rules(FIELDS, max_contacts_per_key=9)
REFUSE = ("email-missing", "country-unknown")
LANDS = (None, "DE", "FR", "Atlantis")


def absorbed(store: Store, refuse: Sequence[str] = REFUSE) -> Absorbed:
    return absorb(
        store,
        dict.fromkeys(CONNECTIONS, (MEMBERS, ORDERS)),
        fields=FIELDS,
        rules=IDS,
        money=Money(),
        own_names={},
        began=AT,
        run_id=store.runs.latest(limit=1)[0].id,
        at=AT,
        refuse=refuse,
    )


def record(
    ident: str, mail: str | None, land: str | None, consent: str | None = "opted_in"
) -> dict[str, Any]:
    return {"external_id": ident, "mail": mail, "land": land, "email_consent": consent}


def arrive(store: Store, chance: random.Random) -> None:
    for connection in CONNECTIONS:
        rows = [
            record(
                f"c{chance.randrange(12)}",
                chance.choice((None, *(f"p{n}@x.example" for n in range(8)))),
                chance.choice(LANDS),
                chance.choice((None, "opted_in", "opted_out", "pending")),
            )
            | {"deleted": chance.random() < 0.1}
            for _ in range(chance.randrange(6))
        ]
        if rows:
            commit(store, MEMBERS, rows, connection=connection)


def expected_people(store: Store) -> dict[int, tuple[str | None, bool, bool]]:
    """Person → country, suppressed, consented; by plain Python over contacts and links."""
    linked = {row["contact"]: row["person"] for row in read(store, "links", order="contact")}
    found: dict[int, tuple[str | None, bool, bool]] = {}
    contacts = [row for row in read(store, "contacts", order="contact") if row["contact"] in linked]
    for person in set(linked.values()):
        theirs = [row for row in contacts if linked[row["contact"]] == person]
        good = [row for row in theirs if mail(row) is not None and land(row) != "Atlantis"]
        if not good:
            continue
        consents = {row["email_consent"] for row in theirs}
        opted_in = any(row["email_consent"] == "opted_in" for row in good)
        suppressed = "opted_out" in consents
        lands = [land(row) for name in CONNECTIONS for row in good if row["connection"] == name and land(row)]
        newest = lands[0] if len(lands) == 1 else None  # of several the survivor is another test's matter
        found[person] = (newest, suppressed, opted_in and not suppressed and "pending" not in consents)
    return found


def mail(row: Any) -> Any:
    return row[f"{row['connection']}.mail"]


def land(row: Any) -> Any:
    return row[f"{row['connection']}.land"]


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.long if seed else ()) for seed in range(5)]
)
def test_changes_lead_where_everything_would_lead_and_nobody_enters_who_must_not(
    seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        store.runs.claim("test", as_of=AT, now=AT)
        for _ in range(7):
            arrive(store, chance)
            absorbed(store)
            people = {row["person"]: row for row in read(store, "people", order="person")}
            expected = expected_people(store)
            assert set(people) == set(expected)
            for person, (country, suppressed, consented) in expected.items():
                row = people[person]
                assert (row["suppressed"], row["consented_email"]) == (suppressed, consented)
                assert row["country"] != "Atlantis"
                assert country is None or row["country"] == country
            kept = remembered(store)

            store.notes.set(IDENTIFIED, {})  # as after a crash: everything is looked at anew
            absorbed(store)
            assert {row["person"]: row for row in read(store, "people", order="person")} == people
            assert remembered(store) == kept


def test_the_steps_to_who_can_be_mailed_count_people_and_nobody_else(tmp_path: Path) -> None:
    chance, reached, closed = random.Random(3), 0, 0
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        store.runs.claim("test", as_of=AT, now=AT)
        for _ in range(9):
            arrive(store, chance)
            absorbed(store)
            kept = remembered(store)
            assert kept is not None
            with closing(store.lake.connect()) as database:
                contacts, links = (store.lake.relation(name) for name in ("contacts", "links"))
                said, out = kept.apart(database, by_name(FIELDS), contacts=contacts, links=links)
                assert (out is None) == (not kept.contacts)
                build_findings(said, findings_alone(said, as_of=AT))
                steps = waterfall(said)
            people = read(store, "people", order="person")
            mailable = [row for row in people if row["consented_email"] and row["email"]]
            assert (steps[0].people, steps[-1].people) == (len(people), len(mailable))
            assert steps[-1].people == steps[0].people - sum(step.lost for step in steps)
            reached += len(mailable)
            closed += len(kept.contacts)
        assert closed
        assert reached


def test_an_opt_out_of_a_record_that_is_kept_out_suppresses_its_person(tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        store.runs.claim("test", as_of=AT, now=AT)
        commit(store, MEMBERS, [record("s1", "ann@x.example", "DE")], connection="shop")
        commit(store, MEMBERS, [record("n1", "ann@x.example", "Atlantis", "opted_out")], connection="news")
        absorbed(store)
        (ann,) = read(store, "people", order="person")
        assert (ann["country"], ann["suppressed"], ann["consented_email"]) == ("DE", True, False)

        # an opt-in of such a record counts for nothing, as all it says
        commit(store, MEMBERS, [record("s1", "ann@x.example", "DE", None)], connection="shop")
        commit(store, MEMBERS, [record("n1", "ann@x.example", "Atlantis", "opted_in")], connection="news")
        absorbed(store)
        (ann,) = read(store, "people", order="person")
        assert (ann["suppressed"], ann["consented_email"]) == (False, False)


def test_a_record_enters_when_it_is_mended_and_when_the_rule_is_let_go(tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        store.runs.claim("test", as_of=AT, now=AT)
        rows = [record("s1", "ann@x.example", "Atlantis"), record("s2", "bob@x.example", "Atlantis")]
        commit(store, MEMBERS, rows, connection="shop")
        done = absorbed(store)
        assert read(store, "people", order="person") == []
        assert done.people == 0
        (told,) = done.kept_out
        assert told.startswith("2 records are kept out")
        assert "country-unknown" in told

        commit(store, MEMBERS, [record("s1", "ann@x.example", "FR")], connection="shop")
        assert absorbed(store).kept_out[0].startswith("1 record is")
        assert [row["country"] for row in read(store, "people", order="person")] == ["FR"]

        absorbed(store, refuse=())
        assert [row["country"] for row in read(store, "people", order="person")] == ["FR", "Atlantis"]
        assert absorbed(store, refuse=()).kept_out == []

        absorbed(store)  # and goes again
        assert [row["country"] for row in read(store, "people", order="person")] == ["FR"]


def test_activity_finds_its_person_again_when_the_record_enters(tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        store.runs.claim("test", as_of=AT, now=AT)
        commit(store, MEMBERS, [record("s1", "ann@x.example", "Atlantis")], connection="shop")
        commit(store, ORDERS, [{"event_id": "e1", "external_id": "s1"}], connection="shop")
        absorbed(store)
        commit(store, MEMBERS, [record("s1", "ann@x.example", "FR")], connection="shop")
        absorbed(store)
        assert reattach(store.lake) == frozenset()
        (ann,) = read(store, "people", order="person")
        (order,) = read(store, "activity", order="event_id")
        assert order["person"] == ann["person"]


def test_people_of_an_earlier_version_are_made_anew_where_countries_are_read_otherwise(
    tmp_path: Path,
) -> None:
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        store.runs.claim("test", as_of=AT, now=AT)
        commit(store, MEMBERS, [record("s1", "ann@x.example", "KOR")], connection="shop")
        absorbed(store, refuse=())
        with closing(store.lake.connect()) as database:
            people = store.lake.relation("people")
            raw = database.sql(f"SELECT * REPLACE ('KOR' AS country) FROM {people}").to_arrow_table()
        overwrite(store.lake, "people", raw)
        known = dict(cast("dict[str, object]", store.notes.get(IDENTIFIED)))
        store.notes.set(IDENTIFIED, known | {"fields": str(known["fields"]).split("/")[0]})
        absorbed(store, refuse=())
        (ann,) = read(store, "people", order="person")
        assert ann["country"] == "KR"


def test_nothing_is_noted_where_nothing_is_refused(tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        store.runs.claim("test", as_of=AT, now=AT)
        commit(store, MEMBERS, [record("s1", "ann@x.example", "Atlantis")], connection="shop")
        absorbed(store, refuse=())
        assert remembered(store) is None
        known = store.notes.get(IDENTIFIED)
        assert isinstance(known, dict)
        assert set(known) == {"contacts", "rules", "fields"}  # as before: an upgrade looks at nobody anew


def test_the_rules_that_may_refuse_are_those_that_a_record_breaks_by_itself() -> None:
    assert set(REFUSABLE) == {rule.id for rule in RULES.values() if rule.alone}
