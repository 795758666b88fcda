"""Draws the evaluation's figures as one SVG: who needs how much, and how ours grows with the people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.evaluation.sizes import LIMIT_MB, LIMITED, PEOPLE
from tests.benchmarks.figures import Figure

PLACE = Path(__file__).parents[1] / "evaluation.svg"
SIDES = {
    "ours": "segsync",
    "by_hand": "one banded query by hand",
    "query_per_rule": "a query per rule",
    "pandas": "pandas",
    "rule_engine": "rule-engine, features given",
    "json_logic": "json-logic, features given",
}
_OURS, _OTHERS, _LINE, _TEXT = "#1b6ca8", "#9a9a9a", "#d8d8d8", "#333333"
_HEIGHT, _TOP, _BOTTOM = 300, 60, 48


def draw(figures: Sequence[Figure], place: Path = PLACE) -> None:
    """Writes the picture."""
    values = {figure.name.removeprefix("evaluation."): figure.value for figure in figures}
    people = next(figure.against for figure in figures if figure.name == "evaluation.ours.cpu")
    parts = [_sides(values, people), _growth(values, 460, "cpu", "CPU seconds, 100 rules")]
    parts.append(_growth(values, 780, "peak_memory", "peak memory in MB, 100 rules"))
    place.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1080 {_HEIGHT}" font-family="sans-serif"'
        f' font-size="11" fill="{_TEXT}">\n<rect width="1080" height="{_HEIGHT}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n",
        encoding="utf-8",
    )


def _sides(values: Mapping[str, float], people: str) -> str:
    """A dot for every side, in CPU seconds for everybody; a library's are worked out of its sample."""
    found = {name: values[f"{name}.cpu"] for name in SIDES if f"{name}.cpu" in values}
    rules, asked = (int(text.split()[0]) for text in people.split(", ")[:2])
    for name in SIDES:
        if name not in found:
            found[name] = values[f"{name}.per_person_and_rule"] * rules * asked / 1e6
    scale = _Scale(found.values(), 175, 420)
    parts = [_text(10, 24, f"CPU seconds, {people}", bold=True)]
    for second in scale.ticks():
        x = scale(second)
        parts.append(_line(x, _TOP - 8, x, _HEIGHT - _BOTTOM))
        parts.append(_text(x, _HEIGHT - _BOTTOM + 16, f"{second:g}", anchor="middle"))
    step = (_HEIGHT - _TOP - _BOTTOM) / len(SIDES)
    for number, (name, label) in enumerate(SIDES.items()):
        y, colour = _TOP + step * (number + 0.5), _OURS if name == "ours" else _OTHERS
        parts += [_text(10, y + 4, label), _dot(scale(found[name]), y, colour)]
        parts.append(_text(scale(found[name]) + 9, y + 4, _short(found[name])))
    return "\n".join(parts)


def _growth(values: Mapping[str, float], left: float, what: str, title: str) -> str:
    """A line over the numbers of people; apart from it, what less memory came to."""
    points = {people: values[f"{people}_people.{what}"] for people in PEOPLE}
    little = values[f"{LIMITED}_people_little_memory.{what}"]
    across = _Scale(PEOPLE, left + 40, left + 265)
    up = _Scale([*points.values(), little], _HEIGHT - _BOTTOM, _TOP)
    parts = [_text(left, 24, title, bold=True)]
    for tick in up.ticks():
        parts.append(_line(left + 36, up(tick), left + 275, up(tick)))
        parts.append(_text(left + 30, up(tick) + 4, f"{tick:g}", anchor="end"))
    for people in PEOPLE:
        label = f"{people // 1000}k" if people < 1_000_000 else f"{people // 1_000_000}M"
        parts.append(_text(across(people), _HEIGHT - _BOTTOM + 16, label, anchor="middle"))
    parts.append(_text(left + 150, _HEIGHT - 10, "people, ten events each", anchor="middle"))
    path = " ".join(f"{across(people):.1f},{up(value):.1f}" for people, value in points.items())
    parts.append(f'<polyline points="{path}" fill="none" stroke="{_OURS}" stroke-width="2"/>')
    for people, value in points.items():
        parts += [_dot(across(people), up(value), _OURS)]
        parts.append(_text(across(people) - 8, up(value) - 8, _short(value), anchor="end"))
    for x, y in ((across(LIMITED), up(little)), (left + 5, 36)):
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#ffffff" stroke="{_OURS}" stroke-width="2"/>'
        )
    parts.append(_text(left + 14, 40, f"{_short(little)} with a limit of {LIMIT_MB} MB for DuckDB"))
    return "\n".join(parts)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class _Scale:
    """Logarithmic, from the power of ten below the least to that above the most."""

    def __init__(self, values: Iterable[float], start: float, end: float) -> None:
        numbers = list(values)
        self.low, self.high = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers)))
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        share = (math.log10(value) - self.low) / max(self.high - self.low, 1)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """The powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def _text(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{text}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{_LINE}"/>'


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
