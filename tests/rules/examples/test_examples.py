"""The rule files that ship: they pass their own check and cases, and find whom they should in real histories.

Sizes are compared with numbers that pandas computes from the raw purchase file, without anything of ours.
"""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import duckdb
import jsonschema
import pandas as pd
import pytest

from rules.engine import Evaluation, evaluate
from rules.engine.periods import Clock
from rules.engine.person import Context, PersonFacts, holds
from rules.engine.population import Population
from rules.engine.relations import relations
from rules.engine.walk import ranks
from rules.language import Loaded, json_schema, load
from sync.demo import histories
from sync.demo.histories import Selection
from tests.sync.demo.world import World, opened

EXAMPLES = Path(__file__).parents[3] / "rules" / "examples"
AS_OF = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
"""Midnight, so that a window of whole days is a range of dates whatever the made-up times of day."""
RFM = ("champions", "loyal", "promising", "at-risk", "hibernating")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("demo"), AS_OF) as world:
        yield world


@pytest.fixture(scope="module")
def rules(world: World) -> Loaded:
    return load(EXAMPLES, world.vocabulary)


@pytest.fixture(scope="module")
def numbers(world: World) -> dict[str, int]:
    """Customer → person number."""
    return {customer.id: number for number, customer in enumerate(world.data.customers)}


@pytest.fixture(scope="module")
def evaluation(world: World, rules: Loaded, numbers: dict[str, int]) -> Evaluation:
    assert rules.ruleset is not None
    people, vocabulary = people_of(world, numbers), world.vocabulary
    connection = duckdb.connect()
    with relations(connection, people, vocabulary) as tables:
        return evaluate(connection, rules.ruleset, tables, as_of=AS_OF, zone=vocabulary.zone)


def people_of(world: World, numbers: dict[str, int]) -> list[PersonFacts]:
    """The demo's people as the engines see them once everything has been read."""
    did: dict[str, dict[str, list[dict[str, object]]]] = defaultdict(lambda: defaultdict(list))
    for order in world.data.orders:
        row = {"at": order.at, "amount": int(order.total * 100), "items": order.items * 1_000_000}
        did[order.customer]["purchase"].append(row)
    owner = {customer.email: customer.id for customer in world.data.customers}
    for campaign in world.data.campaigns:
        for one in campaign.activity:
            did[owner[one.address.lower()]][f"email_{one.action}"].append({"at": one.at})
    status = {owner[member.address.lower()]: member.status for member in world.data.members}
    return [
        PersonFacts(
            numbers[customer.id],
            {
                "country": customer.country,
                "language": customer.language,
                "birthday": customer.birthday,
                "signed_up": customer.signed_up,
            },
            did[customer.id],
            suppressed=status.get(customer.id) in ("unsubscribed", "cleaned"),
            consented={"email": status.get(customer.id) == "subscribed"},
        )
        for customer in world.data.customers
    ]


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    """Every line of the raw file: customer, days ago, total. One line is one order."""
    names = ["customer", "sample", "day", "items", "total"]
    path = histories.path_of(Selection.SAMPLE)
    text = {"customer": str, "day": str}
    frame = pd.read_csv(path, sep=r"\s+", header=None, names=names, dtype=text)  # type: ignore[call-overload]
    frame["day"] = pd.to_datetime(frame["day"])
    frame["ago"] = (frame["day"].max() - frame["day"]).dt.days + 1  # the last day is yesterday
    frame["customer"] = "C" + frame["customer"]
    frame["cents"] = (frame["total"] * 100).round().astype("int64")
    assert isinstance(frame, pd.DataFrame)
    return frame


def test_the_examples_pass_the_check_without_a_problem_or_warning(rules: Loaded) -> None:
    assert [str(problem) for problem in rules.problems] == []
    assert rules.ruleset is not None
    assert 14 <= len(rules.ruleset.segments) <= 24


