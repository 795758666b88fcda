"""Charts as SVG inside a page: bars, differences to both sides, sizes and measures over time. Text in, text
out.

Each has a title and a description for who cannot see it, writes its numbers beside its marks, and needs
neither script nor anything fetched. What it shows stands in a table of the page, too: labels are cut here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from unicodedata import east_asian_width

MORE, LESS, LINE = "#0072B2", "#D55E00", "#57606A"
"""At least 3:1 on white; more and less also differ by side and sign."""
_WIDE, _ROW, _LABEL, _TEXT = 680, 24, 250, 70
_NARROW, _BESIDE, _SHORTEST, _DIGIT = 460, 80, 165, 8.5
"""What is drawn over time fits a phone: its width, the least room for a value on either side, the shortest
line (longer than its two dates), and how wide a digit may be."""
_ROOM, _CAPITAL, _FULL_WIDTH = 31.0, 1.4, 1.8
"""What a label has room for, in small letters of the widest usual font; how many of these others take."""

Row = tuple[str, float, str]
"""A label, a value, and the value as text."""


def bars(rows: Sequence[Row], *, id_: str, title: str, about: str) -> str:
    """Horizontal bars from 0; the longest fills the width."""
    most = max((value for _, value, _ in rows), default=0.0) or 1.0
    room = _WIDE - _LABEL - _TEXT
    drawn = []
    for place, (label, value, text) in enumerate(rows):
        top, wide = place * _ROW, room * value / most
        drawn.append(_label(label, top))
        drawn.append(_bar(_LABEL, top, wide, MORE))
        drawn.append(_said(text, _LABEL + wide + 6, top))
    return _svg(drawn, height=len(rows) * _ROW, id_=id_, title=title, about=about)


def differences(rows: Sequence[Row], *, id_: str, title: str, about: str) -> str:
    """Bars to the left and to the right of a middle line, which is everybody."""
    most = max((abs(value) for _, value, _ in rows), default=0.0) or 1.0
    half = (_WIDE - _LABEL) / 2
    middle, room = _LABEL + half, half - _TEXT
    drawn = [f'<path d="M{middle:.0f} 0V{len(rows) * _ROW}" stroke="{LINE}" stroke-width="1"/>']
    for place, (label, value, text) in enumerate(rows):
        top, wide = place * _ROW, room * abs(value) / most
        drawn.append(_label(label, top))
        drawn.append(_bar(middle if value > 0 else middle - wide, top, wide, MORE if value > 0 else LESS))
        if value > 0:
            drawn.append(_said(text, middle + wide + 6, top))
        else:
            drawn.append(_said(text, middle - wide - 6, top, anchor="end"))
    return _svg(drawn, height=len(rows) * _ROW, id_=id_, title=title, about=about)


def steps(points: Sequence[tuple[float, int]], *, id_: str, title: str, about: str) -> str:
    """A size over time (seconds): it holds until the next one, nothing is smoothed. From 0 upwards."""
    wide, high, pad = 390, 60, 6
    first, last = points[0][0], points[-1][0]
    most = max(size for _, size in points) or 1

    def across(at: float) -> float:
        return pad + (wide - 2 * pad) * ((at - first) / (last - first) if last > first else 1)

    def up(size: int) -> float:
        return pad + (high - 2 * pad) * (1 - size / most)

    line = f"M{across(first):.1f} {up(points[0][1]):.1f}"
    line += "".join(f"H{across(at):.1f}V{up(size):.1f}" for at, size in points[1:])
    end = points[-1]
    drawn = [
        f'<path d="M{pad} {high - pad}H{wide - pad}" stroke="{LINE}" stroke-width="0.5"/>',
        f'<path d="{line}" fill="none" stroke="{MORE}" stroke-width="2"/>',
        f'<circle cx="{across(end[0]):.1f}" cy="{up(end[1]):.1f}" r="3" fill="{MORE}"/>',
        f'<text x="{wide + 4}" y="{up(end[1]) + 6:.1f}">{end[1]:,}</text>',
    ]
    width = wide + _TEXT
    return _svg(drawn, width=width, height=high, id_=id_, title=title, about=about, kind="time")


@dataclass(frozen=True, slots=True)
class Dot:
    """A value at a time (seconds), with its interval where there is one."""

    at: float
    value: float
    low: float | None = None
    high: float | None = None


def course(
    dots: Sequence[Dot],
    *,
    said: Callable[[float], str],
    ends: tuple[str, str],
    id_: str,
    title: str,
    about: str,
) -> str:
    """Values over time, from the lowest to the highest there is; what lies between two is not known, the line
    only leads the eye. `said`: a value as text; `ends`: the first and the last time as text."""
    high, pad, foot = 90, 8, 22
    first, last = dots[0].at, dots[-1].at
    known = [value for dot in dots for value in (dot.value, dot.low, dot.high) if value is not None]
    least, most = min(known), max(known)
    left = max(_BESIDE, round(8 + _DIGIT * max(len(said(least)), len(said(most)))))
    beyond = max(_BESIDE, round(8 + _DIGIT * len(said(dots[-1].value))))
    right = max(_NARROW - beyond, left + _SHORTEST)

    def across(at: float) -> float:
        return left + (right - left) * ((at - first) / (last - first) if last > first else 1)

    def up(value: float) -> float:
        return pad + (high - 2 * pad) * (0.5 if most == least else 1 - (value - least) / (most - least))

    places = [f"{across(dot.at):.2f} {up(dot.value):.1f}" for dot in dots]
    drawn = [
        f'<path d="M{left} {up(value):.1f}H{right}" stroke="{LINE}" stroke-width="0.5"/>'
        f'<text x="{left - 8}" y="{up(value) + 5:.1f}" text-anchor="end">{escape(said(value))}</text>'
        for value in sorted({least, most})
    ]
    drawn += [
        f'<path d="M{across(dot.at):.1f} {up(dot.low):.1f}V{up(dot.high):.1f}" stroke="{LINE}"/>'
        for dot in dots
        if dot.low is not None and dot.high is not None
    ]
    drawn.append(f'<path d="M{"L".join(places)}" fill="none" stroke="{MORE}" stroke-width="2"/>')
    drawn += [
        f'<circle cx="{across(dot.at):.2f}" cy="{up(dot.value):.1f}" r="2.5" fill="{MORE}"/>' for dot in dots
    ]
    drawn.append(
        f'<text x="{right + 8}" y="{up(dots[-1].value) + 5:.1f}">{escape(said(dots[-1].value))}</text>'
    )
    drawn += [
        f'<text x="{x}" y="{high + foot - 8}" text-anchor="{anchor}">{escape(text)}</text>'
        for x, anchor, text in zip((left, right), ("start", "end"), ends, strict=True)
    ]
    width = right + beyond
    return _svg(drawn, width=width, height=high + foot, id_=id_, title=title, about=about, kind="time")


def _svg(
    drawn: Sequence[str],
    *,
    height: int,
    id_: str,
    title: str,
    about: str,
    width: int = _WIDE,
    kind: str = "compared",
) -> str:
    return (
        f'<svg class="{kind}" role="img" aria-labelledby="{id_}-title {id_}-about"'
        f' viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<title id="{id_}-title">{escape(title)}</title>'
        f'<desc id="{id_}-about">{escape(about)}</desc>{"".join(drawn)}</svg>'
    )


def _bar(left: float, top: int, wide: float, colour: str) -> str:
    return f'<rect x="{left:.1f}" y="{top + 4}" width="{wide:.1f}" height="{_ROW - 8}" fill="{colour}"/>'


def _label(text: str, top: int) -> str:
    wide = list(accumulate(map(_letters, text)))
    fits = bisect_right(wide, _ROOM)
    shown = text if fits == len(text) else f"{text[: bisect_right(wide, _ROOM - 1)]}…"
    return _said(shown, _LABEL - 8, top, anchor="end")


def _letters(one: str) -> float:
    """How many small letters a character is about as wide as."""
    if east_asian_width(one) in "WF":
        return _FULL_WIDTH
    return _CAPITAL if one.isupper() else 1.0


def _said(text: str, left: float, top: int, *, anchor: str = "start") -> str:
    return f'<text x="{left:.1f}" y="{top + 16}" text-anchor="{anchor}">{escape(text)}</text>'
