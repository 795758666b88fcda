"""`segsync diff` tells what an edited rules folder would do: exactly that, and nothing is written for it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from pyroaring import BitMap
from sqlalchemy import func, select

from sync.store import tables
from tests.scenarios.company import Company, email, join, part, people, segment

GERMANS, FRENCH = range(1, 81), range(81, 121)
EVERYONE = range(1, 121)
IN_FORCE = (
    segment("germans", 'country = "DE"')
    + segment("french", 'country = "FR"')
    + segment("europe", 'in segment "germans" or in segment "french"')
    + segment("buyers", "count(purchase) >= 1", to="[]")
)


@pytest.fixture
def shop(firm: Company) -> Company:
    """80 Germans and 40 French, all on the newsletter; every third has bought, for 3 × their number."""
    firm.customers([*people(GERMANS), *people(FRENCH, country="FR")])
    firm.orders([(f"o{n}", f"c{n}", "2026-02-20T10:00:00Z", 3 * n) for n in EVERYONE if n % 3 == 0])
    firm.rules(IN_FORCE)
    join(firm.newsletter, EVERYONE)
    firm.run()
    firm.later(minutes=10)
    return firm


def edited(firm: Company, text: str) -> Path:
    """An edited folder beside the one in force."""
    folder = firm.folder / "edited"
    folder.mkdir(exist_ok=True)
    (folder / "segments.toml").write_text(text, encoding="utf-8")
    return folder


def diff(firm: Company, text: str, *words: str, code: int = 0) -> Any:
    answer = firm.segsync("diff", "--rules", edited(firm, text), "--format", "json", *words)
    assert answer.code == code, answer.said
    return answer.document


def by_name(found: Any) -> dict[str, Any]:
    return {one["segment"]: one for one in found["segments"]}


def numbers(firm: Company) -> dict[int, int]:
    """Person → customer's number, by SQL over the lake."""
    with firm.open() as workspace:
        lake = workspace.store.lake
        rows = duckdb.sql(f"SELECT person, email FROM {lake.relation('people')}").fetchall()
    return {person: int(mail.removeprefix("person").partition("@")[0]) for person, mail in rows}


def contents(firm: Company) -> dict[str, int]:
    """Rows of every table but the count of calls, the budgets and what connections can do."""
    with firm.open() as workspace, workspace.store.database.reading() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in tables.metadata.tables.items()
            if name not in ("calls", "budgets", "budget_places")
        }


def test_whoever_enters_and_leaves_is_told_to_the_last_person(shop: Company) -> None:
    """Held against pandas over the exports, and against what the next run then makes of it."""
    rules = (
        segment("germans", 'country = "DE" and sum(purchase.amount) >= 100')
        + segment("french", 'country = "FR"')
        + segment("europe", 'in segment "germans" or in segment "french"')
        + segment("spenders", "sum(purchase.amount) >= 200")
    )
    answer = shop.segsync("diff", "--rules", edited(shop, rules), "--export", "csv")
    assert answer.code == 3, answer.said
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    of = numbers(shop)
    told = {(one["segment"], one["change"], of[int(one["person"])]) for one in rows}
    customers = pd.read_csv(shop.folder / "exports/customers.csv")
    orders = pd.read_csv(shop.folder / "exports/orders.csv")
    spent = orders.groupby("customer_id")["total"].sum()
    customers["spent"] = customers["customer_id"].map(spent).fillna(0)
    customers["n"] = customers["customer_id"].str[1:].astype(int)
    poor = set(customers.query('country == "DE" and spent < 100')["n"])
    expected = {(name, "leave", n) for name in ("germans", "europe") for n in poor}
    expected |= {("buyers", "leave", n) for n in customers.query("spent > 0")["n"]}
    expected |= {("spenders", "enter", n) for n in customers.query("spent >= 200")["n"]}
    assert told == expected
    found = by_name(diff(shop, rules, code=3))
    assert {name: one["status"] for name, one in found.items()} == {
        "germans": "changed",
        "french": "unchanged",
        "europe": "moved",
        "spenders": "new",
        "buyers": "gone",
    }
    assert found["europe"]["because"] == ["germans"]
    assert found["germans"]["text"] == [
        '- country = "DE"',
        '+ country = "DE" and sum(purchase.amount) >= 100',
    ]
    assert set(found["spenders"]["sample_enter"]) <= {person for person, n in of.items() if 3 * n >= 200}
    shop.rules(rules)
    shop.run(code=3)
    with shop.open() as workspace:
        latest = workspace.store.segments.latest()
    assert {name: len(latest[name].members) for name in found if name != "buyers"} == {
        name: one["after"] for name, one in found.items() if name != "buyers"
    }


