"""What models say of people, for whoever judges segments: lifetime value and engagement, if in use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from rules.models.columns import Floats
from rules.models.worth.wilson import Z_95
from rules.vocabulary import Type
from sync.config.modelling import OrderModel
from sync.facts import facts_of
from sync.models.standing import in_use
from sync.run.workspace import Workspace
from sync.run.worth import Mean
from sync.store.shapes import quoted

if TYPE_CHECKING:
    import duckdb

MILLIONTHS = 1_000_000
REVENUE_DAYS = 365
"""Revenue is that of so many days."""
_NO_AMOUNT = ""
"""No field is called so: an order counts, with the value 0."""


@dataclass(frozen=True, slots=True)
class Column:
    """A value for each of these people, ascending."""

    person: NDArray[np.int64]
    value: Floats


@dataclass(frozen=True, slots=True)
class Measured:
    """None: the model is not in use. Lifetime value in minor units, engagement 1 to 100."""

    clv: Column | None
    engagement: Column | None


def measured(workspace: Workspace, database: duckdb.DuckDBPyConnection) -> Measured:
    """What the last run put into the lake."""
    store, models = workspace.store, workspace.settings.models
    lake, using = store.lake, in_use(store, models)
    found: dict[str, Column] = {}
    for name in ("clv", "engagement"):
        if name not in using:
            continue
        fact = facts_of(models[name], currency=workspace.settings.business.currency, source="")[0]
        if fact.name not in lake.columns("facts"):
            continue
        unit = 1 if fact.type is Type.MONEY else MILLIONTHS
        found[name] = column(database, lake.relation("facts"), fact.name, unit=unit)
    return Measured(found.get("clv"), found.get("engagement"))


def order_model(workspace: Workspace) -> OrderModel:
    """What the models call an order; else the usual, whose amount counts only where it is money."""
    models = workspace.settings.models.values()
    found = next((one for one in models if isinstance(one, OrderModel)), None)
    if found is not None:
        return found  # the vocabulary has made sure that it holds
    usual = OrderModel()
    kind = workspace.vocabulary()[0].kinds.get(usual.activity)
    amount = None if kind is None else kind.fields.get(usual.amount)
    return usual if amount is not None and amount.type is Type.MONEY else OrderModel(amount=_NO_AMOUNT)


def column(database: duckdb.DuckDBPyConnection, relation: str, name: str, *, unit: int) -> Column:
    """Of those who have a value, in units of `unit`."""
    table = database.sql(
        f"""SELECT person::BIGINT AS person, {quoted(name)}::DOUBLE / {unit} AS value FROM {relation}
        WHERE {quoted(name)} IS NOT NULL ORDER BY person"""
    ).to_arrow_table()
    return Column(table["person"].to_numpy(), table["value"].to_numpy())


def of_members(of: Column, members: BitMap) -> Floats:
    """The values of these people, of those who have one."""
    return of.value[np.isin(of.person, np.asarray(members.to_array(), np.int64))]


def average(of: Column | None, members: BitMap) -> Mean | None:
    """The mean with its 95 % interval (normal); None if nobody has a value."""
    values = np.zeros(0) if of is None else of_members(of, members)
    count = len(values)
    if not count:
        return None
    mean = float(values.mean())
    if count == 1:
        return Mean(1, mean, None, None, mean)
    half = Z_95 * float(values.std(ddof=1)) / math.sqrt(count)
    return Mean(count, mean, mean - half, mean + half, float(values.sum()))
