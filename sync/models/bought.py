"""Who bought what, out of the lake: pairs of people and items, and what somebody bought again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sync.config.modelling import OffersSettings
from sync.models.log import DAY_US, Ints, Log, date_of
from sync.store.shapes import quoted

_AMONG = "bought_among"
OFTEN, LATEST = "often", "latest"
_FIRST = {OFTEN: "days DESC, latest DESC, item", LATEST: "latest DESC, days DESC, item"}
"""Of what somebody bought on two days or more which is bought next: by how often, or what was bought last."""


@dataclass(frozen=True, slots=True)
class Bought:
    """The things bought of one log, by the field that names them."""

    log: Log
    settings: OffersSettings

    def source(self) -> str | None:
        """SQL with a row (person, us, item) per thing bought; None if no order has the field."""
        log, items = self.log, self.settings.items
        columns = log.lake.columns("activity")
        if items not in columns:
            return None
        name = quoted(items)
        one = f"unnest({name})" if str(columns[items]).startswith("list") else name
        return (
            f'(SELECT person, us, item FROM (SELECT person, epoch_us("at") AS us, {one} AS item'
            f" FROM {log.activity(self.settings.activity)})"
            f" WHERE item IS NOT NULL AND item <> '' AND us <= {log.as_of_us})"
        )

    def extent(self) -> dict[str, Any]:
        """How much there is, as JSON; `first`: its first day."""
        source = self.source()
        first, last, people, things = 0, 0, 0, 0
        if source is not None:
            query = f"SELECT min(us), max(us), count(DISTINCT person), count(*) FROM {source}"
            first, last, people, things = self.log.database.execute(query).fetchall()[0]
        if not things:
            return {"from": None, "to": None, "people": 0, "orders": 0}
        days = first // DAY_US, last // DAY_US
        return {
            "from": str(date_of(days[0])),
            "to": str(date_of(days[1])),
            "people": people,
            "orders": things,
            "first": days[0],
        }

    def people(self, *, until: int, after: int | None = None) -> Ints:
        """Who bought anything up to the end of that day, and after the day `after`; ascending."""
        query = f"SELECT DISTINCT person::BIGINT AS person FROM {self._when(until, after)} ORDER BY person"
        found: Ints = self.log.database.sql(query).to_arrow_table()["person"].to_numpy()
        return found

    def pairs(
        self, people: NDArray[np.int32] | Ints, *, until: int, after: int | None = None
    ) -> tuple[Ints, list[str]]:
        """Who of these bought what up to the end of that day, and after the day `after`: each pair once, by
        person, then item. Nobody else's leave the lake."""
        database = self.log.database
        database.register(_AMONG, pa.table({"person": pa.array(people, pa.int32())}))
        table = database.sql(
            f"""SELECT DISTINCT person::BIGINT AS person, item FROM {self._when(until, after)}
            SEMI JOIN {_AMONG} USING (person) ORDER BY person, item"""
        ).to_arrow_table()
        database.unregister(_AMONG)
        coded = table["item"].combine_chunks().dictionary_encode()
        names = coded.dictionary.to_pylist()  # so that each text is there once
        return table["person"].to_numpy(), [names[place] for place in coded.indices.to_numpy()]

    def _when(self, until: int, after: int | None) -> str:
        since = "" if after is None else f" AND us >= {(after + 1) * DAY_US}"
        return f"(SELECT * FROM {self.source()} WHERE us < {(until + 1) * DAY_US}{since})"

    def again(
        self, by: str, *, until: int, people: NDArray[np.int32] | None = None
    ) -> tuple[Ints, list[str]]:
        """Of who bought anything on two days or more, that item; of several, the first `by` OFTEN or
        LATEST."""
        table = self.log.database.sql(f"{self._again(by, until, people)} ORDER BY person").to_arrow_table()
        return table["person"].to_numpy(), table["item"].to_pylist()

    def again_tried(self, split: int) -> tuple[int, dict[str, float]]:
        """People who had bought anything on two days or more by the end of the day `split`, and which share
        of them bought the item that either choice names afterwards."""
        hits, since = dict[str, float](), (split + 1) * DAY_US
        for by in _FIRST:
            query = f"""WITH told AS ({self._again(by, split, None)}),
                later AS (SELECT DISTINCT person, item FROM {self.source()} WHERE us >= {since})
                SELECT count(*), count(later.item) FROM told LEFT JOIN later USING (person, item)"""
            people, hit = self.log.database.execute(query).fetchall()[0]
            hits[by] = hit / people if people else 0.0
        return int(people), hits

    def _again(self, by: str, until: int, people: NDArray[np.int32] | None) -> str:
        return f"""SELECT person::BIGINT AS person, item FROM (SELECT person, item,
                count(DISTINCT us // {DAY_US}) AS days, max(us // {DAY_US}) AS latest FROM {self.source()}
                WHERE us < {(until + 1) * DAY_US}{_between(people)} GROUP BY person, item)
            WHERE days >= 2
            QUALIFY row_number() OVER (PARTITION BY person ORDER BY {_FIRST[by]}) = 1"""


def _between(people: NDArray[np.int32] | None) -> str:
    return "" if people is None else f" AND person BETWEEN {int(people[0])} AND {int(people[-1])}"
