"""The demo's accounts: simulated platforms on loopback, filled with what they know of the demo's people."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from connectors.registry import platform
from connectors.simulation import Simulation, serve
from sync.demo.data import DemoData
from sync.demo.elsewhere import Contact, Wish

if TYPE_CHECKING:
    from connectors.hubspot.simulator import HubspotSimulator
    from connectors.klaviyo.simulator import KlaviyoSimulator
    from connectors.mailchimp.simulator import MailchimpSimulator
    from connectors.salesforce.simulator import SalesforceSimulator

ACCOUNTS: Mapping[str, str] = {
    "newsletter": "mailchimp",
    "hub": "hubspot",
    "shop-mail": "klaviyo",
    "crm": "salesforce",
}
"""Platform by the connection's name, the most trusted first."""

NEWSLETTER = ("newsletter",)
"""All that the shipped example rules need."""

Settings = Mapping[str, str | bool]
Now = Callable[[], dt.datetime]


@contextmanager
def served(simulations: Mapping[str, Simulation]) -> Iterator[dict[str, Settings]]:
    """All over HTTP while the block runs; yields what the config says of each.

    Secrets are in environment variables meanwhile, which are taken back at the end.
    """
    with ExitStack() as stack:
        before = dict(os.environ)
        stack.callback(_restore, before)
        yield {
            name: _settings(name, simulation, stack.enter_context(serve(simulation)))
            for name, simulation in simulations.items()
        }


def _restore(before: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith(_variable("", ""))]:
        if name in before:
            os.environ[name] = before[name]
        else:
            del os.environ[name]


def _settings(name: str, simulation: Simulation, address: str) -> Settings:
    secret = {setting.name for setting in platform(ACCOUNTS[name]).settings if setting.secret}
    found: dict[str, str | bool] = {"platform": ACCOUNTS[name], "base_url": address}
    for key, value in simulation.credentials.items():
        if key in secret:
            os.environ[_variable(name, key)] = value
            found[key] = f"env:{_variable(name, key)}"
        else:
            found[key] = value
    if name == "shop-mail":
        found["predictive"] = False  # nobody has any here, and reading goes faster without
    return found


def _variable(name: str, key: str) -> str:
    return f"SEGSYNC_DEMO_{name}_{key}".upper().replace("-", "_").rstrip("_")


def simulations(names: Iterable[str], data: DemoData, *, now: Now | None = None) -> dict[str, Simulation]:
    """The accounts of these names, filled. `now` gives aware UTC times; the machine's clock without it."""
    fillers = {"newsletter": _newsletter, "hub": _hub, "crm": _crm, "shop-mail": _shop_mail}
    return {name: fillers[name](data, now) for name in names}


def _newsletter(data: DemoData, now: Now | None) -> Simulation:
    from connectors.mailchimp.simulator import MailchimpSimulator

    made = MailchimpSimulator(now=now)
    seed_newsletter(made, data)
    return made


def _hub(data: DemoData, now: Now | None) -> Simulation:
    from connectors.hubspot.simulator import HubspotSimulator

    made = HubspotSimulator(now=now)
    seed_hub(made, data.elsewhere["hub"])
    return made


def _crm(data: DemoData, now: Now | None) -> Simulation:
    from connectors.salesforce.simulator import SalesforceSimulator

    made = SalesforceSimulator(now=now)
    made.add_own_field()
    seed_crm(made, data.elsewhere["crm"])
    return made


def _shop_mail(data: DemoData, now: Now | None) -> Simulation:
    from connectors.klaviyo.simulator import KlaviyoSimulator

    made = KlaviyoSimulator(now=now)
    seed_shop_mail(made, data.elsewhere["shop-mail"])
    return made


def seed_newsletter(simulator: MailchimpSimulator, data: DemoData) -> None:
    """Fill the simulator's first audience with the demo's members, campaigns and what they did."""
    for member in data.members:
        simulator.add_member(
            member.address,
            status=member.status,
            merge={"FNAME": member.first_name, "LNAME": member.last_name},
            tags=member.tags,
            changed_at=member.changed_at,
            language=member.language,
            country_code=member.country,
            timestamp_signup=int(member.joined_at.timestamp()),
            left_by=member.left_by,
        )
    for sending in data.campaigns:
        campaign = simulator.add_campaign(sending.title, sent_at=sending.sent_at, to=sending.recipients)
        for did in sending.activity:
            kind = "hard" if did.action == "bounce" else ""
            simulator.add_activity(campaign, did.address, did.action, at=did.at, url=did.url, type=kind)
        campaign.left.update((address, int(at.timestamp())) for address, at in sending.left)


def seed_hub(simulator: HubspotSimulator, contacts: Iterable[Contact]) -> None:
    """Contacts with their opt-outs and bounces."""
    wishes = {
        Wish.LEFT: {"hs_email_optout": "true"},
        Wish.BOUNCED: {"hs_email_hard_bounce_reason_enum": "OTHER"},
    }
    for contact in contacts:
        simulator.add_contact(
            contact.address,
            changed_at=contact.changed_at,
            firstname=contact.first_name,
            lastname=contact.last_name,
            country=contact.country,
            city=contact.city,
            lifecyclestage="lead" if contact.lead else "customer",
            **wishes.get(contact.wish, {}),
        )


def seed_crm(simulator: SalesforceSimulator, contacts: Iterable[Contact]) -> None:
    """Contacts and leads with their opt-outs and bounces."""
    for contact in contacts:
        stamp = int(contact.changed_at.timestamp())
        common = {
            "FirstName": contact.first_name,
            "LastName": contact.last_name,
            "HasOptedOutOfEmail": contact.wish is Wish.LEFT,
            "EmailBouncedDate": stamp if contact.wish is Wish.BOUNCED else None,
        }
        if contact.lead:
            simulator.add_lead(
                contact.address, stamp=stamp, Country=contact.country, City=contact.city, **common
            )
        else:
            simulator.add_contact(
                contact.address,
                stamp=stamp,
                MailingCountry=contact.country,
                MailingCity=contact.city,
                **common,
            )


def seed_shop_mail(simulator: KlaviyoSimulator, contacts: Iterable[Contact]) -> None:
    """Profiles with their subscriptions."""
    words = {Wish.ASKED_FOR_IT: "subscribed", Wish.SAID_NOTHING: "never", Wish.LEFT: "unsubscribed"}
    for contact in contacts:
        simulator.add_profile(
            contact.address,
            consent=words.get(contact.wish, "subscribed"),
            suppressed=("HARD_BOUNCE",) if contact.wish is Wish.BOUNCED else (),
            changed_at=contact.changed_at,
            location={"country": contact.country, "city": contact.city},
            first_name=contact.first_name,
            last_name=contact.last_name,
        )
