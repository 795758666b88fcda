"""What runs measured of a segment, as charts with their numbers beside them; and what of it may be told.

Nothing is told of fewer than 30 people: of no run at which fewer were in the segment, or outside, and no
value that rests on fewer. Of how many entered and left only the counts are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from html import escape

from rules.models.traits import SUPPORT
from sync.measures import MEASURES, WHY, Unit, outlier_driven, said
from sync.profiles.charts import Dot, course
from sync.profiles.markup import date, day, figure, table
from sync.store.kpis import Kpi, Point

_COUNTS = frozenset({"size", "entered", "left"})
_CHARTED = tuple(name for name, one in MEASURES.items() if one.few and name != "size")
MOST_ROWS = 31
"""Runs in a table: the latest."""


def tellable(points: Sequence[Point], *, everybody: int) -> list[Point]:
    """Points without what tells of few people."""
    return [
        replace(point, values={name: _guarded(one) for name, one in point.values.items()})
        for point in points
        if (size := point.value("size")) is not None
        and size >= SUPPORT
        and not 0 < everybody - size < SUPPORT
    ]


def over_time(points: Sequence[Point], *, everybody: int, id_: str, currency: str) -> Iterator[str]:
    """The part of a page: a chart for each measure with two values, then a table of all."""
    told = tellable(points, everybody=everybody)
    names = [name for name in _CHARTED if any(point.value(name) is not None for point in told)]
    if not names:
        return
    yield "<h3>Over time</h3>"
    if charts := [line for name in names for line in _chart(told, name, id_, currency)]:
        yield '<p class="quiet">Lines run from the lowest to the highest that was measured, not from 0.</p>'
    yield from charts
    shown = told[-MOST_ROWS:]
    yield table(
        "As runs measured it" if len(shown) == len(told) else f"The latest {MOST_ROWS} runs that measured",
        ["as of", "people", *(_words(name, currency) for name in names)],
        (
            [date(point.as_of), *(escape(said(name, point.value(name))) for name in ("size", *names))]
            for point in shown
        ),
    )
    resting = outlier_driven(told[-1].values)
    if resting is not None:
        yield f'<p class="quiet">Read the ROI of the latest run with care: {escape(resting)}.</p>'
    missing = [one for one in told[-1].values.values() if one.value is None and one.name in _CHARTED]
    if missing:
        listed = "; ".join(f"{_words(one.name)}: {WHY.get(one.why or '', one.why)}" for one in missing)
        yield f'<p class="quiet">Not measured by the latest run: {escape(listed)}.</p>'


def _chart(points: Sequence[Point], name: str, id_: str, currency: str) -> Iterator[str]:
    known = [
        (point.as_of, one)
        for point in points
        if (one := point.values.get(name)) is not None and one.value is not None
    ]
    if len(known) < 2:
        return
    dots = [Dot(at.timestamp(), one.value or 0.0, one.low, one.high) for at, one in known]
    ends = day(known[0][0]), day(known[-1][0])
    about = (
        f"{said(name, dots[0].value)} on {ends[0]}, {said(name, dots[-1].value)} on {ends[1]};"
        f" lowest {said(name, min(dot.value for dot in dots))},"
        f" highest {said(name, max(dot.value for dot in dots))}."
    )
    words = _words(name, currency)
    caption = f"{words[:1].upper()}{words[1:]}: {about}"
    if any(dot.low is not None for dot in dots):
        caption += " Upright lines: 95 % intervals."
    drawn = course(
        dots,
        said=partial(said, name),
        ends=ends,
        id_=f"{id_}-{name}",
        title=f"{words} over time",
        about=about,
    )
    yield figure(drawn, caption)


def _words(name: str, currency: str = "") -> str:
    one = MEASURES[name]
    return f"{one.words}, {currency}" if one.unit is Unit.MONEY and currency else one.words


def _guarded(one: Kpi) -> Kpi:
    if one.name in _COUNTS or one.value is None or one.people is None or one.people >= SUPPORT:
        return one
    return Kpi(one.name, None, why="few_people")
