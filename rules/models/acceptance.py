"""How likely an offer is taken, by bands of its score, and which offer is then worth most.

The worth of an offer to somebody is P(accept) times the margin of the item, less what the offer costs. What
was bought without being offered stands for what would be: where people were shown things before, this is
biased to these. Only offers that were drawn by lot could tell more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from rules.models.columns import Bools, Floats, InputError, Ints, Notice, Severity
from rules.models.offers import Offers
from rules.models.worth.spread import Estimate, driven, within

BANDS = 10
CANDIDATES = 10
"""So many offers of each person are compared by what they are worth."""
SEED = 7_211
MINOR = 100
"""Minor units of money in one unit, for messages."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Offers by score, cut at `shares` of all (ascending, 0 to 1) into bands with these `chances` of being
    taken, which never fall. Shares, not scores, for scores grow with the number of customers."""

    shares: tuple[float, ...]
    chances: tuple[float, ...]

    def edges(self, scores: Floats) -> Floats:
        """Where the bands begin among other offers, such as those of a model of more people."""
        return np.quantile(scores, self.shares)

    def of(self, scores: Floats, edges: Floats) -> Floats:
        """The chance (0 to 1) that each is taken."""
        return np.asarray(self.chances)[np.searchsorted(edges, scores, side="right")]


@dataclass(frozen=True, slots=True)
class Items:
    """Of each item, in minor units of money: what a sale leaves (NaN: the item is not to be offered), and
    what one offer costs, taken or not."""

    margin: Floats
    cost: Floats

    @property
    def offered(self) -> Bools:
        """Which may be offered."""
        return np.isfinite(self.margin)


def fit_bands(scores: Floats, taken: Bools) -> Bands:
    """Tenths by score, joined to their neighbours where a higher one was taken less often. InputError without
    any offer."""
    from sklearn.isotonic import IsotonicRegression

    if not len(scores):
        raise InputError("there is no offer to tell by how often one is taken")
    shares = np.arange(1, BANDS) / BANDS
    band = np.searchsorted(np.quantile(scores, shares), scores, side="right")
    offers, hits = (np.bincount(band, weights=each, minlength=BANDS) for each in (np.ones(len(band)), taken))
    rates = np.divide(hits, offers, out=np.zeros(BANDS), where=offers > 0)
    rising = IsotonicRegression().fit_transform(np.arange(BANDS), rates, sample_weight=offers + 1e-9)
    return Bands(tuple(shares.tolist()), tuple(rising.tolist()))


def choose(places: Ints, scores: Floats, chances: Floats, items: Items) -> tuple[Ints, Floats]:
    """Of each person the place of the offer that is worth most, and its worth; -1 and NaN where none is worth
    more than it costs. Of equals the one with the higher score. All are (people, offers)."""
    worth = np.where(scores > 0, chances * items.margin[places] - items.cost[places], -np.inf)
    first, rows = worth.argmax(axis=1), np.arange(len(worth))
    most = worth[rows, first]
    return np.where(most > 0, places[rows, first], -1), np.where(most > 0, most, np.nan)


@dataclass(frozen=True, slots=True)
class Worth:
    """What offers would have brought a person, in minor units of money: each one's own, and the best single
    offer for all (`item`; None: none pays). The 95 % interval of the difference, and the difference with the
    0.5 % that brought most capped, with its own."""

    people: int
    personal: float
    single: float
    item: str | None
    low: float
    high: float
    capped: float
    capped_low: float
    capped_high: float

    @property
    def better(self) -> bool:
        """The whole interval is above 0."""
        return self.low > 0

    @property
    def outlier_driven(self) -> bool:
        """Whether that rests on the few who brought most."""
        whole = Estimate(self.personal - self.single, self.low, self.high)
        return driven(whole, Estimate(self.capped, self.capped_low, self.capped_high))

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What to know before offering by it."""
        evidence = {"personal": self.personal, "single": self.single, "low": self.low, "high": self.high}
        if not self.better:
            best = "no offer at all" if self.item is None else f"best single offer ({self.item})"
            message = (
                f"Offers of their own would have brought {self.personal / MINOR:.3f} a person, {best}"
                f" {self.single / MINOR:.3f}: not proven better (difference {self.low / MINOR:+.3f} to"
                f" {self.high / MINOR:+.3f} with 95 % confidence). Offer everybody the same."
            )
            return (Notice("nbo.no_gain", Severity.REFUSAL, message, evidence),)
        if self.outlier_driven:
            message = (
                f"That offers of their own bring {(self.personal - self.single) / MINOR:+.3f} more a person"
                f" rests on a few large sales: {self.capped / MINOR:+.3f} ({self.capped_low / MINOR:+.3f} to"
                f" {self.capped_high / MINOR:+.3f}) with the top 0.5 % capped."
            )
            capped = {"capped": self.capped, "capped_low": self.capped_low, "capped_high": self.capped_high}
            return (Notice("exp.outlier_driven", Severity.WARNING, message, evidence | capped),)
        return ()


