"""The same made-up humans on four simulated platforms, with other spellings and opt-outs on some of them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from connectors.hubspot.simulator import HubspotSimulator
from connectors.klaviyo.simulator import KlaviyoSimulator
from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.pacing import ManualClock
from connectors.salesforce.simulator import SalesforceSimulator
from connectors.simulation import Simulation, serve
from sync.run.pipeline import run
from sync.run.report import Report
from sync.run.workspace import Workspace

NAMES = {"hub": "hubspot", "crm": "salesforce", "shop-mail": "klaviyo", "newsletter": "mailchimp"}
SECRETS = {"access_token", "consumer_key", "consumer_secret", "api_key", "private_key"}
COUNTRIES = ("DE", "FR", "IT")


@dataclass
class Human:
    """One person. `on` are the connections that know them; `out` those on which they opted out."""

    number: int
    country: str
    on: frozenset[str]
    out: frozenset[str]

    def address(self, connection: str) -> str:
        """Some platforms write addresses in capitals."""
        plain = f"human{self.number}@example.com"
        return plain.upper() if connection in ("crm", "hub") and self.number % 5 == 0 else plain

    @property
    def mailable(self) -> bool:
        """Opted out anywhere is opted out everywhere."""
        return not self.out


@dataclass
class Region:
    """Humans, and the four accounts that know some of them each."""

    folder: Path
    people: int = 60
    seed: int = 1
    on_share: float = 0.75  # how likely somebody is on a platform
    out_share: float = 0.08  # how likely they opted out there
    humans: list[Human] = field(default_factory=list)
    clock: ManualClock = field(default_factory=ManualClock)
    """One time for segsync and all platforms; waiting costs nothing."""

    def __post_init__(self) -> None:
        choice = random.Random(self.seed)
        for number in range(self.people):
            on = frozenset(name for name in NAMES if choice.random() < self.on_share) or frozenset(
                {"newsletter"}
            )
            out = frozenset(name for name in on if choice.random() < self.out_share)
            self.humans.append(Human(number, choice.choice(COUNTRIES), on, out))
        now = self.clock.utc_now
        self.hub = HubspotSimulator(now=now, lag=False)
        self.crm = SalesforceSimulator(now=now)
        self.crm.add_own_field()
        self.klaviyo = KlaviyoSimulator(now=now)
        self.mailchimp = MailchimpSimulator(now=now)
        self.simulations: dict[str, Simulation] = {
            "hub": self.hub,
            "crm": self.crm,
            "shop-mail": self.klaviyo,
            "newsletter": self.mailchimp,
        }
        self.crm_ids: dict[int, str] = {}
        long_ago = self.clock.utc_now() - timedelta(days=2)
        for human in self.humans:
            for name in sorted(human.on):
                self._add(name, human, long_ago)

    def _add(self, name: str, human: Human, at: datetime) -> None:
        address, out = human.address(name), name in human.out
        match name:
            case "hub":
                more = {"hs_email_optout": "true"} if out else {}
                self.hub.add_contact(address, changed_at=at, country=human.country, **more)
            case "crm":
                values = {"HasOptedOutOfEmail": out, "MailingCountry": human.country}
                self.crm_ids[human.number] = self.crm.add_contact(address, **values)
            case "shop-mail":
                consent = "unsubscribed" if out else "subscribed"
                self.klaviyo.add_profile(
                    address, consent=consent, changed_at=at, location={"country": human.country}
                )
            case "newsletter":
                status = "unsubscribed" if out else "subscribed"
                self.mailchimp.add_member(address, status=status, changed_at=at, country_code=human.country)

    @contextmanager
    def served(self, rules: str) -> Iterator[Path]:
        """All four over HTTP; yields the config's path."""
        with ExitStack() as stack:
            text = ['rules_dir = "rules"', "[store]", 'database = "sqlite:///segsync.db"', 'lake = "lake"']
            for name, simulation in self.simulations.items():
                address = stack.enter_context(serve(simulation))
                text += [f"[connections.{name}]", f'platform = "{NAMES[name]}"', f'base_url = "{address}"']
                text += list(self._settings(name, simulation.credentials))
            (self.folder / "rules").mkdir(parents=True, exist_ok=True)
            (self.folder / "rules" / "region.toml").write_text(rules)
            config = self.folder / "config.toml"
            config.write_text("\n".join(text) + "\n")
            yield config

    def _settings(self, name: str, credentials: Mapping[str, str]) -> Iterator[str]:
        for key, value in credentials.items():
            if key in SECRETS:
                variable = f"SEGSYNC_REGION_{name}_{key}".upper().replace("-", "_")
                os.environ[variable] = value
                yield f'{key} = "env:{variable}"'
            else:
                yield f'{key} = "{value}"'

    def run(self, config: Path) -> Report:
        """One run; a minute passes before it."""
        self.clock.advance(60)
        with Workspace.open(config, clock=self.clock) as workspace:
            return run(workspace)

    def opt_out(self, human: Human, connection: str) -> None:
        """The person unsubscribes on one platform."""
        address = human.address(connection)
        match connection:
            case "hub":
                found = self.hub.records.by_address(address)
                assert found is not None
                self.hub.records.update(found, {"hs_email_optout": "true"})
            case "crm":
                self.crm.org.change("Contact", self.crm_ids[human.number], HasOptedOutOfEmail=True)
            case "shop-mail":
                profile = self.klaviyo.account.find("email", address)
                assert profile is not None
                profile.consent.word, profile.updated = "UNSUBSCRIBED", self.klaviyo.seconds()
            case "newsletter":
                member = self.mailchimp.audience.find(address)
                assert member is not None
                member.status, member.left_by = "unsubscribed", "contact"
                self.mailchimp.audience.touch(member)
        human.out |= {connection}

    def consents(self) -> dict[tuple[str, str], object]:
        """(connection, person) → how much may be sent to them there; larger is more."""
        found: dict[tuple[str, str], object] = {}
        for record in self.hub.records.live("contacts").values():
            opted_out = record.properties.get("hs_email_optout")
            found["hub", str(record.properties.get("email"))] = opted_out
        for row in self.crm.org.tables["Contact"].values():
            found["crm", str(row["Email"])] = row["HasOptedOutOfEmail"]
        for profile in self.klaviyo.account.profiles.values():
            found["shop-mail", str(profile.email)] = profile.consent.rank()
        for member in self.mailchimp.audience.members.values():
            found["newsletter", member.address] = member.status
        return found

    def expected(self, country: str, connection: str) -> set[str]:
        """Addresses of the mailable people of a country whom the connection knows, in lower case."""
        return {
            human.address(connection).lower()
            for human in self.humans
            if human.country == country and human.mailable and connection in human.on
        }
