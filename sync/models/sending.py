"""What people were sent and what they did, out of the lake: points and deliveries by person, faded with age.

Sums are of whole millionths, so that they do not depend on the order in which an engine adds. Ages are whole
days of UTC: what fades moves once a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Bools, Floats
from rules.models.engagement import SCANNER_S
from sync.config.modelling import EngagementSettings
from sync.models.log import DAY_US, Ints, Log
from sync.store.shapes import quoted

MILLION = 1_000_000
USUAL: Mapping[str, Decimal] = {
    "email_click": Decimal(1),
    "email_reply": Decimal(2),
    "page_view": Decimal(1),
    "form_submit": Decimal(2),
    "purchase": Decimal(3),
}
"""Points of one activity, of the kinds that there are."""


def usual_points(log: Log, settings: EngagementSettings) -> dict[str, Decimal]:
    """Of the kinds that the lake has."""
    there = {*log.lake.partitions("activity"), settings.click}
    return {kind: worth for kind, worth in USUAL.items() if kind in there}


@dataclass(frozen=True, slots=True)
class Faded:
    """By person, ascending, of those to whom something was sent: points and deliveries by half-life."""

    person: Ints
    points: Mapping[float, Floats]
    exposure: Mapping[float, Floats]
    able: Bools  # to have a score: not suppressed, and something is known of them but opens


class Sending:
    """Two temporary tables, read once: one row per person and day each. `points`: by kind."""

    def __init__(self, log: Log, settings: EngagementSettings, points: Mapping[str, Decimal]) -> None:
        self.log, self.settings, self.points = log, settings, points
        self.sent_days, self.done_days = map(log.fresh, ("sent_days", "done_days"))
        kinds = {**{settings.open: Decimal(0), settings.click: Decimal(0)}, **self.points}

        def sent(span: str) -> str:
            return f"""SELECT person, (us // {DAY_US})::INTEGER AS day, count(*) AS n
                FROM {self._of(settings.sent, span)} GROUP BY ALL"""

        def done(span: str) -> str:
            parts = " UNION ALL BY NAME ".join(
                f"""SELECT DISTINCT person, message, (us // {DAY_US})::INTEGER AS day,
                {int(worth * MILLION)} AS worth, {kind == settings.click} AS click,
                {kind == settings.open} AS open
                FROM {self._by_people(kind, span)}"""
                for kind, worth in kinds.items()
            )
            return f"""SELECT person, day, sum(worth)::BIGINT AS worth, bool_or(click) AS click,
                bool_or(open) AS open, bool_or(NOT open) AS other FROM ({parts}) GROUP BY ALL"""

        log.fill(self.sent_days, sent)
        log.fill(self.done_days, done)

    def _of(self, kind: str, span: str) -> str:
        message = self.settings.message
        told = quoted(message) if message in self.log.lake.columns("activity") else "NULL::VARCHAR"
        return f"""(SELECT person, {told} AS message, epoch_us("at") AS us
            FROM {self.log.activity(kind)} WHERE epoch_us("at") <= {self.log.as_of_us} AND {span})"""

    def _by_people(self, kind: str, span: str) -> str:
        """Without clicks that a security scanner must have made: on every link, or at once. Only the latest
        delivery before each is asked about, or the work would grow by the square of what somebody did."""
        if kind != self.settings.click:
            return self._of(kind, span)
        return f"""(SELECT did.* FROM {self._of(kind, span)} AS did
            ASOF LEFT JOIN {self._of(self.settings.sent, span)} AS sent
            ON did.person = sent.person AND did.message = sent.message AND did.us >= sent.us
            WHERE {self.log.by_people(kind, self.settings.message, "did")}
            AND (sent.us IS NULL OR did.us - sent.us > {SCANNER_S * MILLION}))"""

    def deliveries(self) -> tuple[int | None, int | None, int, int]:
        """First and last day, people, and how many."""
        query = "SELECT min(day), max(day), count(DISTINCT person), coalesce(sum(n), 0)::BIGINT"
        first, last, people, count = self.log.database.execute(f"{query} FROM {self.sent_days}").fetchall()[0]
        return first, last, int(people), int(count)

    def faded(
        self, half_lives: Sequence[float], *, until: int, people: NDArray[np.int32] | None = None
    ) -> Faded:
        """As it stood at the end of the day `until`; of the numbers from first to last of `people`."""
        some = "" if people is None else f" AND person BETWEEN {int(people[0])} AND {int(people[-1])}"
        ages = [f"pow(2.0, ((day - {until}) / {days!r}))" for days in half_lives]
        points = ", ".join(f"sum(round(worth * {age})::BIGINT)::BIGINT AS p{n}" for n, age in enumerate(ages))
        sent = ", ".join(
            f"sum(round(n * {MILLION} * {age})::BIGINT)::BIGINT AS e{n}" for n, age in enumerate(ages)
        )
        everybody = self.log.lake.relation("people")
        table = self.log.database.sql(
            f"""SELECT person::BIGINT AS person, sent.* EXCLUDE person, done.* EXCLUDE person,
                NOT coalesce(opened AND NOT other, false)
                    AND person NOT IN (SELECT person FROM {everybody} WHERE suppressed) AS able
            FROM (SELECT person, {sent} FROM {self.sent_days}
                WHERE day <= {until}{some} GROUP BY person) AS sent
            LEFT JOIN (SELECT person, bool_or(open) AS opened, bool_or(other) AS other, {points}
                FROM {self.done_days} WHERE day <= {until}{some} GROUP BY person) AS done USING (person)
            ORDER BY person"""
        ).to_arrow_table()

        def column(name: str) -> Floats:
            whole: Floats = np.nan_to_num(table[name].to_numpy().astype(np.float64))
            return whole / MILLION

        return Faded(
            table["person"].to_numpy(),
            {days: column(f"p{n}") for n, days in enumerate(half_lives)},
            {days: column(f"e{n}") for n, days in enumerate(half_lives)},
            table["able"].to_numpy(),
        )

    def clickers(self, *, after: int, until: int) -> Ints:
        """Who clicked after the day `after`, up to the end of `until`."""
        table = self.log.database.sql(
            f"""SELECT DISTINCT person::BIGINT AS person FROM {self.done_days}
            WHERE click AND day > {after} AND day <= {until} ORDER BY person"""
        ).to_arrow_table()
        found: Ints = table["person"].to_numpy()
        return found
