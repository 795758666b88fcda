"""Next best offer over the lake: who bought what, what goes with it, and whether popularity does as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import InputError, Notice, Severity
from rules.models.offers import LEAST_BUYERS, Compared, Offers, compare, fit, neighbours, owned
from sync.config.modelling import OffersSettings
from sync.models.log import DAY_US, Ints, Log, date_of, drawn
from sync.models.model import Facts, Fit, insufficient
from sync.store.shapes import quoted

TRIED_DAYS = 90
"""The newest days, or a quarter of all where that is less, are kept to try offers on."""
MOST_FITTED, MOST_TRIED = 100_000, 4_000
"""People that items are compared by, and that offers are tried on."""
LEAST_TRIED = 100


class NextOffer:
    """See `sync.models.model.Model`. The fact is an item as the orders name it."""

    def fit(self, log: Log, settings: OffersSettings) -> Fit:
        """Refused without items that enough people bought, and without 100 people to try offers on."""
        data = _extent(log, settings)
        if not data["orders"]:
            message = f'No {settings.activity} names what was bought: the field is "{settings.items}".'
            return Fit(data, notices=(insufficient("nbo", message, {"field": settings.items}),))
        split = log.today - min(TRIED_DAYS, (log.today - int(data.pop("first"))) // 4)
        try:
            early = _bought(log, settings, until=split)
            tried = _fitted(early, settings)
            judged = _judged(log, settings, tried, early, split)
            offers = _fitted(_bought(log, settings, until=log.today), settings)
        except InputError as error:
            return Fit(data, notices=(insufficient("nbo", f"{error}.", {"need": LEAST_BUYERS}),))
        if judged.people < LEAST_TRIED:
            message = (
                f"{judged.people} people bought something new after {date_of(split)}; {LEAST_TRIED} are"
                f" needed to try offers on, {LEAST_TRIED - judged.people} are missing."
            )
            told = insufficient("nbo", message, {"n": judged.people, "need": LEAST_TRIED})
            return Fit(data, notices=(told,))
        refusals = [Notice(n.code, Severity.REFUSAL, n.message, n.evidence) for n in judged.notices]
        return Fit(
            data,
            parameters=_document(offers),
            baseline={
                "from": str(date_of(split + 1)),
                "to": str(date_of(log.today)),
                "people": judged.people,
                "personal": judged.personal,
                "popular": judged.popular,
                "low": judged.low,
                "high": judged.high,
            },
            notices=(*offers.notices, *refusals),
            better=judged.better,
        )

    def score(
        self, log: Log, settings: OffersSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The best offer of each."""
        offers = _offers(parameters)
        person, item = _bought(log, settings, until=log.today, people=people)
        everybody = people.astype(np.int64)
        best = offers.best(owned(offers, person, item, everybody))
        return {"next_offer": np.array(best, dtype=np.object_)}


def _source(log: Log, settings: OffersSettings) -> str | None:
    """SQL with a row (person, us, item) per thing bought; None if no order has the field."""
    columns = log.lake.columns("activity")
    if settings.items not in columns:
        return None
    name = quoted(settings.items)
    one = f"unnest({name})" if str(columns[settings.items]).startswith("list") else name
    return (
        f'(SELECT person, us, item FROM (SELECT person, epoch_us("at") AS us, {one} AS item'
        f" FROM {log.lake.relation('activity', settings.activity)} WHERE person IS NOT NULL)"
        f" WHERE item IS NOT NULL AND item <> '' AND us <= {log.as_of_us})"
    )


def _extent(log: Log, settings: OffersSettings) -> dict[str, Any]:
    source = _source(log, settings)
    first, last, people, things = 0, 0, 0, 0
    if source is not None:
        query = f"SELECT min(us), max(us), count(DISTINCT person), count(*) FROM {source}"
        first, last, people, things = log.database.execute(query).fetchall()[0]
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


def _bought(
    log: Log,
    settings: OffersSettings,
    *,
    until: int,
    after: int | None = None,
    people: NDArray[np.int32] | None = None,
) -> tuple[Ints, list[str]]:
    """Who bought what up to the end of that day, each pair once, by person, then item."""
    since = "" if after is None else f" AND us >= {(after + 1) * DAY_US}"
    whose = "" if people is None else f" AND person BETWEEN {int(people[0])} AND {int(people[-1])}"
    table = log.database.sql(
        f"""SELECT DISTINCT person::BIGINT AS person, item FROM {_source(log, settings)}
        WHERE us < {(until + 1) * DAY_US}{since}{whose} ORDER BY person, item"""
    ).to_arrow_table()
    return table["person"].to_numpy(), table["item"].to_pylist()


def _fitted(bought: tuple[Ints, list[str]], settings: OffersSettings) -> Offers:
    """By at most so many people, of the items that most of them bought."""
    person, item = bought
    people = np.unique(person)
    some = np.isin(person, people[drawn(people, MOST_FITTED)])
    person, names = person[some], np.array(item, dtype=object)[some]
    found, counts = np.unique(names.astype(str), return_counts=True)
    if len(found) > settings.most:
        frequent = found[np.lexsort((found, -counts))[: settings.most]]
        kept = np.isin(names.astype(str), frequent)
        person, names = person[kept], names[kept]
    return fit(person, names.tolist())


def _judged(
    log: Log, settings: OffersSettings, offers: Offers, early: tuple[Ints, list[str]], split: int
) -> Compared:
    later = _bought(log, settings, until=log.today, after=split)
    both = np.intersect1d(np.unique(early[0]), np.unique(later[0]))
    both = both[drawn(both, MOST_TRIED)]
    if not len(both):
        raise InputError("nobody who had bought before bought anything later")
    return compare(offers, *(owned(offers, *part, both) for part in (early, later)))


def _document(offers: Offers) -> dict[str, Any]:
    """`alike`: per item its neighbours, as [place, weight]."""
    rows = []
    for row in range(len(offers.items)):
        start, end = offers.alike.indptr[row], offers.alike.indptr[row + 1]
        pairs = zip(offers.alike.indices[start:end], offers.alike.data[start:end], strict=True)
        rows.append([[int(place), float(f"{weight:.7g}")] for place, weight in pairs])
    return {
        "items": list(offers.items),
        "buyers": offers.buyers.tolist(),
        "alike": rows,
        "excluded": offers.excluded,
        "least_buyers": LEAST_BUYERS,
    }


def _offers(parameters: Mapping[str, Any]) -> Offers:
    return Offers(
        tuple(parameters["items"]),
        neighbours(parameters["alike"]),
        np.array(parameters["buyers"], dtype=np.int64),
        int(parameters["excluded"]),
    )
