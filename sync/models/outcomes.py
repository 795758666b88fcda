"""Deliveries out of the lake, one by one, and whether each was answered.

An answer belongs to the latest delivery of the same message to that person before it; where activity does not
tell which message, to the latest delivery of all. Only deliveries whose time to be answered is over are here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Bools
from rules.models.engagement import SCANNER_S
from sync.models.log import DAY_US, Ints, Log
from sync.store.shapes import quoted

SECOND_US = 1_000_000


class Outcomes:
    """A temporary table, read once. answers: kinds of activity; within_s: in so many seconds after; after: of
    deliveries after that day alone."""

    def __init__(
        self,
        log: Log,
        *,
        sent: str,
        answers: Sequence[str],
        message: str,
        within_s: int,
        after: int | None = None,
    ) -> None:
        self.log, self.message = log, message
        self.since = "" if after is None else f' AND epoch_us("at") >= {(after + 1) * DAY_US}'
        self.table = log.fresh("outcomes")
        within = within_s * SECOND_US

        def answered(span: str) -> str:
            did = " UNION ALL ".join(
                f"SELECT * FROM {self._of(kind, log.as_of_us, span)} AS did"
                f" WHERE {log.by_people(kind, message, 'did')}"
                for kind in answers
            )
            return f"""WITH sent AS (SELECT DISTINCT * FROM {self._of(sent, log.as_of_us - within, span)}),
                answered AS (SELECT DISTINCT sent.person, sent.message, sent.us FROM ({did}) AS did
                    ASOF JOIN sent
                    ON did.person = sent.person AND did.message = sent.message AND did.us >= sent.us
                    WHERE did.us - sent.us > {SCANNER_S * SECOND_US} AND did.us - sent.us <= {within})
                SELECT sent.person, sent.us, answered.us IS NOT NULL AS answered
                FROM sent LEFT JOIN answered USING (person, message, us)"""

        log.fill(self.table, answered)

    def _of(self, kind: str, until_us: int, span: str) -> str:
        told = quoted(self.message) if self.message in self.log.lake.columns("activity") else "NULL::VARCHAR"
        return f"""(SELECT person, coalesce({told}, '') AS message, epoch_us("at") AS us
            FROM {self.log.activity(kind)} WHERE epoch_us("at") <= {until_us}{self.since} AND {span})"""

    def extent(self) -> tuple[int | None, int | None, int, int]:
        """First and last day (None: there is no delivery), people, and how many."""
        query = f"""SELECT min(us) // {DAY_US}, max(us) // {DAY_US}, count(DISTINCT person), count(*)
            FROM {self.table}"""
        first, last, people, count = self.log.database.execute(query).fetchall()[0]
        return first, last, int(people), int(count)

    def rows(self, people: NDArray[np.int32]) -> tuple[Ints, Ints, Bools]:
        """Person, instant (seconds since 1970) and whether it was answered, of the numbers from the first to
        the last of `people`; in any order."""
        table = self.log.database.sql(
            f"""SELECT person::BIGINT AS person, us // {SECOND_US} AS at_s, answered FROM {self.table}
            WHERE person BETWEEN {int(people[0])} AND {int(people[-1])}"""
        ).to_arrow_table()
        return table["person"].to_numpy(), table["at_s"].to_numpy(), table["answered"].to_numpy()

    def by_person(self) -> tuple[Ints, Ints, Ints]:
        """Person (ascending), deliveries, and how many of these were answered."""
        table = self.log.database.sql(
            f"""SELECT person::BIGINT AS person, count(*) AS sent, count(*) FILTER (answered) AS answered
            FROM {self.table} GROUP BY person ORDER BY person"""
        ).to_arrow_table()
        return table["person"].to_numpy(), table["sent"].to_numpy(), table["answered"].to_numpy()
