"""A [[score]] as it stands in a file: its keys and points, checked; its expressions come later."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from rules.language import keys
from rules.language.checks.scores import PointsText, ScoreText
from rules.language.problems import Finding
from rules.language.source import Table
from rules.vocabulary import NUMBER_SCALE

_MOST_POINTS = 100_000
_LONGEST_HALF_LIFE = 1_000
_DAYS = {"day": 1, "week": 7}


@dataclass(slots=True)
class ScoreDraft:
    """A [[score]]; `entries` are the tables that the parts of its text come from."""

    id: str
    table: Table
    text: ScoreText
    entries: tuple[Table, ...]

    def report(self, part: int, finding: Finding) -> None:
        """Note a problem in the expression of a part."""
        self.entries[part].report_in("when" if self.text.parts[part].earned else "if", finding)


def read_score(table: Table) -> ScoreDraft:
    """The score with everything that is wrong with its keys reported."""
    table.check(keys.SCORE, "[[score]]")
    half_life = _half_life(table)
    low, high = _number(table, "at_least", 2**40), _number(table, "at_most", 2**40)
    if low is not None and high is not None and low >= high:
        table.report("at_least", "at_least is not below at_most", on_value=True)
    parts, entries = [], []
    every = list(table.tables("points"))
    if "points" in table.values and not every:
        table.report("points", "[[score]] without points", on_value=True)
    for entry in every:
        entry.check(keys.POINTS, "points")
        points = _number(entry, "points", _MOST_POINTS)
        per_day = entry.values.get("at_most_per_day")
        earned = "when" in entry.place.keys
        if earned == ("if" in entry.place.keys):
            entry.source.report(
                entry.place.at, "points are for either when (an activity) or if (a condition)"
            )
            continue
        if not earned and "at_most_per_day" in entry.values:
            entry.report("at_most_per_day", "at_most_per_day counts activities; if has none, use when")
        if isinstance(per_day, int) and not 1 <= per_day <= 10_000:
            entry.report("at_most_per_day", "at_most_per_day lies between 1 and 10000", on_value=True)
        if points == 0:
            entry.report("points", "0 points change nothing", on_value=True)
        if ("when" if earned else "if") not in entry.values:
            continue
        text = entry.text("when" if earned else "if")
        parts.append(PointsText(text, earned, points or 0, per_day if isinstance(per_day, int) else None))
        entries.append(entry)
    return ScoreDraft(table.text("id"), table, ScoreText(tuple(parts), half_life, low, high), tuple(entries))


def _half_life(table: Table) -> int | None:
    """In days."""
    found = keys.DURATION.fullmatch(table.text("half_life"))
    if found is None:
        return None
    number, unit = found.groups()
    days = int(number) * _DAYS.get(unit, 0)
    if unit == "hour":
        table.report("half_life", 'points fade by the day; write "1 day" or more', on_value=True)
        return None
    if days > _LONGEST_HALF_LIFE:
        table.report("half_life", f"a half-life is at most {_LONGEST_HALF_LIFE} days", on_value=True)
        return None
    return days


def _number(table: Table, key: str, most: int) -> int | None:
    """In millionths."""
    value = table.values.get(key)
    if value is None:
        return None
    number = Decimal(str(value))
    scaled = Fraction(number) * NUMBER_SCALE
    if abs(number) > most:
        table.report(key, f"{key} is beyond {most}", on_value=True)
    elif scaled.denominator != 1:
        table.report(key, f"{key} has more than 6 decimals", on_value=True)
    else:
        return scaled.numerator
    return None
