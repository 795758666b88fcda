"""The accounts of the scale benchmark, in a process of their own so that they cost the run nothing.

Started as `python -m tests.benchmarks.scale_platforms FOLDER PEOPLE AS_OF VIEWS`: fills the folder, with so
many views of the shop's pages in a file, serves four accounts without delays and without limits, prints one
line of JSON with the secrets the config refers to, and then answers one line per command: `change` (one
person in a hundred changes everywhere), `later` (their time goes on by HOURS), `counts`. Ends with its input.
"""

from __future__ import annotations

import datetime as dt
import gc
import json
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from connectors.klaviyo.simulated import jobs as klaviyo_jobs
from connectors.mailchimp.simulated import reports
from connectors.simulation import Simulation
from sync.demo.accounts import ACCOUNTS, served
from sync.demo.company import fill
from sync.demo.data import Customer
from sync.demo.files import CONFIG, CUSTOMERS, ORDERS, write_config

if TYPE_CHECKING:
    from connectors.hubspot.simulator import HubspotSimulator
    from connectors.klaviyo.simulator import KlaviyoSimulator
    from connectors.mailchimp.simulator import MailchimpSimulator
    from connectors.salesforce.simulator import SalesforceSimulator

SHARE = 100
"""One person in so many changes."""
NO_LIMIT = 10**9
INSTANT = "%Y-%m-%dT%H:%M:%SZ"
SPREAD_S = 390 * 86_400
"""Over so long customers changed before the first run."""
HOURS = 12
"""Between two runs. With less, each would read again what the one before wrote: platforms' times of change
move with our writes, and every pull looks back some minutes."""

VIEWS = "page_views"
PAGES = ("/", "/pricing", "/shoes", "/pricing/teams", "/blog", "/help")
_VIEWED = f"""
[[connections.shop.activity]]
kind = "page_view"
from = "{VIEWS}*.csv"
key = "view_id"
contact = "customer_id"
at = "viewed_at"
columns = {{ page = "page" }}
"""
_VISITORS = """
[[segment]]
id = "visitors"
name = "Visitors"
when = "count(page_view, last 30 days) >= 3"
to = [{ connection = "hub", as = "list" }, { connection = "shop-mail", as = "list" }]

[[segment]]
id = "about-to-buy"
name = "About to buy"
when = 'count(page_view where page starts with "/pricing", last 90 days) >= 2'
to = [{ connection = "hub", as = "list" }]
"""


