"""Satisfaction: a score that people gave, in a fact or activity that the user names; never without how many
answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap

from rules.models.columns import Notice, Severity
from rules.models.worth.wilson import wilson
from rules.vocabulary import Type
from sync.config.measuring import SCALES, ScaleSettings
from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.models.log import Log
from sync.run.measured import MILLIONTHS, Column, column, of_members
from sync.run.workspace import Workspace
from sync.run.worth import Satisfaction
from sync.store.shapes import quoted
from sync.whereabouts import bitmap

LEAST_ANSWERS = 30
_SHOWN = 5
_HAPPY = {"nps": 9, "csat": 4}
_UNHAPPY = 6
"""Of NPS: up to this a detractor."""


@dataclass(frozen=True, slots=True)
class Read:
    """Each person's answer, and who was asked (None: everybody)."""

    given: Column
    asked: BitMap | None

    def asked_of(self, members: BitMap) -> BitMap:
        """Of these people."""
        return members if self.asked is None else members & self.asked


@dataclass(frozen=True, slots=True)
class Answers:
    """`scale`: "nps" (0 to 10) or "csat" (1 to 5). What lies outside is no answer."""

    scale: str
    told: ScaleSettings

    def read(self, log: Log) -> Read:
        """Everybody's answer up to the log's instant: of activity the latest."""
        lake, told = log.lake, self.told
        name, table = (told.fact, "people") if told.fact is not None else (told.field or "", "activity")
        if name not in lake.columns(table):  # named since the last run
            found = Column(np.zeros(0, np.int64), np.zeros(0))
        elif table == "people":
            found = column(log.database, lake.relation(table), name, unit=MILLIONTHS)
        else:
            found = self._latest(log, quoted(name))
        low, high = SCALES[self.scale]
        good = (found.value >= low) & (found.value <= high)
        asked = None
        if told.asked is not None:
            rows = f"SELECT DISTINCT person FROM {log.activity(told.asked)}"
            asked = bitmap(log.database, f"{rows} WHERE {self._lately(log)}")
        return Read(Column(found.person[good], found.value[good]), asked)

    def of(self, read: Read, members: BitMap) -> Satisfaction:
        """Of these people; hidden with fewer than 30 answers."""
        values = of_members(read.given, members)
        asked = read.asked_of(members)
        count, answered = len(values), len(of_members(read.given, asked))
        rate = answered / len(asked) if asked else 0.0
        if count < LEAST_ANSWERS:
            return Satisfaction(self.scale, count, rate, None, {})
        happy = wilson(int(np.count_nonzero(values >= _HAPPY[self.scale])), count)
        if self.scale == "csat":
            return Satisfaction(self.scale, count, rate, 100 * happy.value, {"satisfied": happy})
        unhappy = wilson(int(np.count_nonzero(values <= _UNHAPPY)), count)
        score = 100 * (happy.part - unhappy.part) / count
        return Satisfaction(self.scale, count, rate, score, {"promoters": happy, "detractors": unhappy})

    def _latest(self, log: Log, name: str) -> Column:
        """Answers in activity: each person's latest one that has a number."""
        rows = log.activity(self.told.activity or "")
        latest = f"""(SELECT person, arg_max({name}, ("at", event_id)) AS answer FROM {rows}
            WHERE {name} IS NOT NULL AND {self._lately(log)} GROUP BY person)"""
        return column(log.database, latest, "answer", unit=MILLIONTHS)

    def _lately(self, log: Log) -> str:
        """Not after the log's instant, and not longer before it than counts."""
        first = log.as_of_us - self.told.within_s * 1_000_000
        return f"""epoch_us("at") > {first} AND epoch_us("at") <= {log.as_of_us}"""

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
    """Scale → its answers, as the config says; `given`: scale → another fact. UserError if that is none, or
    no number of a person's own."""
    vocabulary, _ = workspace.vocabulary()
    for scale, name in given.items():
        fact = vocabulary.fields.get(name)
        if fact is None:
            near = did_you_mean(name, vocabulary.fields) or "; `segsync vocabulary` lists all"
            raise UserError(f"--{scale}: there is no fact {name}{near}")
        if fact.type is not Type.NUMBER or name not in workspace.store.lake.columns("people"):
            low, high = SCALES[scale]
            raise UserError(
                f"--{scale}: {name} is no number that people give; name a fact from {low} to {high}"
            )
    named = {scale: ScaleSettings(fact=name) for scale, name in given.items()}
    told = {**workspace.settings.measuring.satisfaction, **named}
    return {scale: Answers(scale, told[scale]) for scale in SCALES if scale in told}
