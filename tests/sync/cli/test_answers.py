"""Commands that answer questions, on the demo's company: their numbers agree with each other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sync.run.workspace import Workspace
from tests.scenarios.company import command
from tests.sync.cli.conftest import Segsync


def test_preview_agrees_with_the_last_run(segsync: Segsync) -> None:
    sizes = segsync("run", "--format", "json").document["segments"]
    for name in ("dach", "lifecycle/active"):
        found = segsync("preview", name, "--format", "json").document
        assert found["size"] == sizes[name]
        assert (found["people"], found["last_run"]) == (2_357, {"enter": 0, "leave": 0})
        assert found["share"] == sizes[name] / 2_357
        assert sum(row["people"] for row in found["countries"]) <= sizes[name]  # the largest ten
        assert sum(row["people"] for row in found["consent"]) == sizes[name]
        (reach,) = found["reach"]
        assert reach["name"] == "newsletter"
        assert 0 < reach["people"] <= sizes[name]
    dach = segsync("preview", "dach", "--format", "json").document
    assert {row["name"] for row in dach["countries"]} == {"DE", "AT", "CH"}
    assert sum(row["people"] for row in dach["countries"]) == sizes["dach"]


def test_an_unknown_segment_is_told_with_the_nearest_one(segsync: Segsync) -> None:
    for words in (("preview", "dahc"), ("people", "dahc"), ("explain", "1", "dahc")):
        answer = segsync(*words)
        assert answer.code == 1
        assert 'did you mean "dach"?' in answer.err


def test_explain_agrees_with_the_members_of_every_segment(segsync: Segsync, demo_config: Path) -> None:
    with Workspace.open(demo_config) as workspace:
        members = {name: one.members for name, one in workspace.store.segments.latest().items()}
    clicking = members["engagement/clicking"][0]
    for person in (clicking, members["lifecycle/prospect"][0]):
        found = segsync("explain", str(person), "--format", "json").document
        assert found["person"] == person
        assert {one["segment"]: one["member"] for one in found["segments"]} == {
            name: person in some for name, some in members.items()
        }
        for one in found["segments"]:
            assert one["tree"]["result"] == one["member"] == one["member_at_last_run"]
            assert (one["since"] is not None) == one["member"]


def test_explain_finds_people_by_address_and_shows_clauses_and_sources(segsync: Segsync) -> None:
    row = segsync("people", "dach", "--limit", "1", "--format", "json").document["people"][0]
    by_address = segsync("explain", row["email"].upper(), "dach")
    assert by_address.code == 0, by_address.said
    assert f"person {row['person']}" in by_address.out
    assert "dach: in since" in by_address.out
    assert row["country"].lower() in by_address.out.lower()
    assert "country: shop.country" in by_address.out
    assert row["email"] not in by_address.out  # keys are masked: the screen may be shared
    for stranger in ("nobody@example.com", "999999999"):
        unknown = segsync("explain", stranger)
        assert unknown.code == 1
        assert unknown.err.startswith("segsync: ")
        assert stranger == "999999999" or stranger not in unknown.said


def test_the_shipped_examples_hold_all_their_cases(segsync: Segsync) -> None:
    found = segsync("test", "--format", "json").document
    assert found["failed"] == 0
    assert found["passed"] >= 25


def test_a_case_that_fails_shows_why(segsync: Segsync, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "one.toml").write_text(
        """
