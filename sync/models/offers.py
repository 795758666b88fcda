"""Next best offer over the lake: what goes with what somebody has, what that is worth, what is bought again.

What is new to somebody and what somebody buys again are two facts, for they are two letters. With a table of
products the next offer is the one that is worth most; without, the one that goes best with what is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.acceptance import CANDIDATES, Bands, Items, Worth, choose, try_worth
from rules.models.columns import Bools, Floats, InputError, Notice, Severity
from rules.models.offers import LEAST_BUYERS, Compared, Offers, Owned, compare, fit, neighbours, owned
from sync.config.modelling import OffersSettings
from sync.models.bought import LATEST, OFTEN, Bought
from sync.models.log import Ints, Log, date_of, drawn
from sync.models.model import Facts, Fit, insufficient
from sync.models.products import Product, items_of, may_be_offered, products_of

TRIED_DAYS = 90
"""The newest days, or a quarter of all where that is less, are kept to try offers on."""
MOST_FITTED, MOST_TRIED = 100_000, 4_000
"""People that items are compared by, and that offers are tried on."""
LEAST_TRIED = 100


class NextOffer:
    """See `sync.models.model.Model`. The facts are items as the orders name them."""

    def fit(self, log: Log, settings: OffersSettings) -> Fit:
        """Refused without items that enough people bought, and without 100 people to try offers on."""
        bought = Bought(log, settings)
        data = bought.extent()
        if not data["orders"]:
            message = f'No {settings.activity} names what was bought: the field is "{settings.items}".'
            return Fit(data, notices=(insufficient("nbo", message, {"field": settings.items}),))
        split = log.today - min(TRIED_DAYS, (log.today - int(data.pop("first"))) // 4)
        baseline: dict[str, Any] = {"from": str(date_of(split + 1)), "to": str(date_of(log.today))}
        try:
            early, everybody = bought.people(until=split), bought.people(until=log.today)
            tried = _fitted(bought, settings, early, until=split)
            decides: Compared | Worth
            judged = decides = _judged(tried, bought, early, split)
            offers = _fitted(bought, settings, everybody, until=log.today)
            parameters = _document(offers)
            if settings.table is not None:
                products = products_of(log, settings.table)
                bands, decides = _worth(tried, bought, early, split, products)
                parameters["bands"] = _banded(bands, offers, bought, everybody, products)
                baseline["worth"] = asdict(decides)
        except InputError as error:
            return Fit(data, notices=(insufficient("nbo", f"{error}.", {"need": LEAST_BUYERS}),))
        if judged.people < LEAST_TRIED:
            message = (
                f"{judged.people} people bought something new after {date_of(split)}; {LEAST_TRIED} are"
                f" needed to try offers on, {LEAST_TRIED - judged.people} are missing."
            )
            evidence = {"n": judged.people, "need": LEAST_TRIED}
            return Fit(data, notices=(insufficient("nbo", message, evidence),))
        again = _again(bought, split)
        told = decides.notices
        if not decides.better:
            told = tuple(Notice(n.code, Severity.REFUSAL, n.message, n.evidence) for n in told)
        return Fit(
            data,
            parameters={**parameters, "again": again["used"]},
            baseline={
                **baseline,
                **_figures(judged, "people", "personal", "popular", "low", "high"),
                "again": again,
            },
            notices=(*offers.notices, *told),
            better=decides.better,
        )

    def score(
        self, log: Log, settings: OffersSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The best offer of each and why, and what each buys again. What is out of stock is not offered."""
        bought, offers = Bought(log, settings), _offers(parameters)
        everybody = people.astype(np.int64)
        mine = owned(offers, *bought.pairs(people, until=log.today), everybody)
        reachable = may_be_offered(log, settings, people)
        again = np.full(len(people), None, dtype=np.object_)
        if parameters.get("again"):
            who, what = bought.again(parameters["again"], until=log.today, people=people)
            again[np.searchsorted(everybody, who)] = np.array(what, dtype=np.object_)
        worth = np.full(len(people), np.nan)
        if settings.table is None:
            places, scores = offers.leading(mine, most=1)
            chosen = np.where(scores[:, 0] > 0, places[:, 0], -1)
        else:
            items = items_of(products_of(log, settings.table), offers.items, in_stock=True)
            chosen, worth = _most_worth(offers, mine, items, parameters["bands"])
            again = _in_stock(again, offers, items)
        chosen = np.where(reachable, chosen, -1)
        again[~reachable] = None
        names = np.array([*offers.items, None], dtype=np.object_)
        facts: dict[str, Any] = {
            "next_offer": names[chosen],
            "next_offer_reason": np.array(offers.reasons(mine, chosen), dtype=np.object_),
            "buy_again": again,
        }
        return facts if settings.table is None else {**facts, "next_offer_value": _kept(worth, chosen >= 0)}


