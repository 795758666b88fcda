"""Periods: symbolic here, resolved to half-open ranges by `rules.engine.periods` with as_of and zone."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import TypeAlias

from rules.ir.nodes import Node


class Unit(StrEnum):
    """`HOUR`, `DAY`, `WEEK` are 1, 24, 168 hours; `MONTH`, `YEAR` are calendar months, clamped."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class CalendarUnit(StrEnum):
    """Calendar periods in the business zone; weeks start on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Ever(Node):
    """Every instant up to and including as_of."""


class Last(Node):
    """Instants: as_of − n·unit < x <= as_of. Dates: today − n·unit < x <= today."""

    n: int
    unit: Unit


class Next(Node):
    """Instants: as_of <= x < as_of + n·unit. Dates: today <= x < today + n·unit. Facts only."""

    n: int
    unit: Unit


class Ago(Node):
    """`between n and m days ago` (n < m): as_of − m·unit < x <= as_of − n·unit; dates likewise by today."""

    n: int
    m: int
    unit: Unit


class Between(Node):
    """From `start` (inclusive, None: open) to `end` (exclusive, None: open).

    The language has turned `since D`, `before D`, `after D`, `on D`, `from D to D` (both days inclusive)
    into this; a date bound means midnight in the business zone when the value is an instant.
    """

    start: dt.date | dt.datetime | None
    end: dt.date | dt.datetime | None


class Calendar(Node):
    """The whole calendar unit `shift` units from now: this = 0, last = −1, next = +1. Today: DAY, 0."""

    unit: CalendarUnit
    shift: int


Period: TypeAlias = Ever | Last | Next | Ago | Between | Calendar
