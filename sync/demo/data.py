"""Everything the demo starts from: real orders, and made-up people around them. Same seed, same data.

The orders are real (see `histories`), their days moved so that the last one is the day before `as_of`;
the times of day are made up. Names, addresses, birthdays and all that happens on the newsletter are made
up as well, one generator per person, so that a person is the same in the small and in the large set.

Warts, constant, so that a run has something to report:
- one in a hundred addresses is spelled in capitals on the newsletter: it is the same person;
- what the other platforms know differs from what the shop knows (see `elsewhere`);
- BAD_EMAILS customers, on no platform, whose address in the shop is none: read without it;
- one customer is exported twice, DUPLICATE_CUSTOMERS: the second row is refused;
- BAD_ORDERS rows of orders that cannot be read (an impossible day, no number, no time): refused.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import accumulate, groupby

from sync.demo import histories, newsletter
from sync.demo.elsewhere import Contact, contacts
from sync.demo.histories import People, Purchase, Selection
from sync.demo.names import HOMES, Home, plain
from sync.demo.newsletter import Campaign, Member
from sync.progress import SILENT, Progress

SEED = "segsync demo 1"
BAD_EMAILS = ("n/a", "ana@", "none yet")
DUPLICATE_CUSTOMERS = 1
BAD_ORDERS = 3
_SHARES = tuple(accumulate(home.percent for home in HOMES))


@dataclass(frozen=True, slots=True)
class Customer:
    """One person as the shop knows it. `email` may be one of BAD_EMAILS."""

    id: str
    email: str
    first_name: str
    last_name: str
    country: str
    city: str
    language: str
    birthday: dt.date | None
    signed_up: dt.datetime


@dataclass(frozen=True, slots=True)
class Order:
    """One order; `total` in US dollars."""

    id: str
    customer: str
    at: dt.datetime
    items: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class DemoData:
    """What the shop exports, what the newsletter holds, and the contacts of the other accounts by name."""

    as_of: dt.datetime
    customers: tuple[Customer, ...]
    orders: tuple[Order, ...]
    members: tuple[Member, ...]
    campaigns: tuple[Campaign, ...]
    elsewhere: Mapping[str, tuple[Contact, ...]]


def make(*, as_of: dt.datetime, people: People = Selection.SAMPLE, progress: Progress = SILENT) -> DemoData:
    """The demo's data for a run at `as_of` (aware). HistoriesMissing if the package is not there."""
    if as_of.tzinfo is None:
        raise ValueError("as_of needs a time zone")
    as_of = as_of.astimezone(dt.UTC)
    shift = as_of.date() - dt.timedelta(days=1) - histories.LAST_DAY
    customers: list[Customer] = []
    orders: list[Order] = []
    members: list[Member] = []
    many = not isinstance(people, Selection) and people >= newsletter.MANY_PEOPLE
    sendings = newsletter.Sendings(as_of, newsletter.FEWER_SENDINGS if many else newsletter.SENDINGS)
    for number, purchases in groupby(histories.read(people), key=lambda p: p.customer):
        choice = random.Random(f"{SEED}/{number}")
        mine = _orders(list(purchases), shift, choice)
        orders.extend(mine)
        customer = _customer(number, mine[0].at, choice)
        member = sendings.member(customer.email, customer.first_name, customer.last_name, customer.country,
                                 customer.language, customer.signed_up, mine[-1].at, choice)  # fmt: skip
        if member is not None:
            members.append(member)
        customers.append(customer)
        progress.advance()
    listed = {member.address.lower() for member in members}
    spoiled = _spoiled(customers, listed)
    reachable = (customer for customer in spoiled if customer.email not in BAD_EMAILS)
    return DemoData(
        as_of, spoiled, tuple(orders), tuple(members), sendings.campaigns(), contacts(reachable, seed=SEED)
    )


def _orders(purchases: list[Purchase], shift: dt.timedelta, choice: random.Random) -> list[Order]:
    """One customer's orders in time: each on its day at a made-up time between 07:00 and 22:59 UTC."""
    made = []
    for position, purchase in enumerate(purchases, start=1):
        day = purchase.day + shift
        second = choice.randrange(7 * 3600, 23 * 3600)
        at = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC) + dt.timedelta(seconds=second)
        made.append((at, position, purchase))
    made.sort(key=lambda entry: entry[:2])
    return [
        Order(f"{p.customer}-{position}", f"C{p.customer}", at, p.items, p.total) for at, position, p in made
    ]


def _customer(number: str, first_order: dt.datetime, choice: random.Random) -> Customer:
    home = _home(choice)
    first, last = choice.choice(home.first_names), choice.choice(home.last_names)
    city = home.cities[min(int(choice.expovariate(1.0)), len(home.cities) - 1)]
    born = first_order.date() - dt.timedelta(days=choice.randrange(18 * 365, 76 * 365))
    return Customer(
        id=f"C{number}",
        email=f"{plain(first)}.{plain(last)}{int(number)}@example.com".lower(),
        first_name=first,
        last_name=last,
        country=home.country,
        city=city,
        language=home.language,
        birthday=born if choice.random() < 0.92 else None,
        signed_up=first_order - dt.timedelta(minutes=choice.randrange(2, 60 * 24 * 20)),
    )


def _home(choice: random.Random) -> Home:
    roll = choice.randrange(_SHARES[-1])
    return next(home for home, share in zip(HOMES, _SHARES, strict=True) if roll < share)


def _spoiled(customers: list[Customer], listed: set[str]) -> tuple[Customer, ...]:
    """The customers, the first few who are on no newsletter with an address that is none."""
    bad = iter(BAD_EMAILS)
    spoiled: list[Customer] = []
    for customer in customers:
        email = customer.email if customer.email in listed else next(bad, customer.email)
        spoiled.append(customer if email == customer.email else replace(customer, email=email))
    return tuple(spoiled)
