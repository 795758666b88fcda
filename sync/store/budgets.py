"""Budgets of accounts in the control database: one row per limit, for all processes and machines together.

The rules are those of `connectors.standing`; here a row is locked, changed and let go of, by the database's
clock, so that everybody takes turns. Calls under way at the same time are rows with an end: whoever dies
loses its place when the lease ends, or at once if it is known to be dead. It must not be called inside a
transaction, and never calls a platform.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from functools import lru_cache

from sqlalchemy import ColumnElement, Connection, TextClause, delete, func, insert, select, text, update

from connectors.budget import Budget
from connectors.pacing import Clock
from connectors.standing import AtOnce, Standing
from sync.store.database import Database
from sync.store.owners import is_dead, me
from sync.store.tables import budget_places

COLUMNS = tuple(field.name for field in fields(Standing))
WAITING_S = 30.0
"""Whoever waits for a place must look again within this time, or is taken for gone."""
SOONEST_S, LATEST_S = 0.02, 1.0
"""Whoever stands in line looks again after a tenth of the time it has waited, within these bounds."""


class DatabaseBudgets:
    """See connectors.budget.Budgets. `now_s`: instead of the database's clock, for time that a test holds."""

    def __init__(self, database: Database, *, clock: Clock, now_s: Callable[[], float] | None = None) -> None:
        self._database = database.unguarded  # what a lost lease has used of the account stays used
        self._clock = clock
        self._now_s = now_s
        self._lock = threading.Lock()
        self._budgets: dict[tuple[str, str], DatabaseBudget] = {}

    def account(self, platform: str, account: str) -> Budget:
        """The budget of this account."""
        with self._lock:
            key = platform, account
            if key not in self._budgets:
                self._budgets[key] = DatabaseBudget(
                    self._database, platform, account, clock=self._clock, now_s=self._now_s
                )
            return self._budgets[key]


