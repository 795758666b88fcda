"""Traps are collected from the tests and asked together: one evaluation per engine for all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count

import pytest

from rules import ir
from rules.engine.person import PersonFacts
from tests.rules.engine.agreement import by_duckdb, by_python
from tests.rules.engine.conformance.engines import by_spark
from tests.spark import on_spark

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
on_every_engine = pytest.mark.parametrize(
    "engine", ["python", "duckdb", pytest.param("spark", marks=on_spark)]
)
_ROOM = 10_000
"""Numbers of people for each trap."""
_traps: list[Trap] = []


@dataclass(frozen=True, slots=True)
class Trap:
    """Some people, and conditions that only they can meet: whoever is ranked is ranked among them."""

    number: int
    people: Sequence[PersonFacts]
    conditions: Mapping[str, ir.Predicate]

    def on(self, engine: str) -> dict[str, set[int]]:
        """Which of them meet each condition."""
        found, first = _asked(engine), self.number * _ROOM
        return {
            name: {person - first for person in found[f"{self.number} {name}"] if 0 <= person - first < _ROOM}
            for name in self.conditions
        }


def trap(people: Sequence[PersonFacts], **conditions: ir.Predicate) -> Trap:
    """One more, with people numbered from 0."""
    made = Trap(next(_numbers), people, conditions)
    _traps.append(made)
    return made


_numbers = count()


@cache
def _asked(engine: str) -> dict[str, set[int]]:
    people = [replace(one, person=trap.number * _ROOM + one.person) for trap in _traps for one in trap.people]
    conditions = {
        f"{trap.number} {name}": condition for trap in _traps for name, condition in trap.conditions.items()
    }
    if engine == "python":
        return by_python(conditions, people, as_of=AS_OF)
    found = (by_spark if engine == "spark" else by_duckdb)(conditions, people, as_of=AS_OF)
    return {name: set(bitmap) for name, bitmap in found.members.items()}
