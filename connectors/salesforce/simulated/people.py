"""Made-up contacts, leads, accounts and what they did, for demonstrations."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from connectors.salesforce.simulated.rules import LOST, WON, day

if TYPE_CHECKING:
    from connectors.salesforce.simulator import SalesforceSimulator

FIRST = ("Ana", "Ben", "Chiara", "David", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam")
LAST = ("Almeida", "Baker", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Horvat", "Ito", "Jansen")
CITIES = (("Berlin", "Germany"), ("Lyon", "France"), ("Porto", "Portugal"), ("Leeds", "United Kingdom"))
INDUSTRIES = ("Retail", "Software", "Manufacturing", "Education")
DAY_S = 86_400


def populate(simulator: SalesforceSimulator, *, people: int, seed: int) -> None:
    """Two thirds contacts, one third leads; some opted out, some converted, with activity."""
    chance = random.Random(seed)
    org, now = simulator.org, simulator.seconds()
    simulator.add_own_field()
    campaign = org.create("Campaign", Name="Autumn fair", Type="Trade Show", stamp=now - 60 * DAY_S)
    account = ""
    for number in range(people):
        stamp = now - chance.randrange(1, 720) * DAY_S
        first, last = chance.choice(FIRST), chance.choice(LAST)
        city, country = chance.choice(CITIES)
        common = {
            "FirstName": first,
            "LastName": last,
            "HasOptedOutOfEmail": chance.random() < 0.05,
            "LeadSource": chance.choice(("Web", "Event", "Partner")),
        }
        email = f"{first}.{last}{number}@example.com".lower()
        if number % 3 == 2:
            where = {"City": city, "Country": country, "Company": f"{last} Ltd"}
            person = simulator.add_lead(email, stamp=stamp, **common, **where)
        else:
            if number % 9 == 0:
                account = org.create(
                    "Account",
                    stamp=stamp,
                    Name=f"{last} & Sons",
                    Industry=chance.choice(INDUSTRIES),
                    NumberOfEmployees=chance.randrange(5, 5000),
                )
            where = {"MailingCity": city, "MailingCountry": country, "AccountId": account}
            person = simulator.add_contact(email, stamp=stamp, **common, **where)
            if chance.random() < 0.3:
                _deal(simulator, chance, account=account, contact=person, name=f"{last} {number}")
        link = "LeadId" if number % 3 == 2 else "ContactId"
        if chance.random() < 0.2:
            org.insert("CampaignMember", {"CampaignId": campaign, link: person})
        if chance.random() < 0.5:
            org.create(
                "Task", stamp=stamp, WhoId=person, Subject="Call back", Type="Call", Status="Completed"
            )
        if chance.random() < 0.1:
            start = now - chance.randrange(1, 300) * DAY_S
            org.create("Event", stamp=stamp, WhoId=person, Subject="Visit", StartDateTime=start)


def _deal(
    simulator: SalesforceSimulator, chance: random.Random, *, account: str, contact: str, name: str
) -> None:
    closed = simulator.seconds() - chance.randrange(1, 700) * DAY_S
    opportunity = simulator.org.create(
        "Opportunity",
        stamp=closed,
        AccountId=account,
        Name=name,
        StageName=chance.choice((WON, WON, LOST, "Negotiation")),
        Amount=chance.randrange(10, 900) * 100,
        CloseDate=day(closed),
    )
    simulator.org.create(
        "OpportunityContactRole", stamp=closed, OpportunityId=opportunity, ContactId=contact, IsPrimary=True
    )
