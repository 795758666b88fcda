"""Few people looked at one by one: what they were before counts as it does where everybody is asked."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest
from pyroaring import BitMap

from rules import ir
from rules.engine import Evaluation, Tables, evaluate
from rules.engine.incremental import Before, Changed, renew
from rules.engine.person import PersonFacts
from rules.engine.relations import relations
from rules.engine.standing import Memory, Standing
from rules.ruleset import RuleSet
from tests.rules.engine.agreement import rule_set
from tests.rules.engine.generated_people import AS_OF, DAY, ZONE
from tests.rules.engine.test_ahead import compiled
from tests.rules.engine.test_incremental import by_person
from tests.rules.vocabulary import VOCABULARY

NOW = AS_OF[0]
FOR_DAYS = ir.HeldSegment("buyers", 3, ir.Unit.DAY)
CONDITIONS: dict[str, ir.Predicate] = {
    "buyers": compiled("count(purchase) >= 1"),
    "for_days": FOR_DAYS,
    "faithful": ir.Lasting(
        "faithful", compiled("count(purchase) >= 3"), compiled("count(email_click) >= 1"), 48
    ),
}
WERE = {"buyers": BitMap(range(1, 7)), "for_days": BitMap([1, 2]), "faithful": BitMap([1, 2, 3, 4])}
MEMORY = Memory(
    {"faithful": Standing(WERE["faithful"], BitMap([1, 2]))},  # these two entered less than two days ago
    {FOR_DAYS.key: BitMap([2, 5, 7])},
)
MEMBERS = {
    "buyers": BitMap(range(1, 7)),  # 7 has bought nothing
    "for_days": BitMap([2, 5]),
    # 1 clicked and is held; 2 is held; 3 clicked and left; 4 stays on; 5 was never in; 6 enters
    "faithful": BitMap([1, 2, 4, 6]),
}


@pytest.mark.parametrize("singly", [True, False])
def test_who_was_in_held_or_entered_lately_is_told_of_each(singly: bool) -> None:
    people = [
        PersonFacts(
            number,
            activity={
                "purchase": [{"at": NOW - DAY, "amount": 100}] * {6: 3, 7: 0}.get(number, 1),
                "email_click": [{"at": NOW - DAY}] * (number in (1, 3)),
            },
        )
        for number in range(1, 8)
    ]
    rules, connection, asked = rule_set(CONDITIONS), duckdb.connect(), list[Evaluation]()

    def ask(rules: RuleSet, tables: Tables, **more: object) -> Evaluation:
        asked.append(
            evaluate(
                connection,
                rules,
                tables,
                as_of=NOW,
                zone=ZONE,
                standing=MEMORY.standing,
                held={FOR_DAYS: MEMORY.held[FOR_DAYS.key]},
                **more,  # type: ignore[arg-type]
            )
        )
        return asked[-1]

    with relations(connection, people, VOCABULARY) as tables:
        told = renew(
            connection,
            rules,
            replace(tables, by_person=by_person(people, tables)),
            before=Before(
                NOW, WERE, {name: one.version for name, one in rules.segments.items()}, memory=MEMORY
            ),
            changed=Changed(BitMap(range(1, 8)), {}),
            as_of=NOW,
            zone=ZONE,
            ask=ask,
            memory=MEMORY,
            most_singly=7 if singly else 0,
        )
    assert told.evaluation.members == MEMBERS
    assert bool(asked) is not singly