def test_it_forecasts_what_the_next_plan_shows_and_the_push_takes(shop: Company) -> None:
    """Looking at the platforms or by the ledger alone: a new audience, a renamed one, one without a rule."""
    rules = (
        segment("germans", 'country = "DE"', name='"Deutsche"').replace('name = "germans"\n', "")
        + segment("europe", 'country = "DE" or country = "FR" or country = "AT"')
        + segment("spenders", "sum(purchase.amount) >= 200")
    )
    looked, offline = diff(shop, rules), diff(shop, rules, "--offline")
    for found in (looked, offline):
        (newsletter,) = found["connections"]
        kinds = {one["segment"]: one for one in newsletter["audiences"]}
        assert [name for name, one in kinds.items() if one["made"]] == ["spenders"]
        assert [name for name, one in kinds.items() if one["renamed"]] == ["germans"]
        assert kinds["germans"]["name_now"] == "segsync: germans"
        assert [name for name, one in kinds.items() if one["left"]] == ["french"]
        assert newsletter["cost_in_force"]["calls"] == 0
    assert looked["connections"][0]["cost"] == offline["connections"][0]["cost"]
    shop.rules(rules)
    planned = shop.segsync("plan", "--format", "json").document
    forecast = planned["forecast"]["newsletter"]
    cost = looked["connections"][0]["cost"]
    assert {name: forecast[name] for name in cost} == cost
    before = shop.newsletter.traffic.writes
    report = part(shop.segsync("apply", "--format", "json").document)
    assert report["calls"] == cost["calls"]
    assert shop.newsletter.traffic.writes - before == cost["calls"] + cost["preparing_calls"]


def test_nothing_is_written_and_offline_nobody_is_asked(shop: Company) -> None:
    rules = segment("germans", 'country = "FR"') + segment("more", "country is known")
    with shop.open() as workspace:
        ledger = workspace.store.ledger.audiences()
    rows, writes, requests = contents(shop), shop.newsletter.traffic.writes, shop.newsletter.traffic.reads
    diff(shop, rules, "--offline", code=3)
    assert shop.newsletter.traffic.reads == requests
    diff(shop, rules, code=3)
    assert shop.newsletter.traffic.reads > requests
    assert shop.newsletter.traffic.writes == writes
    assert contents(shop) == rows
    with shop.open() as workspace:
        assert workspace.store.ledger.audiences() == ledger
        assert workspace.store.segments.latest()["germans"].members == BitMap(
            person for person, n in numbers(shop).items() if n in GERMANS
        )
    assert part(shop.run())["calls"] == 0


def test_whom_others_put_in_since_the_last_run_is_seen_unless_offline(shop: Company) -> None:
    audience = shop.newsletter.audience
    tag = audience.segment_named("segsync: germans")
    assert tag is not None
    for n in FRENCH[:5]:
        member = audience.find(email(n))
        assert member is not None
        audience.tag(member, tag)
    rules = IN_FORCE.replace('country = "DE"', "country is known")

    def entering(*words: str) -> int:
        (newsletter,) = diff(shop, rules, *words)["connections"]
        return next(int(one["enter"]) for one in newsletter["audiences"] if one["segment"] == "germans")

    assert (entering(), entering("--offline")) == (len(FRENCH) - 5, len(FRENCH))


def test_exit_codes_tell_scripts_what_it_is(shop: Company) -> None:
    same = IN_FORCE.replace("country =", "country  =")
    assert by_name(diff(shop, same, "--exit-code"))["germans"]["status"] == "unchanged"
    more = IN_FORCE.replace('"FR"', '"FR" or country = "DE"')
    diff(shop, more)
    diff(shop, more, "--exit-code", code=5)
    renamed = IN_FORCE.replace('name = "french"', 'name = "Les Français"')
    diff(shop, renamed, "--exit-code", code=5)
    diff(shop, IN_FORCE.replace('"DE"', '"PT"'), "--exit-code", code=3)
    assert shop.segsync("diff", "--rules", edited(shop, "[[segment]]\n")).code == 1
    assert shop.segsync("diff", "--rules", shop.folder / "nowhere").code == 1
    assert shop.segsync("diff").code == 2


def test_a_brake_that_the_rules_in_force_trip_too_is_not_the_edits(shop: Company) -> None:
    shop.rules(IN_FORCE.replace('"FR"', '"FR" or country = "PT"'))
    shop.customers([*people(range(70, 81)), *people(FRENCH, country="FR")])
    shop.segsync("pull")
    found = diff(shop, IN_FORCE.replace('"FR"', '"FR" or country = "AT"'))
    held = [one for one in found["brakes"] if one["holds"]]
    assert held
    assert all(one["already"] for one in held)


def test_a_pull_request_gets_sizes_and_brakes_at_the_rules_own_lines(
    shop: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.folder)
    edited(shop, IN_FORCE.replace('"DE"', '"PT"'))
    answer = shop.segsync("diff", "--rules", "edited", "--format", "github")
    assert answer.code == 3
    lines = answer.out.splitlines()
    assert (
        "::notice file=edited/segments.toml,line=4::germans (changed): 80 → 0 people, 0 enter, 80 leave"
        in lines
    )
    assert any(
        line.startswith("::warning file=edited/segments.toml,line=4::a brake would hold this: germans")
        for line in lines
    )
    moved = next(line for line in lines if "europe" in line and line.startswith("::notice"))
    assert moved.endswith("europe (uses germans): 120 → 40 people, 0 enter, 80 leave")
    edited(shop, '[[segment]]\nid = "a"\nwhen = \'contry = "DE"\'\n')
    wrong = shop.segsync("diff", "--rules", "edited", "--format", "github")
    assert wrong.code == 1
    assert wrong.out.startswith("::error file=edited/segments.toml,line=3,col=9::unknown fact")


def test_people_are_numbers_in_all_that_is_told(shop: Company) -> None:
    told = shop.segsync("diff", "--rules", edited(shop, IN_FORCE.replace('"DE"', '"FR"')))
    assert "person" in told.out
    assert "@" not in told.said
    assert "would hold" in told.out
    assert '- country = "DE"' in told.out
