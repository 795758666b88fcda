"""How results reach a person or a script: text with tables, or JSON. Progress bars on a terminal only."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sync.progress import SILENT, Progress

if TYPE_CHECKING:
    from rich.console import Console


_KEPT, _SHORT = 40, 12
"""So wide the first column stays before texts of others are broken, and before words of others are."""
_BESIDE = 3
"""What a column takes besides its text."""


class Format(StrEnum):
    """`json` prints exactly one document on standard output."""

    TEXT = "text"
    JSON = "json"


def minute(instant: str | None) -> str:
    """An instant of a JSON document as tables show it, to the minute; a dash for none."""
    return "–" if instant is None else instant[:16].replace("T", " ")


FormatOption = Annotated[Format, typer.Option("--format", help="text for people, json for scripts")]


def console(*, stderr: bool = False) -> Console:
    """A console that wraps nothing when it is not a terminal, so that output can be searched."""
    from rich.console import Console

    shown = Console(stderr=stderr, highlight=False, soft_wrap=True)
    if not shown.is_terminal:
        shown = Console(stderr=stderr, highlight=False, soft_wrap=True, width=160)
    return shown


def emit_json(document: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")


def say(text: str = "") -> None:
    """A line for people, shown as it is: neither [brackets] nor :100: mean anything."""
    console().print(text, markup=False, emoji=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people: numbers right, with thousands separated.

    Where it is wider than the console, texts are broken between words, and the name in the first column, by
    which a row is found, last of all. Where not even its words fit, each row is told line by line.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    told = [[cell(value) for value in row] for row in rows]
    on = console()
    widths = _widths([columns, *told], on.width)
    shown = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    if sum(widths) + _BESIDE * len(columns) + 1 > on.width:
        shown.show_header = False
        for first, *values in told:
            shown.add_row(Text(columns[0]), Text(first, style="bold"))
            for place, value in enumerate(values, 1):
                shown.add_row(Text(f"  {columns[place]}"), Text(value), end_section=place == len(values))
        on.print(shown)
        return
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(
            isinstance(row[index], int | float) or row[index] is None for row in rows
        )
        shown.add_column(column, justify="right" if numeric else "left", overflow="fold", width=widths[index])
    for row in told:
        shown.add_row(*(Text(value) for value in row))
    on.print(shown)


def _widths(lines: Sequence[Sequence[str]], console: int) -> list[int]:
    """How wide each column is: as it wants, or so that no word is broken, and who lacks little gets it first.

    More than there is room for if not even the words fit.
    """
    from rich.cells import cell_len

    columns = list(zip(*lines, strict=True))
    room = console - _BESIDE * len(columns) - 1
    natural = [max(cell_len(text) for text in column) for column in columns]
    if sum(natural) <= room:
        return natural
    longest = min(_KEPT, console // 4)
    words = [
        max((cell_len(word) for text in column for word in text.split()), default=0) for column in columns
    ]
    widths = [min(word, longest) for word in words]
    widths[0] = min(natural[0], longest, max(_SHORT, room - sum(widths[1:])))
    spare = max(room - sum(widths), 0)
    by_lack = sorted(range(len(widths)), key=lambda index: natural[index] - widths[index])
    for place, index in enumerate(by_lack):
        given = min(natural[index] - widths[index], spare // (len(widths) - place))
        widths[index] += given
        spare -= given
    return widths


def cell(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)


class _Bar:
    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.progress import Progress as RichProgress

        self.bar = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console(stderr=True),
            transient=True,
        )
        self.task = self.bar.add_task("", total=None)

    def step(self, name: str, total: int | None = None) -> None:
        self.bar.reset(self.task, description=name, total=total, completed=0)

    def advance(self, units: int = 1) -> None:
        self.bar.advance(self.task, units)


@contextmanager
def progress(output: Format) -> Iterator[Progress]:
    """A bar on standard error if that is a terminal and the output is for people; else nothing."""
    if output is Format.JSON or not sys.stderr.isatty():
        yield SILENT
        return
    shown = _Bar()
    with shown.bar:
        yield shown
