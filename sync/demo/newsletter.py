"""What happens on the demo's newsletter: who is on it, what was sent, who opened and clicked. All made up.

One campaign a month over the last year, fewer where there are many people. Who bought lately reads more;
who left gets nothing afterwards.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field

from sync.demo.names import CAMPAIGNS

SHARES = (
    ("subscribed", 70),
    ("unsubscribed", 12),
    ("pending", 3),
    ("cleaned", 3),  # the platform's word for hard bounces
    ("transactional", 2),  # customers who were never asked
    (None, 10),  # not on the list at all
)
"""Status on the newsletter and share of people in percent."""

SENDINGS = 12
FEWER_SENDINGS = 3
MANY_PEOPLE = 30_000
"""From so many people on there are FEWER_SENDINGS: reading who opened what would take most of the time."""
PAGES = ("new", "sale", "classics", "box-sets")
_DRAW = [status for status, percent in SHARES for _ in range(percent)]


@dataclass(frozen=True, slots=True)
class Member:
    """One contact of the newsletter. `left_by` as the simulator wants it: "contact", "bounce" or None."""

    address: str
    status: str
    first_name: str
    last_name: str
    country: str
    language: str
    tags: tuple[str, ...]
    joined_at: dt.datetime
    changed_at: dt.datetime
    left_by: str | None


@dataclass(frozen=True, slots=True)
class Activity:
    """An "open", "click" or "bounce" of one recipient."""

    address: str
    action: str
    at: dt.datetime
    url: str = ""


@dataclass(frozen=True, slots=True)
class Campaign:
    """One sending with everybody who got it and everything they did."""

    title: str
    sent_at: dt.datetime
    recipients: tuple[str, ...]
    activity: tuple[Activity, ...]
    left: tuple[tuple[str, dt.datetime], ...]  # address, when it unsubscribed by this campaign


@dataclass(slots=True)
class _Sending:
    title: str
    at: dt.datetime
    recipients: list[str] = field(default_factory=list)
    activity: list[Activity] = field(default_factory=list)
    left: list[tuple[str, dt.datetime]] = field(default_factory=list)


class Sendings:
    """The last `count` campaigns before `as_of`, one a month, filled person by person."""

    def __init__(self, as_of: dt.datetime, count: int = SENDINGS) -> None:
        self._as_of = as_of
        last = dt.datetime(as_of.year, as_of.month, as_of.day, 9, tzinfo=dt.UTC) - dt.timedelta(days=6)
        days = [last - dt.timedelta(days=30 * back) for back in reversed(range(count))]
        self._sent = [_Sending(f"{CAMPAIGNS[day.month]} {day:%Y-%m-%d}", day) for day in days]

    def member(
        self,
        email: str,
        first_name: str,
        last_name: str,
        country: str,
        language: str,
        signed_up: dt.datetime,
        last_order: dt.datetime,
        choice: random.Random,
    ) -> Member | None:
        """The person's contact, or None; what it did is noted in the campaigns."""
        status = choice.choice(_DRAW)
        if status is None:
            return None
        address = _capitals(email) if choice.random() < 0.01 else email
        joined = signed_up + dt.timedelta(minutes=choice.randrange(1, 60))
        tags = ("record fair",) if choice.random() < 0.06 else ()
        left_at = None
        if status == "subscribed":
            self._reads(address, joined, self._as_of, last_order, choice)
        elif status in ("unsubscribed", "cleaned"):
            left_at = self._leaves(address, status, joined, last_order, choice)
        return Member(
            address=address,
            status=status,
            first_name=first_name,
            last_name=last_name,
            country=country,
            language=language,
            tags=tags,
            joined_at=joined,
            changed_at=left_at or joined,
            left_by={"unsubscribed": "contact", "cleaned": "bounce"}.get(status),
        )

    def _leaves(
        self, address: str, status: str, joined: dt.datetime, last_order: dt.datetime, choice: random.Random
    ) -> dt.datetime:
        """Reads until one campaign, by which it unsubscribes or whose mail bounces."""
        last = self._sent[choice.randrange(len(self._sent))]
        self._reads(address, joined, last.at, last_order, choice)
        at = last.at + dt.timedelta(minutes=choice.randrange(1, 3 * 24 * 60))
        last.recipients.append(address)
        if status == "cleaned":
            last.activity.append(Activity(address, "bounce", last.at + dt.timedelta(minutes=1)))
        else:
            last.left.append((address, at))
        return at

    def _reads(
        self,
        address: str,
        joined: dt.datetime,
        until: dt.datetime,
        last_order: dt.datetime,
        choice: random.Random,
    ) -> None:
        """Opens and clicks in every campaign sent after `joined` and before `until`."""
        keen = 0.4 + 1.2 * choice.random()
        for sending in self._sent:
            if not joined < sending.at < until:
                continue
            sending.recipients.append(address)
            quiet_days = max((sending.at - last_order).days, 0)
            chance = 0.5 if quiet_days <= 60 else 0.3 if quiet_days <= 365 else 0.12
            if choice.random() >= chance * keen:
                continue
            opened = sending.at + dt.timedelta(seconds=int(choice.expovariate(1 / 40_000)) % 400_000 + 60)
            sending.activity.append(Activity(address, "open", opened))
            if choice.random() < 0.28 * keen:
                clicked = opened + dt.timedelta(seconds=choice.randrange(5, 600))
                page = f"https://shop.example.com/{choice.choice(PAGES)}"
                sending.activity.append(Activity(address, "click", clicked, page))

    def campaigns(self) -> tuple[Campaign, ...]:
        """All campaigns, oldest first."""
        return tuple(
            Campaign(s.title, s.at, tuple(s.recipients), tuple(s.activity), tuple(s.left)) for s in self._sent
        )


def _capitals(email: str) -> str:
    """Another spelling of the same address."""
    return email.upper()
