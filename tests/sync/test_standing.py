"""Who was in a segment that lasts: read from the store's history, edits of the rule told apart."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroaring import BitMap

from rules import ir
from rules.engine.standing import Standing
from rules.ruleset import Place, RuleSet, Segment
from rules.vocabulary import Type
from sync.standing import entered, standing
from sync.store import PersonEvent, Run, RunState, SegmentVersion, Store
from sync.store.stays import Stays
from tests.databases import sqlite_url

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
VIP, GOLD = (ir.IsTrue(ir.Fact(name, Type.BOOLEAN)) for name in ("vip", "gold"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as opened:
        yield opened


def lasting(
    when: ir.Predicate = VIP, *, leave: ir.Predicate | None = None, stay: int | None = None
) -> Segment:
    condition = when if leave is None and stay is None else ir.Lasting("it", when, leave, stay)
    return Segment("it", "it", condition, "", Place("a.toml", 1, 1))


def saved(store: Store, segment: Segment, at: dt.datetime, *people: int, finish: bool = True) -> Run:
    """A run at an instant that found these members."""
    run = store.runs.claim("test", as_of=at, now=at)
    again(store, run, segment, *people)
    if finish:
        store.runs.finish(run, RunState.DONE, now=at, stats={})
    return run


def again(store: Store, run: Run, segment: Segment, *people: int) -> None:
    version = SegmentVersion(segment.id, segment.version, "", segment.id)
    store.segments.save(run.id, as_of=run.as_of, versions=[version], members={"it": BitMap(people)})


def found(
    store: Store, segment: Segment, at: dt.datetime, *, before_run: int | None = None
) -> Standing | None:
    return standing(store, RuleSet({"it": segment}), as_of=at, before_run=before_run).get("it")


def since_when(store: Store, person: int) -> dt.datetime | None:
    return store.segments.stays(["it", "never ran"], person)["it"].since


def test_at_the_first_run_nobody_was_in(store: Store) -> None:
    assert found(store, lasting(leave=GOLD), NOW) is None
    assert standing(store, RuleSet({"it": lasting()}), as_of=NOW) == {}


def test_whoever_entered_less_than_stay_ago_is_held(store: Store) -> None:
    """Random histories against the definition: since when each person is in without a break."""
    draw, segment, since = random.Random(5), lasting(stay=24), {}
    for number in range(60):
        at = NOW + number * HOUR
        members = {person for person in range(8) if draw.random() < (0.97 if person in since else 0.1)}
        since = {person: since.get(person, at) for person in members}
        saved(store, segment, at, *members)
        later = at + draw.choice([HOUR, 5 * HOUR, 24 * HOUR])
        now = found(store, segment, later)
        assert now is not None
        assert set(now.members) == members
        assert set(now.held) == {person for person, then in since.items() if later - then < 24 * HOUR}
        assert {person: since_when(store, person) for person in range(8)} == {
            person: since.get(person) for person in range(8)
        }


def test_another_when_asks_everybody_afresh_another_way_out_does_not(store: Store) -> None:
    saved(store, lasting(), NOW, 1, 2)
    for segment in (lasting(leave=GOLD), lasting(stay=24), lasting(leave=ir.Not(GOLD), stay=48)):
        now = found(store, segment, NOW + HOUR)
        assert now is not None, "the members let in by a rule without leave_when count"
        assert set(now.members) == {1, 2}
        assert entered(store.segments.stays(["it"], 1), segment) == NOW
    edited = lasting(GOLD, leave=VIP, stay=24)
    assert found(store, edited, NOW + HOUR) is None
    assert entered(store.segments.stays(["it"], 1), edited) is None
    saved(store, edited, NOW + HOUR, 1)
    now = found(store, edited, NOW + 24 * HOUR)
    assert now == Standing(BitMap([1]), BitMap()), "who stayed in through the edit entered before it"


def test_a_resumed_run_does_not_take_its_own_first_result_for_the_past(store: Store) -> None:
    segment = lasting(leave=GOLD)
    saved(store, segment, NOW, 1)
    second = saved(store, segment, NOW + HOUR, 1, 2, finish=False)
    now = found(store, segment, NOW + HOUR, before_run=second.id)
    assert now is not None
    assert set(now.members) == {1}
    again(store, second, segment, 1)
    now = found(store, segment, NOW + 2 * HOUR)
    assert now is not None
    assert set(now.members) == {1}


def test_long_histories_are_read_whole(store: Store) -> None:
    segment = lasting(stay=2000)
    for number in range(45):
        saved(store, segment, NOW + number * HOUR, 1, 2 + number % 2)
    assert since_when(store, 1) == NOW
    assert since_when(store, 2) == NOW + 44 * HOUR


def test_of_many_segments_it_is_told_since_when_as_of_each_alone(store: Store) -> None:
    """Random histories of different lengths, with merges, against reading memberships one after the other."""
    draw, gone = random.Random(8), {5: 4, 4: 3}
    lengths = {"short": 3, "some": 12, "long": 70}
    for number in range(70):
        run = store.runs.claim("test", as_of=NOW + number * HOUR, now=NOW)
        there = {person for person in range(8) if person not in gone or number < 30 + 10 * (person == 4)}
        ran = [name for name, length in lengths.items() if number >= 70 - length]
        members = {
            name: BitMap(person for person in there if draw.random() < (0.98 if person > 1 else 0.5))
            for name in ran
        }
        versions = [SegmentVersion(name, f"{number // 20}", "", name) for name in ran]
        store.segments.save(run.id, as_of=run.as_of, versions=versions, members=members)
        store.runs.finish(run, RunState.DONE, now=NOW, stats={})
        for old in (5, 4):
            if number == (29 if old == 5 else 39):
                merged(store, run.id, old, gone[old])
    for person in (0, 1, 2, 3, 6, 7, 99):
        told = store.segments.stays([*lengths, "never ran"], person)
        assert told.keys() == lengths.keys()
        for name in lengths:
            since = None
            for spell in store.segments.spells(name):
                if person not in spell.members:
                    break
                since = spell.began
            assert told[name].since == since, (person, name)
            assert told[name].version == "3"


def test_what_a_run_saves_anew_before_it_is_over_is_seen(store: Store) -> None:
    segment = lasting()
    run = saved(store, segment, NOW, 1, 2, finish=False)
    assert [since_when(store, person) for person in (1, 2, 3)] == [NOW, NOW, None]
    again(store, run, segment, 1, 3)
    assert [since_when(store, person) for person in (1, 2, 3)] == [NOW, None, NOW]
    store.runs.finish(run, RunState.DONE, now=NOW, stats={})
    assert [since_when(store, person) for person in (1, 2, 3)] == [NOW, None, NOW]
    saved(store, segment, NOW + HOUR, 1, 2)
    assert [since_when(store, person) for person in (1, 2, 3)] == [NOW, NOW + HOUR, None]


@pytest.mark.parametrize("kept", [0, 60, 10_000])
def test_however_few_memberships_are_kept_the_answers_are_the_same(store: Store, kept: int) -> None:
    draw, segment, since = random.Random(3), lasting(), {}
    stays = Stays(kept)
    for number in range(30):
        at = NOW + number * HOUR
        members = {person for person in range(6) if draw.random() < (0.95 if person in since else 0.4)}
        since = {person: since.get(person, at) for person in members}
        saved(store, segment, at, *members)
        with store.database.reading() as database:
            told = {person: stays.of(database, ["it"], person)["it"].since for person in range(6)}
        assert told == {person: since.get(person) for person in range(6)}
        assert stays.size <= kept


def merged(store: Store, run: int, gone: int, into: int) -> None:
    store.person_events.add([PersonEvent(NOW, "merge", into, gone, "both contacts hold the same key", run)])


def test_a_number_that_vanished_counts_for_the_one_it_became(store: Store) -> None:
    """Over two merges, and only from the run on that saw them."""
    segment = lasting(leave=GOLD, stay=48)
    first = saved(store, segment, NOW, 1, 2, 9)
    saved(store, segment, NOW + HOUR, 1, 9)
    second = saved(store, segment, NOW + 2 * HOUR, 3, 9)
    merged(store, second.id, 1, 3)
    store.person_events.add([PersonEvent(NOW, "split", 9, 5, "the key was blocked", second.id)])
    third = saved(store, segment, NOW + 3 * HOUR, finish=False)
    merged(store, third.id, 3, 4)
    merged(store, third.id, 4, 6)

    at = NOW + 48 * HOUR
    assert found(store, segment, at, before_run=third.id) == Standing(BitMap([6, 9]), BitMap())
    soon = found(store, segment, at - dt.timedelta(microseconds=1), before_run=third.id)
    assert soon == Standing(BitMap([6, 9]), BitMap([6, 9]))
    rules = RuleSet({"it": segment})
    then = standing(store, rules, as_of=at, before_run=second.id, people_of=second.id)
    assert set(then["it"].members) == {3, 9}
    then = standing(store, rules, as_of=at, before_run=second.id, people_of=first.id)
    assert set(then["it"].members) == {1, 9}, "as the first run knew them, who did not know of a merge"


def test_edges_of_stay_are_instants(store: Store) -> None:
    segment = lasting(stay=24)
    saved(store, segment, NOW, 1)
    now = found(store, segment, NOW + 24 * HOUR)
    assert now == Standing(BitMap([1]), BitMap())
    now = found(store, segment, NOW + 24 * HOUR - dt.timedelta(microseconds=1))
    assert now == Standing(BitMap([1]), BitMap([1]))
