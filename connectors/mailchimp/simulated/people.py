"""Made-up people for `segsync simulate mailchimp --people N`: same seed, same people."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.mailchimp.simulator import MailchimpSimulator

FIRST = ("Ana", "Bo", "Chloé", "Dmitri", "Elif", "Femi", "Grete", "Hiro", "Inés", "João", "Kaja", "Luca")
LAST = ("Abel", "Bakker", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Horvat", "Ito", "Jansen")
COUNTRIES = (
    ("DE", "Europe/Berlin"),
    ("FR", "Europe/Paris"),
    ("PT", "Europe/Lisbon"),
    ("US", "America/New_York"),
)
STATUSES = (
    ("subscribed", 80),
    ("unsubscribed", 8),
    ("transactional", 5),
    ("cleaned", 3),
    ("pending", 2),
    ("archived", 2),
)
CAMPAIGNS = 6


def populate(account: MailchimpSimulator, *, people: int, seed: int) -> None:
    """Fill the first audience with members, tags, campaigns and orders of the last year."""
    choice = random.Random(seed)
    now = datetime.fromtimestamp(account.seconds(), UTC)
    statuses, weights = zip(*STATUSES, strict=True)
    addresses = []
    for number in range(1, people + 1):
        first, last = choice.choice(FIRST), choice.choice(LAST)
        status = choice.choices(statuses, weights)[0]
        country, zone = choice.choice(COUNTRIES)
        joined = now - timedelta(days=choice.randint(2, 365), seconds=choice.randint(0, 86_399))
        member = account.add_member(
            f"person{number}@example.com",
            status=status,
            merge={"FNAME": first, "LNAME": last},
            tags=["newsletter"] if choice.random() < 0.3 else [],
            changed_at=joined + timedelta(hours=choice.randint(0, 24)),
            country_code=country,
            timezone=zone,
            language=country.lower() if country != "US" else "en",
            rating=choice.randint(1, 5),
            timestamp_signup=int(joined.timestamp()),
            left_by="contact" if status == "unsubscribed" else "bounce" if status == "cleaned" else None,
        )
        if status == "subscribed":
            addresses.append(member.address)
    _campaigns(account, addresses, choice, now)
    for address in choice.sample(addresses, len(addresses) // 3):
        for _ in range(choice.randint(1, 3)):
            account.add_order(
                address,
                total=round(choice.uniform(5, 250), 2),
                at=now - timedelta(days=choice.randint(1, 360), seconds=choice.randint(0, 86_399)),
                lines=[(f"product-{choice.randint(1, 40)}", 1, 10.0)],
            )


def _campaigns(
    account: MailchimpSimulator, addresses: list[str], choice: random.Random, now: datetime
) -> None:
    for number in range(CAMPAIGNS):
        sent = now - timedelta(days=30 * (CAMPAIGNS - number))
        campaign = account.add_campaign(f"Newsletter {number + 1}", sent_at=sent, to=addresses)
        for address in addresses:
            if choice.random() < 0.35:
                opened = sent + timedelta(seconds=choice.randint(60, 200_000))
                account.add_activity(campaign, address, "open", at=opened)
                if choice.random() < 0.2:
                    at = opened + timedelta(seconds=choice.randint(1, 600))
                    account.add_activity(campaign, address, "click", at=at, url="https://example.com/sale")
