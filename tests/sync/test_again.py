"""A run that asks few people stores what one that asks everybody would: over pulls, merges, edits, time."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from rules import ir
from rules.ruleset import RuleSet
from rules.vocabulary import Field, Kind, Type, Vocabulary
from sync.again import Assigned, assign_again, differed, last, note, noted
from sync.alerts.measures import findings
from sync.assign import assign, remember
from sync.config.alerting import AlertKind, Level
from sync.config.settings import BusinessSettings, RulesSettings, Settings, StoreSettings
from sync.run.doctor import evaluations
from sync.store import RunState, Store
from sync.store.recalled import EVALUATED, FOLDER
from sync.store.vacuum import Retention, vacuum
from sync.store.whole import amend
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


LATEST = ir.DaysSince(ir.Aggregate(FUNCTIONS.LAST_AT, "purchase", None, None, ir.Ever(), Type.DATETIME))
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
    "best_of_town": ir.RankShare(ir.Side.TOP, 500_000, LATEST, CITY),
    "long_active": ir.HeldSegment("active", 2, ir.Unit.DAY),
    "once_active": ir.Lasting("once_active", bought(ir.Last(2, ir.Unit.DAY)), None, 72),
    "settled": ir.Lasting("settled", IN_ROME, ir.Not(ir.InSegment("active")), None),
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
    with noted(store, rules, found):
        remember(store, rules, found.evaluation, run_id=run.id, as_of=as_of, folder=folder)
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
    as_of, conditions, fewer = AT, CONDITIONS, 0
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
            whole = assign(store, rules, vocabulary=VOCABULARY, as_of=as_of, settings=RulesSettings())
            found = evaluated(store, rules, tmp_path, as_of=as_of)
            assert (found.why is None) == (step > 0)
            assert found.evaluation.members == whole.members
            assert found.evaluation.people == whole.people
            if step:
                fewer += found.asked < whole.people
                assert set(found.in_full) == ({"active", "new"} if step == 5 else set())
        assert fewer  # else nothing was gained


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


def test_everybody_is_asked_where_the_facts_of_very_many_changed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is lowered: nobody has fifty thousand people in a test."""
    rules = rule_set({"romans": IN_ROME})
    evaluated(store, rules, tmp_path, as_of=AT)
    monkeypatch.setattr("sync.again.MOST_CHANGED", 1)
    people = store.lake.relation("people")
    with closing(store.lake.connect()) as database:
        rows = database.sql(f"SELECT * FROM {people} ORDER BY person").to_arrow_table()
    for moved, why in ((1, None), (2, "the facts of very many people changed")):
        cities = ["Paris"] * moved + ["Rome"] * (len(rows) - moved)
        other = rows.drop_columns(["city", "city__ci"]).append_column("city", pa.array(cities))
        folded = pa.array([city.casefold() for city in cities])
        amend(store.lake, "people", other.append_column("city__ci", folded))
        found = evaluated(store, rules, tmp_path, as_of=AT)
        assert (found.why, found.asked) == (why, 1 if why is None else 3)
        assert len(found.evaluation.members["romans"]) == 3 - moved
        amend(store.lake, "people", rows)
        evaluated(store, rules, tmp_path, as_of=AT)


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


def orders(store: Store, tmp_path: Path) -> list[Path]:
    """The files with what people are compared by."""
    return sorted((tmp_path / "lake" / FOLDER).glob("*.arrow"))


def test_whoever_lost_what_the_last_evaluation_went_by_asks_everybody_once(
    store: Store, tmp_path: Path
) -> None:
    """Gone, cut short, with a bit turned, or of another evaluation."""
    rules = rule_set(CONDITIONS)
    remembering = {"best", "best_of_town", "long_active", "once_active", "settled"}
    folder = tmp_path / "lake" / FOLDER

    def in_full() -> set[str]:
        whole = assign(store, rules, vocabulary=VOCABULARY, as_of=AT, settings=RulesSettings())
        found = evaluated(store, rules, tmp_path, as_of=AT)
        assert found.why is None
        assert found.evaluation.members == whole.members
        return set(found.in_full)

    evaluated(store, rules, tmp_path, as_of=AT)
    assert in_full() == set()
    for path in folder.iterdir():
        path.unlink()
    assert in_full() == remembering
    assert in_full() == set()
    kinds = sorted({path.suffix for path in folder.iterdir()})
    assert kinds == [".arrow", ".told"]
    for suffix in kinds:
        for damage in (
            lambda found: found[:-1],
            lambda found: found[:40] + bytes([found[40] ^ 1]) + found[41:],
        ):
            path = next(folder.glob(f"*{suffix}"))
            path.write_bytes(damage(path.read_bytes()))
            assert in_full() == remembering
            assert in_full() == set()
    one, other = orders(store, tmp_path)[:2]
    one.write_bytes(other.read_bytes())
    assert in_full() == remembering


def test_what_was_gone_by_lies_there_once_and_goes_with_the_wish_for_it(store: Store, tmp_path: Path) -> None:
    rules = rule_set(CONDITIONS)
    evaluated(store, rules, tmp_path, as_of=AT)
    first = orders(store, tmp_path)
    assert len(first) == 2  # what three ranks compare
    (tmp_path / "lake" / FOLDER / "left.arrow").write_bytes(b"by a run that died")
    assert vacuum(store, now=AT, keep=Retention()).files == 0
    assert orders(store, tmp_path) == first
    run = store.runs.claim("test", as_of=AT, now=AT)
    late = {"event_id": "late", "external_id": "c2", "product": "Tea", "at": AT}
    commit(store, ORDERS, [late], connection="shop")
    absorbed(store)
    store.runs.finish(run, RunState.DONE, now=AT, stats={})
    evaluated(store, rules, tmp_path, as_of=AT)
    assert len(set(orders(store, tmp_path)) - set(first)) == len(first)
    second = orders(store, tmp_path)
    evaluated(store, rules, tmp_path, as_of=AT)
    assert orders(store, tmp_path) == second  # nothing moved, so nothing was written
    evaluated(store, rules, tmp_path, as_of=AT, settings=RulesSettings(incremental=False))
    assert orders(store, tmp_path) == []


def test_an_evaluation_that_dies_while_it_is_stored_leaves_nothing_to_go_by(
    store: Store, tmp_path: Path
) -> None:
    rules = rule_set(CONDITIONS)
    found = evaluated(store, rules, tmp_path, as_of=AT)
    with pytest.raises(KeyboardInterrupt), noted(store, rules, found):
        raise KeyboardInterrupt
    assert last(store) is None
    assert "no evaluation before" in (evaluated(store, rules, tmp_path, as_of=AT).why or "")
