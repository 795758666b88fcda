"""Asking only those of whom it may have changed tells what asking everybody tells: after any change of
people, activity and rules, and after any time, step by step, each upon what the step before told."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from rules import ir
from rules.engine import Evaluation, Tables, evaluate, singly
from rules.engine.incremental import Before, Changed, Renewed, renew
from rules.engine.person import PersonFacts
from rules.engine.relations import activity_table, people_table, relations
from rules.engine.standing import Memory, Standing
from rules.engine.walk import nodes
from rules.fixed import changed
from rules.ruleset import RuleSet
from sync.store.arranging import arranged
from sync.store.by_person import Copy, Indexed, Part
from tests.rules.engine.agreement import rule_set
from tests.rules.engine.generated import Nodes
from tests.rules.engine.generated_people import AS_OF, DAY, KIND_TYPES, US, ZONE
from tests.rules.engine.test_ahead import compiled
from tests.rules.vocabulary import DEAL_KINDS, VOCABULARY
from tests.thorough import examples

HOUR = dt.timedelta(hours=1)
LATER = (
    *(0 * DAY, US, HOUR, 3 * HOUR, DAY - US),
    *(n * DAY for n in (1, 2, 3, 7, 12, 28, 30, 31, 90, 365)),
)
"""How long after the first evaluation the later ones may be."""
STEPS = 5

Conditions = Mapping[str, ir.Predicate]


@dataclass(frozen=True)
class Moment:
    """What an evaluation is asked over. `past`: another one, another past of everybody."""

    as_of: dt.datetime
    conditions: Conditions
    people: Sequence[PersonFacts]
    past: int = 0

    def told(self) -> tuple[dict[str, Standing], dict[ir.HeldSegment, BitMap]]:
        """Who was in before: anybody may have been."""
        conditions = self.conditions.values()
        held = {node: self._some(node.key) for node in nodes(conditions) if isinstance(node, ir.HeldSegment)}
        lasting = [one.segment for one in conditions if isinstance(one, ir.Lasting)]
        standing = {name: Standing(self._some(name), self._some(f"{name} recently")) for name in lasting}
        return {name: one for name, one in standing.items() if one.members}, held

    def _some(self, what: str) -> BitMap:
        def chance(number: int) -> random.Random:
            return random.Random(f"{what} {number} {self.past if number % 2 else 0}")

        return BitMap(one.person for one in self.people if chance(one.person).random() < 0.4)


@dataclass
class Walk:
    """Evaluations one after the other, each told both ways."""

    connection: duckdb.DuckDBPyConnection
    before: Before | None = None
    people: dict[int, PersonFacts] = field(default_factory=dict)

    def step(self, moment: Moment, zone: str = ZONE) -> tuple[Renewed | None, Mapping[str, BitMap]]:
        """(what asking few people told, None at first; what asking everybody tells)."""
        rules, now = rule_set(moment.conditions), {one.person: one for one in moment.people}
        changed = changes(self.people, now)
        with relations(self.connection, moment.people, VOCABULARY) as tables:
            standing, held = moment.told()
            memory = Memory.of(moment.conditions.values(), standing, held)
            plain = partial(
                evaluate, self.connection, as_of=moment.as_of, zone=zone, standing=standing, held=held
            )

            def ask(rules: RuleSet, tables: Tables, **more: Any) -> Evaluation:
                return plain(rules, tables, **more)

            whole = plain(rules, tables)
            told = None
            if self.before is not None:
                one, two = (by_person(moment.people, tables, parted=parted) for parted in (False, True))
                everybody = len(moment.people)
                for kept, most_singly in ((None, 0), (two, 0), (two, everybody), (one, everybody)):
                    told = renew(
                        self.connection,
                        rules,
                        replace(tables, by_person=kept),
                        before=self.before,
                        changed=changed,
                        as_of=moment.as_of,
                        zone=zone,
                        ask=ask,
                        memory=memory,
                        most_singly=most_singly,
                    )
                    assert told.evaluation.people == whole.people
                    assert told.evaluation.members == whole.members
        found = whole if told is None else told.evaluation
        versions = {name: one.version for name, one in rules.segments.items()}
        self.before = Before(moment.as_of, found.members, versions, found.order, memory)
        self.people = now
        return told, whole.members


def changes(then: Mapping[int, PersonFacts], now: Mapping[int, PersonFacts]) -> Changed:
    """Whose rows differ, of people and of each kind of activity."""

    def differing(rows: Callable[[PersonFacts | None], object]) -> BitMap:
        return BitMap(n for n in {*then, *now} if rows(then.get(n)) != rows(now.get(n)))

    def activity(kind: str) -> BitMap:
        return differing(lambda one: list(one.activity.get(kind, ())) if one else [])

    facts = differing(lambda one: None if one is None else replace(one, activity={}))
    return Changed(facts, {kind: activity(kind) for kind in (*KIND_TYPES, *DEAL_KINDS)})


def by_person(people: Sequence[PersonFacts], tables: Tables, *, parted: bool = True) -> Indexed:
    """The same rows in order of persons, as the lake keeps them: in one file, or in two, with rows that are
    no more."""
    kinds = {kind: activity_table(people, VOCABULARY, kind=kind) for kind in tables.activity}
    found: dict[str | None, pa.Table] = {None: people_table(people, VOCABULARY), **kinds}
    parts, columns = dict[str | None, Sequence[Part]](), dict[str | None, Mapping[str, pa.DataType]]()
    for kind, rows in found.items():
        columns[kind] = dict(zip(rows.column_names, rows.schema.types, strict=True))
        if not parted:
            parts[kind] = [Part(Copy(arranged(rows)))]
            continue
        half, some = len(rows) // 2, len(rows[::3])
        copy = Copy(arranged(pa.concat_tables([rows[:half], rows[::3]])))
        parts[kind] = [Part(copy, np.arange(half, half + some)), Part(Copy(arranged(rows[half:])))]
    return Indexed(parts, columns)


class History(Nodes):
    """Draws a company's moments: each is the one before, and something happened."""

    def moments(self) -> list[Moment]:
        """The first one and STEPS later ones."""
        first, drawn = self.as_of, dict[str, ir.Predicate]()
        for depth in (0, 0, 1, 1, 2):
            drawn[f"s{len(drawn)}"] = self.condition(f"s{len(drawn)}", depth, tuple(drawn))
        conditions: Conditions = drawn
        people: Sequence[PersonFacts] = self.people()
        moments, passed, past = [Moment(first, conditions, people)], 0, 0
        for _ in range(STEPS):
            passed = self.pick(range(passed, len(LATER)))
            self.as_of = first + LATER[passed]
            for _ in range(self.pick((0, 1, 2))):
                people = self.happened(people)
            if self.chance(4):
                conditions = self.edited(conditions)
            past += self.chance(2)
            moments.append(Moment(self.as_of, conditions, people, past))
        return moments

    def condition(self, name: str, depth: int, segments: tuple[str, ...]) -> ir.Predicate:
        """Of a segment of this name; now and then of one that lasts."""
        found = self.predicate(depth, segments)
        if not self.chance(4):
            return found
        leave_when = self.predicate(0, segments) if self.chance(2) else None
        return ir.Lasting(name, found, leave_when, 48 if leave_when is None else self.pick((None, 48)))

    def earned(self) -> ir.Earned:
        """Points for activity alone: the language gives none for related records."""
        found = super().earned()
        return found if found.kind in KIND_TYPES else changed(found, kind="email_click", where=None)

    def happened(self, people: Sequence[PersonFacts]) -> list[PersonFacts]:
        """Somebody came, went or became another; activity came (late, in the future), changed or went."""
        rest = list(people)
        what = self.pick(("facts", "came", "went", "activity", "activity", "moved"))
        if what == "came" or not rest:
            return [
                *rest,
                self.person(1 + 3 * self.pick(range(4)) + max((p.person for p in rest), default=0)),
            ]
        one = rest.pop(self.pick(range(len(rest))))
        if what == "went":
            return rest
        fresh = self.person(one.person)
        if what == "facts":
            return [*rest, replace(fresh, activity=one.activity)]
        kind = self.pick((*KIND_TYPES, *DEAL_KINDS))
        rows = list(one.activity.get(kind, ()))
        if what == "moved" and rest and rows:
            other = rest.pop(0)
            theirs = [*other.activity.get(kind, ()), rows.pop()]
            rest.append(replace(other, activity={**other.activity, kind: theirs}))
        elif rows and self.chance(3):
            rows.pop()
        else:
            rows += fresh.activity.get(kind, ())
        return [*rest, replace(one, activity={**one.activity, kind: rows})]

    def edited(self, conditions: Conditions) -> Conditions:
        """A rule became another, came, or was taken out (if no other uses it, which the last does)."""
        names = list(conditions)
        if self.chance(3):
            return dict(list(conditions.items())[:-1]) if len(names) > 1 else conditions
        if self.chance(2):
            return {**conditions, f"s{len(names)}": self.condition(f"s{len(names)}", 1, tuple(names))}
        place = self.pick(range(len(names)))
        return {**conditions, names[place]: self.condition(names[place], 1, tuple(names[:place]))}


