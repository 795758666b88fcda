"""Generated people, with values on purpose near the edges: windows, month ends, daylight saving, ties,
missing facts, scripts that fold oddly, huge numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from rules import ir
from rules.engine.person import PersonFacts
from rules.text import clean, fold
from rules.vocabulary import Type
from tests.rules.vocabulary import DEAL_KINDS, KINDS, PEOPLE_FIELDS, RECORDS

ZONE = "Europe/Berlin"
BERLIN = ZoneInfo(ZONE)
DAY = dt.timedelta(days=1)
US = dt.timedelta(microseconds=1)

AS_OF = (
    dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC),
    dt.datetime(2024, 2, 29, 23, 30, tzinfo=dt.UTC),  # 1 March in Berlin
    dt.datetime(2025, 3, 30, 1, tzinfo=dt.UTC),  # the very change to summer time
    dt.datetime(2025, 10, 26, 0, 30, tzinfo=dt.UTC),  # the first of two half past twos
    dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC),  # midnight of the new year in Berlin
    dt.datetime(2025, 5, 31, 12, 0, 0, 1, tzinfo=dt.UTC),  # a month end
)
TEXTS = (
    "DE",
    "de",
    "Straße",
    "STRASSE",
    "İstanbul",
    "ΣΑΣ",
    "σας",
    "Zoe\u0308",
    "Zo\u00eb",
    "a.b",
    "it's",
    "東京",
    "x y",
)
PATTERNS = ("^DE$", "(?i)stra(ß|ss)e", "Zo.$", "s.*y|^a", "[^a-z]", r"\.", "")
NUMBERS = (0, 1, -1, 1_000_000, 2_500_000, -3_000_000, 2**53 + 1, -(2**53) - 2, 2**63 - 1, -(2**63))
MONEY = (0, 1, 99, 100, 500_00, -250, 2**53 + 1, -(2**53) - 3, 2**63 - 1, -(2**63))
NORTHS = (0, 48_140_000, 48_140_001, -48_140_000, 89_999_999, 90_000_000, -90_000_000, 1)
EASTS = (0, 11_580_000, 11_580_001, 179_999_999, 180_000_000, -180_000_000, -11_580_000, -1)
"""Coordinates in millionths of degrees, also of the poles and the date line."""
COUNTS = (1, 2, 3, 12, 30, 90)
PARTS = (*(fold(text) for text in TEXTS), "s", "\u00eb", "stra", "")
SHARES = (0, 1, 70_000, 100_000, 333_333, 500_000, 1_000_000)
FUNCTIONS = ir.AggregateFunction


def instants(as_of: dt.datetime) -> st.SearchStrategy[dt.datetime]:
    """Instants on, just before and just after the edges that periods have, and some in between."""
    local = as_of.astimezone(BERLIN)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    edges = [as_of - n * DAY for n in (0, 1, 2, 3, 7, 12, 30, 90, 365)]
    edges += [as_of + n * DAY for n in (1, 7, 30)] + [as_of - dt.timedelta(hours=n) for n in (1, 2, 3, 12)]
    edges += [(midnight + n * DAY).astimezone(dt.UTC) for n in (-7, -1, 0, 1)]
    edges += [
        dt.datetime(year, month, 1, tzinfo=BERLIN).astimezone(dt.UTC)
        for year in (2024, 2025, 2026)
        for month in (1, 3, 4)
    ]
    edges += [dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC), dt.datetime(1969, 7, 20, tzinfo=dt.UTC)]
    moves = st.sampled_from([dt.timedelta(0), US, -US, dt.timedelta(hours=1)])
    near = st.builds(lambda edge, move: edge + move, st.sampled_from(edges), moves)
    return near | st.builds(lambda s: as_of - dt.timedelta(seconds=s), st.integers(-(10**6), 4 * 10**7))


def dates(as_of: dt.datetime) -> st.SearchStrategy[dt.date]:
    """Days around today, month ends, leap days."""
    today = as_of.astimezone(BERLIN).date()
    near = st.sampled_from([today + n * DAY for n in (-90, -31, -30, -7, -3, -2, -1, 0, 1, 2, 3, 7, 30)])
    fixed = st.sampled_from(
        [dt.date(1988, 2, 29), dt.date(1990, 2, 28), dt.date(1985, 3, 1), dt.date(2024, 12, 31)]
    )
    return near | fixed | st.dates(dt.date(1930, 1, 1), dt.date(2030, 12, 31))


def physical(type_: Type, as_of: dt.datetime) -> st.SearchStrategy[object]:
    """A known value of a type, as stored; few different ones, so that people tie."""
    small_numbers, small_money = (
        st.integers(-2, 5).map(lambda n: n * 500_000),
        st.integers(-3, 6).map(lambda n: n * 50),
    )
    strategies: dict[Type, st.SearchStrategy[object]] = {
        Type.TEXT: st.sampled_from(TEXTS).map(clean),
        Type.NUMBER: small_numbers | st.sampled_from(NUMBERS),
        Type.MONEY: small_money | st.sampled_from(MONEY),
        Type.BOOLEAN: st.booleans(),
        Type.DATE: dates(as_of),
        Type.DATETIME: instants(as_of),
        Type.TEXTS: st.lists(st.sampled_from(TEXTS).map(clean), max_size=3),
    }
    return strategies[type_]


FIELD_TYPES = {name: field.type for name, field in PEOPLE_FIELDS.items()}
KIND_TYPES = {
    kind: {n: f.type for n, f in KINDS[kind].fields.items()} for kind in ("purchase", "email_click")
}
DEAL_TYPES = {name: field.type for name, field in RECORDS["deal"].fields.items()}
T = TypeVar("T")


@cache
def _one_of(options: tuple[T, ...], _types: tuple[type, ...]) -> st.SearchStrategy[T]:
    return st.sampled_from(options)


@cache
def value_of(type_: Type, as_of: dt.datetime) -> st.SearchStrategy[object]:
    return physical(type_, as_of)


class Generator:
    """Draws people and nodes. Draws one by one: combining strategies into deep trees is far slower."""

    def __init__(self, draw: st.DrawFn, as_of: dt.datetime) -> None:
        self.draw, self.as_of = draw, as_of

    def pick(self, options: Sequence[T]) -> T:
        """One of the options; the simplest first."""
        return self.draw(
            _one_of(tuple(options), tuple(map(type, options)))
        )  # 0 and False are equal, but not the same

    def chance(self, one_in: int) -> bool:
        """True in one of so many draws."""
        return self.pick(range(one_in)) == one_in - 1

    # ── people ──

    def facts(self, fields: dict[str, Type]) -> dict[str, object]:
        """Values for the fields, about a fifth of them missing."""
        found = {
            name: None if self.chance(5) else self.draw(value_of(type_, self.as_of))
            for name, type_ in fields.items()
        }
        for name, points in (("latitude", NORTHS), ("shop.longitude", EASTS)):
            if name in found and not self.chance(4):
                found[name] = self.pick(points)
        return found

    def people(self) -> list[PersonFacts]:
        """A few people, numbered with gaps."""
        return [self.person(number * 3) for number in range(self.pick((1, 3, 6, 8)))]

    def person(self, number: int) -> PersonFacts:
        """One person with some activity."""
        activity = {
            kind: [
                {"at": self.draw(value_of(Type.DATETIME, self.as_of)), **self.facts(types)}
                for _ in range(self.pick((0, 1, 2, 4)))
            ]
            for kind, types in KIND_TYPES.items()
        }
        activity |= {kind: [self.deal() for _ in range(self.pick((0, 1, 2)))] for kind in DEAL_KINDS}
        return PersonFacts(
            person=number,
            facts=self.facts(FIELD_TYPES),
            activity=activity,
            suppressed=self.pick((False, True)),
            consented={"email": self.pick((None, True, False))},
            lists=frozenset(self.pick(((), ("newsletter:spring",)))),
        )

    def deal(self) -> dict[str, object]:
        """One state of one of two deals, often at the same instant as others; or of none."""
        at = self.as_of - self.pick((0, 1, 1, 30, -1)) * DAY
        return {**self.facts(DEAL_TYPES), "at": at, "deal": self.pick(("d-1", "D-1", "d-1", None))}
