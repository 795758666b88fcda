"""A run that asks few people stores what one that asks everybody would: over pulls, merges, edits, time."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from rules import ir
from rules.ruleset import RuleSet
from rules.vocabulary import Field, Kind, Type, Vocabulary
from sync.again import EVALUATED, Assigned, assign_again, differed, last, note
from sync.alerts.measures import findings
from sync.assign import assign, remember
from sync.config.alerting import AlertKind, Level
from sync.config.settings import BusinessSettings, RulesSettings, Settings, StoreSettings
from sync.run.doctor import evaluations
from sync.store import RunState, Store
from tests.databases import sqlite_url
from tests.rules.engine.agreement import rule_set
from tests.sync.store.records import AT, commit
from tests.sync.test_persons import MEMBERS, ORDERS, absorbed, arrive

VOCABULARY = Vocabulary(
    fields={name: Field(name, Type.TEXT) for name in ("email", "city")},
    kinds={"purchase": Kind("purchase", {"product": Field("product", Type.TEXT)})},
    zone="Europe/Berlin",
)
INCREMENTAL = RulesSettings(incremental=True, full_hours=24 * 365)
CITY = ir.Fact("city", Type.TEXT)
FUNCTIONS = ir.AggregateFunction


def bought(period: ir.Period, product: str | None = None) -> ir.Predicate:
    """At least one purchase in the period."""
    where = None
    if product is not None:
        sort = ir.Fact("product", Type.TEXT)
        where = ir.Compare(ir.Comparison.EQ, sort, ir.Literal(product, Type.TEXT))
    count = ir.Aggregate(FUNCTIONS.COUNT, "purchase", None, where, period, Type.NUMBER)
    return ir.Compare(ir.Comparison.GE, count, ir.Literal(1_000_000, Type.NUMBER))


IN_ROME = ir.Compare(ir.Comparison.EQ, CITY, ir.Literal("rome", Type.TEXT))
CONDITIONS: Mapping[str, ir.Predicate] = {
    "romans": IN_ROME,
    "active": bought(ir.Last(3, ir.Unit.DAY)),
    "tea": bought(ir.Ever(), "tea"),
    "lapsed": ir.And((ir.Not(ir.InSegment("active")), ir.InSegment("tea"))),
    "subscribers": ir.InList("shop:a"),
    "allowed": ir.And((ir.Consented("email"), ir.Not(ir.Suppressed()))),
    "best": ir.RankCount(
        ir.Side.TOP,
        2,
        ir.Aggregate(FUNCTIONS.COUNT, "purchase", None, None, ir.Ever(), Type.NUMBER),
        None,
    ),
    "best_romans": ir.And((ir.InSegment("best"), ir.InSegment("romans"))),
}
EDITED: Mapping[str, ir.Predicate] = {
    **CONDITIONS,
    "active": bought(ir.Last(2, ir.Unit.DAY)),
    "new": ir.Not(ir.InSegment("romans")),
}


def evaluated(
    store: Store,
    rules: RuleSet,
    folder: Path,
    *,
    as_of: dt.datetime,
    settings: RulesSettings = INCREMENTAL,
    whole: bool = False,
    business: BusinessSettings | None = None,
) -> Assigned:
    """Step 3 of a run of its own."""
    run = store.runs.claim("test", as_of=as_of, now=as_of)
    found = assign_again(
        store,
        rules,
        vocabulary=VOCABULARY,
        as_of=as_of,
        run_id=run.id,
        business=business or BusinessSettings(),
        settings=settings,
        whole=whole,
    )
    note(store, None)
    remember(store, rules, found.evaluation, run_id=run.id, as_of=as_of, folder=folder)
    note(store, found.noted)
    store.runs.finish(run, RunState.DONE, now=as_of, stats={})
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three people in Rome with a purchase each, an hour, a day and two days old."""
    store = Store.open(sqlite_url(tmp_path), tmp_path / "lake")
    run = store.runs.claim("test", as_of=AT, now=AT)
    people = [{"external_id": f"c{n}", "mail": f"p{n}@x.example", "city": "Rome"} for n in range(3)]
    commit(store, MEMBERS, people, connection="shop")
    ages = (dt.timedelta(hours=1), dt.timedelta(days=1), dt.timedelta(days=2))
    orders = [
        {"event_id": f"e{n}", "external_id": f"c{n}", "product": "Tea", "at": AT - age}
        for n, age in enumerate(ages)
    ]
    commit(store, ORDERS, orders, connection="shop")
    absorbed(store)
    store.runs.finish(run, RunState.DONE, now=AT, stats={})
    return store


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_few_are_asked_and_everybody_would_have_told_the_same(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    as_of, conditions, asked, people = AT, CONDITIONS, 0, 0
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        for step in range(7):
            run = store.runs.claim("test", as_of=as_of, now=as_of)
            if not step or chance.random() < 0.7:
                for _ in range(1 if step else 6):
                    arrive(store, chance)
                absorbed(store)
            store.runs.finish(run, RunState.DONE, now=as_of, stats={})
            as_of += dt.timedelta(hours=chance.choice([0, 1, 24, 48, 24 * 31]))
            if step == 5:
                conditions = EDITED
            rules = rule_set(conditions)
            found = evaluated(store, rules, tmp_path, as_of=as_of)
            assert (found.why is None) == (step > 0)
            whole = assign(store, rules, vocabulary=VOCABULARY, as_of=as_of, settings=RulesSettings())
            assert found.evaluation.members == whole.members
            assert found.evaluation.people == whole.people
            if step:
                asked, people = asked + found.asked, people + whole.people
                edited = {"active", "lapsed", "new"} if step == 5 else set[str]()
                assert edited - {"lapsed"} <= set(found.in_full) <= {"best"} | edited
        assert asked < people  # else nothing was gained


def test_who_is_asked_is_who_changed_and_whose_activity_crossed_an_edge(store: Store, tmp_path: Path) -> None:
    rules = rule_set({"romans": IN_ROME, "active": bought(ir.Last(3, ir.Unit.DAY))})
    first = evaluated(store, rules, tmp_path, as_of=AT)
    assert (first.asked, first.why) == (3, "there was no evaluation before")
    assert evaluated(store, rules, tmp_path, as_of=AT).asked == 0
    later = AT + dt.timedelta(days=1)  # the oldest purchase has its third day
    crossed = evaluated(store, rules, tmp_path, as_of=later)
    assert (crossed.asked, len(crossed.evaluation.members["active"])) == (1, 2)

    run = store.runs.claim("test", as_of=later, now=later)
    moved = {"external_id": "c1", "mail": "p1@x.example", "city": "Bonn", "changed_at": later}
    commit(store, MEMBERS, [moved], connection="shop")
    absorbed(store)
    store.runs.finish(run, RunState.DONE, now=later, stats={})
    changed = evaluated(store, rules, tmp_path, as_of=later)
    assert (changed.asked, len(changed.evaluation.members["romans"])) == (1, 2)

    run = store.runs.claim("test", as_of=later, now=later)
    late = {"event_id": "late", "external_id": "c2", "product": "Tea", "at": AT}
    commit(store, ORDERS, [late], connection="shop")
    absorbed(store)
    store.runs.finish(run, RunState.DONE, now=later, stats={})
    told = evaluated(store, rules, tmp_path, as_of=later)
    assert (told.asked, len(told.evaluation.members["active"])) == (1, 3)


def test_everybody_is_asked_when_what_was_before_cannot_be_relied_on(store: Store, tmp_path: Path) -> None:
    rules = rule_set(CONDITIONS)

    def why(as_of: dt.datetime = AT, **more: object) -> str:
        return evaluated(store, rules, tmp_path, as_of=as_of, **more).why or ""  # type: ignore[arg-type]

    assert "no evaluation before" in why()
    assert why() == ""
    assert "off in the config" in why(settings=RulesSettings(incremental=False))
    assert why() == ""
    assert "config" in why(business=BusinessSettings(rates={"USD": 2}))  # type: ignore[dict-item]
    assert "config" in why()
    assert "later instant" in why(AT - dt.timedelta(hours=1))
    assert "asked for" in why(whole=True)
    assert "every 1 hours" in why(AT + dt.timedelta(hours=2), settings=replace(INCREMENTAL, full_hours=1))
    noted = last(store)
    assert noted is not None
    note(store, replace(noted, lake={**noted.lake, "people": 1}))  # as if tidied away
    assert "does not keep people" in why(AT + dt.timedelta(hours=2))
    store.notes.set(EVALUATED, None)  # as after a crash while the result was being stored
    assert "no evaluation before" in why(AT + dt.timedelta(hours=2))


def test_a_difference_is_told_mended_and_ends_it(store: Store, tmp_path: Path) -> None:
    rules = rule_set(CONDITIONS)
    right = evaluated(store, rules, tmp_path, as_of=AT).evaluation.members
    wrong = {**right, "romans": right["romans"] - type(right["romans"])([min(right["romans"])])}
    versions = store.segments.versions
    run = store.runs.claim("test", as_of=AT, now=AT)
    noted = last(store)
    assert noted is not None
    store.segments.save(
        run.id, as_of=AT, versions=[versions(name)[0] for name in wrong], members=wrong
    )  # a mistake of before
    note(store, replace(noted, run=run.id))
    store.runs.finish(run, RunState.DONE, now=AT, stats={})

    assert [one.level for one in evaluations(store.database)] == ["fine"]
    found = evaluated(store, rules, tmp_path, as_of=AT, whole=True)
    assert dict(found.differed) == {"romans": 1}
    assert found.evaluation.members == right
    assert "romans (1)" in found.notices[0]
    told = differed(store.notes)
    assert told is not None
    config = Settings(tmp_path, StoreSettings(sqlite_url(tmp_path), str(tmp_path / "lake")), tmp_path)
    alerts = [one for one in findings(store, config, now=AT) if one.kind is AlertKind.EVALUATION]
    assert [one.level for one in alerts] == [Level.CRITICAL]
    assert f"run {told.run}" in alerts[0].what
    advised = [one for one in evaluations(store.database) if one.level == "problem"]
    assert f"run {told.run}" in advised[0].message
    assert "told otherwise" in (evaluated(store, rules, tmp_path, as_of=AT).why or "")
