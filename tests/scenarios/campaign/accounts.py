"""The company's four accounts: filled from the model, read back as numbers of humans, changed by hands.

Hands are everybody who is not segsync: people who unsubscribe, colleagues who put somebody on a list.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.hubspot.simulator import CLIENT, REFRESH_TOKEN, HubspotSimulator
from connectors.klaviyo.simulator import KlaviyoSimulator
from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.owned_field import joined, names_in
from connectors.registry import platform
from connectors.salesforce.simulator import SalesforceSimulator
from connectors.simulation import Simulation
from tests.scenarios.campaign.company import COUNTRIES, FIELDS_OF, PLATFORMS, PREFIX, Company, Human

OWN = {
    "hub": "segsync_segments",
    "crm": "Segments__c",
    "shop-mail": "segsync_segments",
    "newsletter": "SEGMENTS",
}
TIMES = frozenset({"SystemModstamp", "LastModifiedDate", "LastViewedDate", "LastReferencedDate"})
Numbers = frozenset[int]
CONFIG = """rules_dir = "rules"
[store]
database = "{database}"
lake = "lake"
[brakes]
removals_min = 1000000
[trust]
order = ["shop", "newsletter", "hub", "crm", "shop-mail"]
[fields.hub_mood]
type = "text"
from = ["hub.jobtitle"]
[fields.crm_mood]
type = "text"
from = ["crm.Title"]
[fields.shop_mail_mood]
type = "text"
from = ["shop-mail.title"]
[fields.newsletter_mood]
type = "text"
from = ["newsletter.LNAME"]
[connections.shop]
platform = "tables"
url = "file:."
[connections.shop.memberships]
to = "memberships.csv"
[connections.shop.contacts]
from = "customers.csv"
key = "id"
columns = {{ email = "email", phone = "phone", country = "country" }}
[[connections.shop.activity]]
kind = "purchase"
from = "orders.csv"
key = "id"
contact = "customer"
at = "at"
columns = {{ amount = "total" }}
types = {{ amount = "money" }}
"""


class Accounts:
    """`now` gives each platform's time; theirs may differ a little from ours and from each other."""

    def __init__(self, company: Company, now: Callable[[], datetime]) -> None:
        self.company = company

        def behind(seconds: float) -> Callable[[], datetime]:
            return lambda: now() + timedelta(seconds=seconds)

        self.hub = HubspotSimulator(now=behind(0))
        self.crm = SalesforceSimulator(now=behind(90))
        self.klaviyo = KlaviyoSimulator(now=behind(-45))
        self.mailchimp = MailchimpSimulator(now=behind(30))
        self.crm.add_own_field()
        self.simulations: dict[str, Simulation] = {
            "hub": self.hub,
            "crm": self.crm,
            "shop-mail": self.klaviyo,
            "newsletter": self.mailchimp,
        }
        self.crm_ids: dict[int, str] = {}
        self.hub_ids: dict[int, str] = {}
        self.klaviyo_ids: dict[int, str] = {}
        long_ago = now() - timedelta(days=2)
        for human in company.humans:
            for name in sorted(human.on & set(PLATFORMS)):
                self._add(name, human, long_ago)
        self._numbers = {
            "hub": {id_: number for number, id_ in self.hub_ids.items()},
            "crm": {id_: number for number, id_ in self.crm_ids.items()},
            "shop-mail": {id_: number for number, id_ in self.klaviyo_ids.items()},
        }
        for number in range(len(company.humans)):
            for where in ("newsletter", "shop-mail"):
                if number % 2:
                    self.sell(where, company.humans[number])

    # ---- filling ---------------------------------------------------------------------------------

    def _add(self, name: str, human: Human, at: datetime) -> None:
        address, out, mood = human.address(name), name in human.out, human.moods[name]
        match name:
            case "hub":
                more = {"hs_email_optout": "true"} if out else {}
                made = self.hub.add_contact(address, changed_at=at, jobtitle=mood, phone=human.phone, **more)
                self.hub_ids[human.number] = made.id
            case "crm":
                add = self.crm.add_lead if human.number % 6 == 1 else self.crm.add_contact
                self.crm_ids[human.number] = add(address, HasOptedOutOfEmail=out, Title=mood)
            case "shop-mail":
                consent = "unsubscribed" if out else "subscribed"
                profile = self.klaviyo.add_profile(address, consent=consent, changed_at=at, title=mood)
                self.klaviyo_ids[human.number] = profile.id
            case "newsletter":
                status = "unsubscribed" if out else "subscribed"
                self.mailchimp.add_member(
                    address, status=status, changed_at=at, merge={"LNAME": mood, "PHONE": human.phone}
                )

    def config(self, folder: Path, addresses: Mapping[str, str], *, database: str) -> Path:
        """Write the config; secrets go into this process's environment. Returns its path."""
        text = CONFIG.format(database=database)
        for name, simulation in self.simulations.items():
            text += f'[connections.{name}]\nplatform = "{PLATFORMS[name]}"\nbase_url = "{addresses[name]}"\n'
            text += "connections = 2\n"
            for key, value in self.credentials(name, simulation).items():
                text += f'{key} = "{value}"\n'
        path = folder / "config.toml"
        path.write_text(text)
        return path

    def credentials(self, name: str, simulation: Simulation) -> dict[str, str]:
        """Settings of the connection, secrets as references to the environment."""
        given = {**CLIENT, "refresh_token": REFRESH_TOKEN} if name == "hub" else simulation.credentials
        secret = {one.name for one in platform(PLATFORMS[name]).settings if one.secret}
        found = {}
        for key, value in given.items():
            variable = f"SEGSYNC_CAMPAIGN_{name}_{key}".upper().replace("-", "_")
            if key in secret:
                os.environ[variable] = value
            found[key] = f"env:{variable}" if key in secret else value
        return found

    # ---- looking ---------------------------------------------------------------------------------

    def number(self, name: str, key: object) -> int:
        """The human behind an id, or (newsletter) an address."""
        if name == "newsletter":
            return int(str(key).partition("@")[0].lower().removeprefix("human"))
        return self._numbers[name][str(key)]

    def audiences(self, name: str) -> dict[str, Numbers]:
        """Name of every list, tag or campaign → humans in it."""
        found: dict[str, set[object]] = {}
        match name:
            case "hub":
                found = {one.name: set(self.hub.lists.present(one)) for one in self.hub.lists.there()}
            case "crm":
                for key, campaign in self.crm.org.tables["Campaign"].items():
                    if not campaign["IsDeleted"]:
                        found[campaign["Name"]] = set(self.crm.members(key))
            case "shop-mail":
                found = {group.name: set(group.members) for group in self.klaviyo.account.lists.values()}
            case "newsletter":
                segments = self.mailchimp.audience.segments.values()
                found = {one.name: {m.address for m in one.members.values()} for one in segments}
        return {
            title: frozenset(self.number(name, key) for key in members) for title, members in found.items()
        }

    def people(self, name: str) -> dict[int, tuple[frozenset[str], object, object]]:
        """Human → (what stands in the owned field, how much may be sent to them, everything else)."""
        found: dict[int, tuple[frozenset[str], object, object]] = {}
        own = OWN[name]
        match name:
            case "hub":
                for record in self.hub.records.live("contacts").values():
                    if record.archived_at is not None:
                        continue
                    given = record.properties
                    rest = tuple(sorted((k, v) for k, v in given.items() if k != own))
                    held = frozenset(names_in(given.get(own)))
                    consent = given.get("hs_email_optout") != "true"
                    found[self.number(name, record.id)] = (held, consent, rest)
            case "crm":
                for table in ("Contact", "Lead"):
                    for row in self.crm.org.tables[table].values():
                        if row["IsDeleted"]:
                            continue
                        rest = tuple((k, v) for k, v in row.items() if k != own and k not in TIMES)
                        consent = not row["HasOptedOutOfEmail"]
                        found[self.number(name, row["Id"])] = (frozenset(names_in(row[own])), consent, rest)
            case "shop-mail":
                for profile in self.klaviyo.account.profiles.values():
                    properties = {k: v for k, v in profile.properties.items() if k != own}
                    held = frozenset(str(one) for one in profile.properties.get(own) or ())  # type: ignore[attr-defined]
                    rest = (repr(properties), repr(profile.plain), profile.email, profile.consent.word)
                    found[self.number(name, profile.id)] = (held, profile.consent.rank(), rest)
            case "newsletter":
                for member in self.mailchimp.audience.members.values():
                    merge = tuple((k, v) for k, v in member.merge.items() if k != own)
                    held = frozenset(names_in(str(member.merge.get(own) or "")))
                    rest = (merge, member.status, member.vip, member.language)
                    found[self.number(name, member.address)] = (held, member.status == "subscribed", rest)
        return found

    # ---- hands -----------------------------------------------------------------------------------

    def opt_out(self, name: str, human: Human) -> None:
        """The person unsubscribes there."""
        match name:
            case "hub":
                record = self.hub.records.live("contacts")[self.hub_ids[human.number]]
                self.hub.records.update(record, {"hs_email_optout": "true"})
            case "crm":
                self._change_crm(human, HasOptedOutOfEmail=True)
            case "shop-mail":
                profile = self.klaviyo.account.profiles[self.klaviyo_ids[human.number]]
                profile.consent.word = "UNSUBSCRIBED"
                self.klaviyo.account.touch(profile)
            case "newsletter":
                member = self._member(human)
                member.status, member.left_by = "unsubscribed", "contact"
                self.mailchimp.audience.touch(member)
        human.out.add(name)

    def change_mood(self, name: str, human: Human, mood: str) -> None:
        """A colleague edits a field that we only read."""
        match name:
            case "hub":
                record = self.hub.records.live("contacts")[self.hub_ids[human.number]]
                self.hub.records.update(record, {"jobtitle": mood})
            case "crm":
                self._change_crm(human, Title=mood)
            case "shop-mail":
                profile = self.klaviyo.account.profiles[self.klaviyo_ids[human.number]]
                profile.plain["title"] = mood
                self.klaviyo.account.touch(profile)
            case "newsletter":
                member = self._member(human)
                member.merge["LNAME"] = mood
                self.mailchimp.audience.touch(member)
        human.moods[name] = mood

    def sell(self, where: str, human: Human) -> None:
        """An order that the platform itself knows of."""
        sold = self.company.sell(where, human)
        if sold is None:
            return
        event, _, cents = sold
        if where == "newsletter":
            at = self.mailchimp._now()
            self.mailchimp.add_order(human.address(where), total=cents / 100, at=at, id=event)
        else:
            profile = self.klaviyo.account.profiles[self.klaviyo_ids[human.number]]
            properties = {"$value": cents / 100, "$event_id": event}
            self.klaviyo.add_event(profile, "Placed Order", at=self.klaviyo._now(), properties=properties)

    def move_member(self, name: str, title: str, human: Human, *, into: bool) -> None:
        """A colleague puts somebody into an audience, or takes them out of it."""
        match name:
            case "hub":
                one = self.hub.lists.named(title)
                assert one is not None
                some = [self.hub_ids[human.number]]
                self.hub.lists.change(one, add=some if into else [], remove=[] if into else some)
            case "crm":
                self._move_in_campaign(title, self.crm_ids[human.number], into=into)
            case "shop-mail":
                group = next(g for g in self.klaviyo.account.lists.values() if g.name == title)
                profile = self.klaviyo.account.profiles[self.klaviyo_ids[human.number]]
                if into:
                    self.klaviyo.account.join(group, profile)
                else:
                    self.klaviyo.account.leave(group, profile.id)
            case "newsletter":
                segment = self.mailchimp.audience.segment_named(title)
                assert segment is not None
                member = self._member(human)
                move = self.mailchimp.audience.tag if into else self.mailchimp.audience.untag
                if move(member, segment):
                    self.mailchimp.audience.touch(member)

    def set_names(self, name: str, human: Human, names: frozenset[str]) -> None:
        """A colleague edits the owned field: exactly these names stand there now."""
        own, value = OWN[name], joined(sorted(names))
        match name:
            case "hub":
                record = self.hub.records.live("contacts")[self.hub_ids[human.number]]
                self.hub.records.update(record, {own: value})
            case "crm":
                self._change_crm(human, **{own: value or None})
            case "shop-mail":
                profile = self.klaviyo.account.profiles[self.klaviyo_ids[human.number]]
                profile.properties[own] = sorted(names)
                self.klaviyo.account.touch(profile)
            case "newsletter":
                member = self._member(human)
                member.merge[own] = value
                self.mailchimp.audience.touch(member)

    def delete_audience(self, name: str, title: str) -> None:
        """A colleague deletes it."""
        match name:
            case "hub":
                one = self.hub.lists.named(title)
                if one is not None:
                    self.hub.lists.delete(one)
            case "crm":
                for key, campaign in list(self.crm.org.tables["Campaign"].items()):
                    if campaign["Name"] == title and not campaign["IsDeleted"]:
                        self.crm.org.delete("Campaign", key)
            case "shop-mail":
                lists = self.klaviyo.account.lists
                for key in [key for key, group in lists.items() if group.name == title]:
                    del lists[key]
            case "newsletter":
                segment = self.mailchimp.audience.segment_named(title)
                if segment is not None:
                    self.mailchimp.audience.drop_segment(segment)

    def erase(self, name: str, human: Human) -> None:
        """A colleague deletes the person there; others know them still. HubSpot and Salesforce only."""
        if name == "hub":
            self.hub.records.archive(self.hub.records.live("contacts")[self.hub_ids[human.number]])
        else:
            key = self.crm_ids[human.number]
            self.crm.org.delete("Lead" if key.startswith("00Q") else "Contact", key)
        human.on -= {name}
        del human.moods[name]

    def _change_crm(self, human: Human, **values: Any) -> None:
        key = self.crm_ids[human.number]
        self.crm.org.change("Lead" if key.startswith("00Q") else "Contact", key, **values)

    def _move_in_campaign(self, title: str, key: str, *, into: bool) -> None:
        org = self.crm.org
        (campaign,) = [
            k for k, c in org.tables["Campaign"].items() if c["Name"] == title and not c["IsDeleted"]
        ]
        link = "LeadId" if key.startswith("00Q") else "ContactId"
        member = next(
            (
                m["Id"]
                for m in org.tables["CampaignMember"].values()
                if m["CampaignId"] == campaign and m[link] == key
            ),
            None,
        )
        if into and member is None:
            org.insert("CampaignMember", {"CampaignId": campaign, link: key})
        elif not into and member is not None:
            org.delete("CampaignMember", member)

    def _member(self, human: Human) -> Any:
        member = self.mailchimp.audience.find(human.address("newsletter"))
        assert member is not None
        return member


def title_of(segment: str, names: Mapping[str, str]) -> str:
    """What the audience of a segment is called on a platform."""
    return f"{PREFIX}{names[segment]}"


__all__ = ["COUNTRIES", "FIELDS_OF", "Accounts", "Numbers", "title_of"]