def test_every_segment_says_what_it_is_called_what_it_is_for_and_who_answers_for_it(rules: Loaded) -> None:
    assert rules.ruleset is not None
    for segment in rules.ruleset.segments.values():
        assert segment.name != segment.id
        assert len(segment.why) > 20
        assert segment.owner


def test_only_the_list_of_the_suppressed_takes_suppressed_people(rules: Loaded) -> None:
    assert rules.ruleset is not None
    including = {s.id for s in rules.ruleset.segments.values() if any(t.include_suppressed for t in s.to)}
    assert including == {"do-not-mail"}


def test_the_examples_fit_the_schema_that_editors_use() -> None:
    schema = json_schema()
    for path in sorted(EXAMPLES.glob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        as_editors_see_it = json.loads(json.dumps(values, default=str))  # times are texts to a schema
        jsonschema.validate(as_editors_see_it, schema)  # type: ignore[arg-type]


def test_every_example_has_cases_and_all_of_them_pass(rules: Loaded) -> None:
    assert rules.ruleset is not None
    asked = {case.segment_id for case in rules.cases}
    assert asked == {id_.split("/")[0] for id_ in rules.ruleset.segments}
    conditions = {segment.id: segment.when for segment in rules.ruleset.segments.values()}
    for case in rules.cases:
        activity: dict[str, list[dict[str, object]]] = defaultdict(list)
        for row in case.activity:
            activity[str(row["kind"])].append(dict(row))
        one = PersonFacts(
            0,
            dict(case.person),
            activity,
            suppressed=case.person.get("suppressed") is True,
            consented={"email": case.person.get("consented_email") is True},
        )
        clock = Clock(case.as_of, "America/New_York")
        population = Population(ranks(conditions.values()), [one], Context(clock))
        inside: set[str] = set()
        context = Context(clock, population, inside.__contains__)
        inside.update(
            id_ for id_, when in conditions.items() if holds(when, one, context) and inside.add(id_) is None
        )
        if case.tier is None:
            assert (case.segment_id in inside) is case.member, f"{case.segment_id}: {case.name}"
        else:
            tiers = {i.split("/")[1] for i in inside if i.startswith(f"{case.segment_id}/")} or {"none"}
            assert tiers == {case.tier}, f"{case.segment_id}: {case.name}"


def test_nobody_is_in_two_tiers_and_no_segment_of_the_demo_is_empty(evaluation: Evaluation) -> None:
    members = evaluation.members
    assert {id_ for id_, found in members.items() if not found} == set()
    for tiers in ("rfm", "lifecycle", "engagement"):
        groups = [found for id_, found in members.items() if id_.startswith(f"{tiers}/")]
        assert sum(map(len, groups)) == len(set().union(*groups))
    lifecycle = sum(len(found) for id_, found in members.items() if id_.startswith("lifecycle/"))
    assert lifecycle == evaluation.people == 2357


def in_segment(evaluation: Evaluation, numbers: dict[str, int], segment: str) -> set[str]:
    names = {number: customer for customer, number in numbers.items()}
    return {names[number] for number in evaluation.members[segment]}


def test_the_lifecycle_is_what_pandas_finds_in_the_raw_file(
    evaluation: Evaluation, numbers: dict[str, int], raw: pd.DataFrame
) -> None:
    last_paid = raw[raw["cents"] > 0].groupby("customer")["ago"].min()
    everyone, paying = set(raw["customer"]), set(last_paid.index)
    expected = {
        "active": set(last_paid.index[last_paid <= 90]),
        "cooling": set(last_paid.index[(last_paid > 90) & (last_paid <= 180)]),
        "lapsing": set(last_paid.index[(last_paid > 180) & (last_paid <= 365)]),
        "lapsed": set(last_paid.index[last_paid > 365]),
        "prospect": everyone - paying,
    }
    for tier, people in expected.items():
        assert in_segment(evaluation, numbers, f"lifecycle/{tier}") == people, tier
    assert len(expected["prospect"]) == 8


def test_the_win_back_groups_are_the_lapsing_with_a_tenth_drawn_by_chance(evaluation: Evaluation) -> None:
    lapsing, control = evaluation.members["lifecycle/lapsing"], evaluation.members["win-back-control"]
    assert evaluation.members["win-back"] | control == lapsing
    assert not evaluation.members["win-back"] & control
    assert 0.05 < len(control) / len(lapsing) < 0.16


def test_the_lapsed_vips_are_what_pandas_finds_in_the_raw_file(
    evaluation: Evaluation, numbers: dict[str, int], raw: pd.DataFrame
) -> None:
    people = raw.groupby("customer").agg(spend=("cents", "sum"), ago=("ago", "min"))
    expected = set(people.index[(people["spend"] >= 20_000) & (people["ago"] > 90)])
    assert in_segment(evaluation, numbers, "lapsed-vip") == expected


def test_the_rfm_groups_are_what_pandas_finds_in_the_shops_export(
    world: World, evaluation: Evaluation, numbers: dict[str, int], raw: pd.DataFrame
) -> None:
    export = pd.read_csv(world.folder / "orders.csv", dtype=str)
    export["at"] = pd.to_datetime(export["ordered_at"], errors="coerce", utc=True)
    export = export[~export["order_id"].str.startswith("bad")]
    people = raw.groupby("customer").agg(orders=("cents", "size"), spend=("cents", "sum"))
    people["last"] = export.groupby("customer_id")["at"].max()

    def quintile(values: pd.Series[int]) -> pd.Series[int]:
        below = values.rank(method="min") - 1
        return (below * 5 // len(values) + 1).astype(int)

    recency = quintile(-people["last"].astype("int64"))  # 1: the most recent
    orders, spend = quintile(people["orders"]), quintile(people["spend"])
    group = pd.Series("hibernating", index=people.index)
    group[(orders >= 4) | (spend == 5)] = "at-risk"
    group[recency <= 2] = "promising"
    group[(orders >= 4) & (recency <= 3)] = "loyal"
    group[(recency == 1) & (orders >= 4) & (spend >= 4)] = "champions"
    for tier in RFM:
        assert in_segment(evaluation, numbers, f"rfm/{tier}") == set(group.index[group == tier]), tier


def test_the_best_of_each_country_are_what_pandas_finds(
    world: World, evaluation: Evaluation, numbers: dict[str, int], raw: pd.DataFrame
) -> None:
    country = pd.Series({c.id: c.country for c in world.data.customers})
    spend = raw[raw["ago"] <= 365].groupby("customer")["cents"].sum().reindex(country.index, fill_value=0)
    greater = spend.groupby(country).rank(method="min", ascending=False) - 1
    size = country.groupby(country).transform("size")
    expected = set(spend.index[(spend > 0) & (greater * 10 < size)])
    assert in_segment(evaluation, numbers, "best-by-country") == expected


def test_birthdays_countries_and_suppression_are_what_the_export_says(
    world: World, evaluation: Evaluation, numbers: dict[str, int]
) -> None:
    customers = pd.read_csv(world.folder / "customers.csv", dtype=str).drop_duplicates("customer_id")
    dach = set(customers.customer_id[customers.country.isin(["DE", "AT", "CH"])])
    assert in_segment(evaluation, numbers, "dach") == dach
    first = dt.date(2026, 3, 1)  # midnight in UTC is still the day before in New York
    days = {(first + dt.timedelta(days=n)).strftime("%m-%d") for n in range(14)}
    born = set(customers.customer_id[customers.birthday.str[5:].isin(days)])
    assert in_segment(evaluation, numbers, "birthday-soon") == born
    left = {member.address.lower() for member in world.data.members if member.left_by}
    assert len(in_segment(evaluation, numbers, "do-not-mail")) == len(left)