[[segment]]
id = "germans"
when = 'country = "DE" and count(purchase) >= 2'
[[segment.case]]
name = "one order is not enough"
as_of = 2026-03-02T09:00:00Z
person = { country = "DE" }
activity = [{ kind = "purchase", at = 2026-01-01T09:00:00Z, amount = 5 }]
member = true
[[segment.case]]
as_of = 2026-03-02T09:00:00Z
person = { country = "FR" }
member = false
""",
        encoding="utf-8",
    )
    failed = segsync("test", rules)
    assert failed.code == 1
    assert "one.toml:5" in failed.out
    assert "one order is not enough" in failed.out
    assert "1 passed, 1 failed" in failed.out
    assert "count(purchase) >= 2" in failed.out


def test_check_tells_all_problems_at_once_in_three_formats(segsync: Segsync, tmp_path: Path) -> None:
    clean = segsync("check", "--format", "json").document
    assert [one for one in clean["problems"] if one["severity"] == "error"] == []
    file = tmp_path / "bad.toml"
    file.write_text(
        '[[segment]]\nid = "a"\nwhen = \'contry = "DE"\'\n[[segment]]\nid = "a"\nwhen = \'country > 3\'\n',
        encoding="utf-8",
    )
    text = segsync("check", file)
    assert text.code == 1
    assert 'bad.toml:3:9: unknown fact "contry"; did you mean "country"?' in text.out
    assert "bad.toml:6:" in text.out
    found = segsync("check", file, "--format", "json")
    assert found.code == 1
    errors = [one for one in found.document["problems"] if one["severity"] == "error"]
    assert len(errors) >= 3  # the name, the type, the id that is there twice
    assert {"file", "line", "column", "message"} <= set(errors[0])
    assert "::error file=" in segsync("check", file, "--format", "github").out


def test_vocabulary_shows_type_source_and_how_many_have_it(segsync: Segsync) -> None:
    rows = {row["name"]: row for row in segsync("vocabulary", "--format", "json").document["vocabulary"]}
    assert rows["country"]["source"].startswith("shop.country")
    assert rows["country"]["fill_rate"] == 1.0
    assert 0.9 < rows["birthday"]["fill_rate"] < 0.95
    assert (rows["purchase"]["type"], rows["purchase.amount"]["unit"]) == ("activity", "USD")
    assert rows["email"]["fill_rate"] < 1  # three of the shop's addresses are none
    assert rows["record fair"]["type"] == "list"


def test_connections_check_names_the_account(segsync: Segsync) -> None:
    found = segsync("connections", "check", "--format", "json").document["connections"]
    assert [(one["connection"], one["ok"], one["problems"]) for one in found] == [
        ("shop", True, []),
        ("newsletter", True, []),
    ]


def test_status_shows_runs_audiences_and_rejected_rows(segsync: Segsync) -> None:
    found = segsync("status", "--format", "json").document
    assert found["runs"][-1]["people"] == 2_357 or len(found["runs"]) == 10
    assert len(found["audiences"]) == 20
    assert all(one["ours"] == one["members"] for one in found["audiences"])
    assert found["rejected_count"] == 7
    assert (found["waiting"], found["refused"]) == (None, [])
    text = segsync("status").out
    assert "orders.csv line" in text
    assert "Nothing waits for an approval." in text


def test_nothing_but_people_shows_addresses_or_names(segsync: Segsync, demo_config: Path) -> None:
    with Workspace.open(demo_config) as workspace:
        database = workspace.store.lake.connect()
        rows = database.sql(
            f"SELECT lower(email), last_name FROM {workspace.store.lake.relation('people')}"
        ).fetchall()
        database.close()
    addresses = {email for email, _ in rows if email}
    asked = (("status",), ("plan",), ("preview", "dach"), ("connections", "check"))
    shown = "".join(segsync(*words).said for words in asked).lower()
    assert not [address for address in addresses if address in shown]
    assert "@example.com" not in shown


def test_init_makes_a_folder_to_start_from_and_overwrites_nothing(tmp_path: Path) -> None:
    made = command("init", tmp_path)
    assert made.code == 0, made.said
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    made_there = {path.relative_to(tmp_path).as_posix() for path in before}
    assert {"config.toml", "rules/lifecycle.toml", "rules/segsync.schema.json"} <= made_there
    assert "more-rules/vip.toml" in made_there
    again = command("init", tmp_path)
    assert again.code == 1
    assert "nothing was changed" in again.err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    shutil.rmtree(tmp_path / "rules")
    shutil.rmtree(tmp_path / "more-rules")
    assert command("init", tmp_path).code == 1  # the config is still the user's
    assert not (tmp_path / "rules").exists()


@pytest.mark.parametrize("words", [("status",), ("vocabulary",), ("connections", "check"), ("plan",)])
def test_a_fresh_start_has_no_traceback(tmp_path: Path, words: tuple[str, ...]) -> None:
    command("init", tmp_path)
    answer = command(*words, config=tmp_path / "config.toml")
    assert answer.code in (0, 1)
    assert answer.code == 0 or answer.err.strip()


@pytest.mark.means("`segsync check --data` warns where that matters: how many people have the fact missing.")
def test_check_holds_the_rules_against_the_data(segsync: Segsync, demo_config: Path, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        "[[segment]]\nid = 'a'\nwhen = '''purchase last 30 days\n  or country in [\"Gemany\", \"DE\"]'''\n"
        "[[segment]]\nid = 'b'\nwhen = 'not birthday before 1980-01-01'\n"
        "[[segment]]\nid = 'c'\nwhen = 'birthday is known and not birthday before 1980-01-01'\n"
        "[[segment]]\nid = 'd'\nwhen = 'purchase last 90 years'\n",
        encoding="utf-8",
    )
    assert not any(
        one["line"] == 3 for one in segsync("check", file, "--format", "json").document["problems"]
    )
    found = segsync("check", file, "--data", "--format", "json")
    assert found.code == 0, found.said
    told = {one["line"]: one for one in found.document["problems"] if one["severity"] == "warning"}
    with Workspace.open(demo_config) as workspace, workspace.store.lake.connect() as database:
        people, purchases = (
            workspace.store.lake.relation(*of) for of in (("people",), ("activity", "purchase"))
        )
        without = database.sql(f"SELECT count(*) - count(birthday) FROM {people}").fetchall()[0][0]
        first = database.sql(f"SELECT strftime(min(\"at\"), '%Y-%m-%d') FROM {purchases}").fetchall()[0][0]
        german = database.sql(f"SELECT count(*) FROM {people} WHERE country = 'DE'").fetchall()[0][0]
    assert told[4]["message"].startswith('no country is "gemany"; ')
    assert told[4]["column"] == 6
    assert told[7]["message"].startswith(
        f"{without:,} of 2,357 people have no birthday and fulfil not birthday"
    )
    assert told[13]["message"].startswith(f"purchase begins on {first}, ")
    assert set(told) == {4, 7, 13}
    sizes = {one["segment"]: one for one in found.document["sizes"]}
    assert sizes["b"]["people"] == sizes["c"]["people"] + without
    assert {"segment": "b", "people": sizes["c"]["people"]} in sizes["c"]["overlaps"]
    assert sizes["a"]["people"] >= german
    assert f"c: {sizes['c']['people']:,} people (" in segsync("check", file, "--data").out


def test_check_tells_cents_and_years_only_where_the_data_makes_them_suspicious(
    segsync: Segsync, demo_config: Path, tmp_path: Path
) -> None:
    with Workspace.open(demo_config) as workspace, workspace.store.lake.connect() as database:
        purchases, people = (
            workspace.store.lake.relation(*of) for of in (("activity", "purchase"), ("people",))
        )
        most = database.sql(f"SELECT max(amount) FROM {purchases}").fetchall()[0][0]
        median = database.sql(f"SELECT median(amount) FROM {purchases}").fetchall()[0][0]
        born = database.sql(f"SELECT max(birthday) FROM {people}").fetchall()[0][0]
    beyond = max(most // 100, int(median)) + 1
    conditions = [
        f"purchase where amount > {beyond}",
        f"avg(purchase.amount) > {beyond}",
        f"sum(purchase.amount) > {beyond}",
        f"purchase where amount > {most // 100 - 1}",
        "days since birthday > 18",
        "days since birthday > 6570",
    ]
    file = tmp_path / "rules.toml"
    file.write_text(
        "".join(f"[[segment]]\nid = 'r{n}'\nwhen = '{each}'\n" for n, each in enumerate(conditions)),
        encoding="utf-8",
    )
    assert born is not None
    found = segsync("check", file, "--data", "--format", "json")
    assert found.code == 0, found.said
    told = {one["line"] // 3: one["message"] for one in found.document["problems"] if "if " in one["message"]}
    assert set(told) == {1, 2, 5}
    assert told[1].startswith(f"{beyond:,}.00 is beyond all purchase.amount there are")
    assert told[1].endswith(f"if these are cents, write {beyond / 100:g}")
    assert told[5].endswith("if 18 years are meant, write 6574")
    without = segsync("check", file, "--format", "json")
    assert not [one for one in without.document["problems"] if one["severity"] == "warning"]


def test_check_counts_notes_and_shows_them_when_asked(segsync: Segsync, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        "".join(f"[[segment]]\nid = 'n{n}'\nwhen = 'days since purchase > {n}'\n" for n in (30, 60, 90)),
        encoding="utf-8",
    )
    notes = [each["message"] for each in segsync("check", file, "--format", "json").document["problems"]]
    assert len(notes) == 2
    short, long = segsync("check", file).out, segsync("check", file, "--notes").out
    assert "2 notes; --notes shows them" in short
    assert not any(note in short for note in notes)
    assert all(note in long for note in notes)
    assert "--notes" not in long
