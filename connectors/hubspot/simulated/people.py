"""A made-up company's account: contacts of every kind, companies, deals, opt-outs, lists, a merge."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.hubspot.simulator import HubspotSimulator

FIRST = ("Ana", "Ben", "Chloe", "Dmitri", "Elif", "Farid", "Grace", "Hana", "Ivan", "Jun", "Kofi", "Lea")
LAST = ("Abe", "Baker", "Costa", "Diaz", "Endo", "Fischer", "Garcia", "Hall", "Ito", "Jansen", "Kaya", "Lund")
INDUSTRIES = ("RETAIL", "COMPUTER_SOFTWARE", "MANUFACTURING", "EDUCATION")
CITIES = (("Berlin", "Germany"), ("Lyon", "France"), ("Porto", "Portugal"), ("Boston", "United States"))
STAGES = ("lead", "marketingqualifiedlead", "salesqualifiedlead", "customer")
OPT_OUTS: tuple[dict[str, str], ...] = (
    {"hs_email_optout": "true"},
    {"hs_email_optout_9714480": "true"},
    {"hs_email_hard_bounce_reason_enum": "MAILBOX_FULL"},
    {"hs_email_bad_address": "true"},
    {"hs_email_quarantined": "true"},
)


def populate(simulator: HubspotSimulator, *, people: int, seed: int) -> None:
    """Everything was there before today; a third of the contacts share one moment, as imports do."""
    chance = random.Random(seed)
    now = datetime.fromtimestamp(simulator.milliseconds() / 1000, UTC)
    start = now - timedelta(days=400)
    imported = now - timedelta(days=200)
    companies = [
        simulator.add_object(
            "companies",
            changed_at=start,
            name=f"Company {n}",
            domain=f"company{n}.example.com",
            industry=INDUSTRIES[n % len(INDUSTRIES)],
            numberofemployees=str(5 * 2 ** (n % 9)),
            annualrevenue=str(100_000 * (1 + n % 50)),
            country=CITIES[n % len(CITIES)][1],
            city=CITIES[n % len(CITIES)][0],
        )
        for n in range(max(1, people // 8))
    ]
    for n in range(people):
        when = imported if n % 3 == 0 else start + timedelta(seconds=chance.randrange(390 * 86_400))
        city, country = CITIES[chance.randrange(len(CITIES))]
        opens = chance.randrange(40)
        contact = simulator.add_contact(
            f"person{n}@example.com",
            changed_at=when,
            firstname=chance.choice(FIRST),
            lastname=chance.choice(LAST),
            city=city,
            country=country,
            lifecyclestage=chance.choice(STAGES),
            hs_email_delivered=str(opens + chance.randrange(20)),
            hs_email_open=str(opens),
            hs_email_click=str(opens // 4),
            num_notes=str(chance.randrange(4)),
            **(OPT_OUTS[n % len(OPT_OUTS)] if n % 11 == 0 else {}),
        )
        if n % 4:
            simulator.records.link(contact, chance.choice(companies), label="Primary")
        if n % 5 == 0:
            stage = chance.choice(("appointmentscheduled", "closedwon", "closedwon", "closedlost"))
            deal = simulator.add_object(
                "deals",
                changed_at=when,
                dealname=f"Deal {n}",
                amount=f"{chance.randrange(50, 5000)}.{chance.randrange(100):02d}",
                deal_currency_code="EUR",
                dealstage=stage,
                pipeline="default",
                closedate=(when + timedelta(days=20)).isoformat(),
            )
            simulator.records.link(deal, contact)
    newsletter = simulator.lists.make("Newsletter")
    newsletter.members.update(dict.fromkeys(list(simulator.records.live("contacts"))[::5], 0))
    simulator.lists.make("Customers with rules", kind="DYNAMIC")
