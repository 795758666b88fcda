"""What people did, out of the lake, as columns of numbers: orders by person and day, up to one instant.

Read once into a temporary table, which spills to disk; asked for by ranges of person numbers, so that memory
stays bounded however many people there are. Days are days of UTC since 1970-01-01.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from sync.config.modelling import OrderModel
from sync.store.lake import Lake
from sync.store.shapes import quoted

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
Ints = NDArray[np.int64]
DAY_US = 86_400_000_000
BUCKET = 1 << 18
"""So many person numbers are looked at together."""
_SEED = 20_261
LINK, LEAST_LINKS = "url", 3
"""The field of a click that tells which link it was; of so many links a message must have some clicked."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Log:
    """The lake's activity up to an instant. Use it with one session of DuckDB, and close that afterwards.

    `told`: what models in use tell, for models that come after them: fact → of these people, their own; None
    and NaN where it is missing.
    """

    def __init__(self, lake: Lake, database: duckdb.DuckDBPyConnection, *, as_of: dt.datetime) -> None:
        self.lake, self.database = lake, database
        self.as_of_us = (as_of - _EPOCH) // dt.timedelta(microseconds=1)
        self.today = self.as_of_us // DAY_US
        self._kept: dict[Hashable, object] = {}
        self._tables = 0
        self.told: dict[str, Callable[[NDArray[np.int32]], NDArray[np.object_]]] = {}

    def activity(self, kind: str) -> str:
        """SQL to put after FROM: what people did of a kind, without anybody who has no row in `people`.

        The lake also has the activity of those who are kept out or were deleted: nothing is told of them,
        and nothing by them.
        """
        lake = self.lake
        there = lake.relation("people", only=("person",))
        return f"(SELECT * FROM {lake.relation('activity', kind)} SEMI JOIN {there} USING (person))"

    def people(self) -> Iterator[NDArray[np.int32]]:
        """Everybody's numbers, ascending, in pieces."""
        query = f"SELECT person FROM {self.lake.relation('people')} ORDER BY person"
        everybody = self.database.sql(query).to_arrow_table()["person"].to_numpy()
        edges = np.flatnonzero(np.diff(everybody // BUCKET)) + 1
        for piece in np.split(everybody, edges):
            if len(piece):
                yield piece.astype(np.int32)

    def fill(self, name: str, query: Callable[[str], str]) -> None:
        """A temporary table of what a query finds, one piece of people after the other, so that what it holds
        meanwhile stays bounded. query: SQL, given a condition to put after AND."""
        spans = [f"person BETWEEN {people[0]} AND {people[-1]}" for people in self.people()] or ["false"]
        self.database.execute(f"CREATE TEMP TABLE {name} AS {query(spans[0])}")
        for span in spans[1:]:
            self.database.execute(f"INSERT INTO {name} {query(span)}")

    def fresh(self, name: str) -> str:
        """A name for a temporary table that nothing else has."""
        self._tables += 1
        return f"{name}_{self._tables}"

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is made once and then found by its key."""
        if key not in self._kept:
            self._kept[key] = make()
        return cast("T", self._kept[key])

    def by_people(self, click: str, message: str, did: str) -> str:
        """SQL to put after WHERE: of the clicks `did` all but those of who clicked every link of a letter, as
        scanners do. Links are those that anybody clicked; of fewer than three clicking all proves nothing."""
        if not {LINK, message} <= set(self.lake.columns("activity")):
            return "true"
        scanners = self.kept(("scanners", click, message), lambda: self._scanners(click, quoted(message)))
        return f"""NOT EXISTS (SELECT 1 FROM {scanners} AS scanner
            WHERE scanner.person = {did}.person AND scanner.message = {did}.message)"""

    def _scanners(self, click: str, message: str) -> str:
        name, link = self.fresh("scanners"), quoted(LINK)
        self.database.execute(
            f"""CREATE TEMP TABLE {name} AS
            WITH clicked AS (SELECT DISTINCT person, {message} AS message, {link} AS link
                FROM {self.activity(click)} WHERE {message} IS NOT NULL AND {link} IS NOT NULL
                AND epoch_us("at") <= {self.as_of_us}),
            links AS (SELECT message, count(DISTINCT link) AS links FROM clicked GROUP BY message)
            SELECT person, message FROM clicked JOIN links USING (message) WHERE links >= {LEAST_LINKS}
            GROUP BY person, message, links HAVING count(*) = links"""
        )
        return name

    def orders(self, model: OrderModel) -> Orders:
        """What the model calls orders, read when first asked for."""
        key = model.activity, model.amount, model.free_orders
        return self.kept(key, lambda: self._read(*key, name=self.fresh("orders")))

    def _read(self, activity: str, amount: str, free_orders: bool, *, name: str) -> Orders:
        value = quoted(amount) if amount in self.lake.columns("activity") else "NULL::BIGINT"
        counts = "value >= 0" if free_orders else "value > 0"
        self.database.execute(
            f"""CREATE TEMP TABLE {name} AS
            SELECT person, (us // {DAY_US})::INTEGER AS day, max(us) AS last, count(*) AS orders,
                sum(coalesce(value, 0))::BIGINT AS value
            FROM (SELECT person, epoch_us("at") AS us, {value} AS value
                FROM {self.activity(activity)})
            WHERE us <= {self.as_of_us} AND (value IS NULL OR {counts}) GROUP BY ALL"""
        )
        return Orders(self.database, name)


@dataclass(frozen=True, slots=True)
class Orders:
    """Orders by person and day. An order without an amount counts, with the value 0."""

    database: duckdb.DuckDBPyConnection
    table: str

    def extent(self) -> Extent:
        """How much there is."""
        query = "SELECT min(day), max(day), count(DISTINCT person), coalesce(sum(orders), 0)::BIGINT"
        first, last, people, orders = self.database.execute(f"{query} FROM {self.table}").fetchall()[0]
        return Extent(first, last, int(people), int(orders))

    def totals(self, people: NDArray[np.int32] | None = None, *, until: int | None = None) -> Totals:
        """By person, ascending; of the numbers from the first to the last of `people`, and of the orders up
        to the end of the day `until`."""
        days = "" if until is None else f" WHERE day <= {until}"
        found = self._columns(
            f"""SELECT person::BIGINT AS person, max(last) AS last, sum(orders)::BIGINT AS orders,
            sum(value)::BIGINT AS value FROM (SELECT * FROM {self.table}{_between(people)}){days}
            GROUP BY person ORDER BY person"""
        )
        return Totals(**found)

    def days(self, people: NDArray[np.int32] | None = None) -> Mapping[str, Ints]:
        """Columns `person`, `day`, `value`, by person, then day."""
        return self._columns(
            f"""SELECT person::BIGINT AS person, day::BIGINT AS day, value
            FROM {self.table}{_between(people)} ORDER BY person, day"""
        )

    def histories(
        self, *, until: int, after: int | None = None, people: NDArray[np.int32] | None = None
    ) -> Histories:
        """By person, ascending, of the orders up to the end of the day `until`, and after the day `after`."""
        since = "" if after is None else f" AND day > {after}"
        return Histories(
            **self._columns(
                f"""SELECT person::BIGINT AS person, min(day)::BIGINT AS first, max(day)::BIGINT AS last,
                count(*) AS days, sum(value)::BIGINT AS value, arg_min(value, day)::BIGINT AS first_value
                FROM (SELECT * FROM {self.table}{_between(people)}) WHERE day <= {until}{since}
                GROUP BY person ORDER BY person"""
            )
        )

    def _columns(self, query: str) -> dict[str, Ints]:
        table = self.database.sql(query).to_arrow_table()
        return {name: table[name].to_numpy() for name in table.column_names}


@dataclass(frozen=True, slots=True)
class Extent:
    """First and last day (None: there is no order), and how many people and orders."""

    first: int | None
    last: int | None
    people: int
    orders: int

    def document(self) -> dict[str, object]:
        """As JSON."""
        days = {"from": self.first, "to": self.last}
        return {
            **{name: None if day is None else str(date_of(day)) for name, day in days.items()},
            "people": self.people,
            "orders": self.orders,
        }


@dataclass(frozen=True, slots=True)
class Totals:
    """One row per person who ordered: the instant of the last order (µs), how many, and their value."""

    person: Ints
    last: Ints
    orders: Ints
    value: Ints

    def of(self, people: NDArray[np.int32]) -> Totals:
        """One row for each of these (ascending): 0 orders for who is not there."""
        if not len(self.person):
            nothing = np.zeros(len(people), np.int64)
            return Totals(people.astype(np.int64), nothing, nothing, nothing)
        row = np.minimum(np.searchsorted(self.person, people), len(self.person) - 1)
        there = self.person[row] == people
        last, orders, value = (
            np.where(there, column[row], 0) for column in (self.last, self.orders, self.value)
        )
        return Totals(people.astype(np.int64), last, orders, value)


@dataclass(frozen=True, slots=True)
class Histories:
    """One row per person: the first and the last day with an order, how many, their value and the first's."""

    person: Ints
    first: Ints
    last: Ints
    days: Ints
    value: Ints
    first_value: Ints


def drawn(person: Ints, most: int) -> NDArray[np.bool_]:
    """Which of these different people are in a draw of `most` (of fewer: all): the same ones in whichever
    order, machine and version."""
    if len(person) <= most:
        return np.ones(len(person), np.bool_)
    # each number has another mixed one, so none is drawn before another by the order they come in: Wellons
    # 2018, "Prospecting for hash functions", lowbias32
    mixed = person.astype(np.uint32) ^ np.uint32(_SEED)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        mixed = (mixed ^ (mixed >> np.uint32(shift))) * np.uint32(factor)
    mixed ^= mixed >> np.uint32(16)
    found = np.zeros(len(person), np.bool_)
    found[np.argpartition(mixed, most)[:most]] = True
    return found


def date_of(day: int) -> dt.date:
    """The date of a day since 1970-01-01."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=day)


def _between(people: NDArray[np.int32] | None) -> str:
    if people is None:
        return ""
    return f" WHERE person BETWEEN {int(people[0])} AND {int(people[-1])}"