class DatabaseBudget(Budget):
    """The rows of one account."""

    def __init__(
        self,
        database: Database,
        platform: str,
        account: str,
        *,
        clock: Clock,
        now_s: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(platform, clock=clock)
        self._database = database
        self._own = {"platform": platform, "account": account}
        self._now_s = now_s
        self._jitter = random.Random()
        now = ":now" if now_s is not None else f"CAST({database.now_sql} AS DOUBLE PRECISION) / 1000"
        self._query = f"SELECT name, {', '.join(COLUMNS)}, {now} AS now FROM budgets" + _OWN + " AND name IN "
        self._locking = "" if database.is_sqlite else " FOR UPDATE"
        self._queries: dict[tuple[int, bool], TextClause] = {}

    # ---- the rows --------------------------------------------------------------------------------

    @contextmanager
    def _changing(
        self, names: Mapping[str, float], *, only_look: bool = False
    ) -> Iterator[tuple[float, dict[str, Standing]]]:
        if only_look:
            with self._database.reading() as connection:
                now_s, standing = self._rows(connection, names, lock=False)
            yield now_s, {name: standing.get(name, Standing()) for name in names}
            return
        with self._database.writing() as connection:
            now_s, standing = self._locked(connection, names)
            yield now_s, standing
            connection.execute(_UPDATE, [self._values(name, one) for name, one in standing.items()])

    def _locked(
        self, connection: Connection, names: Mapping[str, float]
    ) -> tuple[float, dict[str, Standing]]:
        """The rows, made if need be, which nobody else changes until the end of the transaction."""
        now_s, standing = self._rows(connection, names, lock=True)
        if len(standing) < len(names):
            for name in sorted(names.keys() - standing.keys()):
                connection.execute(_INSERT, self._values(name, Standing()))
            now_s, standing = self._rows(connection, names, lock=True)
        return now_s, standing

    def _rows(
        self, connection: Connection, names: Mapping[str, float], *, lock: bool
    ) -> tuple[float, dict[str, Standing]]:
        shape = len(names), lock
        if shape not in self._queries:
            marks = ", ".join(f":n{number}" for number in range(len(names)))
            order = f" ORDER BY name{self._locking}" if lock else ""
            self._queries[shape] = text(f"{self._query}({marks}){order}")
        values: dict[str, object] = {**self._own, **{f"n{n}": name for n, name in enumerate(names)}}
        if self._now_s is not None:
            values["now"] = self._now_s()
        found: dict[str, Standing] = {}
        now_s = 0.0
        for row in connection.execute(self._queries[shape], values):
            now_s = float(row.now)
            found[row.name] = Standing(*row[1:-1])
            found[row.name].look(now_s, seconds=names[row.name])
        return now_s, found

    def _values(self, name: str, standing: Standing) -> dict[str, object]:
        return {**self._own, "name": name, **asdict(standing)}

    # ---- calls at the same time ------------------------------------------------------------------

    def _lease(self, at_once: AtOnce) -> int:
        """Stand in line, in the order of the rows' numbers; the first so many are under way."""
        place, before, most = self._stand(at_once)
        waited_s = said_s = 0.0
        while before >= most:
            pause_s = min(max(SOONEST_S, waited_s / 10), LATEST_S) * self._jitter.uniform(0.5, 1)
            self._clock.sleep(pause_s)
            waited_s += pause_s
            before, most = self._before(at_once, place)
            if before < most or waited_s - said_s > WAITING_S / 3:
                said_s = waited_s
                place, before, most = self._stand(at_once, place)
        return place

    def _give_back(self, lease: int | None) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(budget_places).where(budget_places.c.id == lease))

    def _before(self, at_once: AtOnce, place: int) -> tuple[int, int]:
        """(How many stand before this place, how many may be under way.)"""
        with self._database.reading() as connection:
            _, standing = self._rows(connection, {at_once.name: at_once.seconds}, lock=False)
            return self._count(connection, at_once, place), standing[at_once.name].places(at_once)

    def _stand(self, at_once: AtOnce, place: int | None = None) -> tuple[int, int, int]:
        """Join the line, or say that we still stand in it: (place, how many before it, how many may go)."""
        with self._database.writing() as connection:
            now_s, standing = self._locked(connection, {at_once.name: at_once.seconds})
            most = standing[at_once.name].places(at_once)
            place = self._kept(connection, at_once, place, now_s)
            before = self._count(connection, at_once, place)
            if before >= most and self._clear(connection, at_once, now_s):
                before = self._count(connection, at_once, place)
            if before >= most:
                waiting = {"until_s": now_s + WAITING_S}
                connection.execute(update(budget_places).where(budget_places.c.id == place).values(waiting))
            return place, before, most

    def _kept(self, connection: Connection, at_once: AtOnce, place: int | None, now_s: float) -> int:
        until = {"until_s": now_s + at_once.lease_s}
        if place is not None:
            ours = update(budget_places).where(budget_places.c.id == place).values(until)
            if connection.execute(ours).rowcount:
                return place
        row = {**self._own, "name": at_once.name, "owner": _owner(os.getpid()), **until}
        made = connection.execute(insert(budget_places).values(row)).inserted_primary_key
        assert made is not None  # noqa: S101 - an insert of one row always has one
        return int(made[0])

    def _count(self, connection: Connection, at_once: AtOnce, place: int) -> int:
        query = select(func.count()).where(*self._line(at_once), budget_places.c.id < place)
        return int(connection.execute(query).scalar_one())

    def _clear(self, connection: Connection, at_once: AtOnce, now_s: float) -> bool:
        """Take out whoever is over time or known to be dead."""
        rows = connection.execute(select(budget_places).where(*self._line(at_once))).all()
        gone = [row.id for row in rows if row.until_s < now_s or is_dead(row.owner)]
        if gone:
            connection.execute(delete(budget_places).where(budget_places.c.id.in_(gone)))
        return bool(gone)

    def _line(self, at_once: AtOnce) -> tuple[ColumnElement[bool], ...]:
        own = {**self._own, "name": at_once.name}
        return tuple(budget_places.c[column] == value for column, value in own.items())


@lru_cache(maxsize=1)
def _owner(pid: int) -> dict[str, object]:  # noqa: ARG001 - asked anew after a fork
    return me()


_OWN = " WHERE platform = :platform AND account = :account"
_UPDATE = text(
    f"UPDATE budgets SET {', '.join(f'{name} = :{name}' for name in COLUMNS)}{_OWN} AND name = :name"
)
_ALL = ("platform", "account", "name", *COLUMNS)
_INSERT = text(
    f"INSERT INTO budgets ({', '.join(_ALL)}) VALUES ({', '.join(f':{name}' for name in _ALL)})"
    " ON CONFLICT DO NOTHING"
)