def try_worth(
    offers: Offers, before: sparse.csr_array, later: sparse.csr_array, items: Items
) -> tuple[Bands, Worth]:
    """`before` and `later`: (people, items) of everybody who had bought before, those who bought nothing
    later included. Each half of the people is judged by bands, and by a best single offer, of the other."""
    has = (before > 0).astype(np.float64)  # sparse: people times products is more than memory
    new = (later > 0).astype(np.float64)
    new = new - new.multiply(has)
    places, scores = offers.leading(before, most=CANDIDATES, offered=items.offered)
    rows = np.arange(len(places))
    taken = _at(new, np.broadcast_to(rows[:, None], places.shape), places) & (scores > 0)
    # of each person by either choice: what it brought, and what it cost
    personal, single = np.zeros((len(rows), 2)), np.zeros((len(rows), 2))
    drawn = np.random.default_rng(SEED).permutation(len(rows)) % 2
    for half in (0, 1):
        mine, others = drawn == half, drawn != half
        known = scores[others] > 0
        told = fit_bands(scores[others][known], taken[others][known])
        chances = told.of(scores[mine], told.edges(scores[others][known]))
        chosen, _ = choose(places[mine], scores[mine], chances, items)
        personal[mine] = _brought(chosen, new[mine], items)
        best = _single(new[others], has[others], items)
        if best >= 0:
            there = np.full(int(mine.sum()), best)
            there[_at(has[mine], np.arange(len(there)), there)] = -1
            single[mine] = _brought(there, new[mine], items)
    (brought, cost), (usual, usually) = personal.T, single.T
    found = within(brought, usual, less=cost - usually, seed=SEED)
    whole, capped = found.whole.welch, found.capped.welch
    best = _single(new, has, items)
    return fit_bands(scores[scores > 0], taken[scores > 0]), Worth(
        len(rows),
        float((brought - cost).mean()),
        float((usual - usually).mean()),
        offers.items[best] if best >= 0 else None,
        whole.low,
        whole.high,
        capped.value,
        capped.low,
        capped.high,
    )


def _at(table: sparse.csr_array, rows: Ints, columns: Ints) -> Bools:
    """Whether there is something in these places."""
    found = table[rows.ravel(), columns.ravel()]
    flat: Bools = (found.toarray() if sparse.issparse(found) else np.asarray(found)).ravel() > 0
    return flat.reshape(rows.shape)


def _brought(chosen: Ints, new: sparse.csr_array, items: Items) -> Floats:
    """(people, 2): what chosen offers (-1: none) brought those who then bought `new` things, and cost."""
    rows = np.arange(len(chosen))
    sales = _at(new, rows, np.maximum(chosen, 0)) * np.nan_to_num(items.margin)[chosen]
    both = np.column_stack([np.maximum(sales, 0.0), items.cost[chosen] - np.minimum(sales, 0.0)])
    return np.where(chosen[:, None] >= 0, both, 0.0)


def _single(new: sparse.csr_array, has: sparse.csr_array, items: Items) -> int:
    """The place of the item that brings most if everybody who lacks it is offered it; -1 if none pays."""
    lacking = has.shape[0] - has.sum(axis=0)
    worth = new.sum(axis=0) * np.nan_to_num(items.margin) - lacking * items.cost
    worth = np.where(items.offered, worth, -np.inf)
    best = int(worth.argmax())
    return best if worth[best] > 0 else -1
