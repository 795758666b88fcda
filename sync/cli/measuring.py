"""The command that shows what runs measured of segments over time: kpis."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.output import Format, FormatOption, emit_json, say, table
from sync.cli.running import config_of

if TYPE_CHECKING:
    from sync.store.kpis import Point

_BARS = "▁▂▃▄▅▆▇█"
_LONGEST = 30
"""Marks in a line of bars: the latest points."""


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(kpis)


def kpis(
    context: typer.Context,
    segment: Annotated[str | None, typer.Argument(help="the segment's id; none: the latest of all")] = None,
    since: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="from this day on, such as 2026-01-31")
    ] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """What runs measured of segments over time. Asks nobody, changes nothing.

    Exit codes: 0 shown; 1 no such segment, or nothing measured yet; 2 wrong usage.
    """
    from sync.run.measures_told import document, told
    from sync.run.workspace import Workspace

    with Workspace.open(config_of(context)) as workspace:
        found = told(workspace, segment, since=None if since is None else since.date())
        currency = workspace.settings.business.currency
    if output is Format.JSON:
        segments = [{"segment": name, "points": document(points)} for name, points in found.items()]
        emit_json({"currency": currency, "segments": segments})
    elif segment is None:
        _all(found, currency)
    else:
        _one(segment, found.get(segment, ()), currency)


def spark(values: Sequence[float | None]) -> str:
    """The latest values as bars from the lowest to the highest of them; a blank where there is none."""
    shown = values[-_LONGEST:]
    known = [value for value in shown if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    step = (high - low) / (len(_BARS) - 1)
    return "".join(
        " " if value is None else _BARS[round((value - low) / step) if step else 0] for value in shown
    )


def trends(points: Sequence[Point]) -> list[list[object]]:
    """A row for each measure that was ever taken: the first and the latest value, and how it went."""
    from sync.measures import MEASURES, said
    from sync.run.measures_told import why

    rows: list[list[object]] = []
    for name, one in MEASURES.items():
        values = [point.value(name) for point in points]
        if any(name in point.values for point in points):
            latest = points[-1].values.get(name)
            first = next((value for value in values if value is not None), None)
            now = said(name, None if latest is None else latest.value)
            if latest is not None and latest.value is None:
                now = f"not measured: {why(latest)}"
            interval = ""
            if latest is not None and latest.low is not None:
                interval = f"{said(name, latest.low)} to {said(name, latest.high)}"
            rows.append([one.words, said(name, first), now, interval, spark(values)])
    return rows


def rest_on_few(latest: Mapping[str, Point]) -> None:
    """Say whose ROI rests on the largest spenders. `latest`: by segment."""
    from sync.measures import outlier_driven

    for segment, point in latest.items():
        resting = outlier_driven(point.values)
        if resting is not None:
            say(f"warning exp.outlier_driven: {segment}: {resting}")


def _one(segment: str, points: Sequence[Point], currency: str) -> None:
    """The trend of each measure, then a line for each run that measured."""
    from sync.measures import MEASURES, said

    say(f"{segment}: {len(points)} points; money in {currency}")
    if not points:
        return
    table("Trends", ["", "first", "latest", "95 % interval", "trend"], trends(points))
    rest_on_few({segment: points[-1]})
    names = [
        name
        for name, one in MEASURES.items()
        if one.few and any(point.value(name) is not None for point in points)
    ]
    table(
        "By run",
        ["run", "as of", *(MEASURES[name].words for name in names)],
        (
            [
                str(point.run),
                f"{point.as_of:%Y-%m-%d %H:%M}",
                *(said(name, point.value(name)) for name in names),
            ]
            for point in points
        ),
    )


def _all(found: Mapping[str, Sequence[Point]], currency: str) -> None:
    """Every segment's latest point."""
    from sync.measures import MEASURES, said

    latest = {name: points[-1] for name, points in found.items()}
    names = [
        name
        for name, one in MEASURES.items()
        if one.few and any(point.value(name) is not None for point in latest.values())
    ]
    days = {segment: f"{point.as_of:%Y-%m-%d}" for segment, point in latest.items()}
    (day,) = set(days.values()) if len(set(days.values())) == 1 else ("",)
    table(
        f"The latest of each segment{f', as of {day}' if day else ''}; money in {currency}",
        [
            "segment",
            *([] if day else ["as of"]),
            *(MEASURES[name].words for name in names),
            "people over time",
        ],
        (
            [
                segment,
                *([] if day else [days[segment]]),
                *(said(name, point.value(name)) for name in names),
                spark([one.value("size") for one in found[segment]]),
            ]
            for segment, point in latest.items()
        ),
    )
    rest_on_few(latest)
