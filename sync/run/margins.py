"""What people's orders left, by the table of products that offers go by: `[models.offers.table]`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from rules.models.columns import Floats, Notice, Severity
from rules.vocabulary import MONEY_SCALE
from sync.config.modelling import OffersSettings
from sync.models.log import DAY_US, Log
from sync.models.products import BadTable, read_products
from sync.run.workspace import Workspace
from sync.store.shapes import quoted

_PRODUCTS = "margins_of_products"


@dataclass(frozen=True, slots=True)
class Margins:
    """`by_person`: person number → minor units, None if it is not measured, and `why`. `named`: the share of
    what was bought that the table names; the rest counts for nothing."""

    by_person: Floats | None
    why: str = ""
    named: float = 0.0

    def of(self, members: BitMap) -> int | None:
        """Of these people together."""
        if self.by_person is None:
            return None
        people = np.asarray(members.to_array(), dtype=np.int64)
        return round(float(self.by_person[people[people < len(self.by_person)]].sum()))

    def share(self, members: BitMap) -> float | None:
        """Of everybody's."""
        mine = self.of(members)
        return None if mine is None or self.by_person is None else mine / float(self.by_person.sum())

    def told(self) -> Iterator[Notice]:
        """`eval.margin_partly` where the table lacks something that was bought."""
        if self.by_person is not None and self.named < 1:
            message = (
                f"The table of products names {self.named:.1%} of what was bought: the rest is in no margin."
                " Add what is missing to the table of [models.offers.table]."
            )
            yield Notice("eval.margin_partly", Severity.NOTE, message, {"named": self.named})


def margins(workspace: Workspace, log: Log, *, days: int) -> Margins:
    """Of the orders of the last so many days; refunds (orders that are no orders to the model) left out.

    An order counts each item that it names once, for how many pieces of it is not told.
    """
    offers = workspace.settings.models.get(OffersSettings.name)
    if not isinstance(offers, OffersSettings) or offers.table is None:
        return Margins(None, "say in [models.offers.table] which file tells what a sale of each item leaves")
    columns = log.lake.columns("activity")
    if offers.items not in columns:
        return Margins(None, f'no {offers.activity} names what was bought: the field is "{offers.items}"')
    try:
        products = read_products(offers.table)
    except BadTable as error:
        return Margins(None, str(error))
    left = [float(one.margin * MONEY_SCALE) for one in products.values()]
    table = pa.table({"item": pa.array(list(products), pa.string()), "margin": pa.array(left, pa.float64())})
    items, value = quoted(offers.items), "NULL::BIGINT"
    if offers.amount in columns:
        value = quoted(offers.amount)
    one = f"unnest({items})" if str(columns[offers.items]).startswith("list") else items
    log.database.register(_PRODUCTS, table)
    found = log.database.sql(
        f"""SELECT person::BIGINT AS person, coalesce(sum(margin), 0) AS margin, count(*) AS things,
            count(margin) AS named
        FROM (SELECT person, {one} AS item FROM (SELECT *, epoch_us("at") AS us, {value} AS paid
                FROM {log.activity(offers.activity)})
            WHERE us <= {log.as_of_us} AND us >= {(log.today - days + 1) * DAY_US}
                AND (paid IS NULL OR paid {">=" if offers.free_orders else ">"} 0))
        LEFT JOIN {_PRODUCTS} USING (item) WHERE item IS NOT NULL AND item <> ''
        GROUP BY ALL ORDER BY person"""
    ).to_arrow_table()
    log.database.unregister(_PRODUCTS)
    person, things, named = (found[name].to_numpy() for name in ("person", "things", "named"))
    by_person = np.bincount(person, weights=found["margin"].to_numpy(), minlength=1).astype(np.float64)
    if not named.sum():
        return Margins(None, f"the table of products names nothing that was bought in the last {days} days")
    if by_person.sum() <= 0:
        return Margins(None, f"what was bought in the last {days} days left nothing, so there are no shares")
    return Margins(by_person, named=float(named.sum() / things.sum()))