class Accounts:
    """The four simulations, and whom they know of the people that are going to change."""

    def __init__(
        self, simulations: Mapping[str, Simulation], folder: Path, as_of: dt.datetime, *, viewing: bool
    ) -> None:
        self.simulations = simulations
        self.viewing = viewing
        self.folder = folder
        self.as_of = as_of
        self.rounds = 0
        self.newsletter = cast("MailchimpSimulator", simulations["newsletter"])
        self.hub = cast("HubspotSimulator", simulations["hub"])
        self.shop_mail = cast("KlaviyoSimulator", simulations["shop-mail"])
        self.crm = cast("SalesforceSimulator", simulations["crm"])
        self._without_limits()
        self._listing_once()

    def _listing_once(self) -> None:
        """Whom a campaign reached is listed anew for every page, which at a million people would be most of
        what this process does; nobody does anything more there while we serve."""
        reports.active_recipients = cache(reports.active_recipients)  # type: ignore[assignment]

    def _without_limits(self) -> None:
        self.hub.limits.calls = self.hub.limits.searches = self.hub.limits.daily = NO_LIMIT
        self.hub.records.index.lag = False
        self.shop_mail.limiter.enabled = False
        klaviyo_jobs.QUEUED_S, klaviyo_jobs.PROFILES_PER_S = -1, NO_LIMIT
        self.crm.daily_calls = NO_LIMIT

    def change(self, people: list[Customer]) -> int:
        """Each of them moves, in the shop and wherever it is known, and buys something."""
        self.rounds += 1
        city = f"Newtown {self.rounds}"
        addresses = {person.email for person in people}
        self._change_tables({person.id for person in people}, city)
        with self.newsletter.lock:
            (home,) = self.newsletter.audiences.values()
            for address in addresses:
                member = home.find(address)
                if member is not None:
                    member.merge["LNAME"] = f"{member.merge['LNAME']} {self.rounds}"
                    home.touch(member)
        with self.hub.lock:
            for address in addresses:
                record = self.hub.records.by_address(address)
                if record is not None:
                    self.hub.records.update(record, {"city": city})
        with self.shop_mail.lock:
            for address in addresses:
                profile = self.shop_mail.account.find("email", address)
                if profile is not None:
                    profile.location["city"] = city
                    self.shop_mail.account.touch(profile)
        with self.crm.lock:
            for kind, field in (("Contact", "MailingCity"), ("Lead", "City")):
                for id_, row in self.crm.org.tables[kind].items():
                    if (row["Email"] or "").lower() in addresses:
                        self.crm.org.change(kind, id_, stamp=None, **{field: city})
        return len(people)

    def _change_tables(self, ids: set[str], city: str) -> None:
        customers = self.folder / CUSTOMERS
        rows = customers.read_text(encoding="utf-8").splitlines(keepends=True)
        header = rows[0].strip().split(",")
        place = header.index("city")
        at = self.as_of - dt.timedelta(hours=1)
        for number, row in enumerate(rows):
            if row.split(",", 1)[0] in ids:
                cells = row.rstrip("\n").split(",")
                cells[place], cells[-1] = city, f"{at:{INSTANT}}"
                rows[number] = ",".join(cells) + "\n"
        customers.write_text("".join(rows), encoding="utf-8")
        orders = self.folder / ORDERS
        with orders.with_stem(f"{orders.stem}-{self.rounds}").open("w", encoding="utf-8") as file:
            file.write("order_id,customer_id,ordered_at,items,total\n")
            file.writelines(f"again{self.rounds}-{id_},{id_},{at:{INSTANT}},2,31.50\n" for id_ in sorted(ids))
        if self.viewing:
            _write_views(self.folder / f"{VIEWS}-{self.rounds}.csv", sorted(ids), at, len(ids), days=1)

    def counts(self) -> dict[str, dict[str, int]]:
        """Connection → calls since the last question; of this process: MiB."""
        found: dict[str, dict[str, int]] = {}
        for name, simulation in self.simulations.items():
            traffic = simulation.traffic
            found[name] = {"reads": traffic.reads, "writes": traffic.writes}
            traffic.reset()
        found["simulators"] = {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
        return found


def main(folder: Path, people: str, as_of: dt.datetime, views: int) -> None:
    """Serve until the input ends."""
    gc.disable()  # nothing here ever goes, and looking for what does takes longer the more there is
    ahead = dt.timedelta()

    def now() -> dt.datetime:
        return dt.datetime.now(dt.UTC) + ahead

    simulations, data = fill(folder, as_of=as_of, people=people, accounts=tuple(ACCOUNTS), now=now)
    some = [person for person in data.customers[::SHARE] if "@example" in person.email]
    if views:
        _write_views(folder / f"{VIEWS}.csv", [person.id for person in data.customers], as_of, views)
        (folder / "rules" / "visitors.toml").write_text(_VISITORS, encoding="utf-8")
    del data
    accounts = Accounts(simulations, folder, as_of, viewing=bool(views))
    before = set(os.environ)
    with served(simulations) as settings:
        text = write_config(folder, settings)
        # a day's orders are a file of their own, as shops export them
        daily = text.replace(f'from = "{ORDERS}"', f'from = "{Path(ORDERS).stem}*.csv"')
        daily = _telling_changes(folder, daily, as_of)
        if views:  # after the shop's other activity
            shop, rest = daily.split("[connections.newsletter]", 1)
            daily = f"{shop}{_VIEWED}\n[connections.newsletter]{rest}"
        daily += "\n[rules]\nincremental = true\n"
        (folder / CONFIG).write_text(daily, encoding="utf-8")
        _say({name: value for name, value in os.environ.items() if name not in before})
        for line in sys.stdin:
            match line.strip():
                case "change":
                    _say({"people": accounts.change(some)})
                case "later":
                    ahead += dt.timedelta(hours=HOURS)
                    _say({"hours": ahead.total_seconds() / 3600})
                case "counts":
                    _say(accounts.counts())


def _telling_changes(folder: Path, config: str, as_of: dt.datetime) -> str:
    """Gives customers a column that tells when a row changed, as tables of that size have; the config."""
    customers = folder / CUSTOMERS
    header, *rows = customers.read_text(encoding="utf-8").splitlines()
    began = as_of - dt.timedelta(days=400)
    # each at a time of its own: rows that share the highest time are read again with every change of a file
    times = (began + dt.timedelta(seconds=number * 7919 % SPREAD_S) for number in range(len(rows)))
    lines = [f"{header},updated_at", *(f"{row},{at:{INSTANT}}" for row, at in zip(rows, times, strict=True))]
    customers.write_text("\n".join(lines) + "\n", encoding="utf-8")
    key = 'key = "customer_id"\n'
    return config.replace(key, f'{key}changed_at = "updated_at"\nincremental = "updated_at"\n', 1)


def _write_views(
    path: Path, people: Sequence[str], until: dt.datetime, count: int, *, days: int = 400
) -> None:
    """So many views, in no order, of pages by people, spread over the `days` before `until`."""
    span_s = days * 86_400
    with path.open("w", encoding="utf-8") as file:
        file.write("view_id,customer_id,viewed_at,page\n")
        for number in range(count):  # primes, so that people, times and pages do not go round together
            at = until - dt.timedelta(seconds=1 + number * 104_729 % span_s)
            page = PAGES[number // len(people) * 7 % len(PAGES)]
            person = people[number * 7919 % len(people)]
            file.write(f"{path.stem}-{number},{person},{at:{INSTANT}},{page}\n")


def _say(content: object) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], dt.datetime.fromisoformat(sys.argv[3]), int(sys.argv[4]))