@st.composite
def histories(draw: st.DrawFn) -> list[Moment]:
    return History(draw, draw(st.sampled_from(AS_OF))).moments()


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": "1"})


@settings(max_examples=examples(40), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(histories())
def test_asking_few_tells_what_asking_everybody_tells_after_every_step(
    connection: duckdb.DuckDBPyConnection, history: list[Moment]
) -> None:
    walk = Walk(connection)
    for moment in history:
        told, whole = walk.step(moment)
        assert told is None or told.evaluation.members == whole


def test_whose_past_is_another_is_known_of_each_memory_and_of_none_that_is_missing() -> None:
    held = ir.HeldSegment("other", 3, ir.Unit.DAY)
    condition = ir.Lasting("it", ir.And((ir.Suppressed(), held)), ir.Suppressed(), 48)

    def memory(members: int, recent: int, long: int) -> Memory:
        standing = {"it": Standing(BitMap([0, members]), BitMap([0, recent]))}
        return Memory.of([condition], standing, {held: BitMap([0, long])})

    before = memory(1, 2, 3)
    for now, whose in ((before, []), (memory(4, 2, 3), [1, 4]), (memory(1, 4, 3), [2, 4])):
        assert now.moved(condition, before) == BitMap(whose)
    assert memory(1, 2, 4).moved(condition, before) == BitMap([3, 4])
    assert memory(1, 2, 4).moved(ir.Suppressed(), Memory()) == BitMap()
    assert before.moved(condition, replace(before, held={})) is None
    assert before.moved(condition, replace(before, standing={})) is None


def test_one_person_s_change_is_answered_without_an_engine_also_where_people_are_compared(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    conditions = {
        "buyers": compiled("count(purchase) >= 2"),
        "best": compiled("sum(purchase.amount) in top 2"),
    }
    conditions["neither"] = ir.Not(ir.Or((ir.InSegment("buyers"), ir.InSegment("best"))))
    people = [
        PersonFacts(number, activity={"purchase": [{"at": AS_OF[0] - DAY, "amount": 100 * number}]})
        for number in range(1, 8)
    ]
    walk = Walk(connection)
    _, first = walk.step(Moment(AS_OF[0], conditions, people))
    assert first == {"buyers": BitMap(), "best": BitMap([6, 7]), "neither": BitMap(range(1, 6))}
    assert walk.before is not None
    bought = {"purchase": [*people[0].activity["purchase"], {"at": AS_OF[0], "amount": 650}]}
    people[0] = replace(people[0], activity=bought)

    def ask(*_: object, **__: object) -> Evaluation:
        raise AssertionError("an engine was asked")

    with relations(connection, people, VOCABULARY) as tables:
        told = renew(
            connection,
            rule_set(conditions),
            replace(tables, by_person=by_person(people, tables)),
            before=walk.before,
            changed=Changed(BitMap(), {"purchase": BitMap([1])}),
            as_of=AS_OF[0],
            zone=ZONE,
            ask=ask,
        )
    found = {"buyers": BitMap([1]), "best": BitMap([1, 7]), "neither": BitMap(range(2, 7))}
    assert told.evaluation.members == found


def test_of_whom_too_much_is_known_is_asked_an_engine(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few values may be looked at one by one, the members are the same."""
    conditions = {
        "spent": compiled("sum(purchase.amount) >= 5"),
        "best": compiled("sum(purchase.amount) in top 2"),
        "often": compiled("count(purchase) >= 2"),
    }
    rows = [{"at": AS_OF[0] - number * DAY, "amount": 100} for number in range(20)]
    people = [PersonFacts(number, activity={"purchase": rows[:number]}) for number in range(1, 8)]
    for most, engine in ((0, True), (7, True), (10**6, False)):
        monkeypatch.setattr(singly, "MOST_VALUES", most)
        walk = Walk(connection)
        walk.step(Moment(AS_OF[0], conditions, people))
        fewer = [replace(people[0], activity={"purchase": rows[:9]}), *people[1:]]
        assert walk.before is not None
        whom: list[object] = []

        def ask(rules: RuleSet, tables: Tables, whom: list[object] = whom, **more: Any) -> Evaluation:
            whom.append(tables)
            return evaluate(connection, rules, tables, as_of=AS_OF[0], zone=ZONE, **more)

        with relations(connection, fewer, VOCABULARY) as tables:
            told = renew(
                connection,
                rule_set(conditions),
                replace(tables, by_person=by_person(fewer, tables)),
                before=walk.before,
                changed=Changed(BitMap(), {"purchase": BitMap([1])}),
                as_of=AS_OF[0],
                zone=ZONE,
                ask=ask,
            )
        assert told.evaluation.members == {
            "spent": BitMap([1, 5, 6, 7]), "best": BitMap([1, 7]), "often": BitMap(range(1, 8)),
        }  # fmt: skip
        assert bool(whom) is engine


def test_where_no_time_has_passed_nobody_is_asked_but_who_changed(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    moving = compiled("days since purchase / score > 3")
    people = [
        PersonFacts(number, {"score": 10**6}, {"purchase": [{"at": AS_OF[0] - number * DAY}]})
        for number in range(1, 8)
    ]
    walk = Walk(connection)
    walk.step(Moment(AS_OF[0], {"moving": moving}, people))
    people[0] = replace(people[0], activity={"purchase": [{"at": AS_OF[0] - 30 * DAY}]})
    before = walk.before
    assert before is not None
    for later in (0 * DAY, DAY):
        with relations(connection, people, VOCABULARY) as tables:
            ask = partial(evaluate, connection, as_of=AS_OF[0] + later, zone=ZONE)
            told = renew(
                connection,
                rule_set({"moving": moving}),
                tables,
                before=before,
                changed=Changed(BitMap(), {"purchase": BitMap([1])}),
                as_of=AS_OF[0] + later,
                zone=ZONE,
                ask=ask,
            )
            everybody = ask(rule_set({"moving": moving}), tables)
        assert told.evaluation.members == everybody.members
        assert bool(told.in_full) is bool(later), "whom time changes is not known of this one"
