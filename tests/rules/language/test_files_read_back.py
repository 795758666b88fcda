"""Generated segments that last and scores that fade, written as a file in the admin's units, read back."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import ir
from rules.language import load, render, render_period
from rules.vocabulary import NUMBER_SCALE, Type
from tests.rules.language.written import Written
from tests.rules.vocabulary import VOCABULARY
from tests.thorough import examples

MOST_POINTS = 100_000 * NUMBER_SCALE
WEEK = 7 * 24


class InFiles(Written):
    """Draws what has keys of its own in a file."""

    def score(self) -> ir.Score:
        """One to four parts that fade alike, perhaps between bounds."""
        half_life = self.pick((None, 1, 14, self.whole(1, 1000)))
        parts = tuple(self.pick((self.granted, self.earned))(half_life) for _ in range(self.whole(1, 4)))
        least = self.pick((None, self.whole(-1000, 1000) * NUMBER_SCALE // 8))
        most = None if least is None else least + self.whole(1, 10**9)
        return ir.Score("engagement", parts, least, self.pick((None, most)))

    def points(self) -> int:
        """As fine and as many as they may be."""
        return self.pick((self.whole(1, 100) * NUMBER_SCALE, -self.whole(1, MOST_POINTS)))

    def earned(self, half_life: int | None) -> ir.Earned:
        """Points for activity, perhaps so many a day."""
        per_day = self.pick((None, self.whole(1, 10_000)))
        return ir.Earned(*self.activity(), self.period(), self.points(), per_day, half_life)

    def granted(self, half_life: int | None) -> ir.Granted:
        """Points for a condition, which do not fade."""
        return ir.Granted(self.predicate(1), self.points())

    def about(self, score: ir.Score) -> ir.Predicate:
        """A condition on the score."""
        limit = ir.Literal(self.whole(-(10**9), 10**9), Type.NUMBER)
        ranked = ir.RankShare(ir.Side.TOP, self.whole(1, 10**6), score, ir.Fact("country", Type.TEXT))
        return self.pick((ir.Compare(ir.Comparison.GE, score, limit), ranked, ir.Quintile(5, score, None)))


@st.composite
def lasting(draw: st.DrawFn) -> tuple[ir.Score, ir.Lasting]:
    """A score, and a segment that uses it and has a memory."""
    drawn = InFiles(draw, alone=True)
    score = drawn.score()
    when = drawn.pick((drawn.about(score), ir.Or((drawn.about(score), drawn.predicate(0)))))
    leave_when = drawn.pick((None, drawn.predicate(1)))
    stays = (drawn.whole(1, 52) * WEEK, drawn.whole(1, 365) * 24, drawn.whole(1, 365 * 24))
    stay = drawn.pick(stays if leave_when is None else (None, *stays))
    return score, ir.Lasting("regulars", when, leave_when, stay)


def written(score: ir.Score, segment: ir.Lasting) -> str:
    """The file, with times in hours, days and weeks by turns."""
    text = '[[score]]\nid = "engagement"\n'
    half_life = next((part.half_life for part in score.parts if isinstance(part, ir.Earned)), None)
    keys = {
        "half_life": _length(None if half_life is None else half_life * 24),
        "at_least": _number(score.at_least),
        "at_most": _number(score.at_most),
        "points": "[" + ", ".join(_part(part) for part in score.parts) + "]",
    }
    text += _lines(keys) + '[[segment]]\nid = "regulars"\n'
    leave_when = None if segment.leave_when is None else _text(render(segment.leave_when))
    return text + _lines(
        {"when": _text(render(segment.when)), "leave_when": leave_when, "stay": _length(segment.stay)}
    )


def _part(part: ir.ScorePart) -> str:
    if isinstance(part, ir.Granted):
        return f"{{ if = {_text(render(part.condition))}, points = {_number(part.points)} }}"
    when = render(ir.Step(part.kind, part.where, None))
    if not isinstance(part.period, ir.Ever):
        when += f" {render_period(part.period)}"
    most = "" if part.at_most_per_day is None else f", at_most_per_day = {part.at_most_per_day}"
    return f"{{ when = {_text(when)}, points = {_number(part.points)}{most} }}"


def _lines(keys: dict[str, str | None]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in keys.items() if value is not None)


def _length(hours: int | None) -> str | None:
    if hours is None:
        return None
    number, unit = next(
        (hours // per, unit) for per, unit in ((WEEK, "week"), (24, "day"), (1, "hour")) if hours % per == 0
    )
    return f'"{number} {unit}{"" if number == 1 else "s"}"'


def _number(millionths: int | None) -> str | None:
    return None if millionths is None else f"{Decimal(millionths) / NUMBER_SCALE:f}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rules") / "regulars.toml"


@settings(max_examples=examples(500), deadline=None, derandomize=True)
@given(lasting())
def test_a_score_with_decay_and_caps_and_a_segment_that_lasts_read_back_from_a_file(
    file: Path, drawn: tuple[ir.Score, ir.Lasting]
) -> None:
    score, segment = drawn
    file.write_text(written(score, segment), encoding="utf-8")
    loaded = load(file, VOCABULARY)
    assert loaded.ruleset is not None, loaded.problems
    assert loaded.ruleset.segments["regulars"].when == segment
