"""Satisfaction: a score that people gave, in a fact that the user names; never without how many answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pyroaring import BitMap

from rules.models.columns import Notice, Severity
from rules.models.worth.wilson import wilson
from rules.vocabulary import Type
from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.run.measured import MILLIONTHS, Column, column, of_members
from sync.run.workspace import Workspace
from sync.run.worth import Satisfaction
from sync.store.lake import Lake

if TYPE_CHECKING:
    import duckdb

LEAST_ANSWERS = 30
_SHOWN = 5
_ENDS = {"nps": (0, 10), "csat": (1, 5)}
_HAPPY = {"nps": 9, "csat": 4}
_UNHAPPY = 6
"""Of NPS: up to this a detractor."""


@dataclass(frozen=True, slots=True)
class Answers:
    """`scale`: "nps" (0 to 10) or "csat" (1 to 5). What lies outside is no answer."""

    scale: str
    fact: str

    def read(self, lake: Lake, database: duckdb.DuckDBPyConnection) -> Column:
        """Everybody's answer."""
        found = column(database, lake.relation("people"), self.fact, unit=MILLIONTHS)
        low, high = _ENDS[self.scale]
        good = (found.value >= low) & (found.value <= high)
        return Column(found.person[good], found.value[good])

    def of(self, read: Column, members: BitMap) -> Satisfaction:
        """Of these people; hidden with fewer than 30 answers."""
        values = of_members(read, members)
        count = len(values)
        rate = count / len(members) if members else 0.0
        if count < LEAST_ANSWERS:
            return Satisfaction(self.scale, count, rate, None, {})
        happy = wilson(int(np.count_nonzero(values >= _HAPPY[self.scale])), count)
        if self.scale == "csat":
            return Satisfaction(self.scale, count, rate, 100 * happy.value, {"satisfied": happy})
        unhappy = wilson(int(np.count_nonzero(values <= _UNHAPPY)), count)
        score = 100 * (happy.part - unhappy.part) / count
        return Satisfaction(self.scale, count, rate, score, {"promoters": happy, "detractors": unhappy})

    def told_few(self, segments: Sequence[str]) -> Iterator[Notice]:
        """`eval.few_answers`, once for all segments whose score is hidden."""
        if not segments:
            return
        more = f" and {len(segments) - _SHOWN} more" if len(segments) > _SHOWN else ""
        message = (
            f"Fewer than {LEAST_ANSWERS} answered ({self.scale}) in {', '.join(segments[:_SHOWN])}{more}:"
            " the score is not shown; ask more of them before judging."
        )
        evidence: dict[str, float | int | str] = {
            "scale": self.scale,
            "segments": len(segments),
            "need": LEAST_ANSWERS,
        }
        yield Notice("eval.few_answers", Severity.WARNING, message, evidence)


def asked_scales(workspace: Workspace, given: Mapping[str, str]) -> dict[str, Answers]:
    """Scale → its answers. UserError if the fact is none, or no number of a person's own."""
    vocabulary, _ = workspace.vocabulary()
    for scale, name in given.items():
        fact = vocabulary.fields.get(name)
        if fact is None:
            near = did_you_mean(name, vocabulary.fields) or "; `segsync vocabulary` lists all"
            raise UserError(f"--{scale}: there is no fact {name}{near}")
        if fact.type is not Type.NUMBER or name not in workspace.store.lake.columns("people"):
            low, high = _ENDS[scale]
            raise UserError(
                f"--{scale}: {name} is no number that people give; name a fact from {low} to {high}"
            )
    return {scale: Answers(scale, name) for scale, name in given.items()}
