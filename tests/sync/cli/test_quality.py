"""`segsync quality` on the demo's company: its numbers are those that the store gives another way."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pandas as pd

from sync.run.workspace import Workspace
from tests.sync.cli.conftest import Segsync


def test_the_report_agrees_with_what_the_store_holds(segsync: Segsync, demo_config: Path) -> None:
    found = segsync("quality", "--format", "json").document
    with Workspace.open(demo_config) as workspace:
        lake = workspace.store.lake
        database = lake.connect()
        people = database.sql(f"SELECT * FROM {lake.relation('people')}").to_arrow_table().to_pandas()
        contacts = (
            database.sql(
                f"SELECT connection, email_consent FROM {lake.relation('contacts')} WHERE NOT deleted"
            )
            .to_arrow_table()
            .to_pandas()
        )
        database.close()
        members = {name: len(one.members) for name, one in workspace.store.segments.latest().items()}
        rejected = sum(workspace.store.inbox.rejected_counts().values())
    steps = {one["step"]: one["people"] for one in found["mailable"]["steps"]}
    with_address = people["email"].fillna("").str.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+")
    assert steps["all people"] == len(people) == found["people"]
    assert steps["with a valid address"] == with_address.sum()
    assert steps["not suppressed"] == (with_address & people["consented_email"]).sum()
    assert found["mailable"]["share"] == steps["not suppressed"] / len(people)
    fill = {one["field"]: one["people"] for one in found["fill"]}
    for name in ("email", "country", "birthday"):
        assert fill[name] == people[name].notna().sum()
    assert {one["connection"]: one["contacts"] for one in found["sources"]} == dict(
        Counter(contacts["connection"])
    )
    assert sum(one["rejected_rows"] for one in found["sources"]) == rejected
    assert {one["segment"]: one["members"] for one in found["trust"]} == members
    issues = {one["rule"]: one for one in found["issues"]}
    assert issues["email-missing"]["people"] == people["email"].isna().sum()
    assert len(issues["email-missing"]["segments"]) == 20  # all that are sent
    assert [one["people"] for one in found["issues"]] == sorted(
        (one["people"] for one in found["issues"]), reverse=True
    )
    assert {one["dimension"] for one in found["dimensions"]} == {
        "accuracy", "completeness", "consistency", "validity", "uniqueness", "timeliness",
    }  # fmt: skip


def test_the_list_has_what_the_report_counts(segsync: Segsync, tmp_path: Path) -> None:
    counted = {
        one["rule"]: one["contacts"] for one in segsync("quality", "--format", "json").document["issues"]
    }
    file = tmp_path / "findings.csv"
    said = segsync("quality", "--rows", file)
    assert said.code == 0, said.said
    rows = pd.read_csv(file)
    assert rows.groupby("rule")["contact"].nunique().to_dict() == counted
    assert f"{len(rows):,} findings" in said.out
    assert file.stat().st_mode & 0o077 == 0
    again = segsync("quality", "--rows", "-").out
    assert list(csv.reader(io.StringIO(again))) == list(csv.reader(file.open(newline="")))
    one = segsync("quality", "--rows", "-", "--rule", "email-missing", "--format", "json").document["rows"]
    assert {row["rule"] for row in one} == {"email-missing"}
    assert len(one) == counted["email-missing"]


def test_asking_twice_tells_the_same(segsync: Segsync) -> None:
    assert segsync("quality").out == segsync("quality").out


def test_words_that_make_no_sense_are_told_with_what_would(segsync: Segsync) -> None:
    unknown = segsync("quality", "--rows", "-", "--rule", "email-typ")
    assert (unknown.code, 'did you mean "email-typo"?' in unknown.err) == (1, True)
    alone = segsync("quality", "--show-values")
    assert (alone.code, "--rows" in alone.err) == (1, True)


def test_no_address_and_no_name_is_shown_unless_asked_for(segsync: Segsync, demo_config: Path) -> None:
    with Workspace.open(demo_config) as workspace:
        lake = workspace.store.lake
        database = lake.connect()
        texts = database.sql(
            f"SELECT email, last_name FROM {lake.relation('people')} WHERE length(last_name) > 5"
        ).fetchall()
        database.close()
    said = "".join(
        segsync("quality", *words).said
        for words in ((), ("--format", "json"), ("--rows", "-"), ("--rows", "-", "--format", "json"))
    )
    assert "@" not in said
    assert not [name for _, name in texts if name in said]


def test_people_with_nearly_one_name_and_birthday_are_suggested(segsync: Segsync, demo_config: Path) -> None:
    pairs = segsync("duplicates", "--format", "json").document["pairs"]
    assert pairs == sorted(pairs, key=lambda pair: (pair["person"], pair["other_person"]))
    with Workspace.open(demo_config) as workspace:
        lake = workspace.store.lake
        database = lake.connect()
        people = database.sql(f"SELECT * FROM {lake.relation('people')}").to_arrow_table().to_pandas()
        database.close()
    same = people.dropna(subset=["birthday"]).groupby(["first_name", "last_name", "birthday"])["person"]
    twice = {tuple(sorted(some)) for _, some in same if len(some) == 2}
    assert twice <= {(pair["person"], pair["other_person"]) for pair in pairs}
    assert all(0.85 <= pair["likeness"] <= 1 for pair in pairs)
    assert len(pairs) < len(people) / 100
