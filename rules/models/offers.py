"""Next best offer: what people who own alike things own besides, weighed by BM25.

Items are documents and customers are words (Robertson and Zaragoza 2009): a customer who owns nearly all
tells little, and so does an item that nearly everybody owns. Raw lift favours rare pairs and ends below
plain popularity; it is a reason to show, never an order to go by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from rules.models.columns import Bools, Floats, InputError, Ints, Notice, Severity

K1, B = 1.2, 0.75
LEAST_BUYERS = 20
"""Items with fewer have no neighbours that are not chance."""
NEIGHBOURS = 100
PORTION = 2_000
"""People whose scores are held at once."""
Z95 = 1.959964

Owned = sparse.csr_array
"""(people, items): 1 where a person owns an item."""


@dataclass(frozen=True, slots=True)
class Offers:
    """`items` in ascending order; `alike` (items, items): how much owning the row speaks for the column.
    `together`: at the same places, in the same order, how many people own both; `people`: of how many."""

    items: tuple[str, ...]
    alike: sparse.csr_array
    buyers: Ints
    excluded: int
    together: sparse.csr_array | None = None
    people: int = 0

    def scores(self, owned: sparse.csr_array) -> Floats:
        """(people, items): the higher the better; minus infinity for what somebody owns."""
        found: Floats = (owned @ self.alike).toarray().astype(np.float64)
        found[owned.toarray() > 0] = -np.inf
        return found

    def best(self, owned: sparse.csr_array) -> tuple[str | None, ...]:
        """The best offer of each; None where nothing they own speaks for anything. Of equals, the item that
        more people own, then the first."""
        places, scores = self.leading(owned, most=1)
        some = zip(places[:, 0].tolist(), (scores[:, 0] > 0).tolist(), strict=True)
        return tuple(self.items[item] if there else None for item, there in some)

    def leading(
        self, owned: sparse.csr_array, *, most: int, offered: Bools | None = None
    ) -> tuple[Ints, Floats]:
        """(people, most) each: the places of the best offers, the best first, and their scores; what does not
        score above 0 is none. `offered`: which items may be offered; left out: all."""
        order = np.lexsort((np.arange(len(self.items)), -self.buyers))
        if offered is not None:
            order = order[offered[order]]
        places = np.zeros((owned.shape[0], most), np.int64)
        told = np.full((owned.shape[0], most), -np.inf)
        for start in range(0, owned.shape[0] if len(order) else 0, PORTION):
            scores = self.scores(owned[start : start + PORTION])[:, order]
            rows = np.arange(len(scores))
            for nth in range(min(most, len(order))):
                first = scores.argmax(axis=1)
                places[start + rows, nth], told[start + rows, nth] = order[first], scores[rows, first]
                scores[rows, first] = -np.inf
        return places, told

    def reasons(self, owned: sparse.csr_array, places: Ints) -> tuple[str | None, ...]:
        """Why each is offered the item at this place (-1: nothing is): the item of theirs that speaks most
        for it, how many people bought both, and how much oftener than chance would have it."""
        if self.together is None:
            return (None,) * len(places)
        found: list[str | None] = []
        for start in range(0, len(places), PORTION):
            part = slice(start, start + PORTION)
            found += self._reasons(owned[part], places[part], self.together)
        return tuple(found)

    def _reasons(self, owned: sparse.csr_array, places: Ints, together: sparse.csr_array) -> list[str | None]:
        who, has = owned.nonzero()
        who, has = who[places[who] >= 0], has[places[who] >= 0]
        if not len(who):
            return [None] * len(places)
        weight = np.asarray(self.alike[has, places[who]]).ravel()
        order = np.lexsort((has, -weight, who))
        first = order[np.unique(who[order], return_index=True)[1]]
        both = np.asarray(together[has[first], places[who[first]]]).ravel()
        chance = self.buyers[has[first]] * self.buyers[places[who[first]]] / self.people
        found: list[str | None] = [None] * len(places)
        for at, item, support, lift in zip(who[first], has[first], both, both / chance, strict=True):
            if support > 0:
                found[at] = (
                    f"bought together with {self.items[item]} {int(support):,} times,"
                    f" {lift:.1f} times more than chance"
                )
        return found

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was left out."""
        if not self.excluded:
            return ()
        message = f"{self.excluded:,} items are not offered: fewer than {LEAST_BUYERS} people bought them."
        return (Notice("nbo.thin_item", Severity.NOTE, message, {"items": self.excluded}),)


def fit(person: Ints, item: Sequence[str], *, least_buyers: int = LEAST_BUYERS) -> Offers:
    """From who bought what (rows in any order, repeats count once). InputError without enough buyers."""
    people, who = np.unique(np.asarray(person), return_inverse=True)
    names = sorted(set(item))
    what = _places(names, item)
    bought = _binary(who, what, (len(people), len(names)))
    buyers = np.asarray(bought.sum(axis=0)).ravel()
    kept = np.flatnonzero(buyers >= least_buyers)
    if len(kept) < 2:
        raise InputError(
            f"fewer than two items have {least_buyers} buyers: nothing can be offered beside another"
        )
    bought = bought[:, kept]
    weighed = _weighed(bought)
    alike = sparse.csr_array(weighed.T @ weighed)
    alike.setdiag(0)
    alike.eliminate_zeros()
    alike.sort_indices()
    strongest = _strongest(alike, NEIGHBOURS)
    return Offers(
        tuple(names[place] for place in kept.tolist()),
        strongest,
        buyers[kept].astype(np.int64),
        len(names) - len(kept),
        _counted(bought, strongest),
        len(people),
    )