def _fitted(bought: Bought, settings: OffersSettings, people: Ints, *, until: int) -> Offers:
    """By some of these people, of the items that most of them bought."""
    person, item = bought.pairs(_some(people, MOST_FITTED), until=until)
    counts = Counter(item)
    if len(counts) > settings.most:
        frequent = set(sorted(counts, key=lambda name: (-counts[name], name))[: settings.most])
        kept = np.fromiter((name in frequent for name in item), np.bool_, len(item))
        person, item = person[kept], [name for name in item if name in frequent]
    return fit(person, item)


def _some(people: Ints, most: int) -> Ints:
    return people[drawn(people, most)]


def _judged(offers: Offers, bought: Bought, early: Ints, split: int) -> Compared:
    """By some of those who had bought before and did so later."""
    today = bought.log.today
    both = _some(np.intersect1d(early, bought.people(until=today, after=split)), MOST_TRIED)
    if not len(both):
        raise InputError("nobody who had bought before bought anything later")
    return compare(offers, *_before_and_later(offers, bought, both, split))


def _before_and_later(offers: Offers, bought: Bought, people: Ints, split: int) -> tuple[Owned, Owned]:
    before = bought.pairs(people, until=split)
    later = bought.pairs(people, until=bought.log.today, after=split)
    return owned(offers, *before, people), owned(offers, *later, people)


def _worth(
    offers: Offers, bought: Bought, early: Ints, split: int, products: Mapping[str, Product]
) -> tuple[Bands, Worth]:
    """By some of all who had bought before: who bought nothing later would have taken no offer."""
    items = items_of(products, offers.items, in_stock=False)
    if not items.offered.any():
        raise InputError("the table of products names none of the items that are bought")
    return try_worth(offers, *_before_and_later(offers, bought, _some(early, MOST_TRIED), split), items)


def _banded(
    bands: Bands, offers: Offers, bought: Bought, people: Ints, products: Mapping[str, Product]
) -> dict[str, Any]:
    """The bands among the offers of some of these people, as JSON."""
    items, some = items_of(products, offers.items, in_stock=False), _some(people, MOST_TRIED)
    mine = owned(offers, *bought.pairs(some, until=bought.log.today), some)
    _, scores = offers.leading(mine, most=CANDIDATES, offered=items.offered)
    edges = bands.edges(scores[scores > 0]) if (scores > 0).any() else np.zeros(len(bands.shares))
    return {"shares": list(bands.shares), "chances": list(bands.chances), "edges": edges.tolist()}


def _most_worth(offers: Offers, mine: Any, items: Items, banded: Mapping[str, Any]) -> tuple[Ints, Floats]:
    bands = Bands(tuple(banded["shares"]), tuple(banded["chances"]))
    places, scores = offers.leading(mine, most=CANDIDATES, offered=items.offered)
    return choose(places, scores, bands.of(scores, np.array(banded["edges"])), items)


def _in_stock(again: NDArray[np.object_], offers: Offers, items: Items) -> NDArray[np.object_]:
    """Without what the table of products does not name, or is out of stock; items that are too rare for
    offers beside others are left out, too."""
    there = {item for item, offered in zip(offers.items, items.offered.tolist(), strict=True) if offered}
    return np.array([one if one in there else None for one in again], dtype=np.object_)


def _kept(worth: Floats, offered: Bools) -> Floats:
    return np.where(offered, np.rint(worth), np.nan)


def _again(bought: Bought, split: int) -> dict[str, Any]:
    """How often either choice was bought again; what was bought last is the naive one."""
    people, hits = bought.again_tried(split)
    used = OFTEN if people >= LEAST_TRIED and hits[OFTEN] > hits[LATEST] else LATEST
    return {"people": people, "often": hits[OFTEN], "latest": hits[LATEST], "used": used}


def _figures(of: Compared, *names: str) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}


def _document(offers: Offers) -> dict[str, Any]:
    """`alike`: per item its neighbours, as [place, weight, how many people own both]."""
    rows = []
    for row in range(len(offers.items)):
        part = slice(offers.alike.indptr[row], offers.alike.indptr[row + 1])
        places, weights = offers.alike.indices[part].tolist(), offers.alike.data[part].tolist()
        both = [0] * len(places) if offers.together is None else offers.together.data[part].tolist()
        triples = zip(places, weights, both, strict=True)
        rows.append([[place, float(f"{weight:.7g}"), int(count)] for place, weight, count in triples])
    return {
        "items": list(offers.items),
        "buyers": offers.buyers.tolist(),
        "alike": rows,
        "excluded": offers.excluded,
        "least_buyers": LEAST_BUYERS,
        "people": offers.people,
    }


def _offers(parameters: Mapping[str, Any]) -> Offers:
    """Versions that were made before reasons were kept have none to tell."""
    alike = parameters["alike"]
    people = int(parameters.get("people", 0))
    return Offers(
        tuple(parameters["items"]),
        neighbours([[(one[0], one[1]) for one in row] for row in alike]),
        np.array(parameters["buyers"], dtype=np.int64),
        int(parameters["excluded"]),
        neighbours([[(one[0], float(one[2])) for one in row] for row in alike]) if people else None,
        people,
    )
