"""Figures, tables and times of a page, as HTML."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from html import escape


def figure(svg: str, caption: str) -> str:
    """A chart with what it shows."""
    return f'<figure><div class="box">{svg}</div><figcaption>{escape(caption)}</figcaption></figure>'


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterator[list[str]] | Sequence[list[str]],
    *,
    numbers: Sequence[int] = (),
) -> str:
    """`rows`: cells as HTML, the first is the row's head. `numbers`: columns set right; none: all others."""
    right = set(numbers) or set(range(1, len(heads)))

    def cell(place: int, tag: str, text: str, scope: str = "") -> str:
        style = ' class="n"' if place in right else ""
        return f"<{tag}{scope}{style}>{text}</{tag}>"

    head = "".join(cell(place, "th", escape(text), ' scope="col"') for place, text in enumerate(heads))
    body = "".join(
        "<tr>"
        + cell(0, "th", row[0], ' scope="row"')
        + "".join(cell(place, "td", text) for place, text in enumerate(row) if place)
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="box"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def instant(at: dt.datetime) -> str:
    """To the minute."""
    return f'<time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M} UTC</time>'


def date(at: dt.datetime) -> str:
    """A day as a cell of a table has it."""
    return f'<time datetime="{at:%Y-%m-%d}">{day(at)}</time>'


def day(at: dt.datetime) -> str:
    """Of UTC."""
    return f"{at:%Y-%m-%d}"