def owned(offers: Offers, person: Ints, item: Sequence[str], people: Ints) -> sparse.csr_array:
    """(people, items) 0 or 1, in the order of `people` (ascending); what is not offered is passed over."""
    what = _places(offers.items, item)
    who = np.minimum(np.searchsorted(people, person), len(people) - 1)
    there = (what >= 0) & (np.asarray(people)[who] == person)
    return _binary(who[there], what[there], (len(people), len(offers.items)))


@dataclass(frozen=True, slots=True)
class Compared:
    """Of people who bought something new later: whose offers (`top` each) had it, by the model and by
    popularity, and the 95 % interval of the difference."""

    people: int
    top: int
    personal: float
    popular: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        """The whole interval is above 0."""
        return self.low > 0

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What to know before offering by it."""
        if self.better:
            return ()
        message = (
            f"Of those who bought something new, {self.personal:.1%} found it among offers of their own and"
            f" {self.popular:.1%} among the most popular: not proven better (difference {self.low:+.1%} to"
            f" {self.high:+.1%} with 95 % confidence). Show everybody what is bought most."
        )
        evidence = {"personal": self.personal, "popular": self.popular, "low": self.low, "high": self.high}
        return (Notice("nbo.no_gain", Severity.WARNING, message, evidence),)


def neighbours(rows: Sequence[Sequence[tuple[int, float]]]) -> sparse.csr_array:
    """`Offers.alike` of what was kept of it: per item (place, weight) of its neighbours."""
    columns = [column for row in rows for column, _ in row]
    weights = [weight for row in rows for _, weight in row]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return sparse.csr_array((weights, columns, starts), shape=(len(rows), len(rows)), dtype=np.float64)


def compare(offers: Offers, before: sparse.csr_array, later: sparse.csr_array, *, top: int = 10) -> Compared:
    """`before` and `later`: (people, items) of the same people; only what is new to somebody counts."""
    new: Bools = (later.toarray() > 0) & ~(before.toarray() > 0)
    some = new.any(axis=1) & (np.asarray(before.sum(axis=1)).ravel() > 0)
    if not some.any():
        raise InputError("nobody who had bought before bought anything new later: nothing to compare by")
    own = before[np.flatnonzero(some)]
    has = own.toarray() > 0
    popular = np.where(has, -np.inf, offers.buyers[None, :].astype(np.float64))
    personal, popularly = (_hit(scores, new[some], top) for scores in (offers.scores(own), popular))
    off = personal.astype(np.float64) - popularly.astype(np.float64)
    half = Z95 * float(off.std(ddof=1)) / np.sqrt(len(off)) if len(off) > 1 else np.inf
    middle = float(off.mean())
    return Compared(
        len(off),
        top,
        float(personal.mean()),
        float(popularly.mean()),
        middle - float(half),
        middle + float(half),
    )


def _hit(scores: Floats, new: Bools, top: int) -> Bools:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return np.asarray(np.take_along_axis(new, best, axis=1).any(axis=1), dtype=np.bool_)


def _places(names: Sequence[str], item: Sequence[str]) -> Ints:
    """Where among the names each is; -1: nowhere."""
    place = {name: at for at, name in enumerate(names)}
    return np.fromiter((place.get(one, -1) for one in item), np.int64, len(item))


def _binary(who: Ints, what: Ints, shape: tuple[int, int]) -> sparse.csr_array:
    made = sparse.csr_array((np.ones(len(who)), (who, what)), shape=shape)
    made.sum_duplicates()
    made.data[:] = 1.0
    return made


def _weighed(bought: sparse.csr_array) -> sparse.csr_array:
    items = bought.shape[1]
    basket, popular = np.asarray(bought.sum(axis=1)).ravel(), np.asarray(bought.sum(axis=0)).ravel()
    speaks = np.log(items) - np.log(1 + basket)
    length = 1 - B + B * popular / popular.mean()
    rows, columns = bought.nonzero()
    return sparse.csr_array(
        ((K1 + 1) / (K1 * length[columns] + 1) * speaks[rows], (rows, columns)), shape=bought.shape
    )


def _counted(bought: sparse.csr_array, alike: sparse.csr_array) -> sparse.csr_array:
    """How many people have both, where `alike` has an entry."""
    both = sparse.csr_array(bought.T @ bought)
    rows, columns = alike.nonzero()
    if not len(rows):  # nobody has two of the items
        return alike.copy()
    found = sparse.csr_array((np.asarray(both[rows, columns]).ravel(), (rows, columns)), shape=alike.shape)
    found.sort_indices()
    return found


def _strongest(alike: sparse.csr_array, most: int) -> sparse.csr_array:
    """The largest entries of each row; of equals the first columns."""
    kept = []
    for row in range(alike.shape[0]):
        start, end = alike.indptr[row], alike.indptr[row + 1]
        order = np.lexsort((alike.indices[start:end], -alike.data[start:end]))[:most]
        kept.append(start + np.sort(order))
    places = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    rows = np.repeat(np.arange(alike.shape[0]), [len(one) for one in kept])
    return sparse.csr_array((alike.data[places], (rows, alike.indices[places])), shape=alike.shape)
