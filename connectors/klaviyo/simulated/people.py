"""Made-up people for `segsync simulate klaviyo --people N`: same seed, same people."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.klaviyo.simulated.account import Profile

if TYPE_CHECKING:
    from connectors.klaviyo.simulator import KlaviyoSimulator

FIRST = ("Ana", "Bo", "Chloé", "Dmitri", "Elif", "Femi", "Grete", "Hiro", "Inés", "João", "Kaja", "Luca")
LAST = ("Abel", "Bakker", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Horvat", "Ito", "Jansen")
PLACES = (
    ("Germany", "Berlin", "Europe/Berlin", "de-DE"),
    ("France", "Lyon", "Europe/Paris", "fr-FR"),
    ("Portugal", "Porto", "Europe/Lisbon", "pt-PT"),
    ("United States", "Boston", "America/New_York", "en-US"),
)
CONSENTS: tuple[tuple[str, int], ...] = (("subscribed", 75), ("never", 15), ("unsubscribed", 10))


def populate(simulator: KlaviyoSimulator, *, people: int, seed: int) -> None:
    """Profiles with a list, a segment, mails opened and orders placed over the last year."""
    choice = random.Random(seed)
    now = datetime.fromtimestamp(simulator.seconds(), UTC)
    words = [word for word, _ in CONSENTS]
    weights = [weight for _, weight in CONSENTS]
    engaged = simulator.add_segment("Engaged (90 days)")
    for number in range(1, people + 1):
        country, city, zone, locale = choice.choice(PLACES)
        consent = choice.choices(words, weights)[0]
        reasons = ["UNSUBSCRIBE"] if consent == "unsubscribed" else []
        if choice.random() < 0.03:
            reasons.append("HARD_BOUNCE")
        changed = now - timedelta(days=choice.randint(1, 365), seconds=choice.randint(0, 86_399))
        profile = simulator.add_profile(
            f"person{number}@example.com",
            consent=consent,
            suppressed=reasons,
            changed_at=changed,
            first_name=choice.choice(FIRST),
            last_name=choice.choice(LAST),
            external_id=f"c-{number}" if choice.random() < 0.6 else None,
            locale=locale,
            location={"country": country, "city": city, "timezone": zone},
            properties={"plan": choice.choice(("free", "gold"))},
            lists=["Newsletter"] if consent == "subscribed" else [],
        )
        _history(simulator, profile, choice, now)
        if choice.random() < 0.2:
            engaged.members[profile.id] = simulator.seconds() - SETTLED


def _history(simulator: KlaviyoSimulator, profile: Profile, choice: random.Random, now: datetime) -> None:
    orders = choice.choice((0, 0, 1, 1, 2, 4))
    spent = 0.0
    for number in range(orders):
        value = round(choice.uniform(5, 250), 2)
        spent += value
        simulator.add_event(
            profile,
            "Placed Order",
            at=now - timedelta(days=choice.randint(1, 360), seconds=choice.randint(0, 86_399)),
            properties={
                "$value": value,
                "$event_id": f"{profile.id}-{number}",
                "Items": [f"product-{choice.randint(1, 40)}"],
            },
        )
    for _ in range(choice.randint(0, 4)):
        at = now - timedelta(days=choice.randint(1, 180), seconds=choice.randint(0, 86_399))
        mail: dict[str, object] = {"Campaign Name": f"Newsletter {at:%B}", "$message": "01MAIL"}
        simulator.add_event(profile, "Opened Email", at=at, properties=mail)
        if choice.random() < 0.2:
            later = at + timedelta(seconds=choice.randint(1, 600))
            url = {"URL": "https://example.com/sale"}
            simulator.add_event(profile, "Clicked Email", at=later, properties={**mail, **url})
    if orders:
        profile.predictive.update(
            historic_clv=round(spent, 2),
            predicted_clv=round(spent * 0.4, 2),
            total_clv=round(spent * 1.4, 2),
            historic_number_of_orders=orders,
            predicted_number_of_orders=round(orders * 0.4, 2),
            average_order_value=round(spent / orders, 2),
            churn_probability=round(choice.random(), 3),
        )


SETTLED = 10
"""Seconds since the made-up people came into the segment."""
