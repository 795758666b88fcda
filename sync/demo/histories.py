"""The CDNOW purchase histories, read from the `lifetimes` wheel without importing it.

Real purchases of people who bought their first CD at CDNOW in the first quarter of 1997, followed to
1998-06-30 (Fader and Hardie, brucehardie.com). An order is one line of the file: several of one day stay
several orders. Lines of 0 USD stay orders too. Of other numbers of people than the two files have, each has
the history of one customer of the whole file, drawn once each as long as there are any.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distribution
from itertools import groupby
from pathlib import Path

LAST_DAY = dt.date(1998, 6, 30)
"""Last day of the histories."""


SEED = "segsync histories 1"
_MISSING = "the demo's purchase histories are not installed: pip install --no-deps lifetimes==0.11.3"


class Selection(StrEnum):
    """SAMPLE: 2,357 people with 6,919 orders, every tenth of the 23,570 with 69,659 of ALL."""

    SAMPLE = "sample"
    ALL = "all"


People = Selection | int
"""Whose histories: one of the two files, or so many people."""


def chosen(text: str) -> People:
    """What a person wrote: "sample", "all" or a number; ValueError if it is none of these."""
    if text in list(Selection):
        return Selection(text)
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ValueError(f"people: {' or '.join(Selection)} or a number above 0, not {text}")
    return int(text)


class HistoriesMissing(Exception):
    """The package with the histories is not installed; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """One line of the file: customer number as written (leading zeros), day as given, CDs, US dollars."""

    customer: str
    day: dt.date
    items: int
    total: Decimal


def path_of(selection: Selection) -> Path:
    """Where the file lies; HistoriesMissing if the package is not there."""
    name = "CDNOW_sample.txt" if selection is Selection.SAMPLE else "CDNOW_master.txt"
    try:
        path = Path(str(distribution("lifetimes").locate_file(f"lifetimes/datasets/{name}")))
    except PackageNotFoundError:
        raise HistoriesMissing(_MISSING) from None
    if not path.is_file():
        raise HistoriesMissing(_MISSING)
    return path


def read(people: People) -> Iterator[Purchase]:
    """Every purchase by customer, then by day. The same people for the same number, on every machine."""
    if isinstance(people, Selection):
        yield from _of_file(people)
        return
    everyone = [list(own) for _, own in groupby(_of_file(Selection.ALL), key=lambda p: p.customer)]
    choice = random.Random(SEED)
    order = choice.sample(range(len(everyone)), len(everyone))
    for place in sorted(order[:people]):
        yield from everyone[place]
    for number in range(len(everyone) + 1, people + 1):
        own = everyone[choice.randrange(len(everyone))]
        yield from (replace(purchase, customer=f"{number:05d}") for purchase in own)


def _of_file(selection: Selection) -> Iterator[Purchase]:
    days: dict[str, dt.date] = {}
    for line in path_of(selection).read_text(encoding="ascii").splitlines():
        parts = line.split()
        if not parts or not parts[0].isdigit():
            continue  # the header line of the whole file
        customer, (day, items, total) = parts[0], parts[-3:]
        if day not in days:
            days[day] = dt.date(int(day[:4]), int(day[4:6]), int(day[6:]))
        yield Purchase(customer, days[day], int(items), Decimal(total))
