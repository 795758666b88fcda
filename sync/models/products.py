"""What items are worth and how many there are, out of a table of the user's; and whom nothing is offered now.

The table is read anew by every run, for stock changes daily, and once: all people are offered things by the
same table.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rules.models.acceptance import Items
from rules.models.columns import Bools
from rules.vocabulary import MONEY_SCALE
from sync.config.modelling import ContactRules, OffersSettings, ProductTable
from sync.errors import UserError
from sync.models.log import Log


@dataclass(frozen=True, slots=True)
class Product:
    """`margin` and `cost` in units of the base currency; `stock` in pieces, None: enough."""

    margin: Decimal
    cost: Decimal
    stock: Decimal | None


class BadTable(UserError):
    """A table of products that cannot be used. `line`: of the mistake; None: of the whole file."""

    def __init__(self, file: Path, line: int | None, why: str) -> None:
        super().__init__(f"{file.name}, line {line}: {why}" if line else f"{file}: {why}")
        self.file, self.line, self.why = file, line, why


def products_of(log: Log, table: ProductTable) -> dict[str, Product]:
    """As `read_products`, read when first asked for."""
    return log.kept(table, lambda: read_products(table))


def read_products(table: ProductTable) -> dict[str, Product]:
    """Item → what the table says of it. BadTable at the first mistake."""
    path = Path(table.file)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            _columns_exist(table, path, rows.fieldnames or ())
            found: dict[str, Product] = {}
            for row in rows:
                here = partial(BadTable, path, rows.line_num)
                item = (row[table.item] or "").strip()
                if not item:
                    raise here(f"{table.item} is empty; write the item, or leave the row out")
                if item in found:
                    raise here(f"{item} is there twice; leave one row for each item")
                margin = _number(row[table.margin], table.margin, here)
                if margin is None:
                    raise here(f"{table.margin} is empty; write a number, or leave the row out")
                cost = _number(row[table.cost], table.cost, here) if table.cost else None
                stock = _number(row[table.stock], table.stock, here) if table.stock else None
                found[item] = Product(margin, cost or Decimal(0), stock)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BadTable(path, None, f"the table of products cannot be read ({why}); {_MEND}") from None
    except UnicodeDecodeError:
        raise BadTable(path, None, "the table of products is not UTF-8; save it as that") from None
    except csv.Error as error:
        raise BadTable(path, rows.line_num, f"from here on it is no CSV ({error}); export it anew") from None
    return found


_MEND = "put it there, or take [models.offers.table] out of the config"


def items_of(products: Mapping[str, Product], items: Sequence[str], *, in_stock: bool) -> Items:
    """Margins and costs by item. Not offered is what the table does not name; `in_stock`: nor what is out."""
    margin, cost = np.full(len(items), np.nan), np.zeros(len(items))
    for place, item in enumerate(items):
        product = products.get(item)
        if product is None or (in_stock and product.stock is not None and product.stock <= 0):
            continue
        margin[place], cost[place] = (float(each * MONEY_SCALE) for each in (product.margin, product.cost))
    return Items(margin, cost)


def may_be_offered(log: Log, settings: OffersSettings, people: NDArray[np.int32]) -> Bools:
    """Whether each may be offered something now: everybody, unless the config asks for worth or for contact
    rules; then nobody who is suppressed, and nobody who was sent enough lately."""
    if settings.table is None and settings.contact is None:
        return np.ones(len(people), np.bool_)
    between = f"person BETWEEN {int(people[0])} AND {int(people[-1])}"
    queries = [f"SELECT person FROM {log.lake.relation('people')} WHERE suppressed AND {between}"]
    if settings.contact is not None:
        queries.append(_sent_enough(log, settings.contact, between))
    table = log.database.sql(" UNION ".join(queries)).to_arrow_table()
    return ~np.isin(people, table["person"].to_numpy())


def _sent_enough(log: Log, rules: ContactRules, between: str) -> str:
    since = log.as_of_us - rules.within_s * 1_000_000
    return f"""SELECT person FROM {log.activity(rules.sent)}
        WHERE {between} AND epoch_us("at") > {since} AND epoch_us("at") <= {log.as_of_us}
        GROUP BY person HAVING count(*) >= {rules.most}"""


def _columns_exist(table: ProductTable, path: Path, there: Sequence[str]) -> None:
    for key in ("item", "margin", "cost", "stock"):
        name = getattr(table, key)
        if name is not None and name not in there:
            raise BadTable(
                path,
                1,
                f"there is no column {name}, but {', '.join(there) or 'none'}: name the right one by"
                f" {key} = … in [models.offers.table]",
            )


def _number(text: str | None, column: str, here: Callable[[str], BadTable]) -> Decimal | None:
    if not (text or "").strip():
        return None
    try:
        found = Decimal((text or "").strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise here(f"{column} is no number; write it like 4.20")
    return found
