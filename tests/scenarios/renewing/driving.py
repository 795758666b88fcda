"""One campaign from its seed: steps of a company's life, and after each run everybody is asked as well."""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from connectors.pacing import ManualClock
from rules.engine.periods import Clock
from sync.assign import assign, earlier
from sync.run.pipeline import run
from sync.run.rulebook import known_rules
from sync.run.workspace import Workspace
from tests.databases import furnish
from tests.scenarios.renewing.texts import Texts

CONFIG = """\
rules_dir = "rules"
[store]
database = "sqlite:///segsync.db"
lake = "lake"
[rules]
incremental = true
full_hours = 100000
[business]
zone = "Europe/Berlin"
[records.contract]
kinds = ["contract_state"]
key = "contract_id"
[fields.score]
type = "number"
from = ["shop.score"]
meaning = "what they are worth"
[fields.vip]
type = "boolean"
from = ["shop.vip"]
meaning = "to be treated well"
[connections.shop]
platform = "tables"
destination = false
url = "file:exports"
[connections.shop.contacts]
from = "customers.csv"
key = "id"
[connections.shop.contacts.columns]
email = "email"
country = "country"
city = "city"
birthday = "birthday"
signed_up = "signed_up"
score = "score"
vip = "vip"
[connections.shop.contacts.types]
birthday = "date"
signed_up = "datetime"
score = "number"
vip = "boolean"
[[connections.shop.activity]]
kind = "purchase"
from = "orders.csv"
key = "id"
contact = "customer"
at = "at"
columns = { amount = "amount", sku = "sku" }
types = { amount = "money" }
[[connections.shop.activity]]
kind = "contract_state"
from = "contracts.csv"
key = "id"
contact = "customer"
at = "at"
columns = { contract_id = "contract", stage = "stage" }
[connections.till]
platform = "tables"
destination = false
url = "file:exports"
[connections.till.contacts]
from = "cards.csv"
key = "id"
columns = { email = "email", city = "city" }
[[connections.till.activity]]
kind = "email_click"
from = "clicks.csv"
key = "id"
contact = "card"
at = "at"
columns = { link = "link" }
"""
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
CLOCKS_CHANGE = tuple(dt.datetime(2020, *day, 1, tzinfo=dt.UTC) for day in ((3, 29), (10, 25)))
"""In Berlin, forward and back."""
STARTS = (*(at - 3 * DAY for at in CLOCKS_CHANGE), dt.datetime(2020, 2, 26, 22, 30, tzinfo=dt.UTC))
SPANS = (
    *(dt.timedelta(0), dt.timedelta(microseconds=1), HOUR, HOUR, 5 * HOUR, DAY - HOUR, DAY, DAY, 2 * DAY),
    *(7 * DAY, 31 * DAY),
)
PEOPLE = 24


class Renewing:
    """A company, its exports, its rules, its clock."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(f"renewing {seed}")
        self.folder = folder
        self.clock = ManualClock(self.chance.choice(STARTS))
        self.texts = Texts(self.chance)
        self.did: Counter[str] = Counter()
        self.asked = self.of = 0
        self.workspace: Workspace | None = None
        self.customers: dict[str, dict[str, object]] = {}
        self.cards: dict[str, dict[str, object]] = {}
        self.rows: dict[str, dict[str, dict[str, object]]] = {"orders": {}, "clicks": {}, "contracts": {}}
        folder.joinpath("config.toml").write_text(CONFIG, encoding="utf-8")
        furnish(folder / "segsync.db")
        for number in range(PEOPLE):
            self._customer(f"c{number}")
        for number in range(PEOPLE // 2):
            self._card(f"k{number}")
        for _ in range(PEOPLE * 3):
            self._happened()
        self._write()

    # ── steps ──

    def go(self, steps: int, say: Callable[[str], None] = lambda _: None) -> list[str]:
        """So many steps; what differed, and nothing else may."""
        acts: Sequence[tuple[Callable[[], None], int]] = (
            (self.evaluate, 33),
            (self.activity, 20),
            (self.people, 12),
            (self.merge_or_split, 10),
            (self.pass_time, 17),
            (self.edit, 8),
        )
        weights = [weight for _, weight in acts]
        self.evaluate()
        for step in range(steps):
            (act,) = self.chance.choices([act for act, _ in acts], weights)
            act()
            if self.wrong:
                return [f"step {step}: {text}" for text in self.wrong]
            if step % 100 == 99:
                say(f"{step + 1} of {steps} steps, {self.did['evaluate']} evaluations")
        return []

    def evaluate(self) -> None:
        """A run; then everybody is asked at the same instant, over the same lake, of the same past."""
        self._write()
        self.did["evaluate"] += 1
        if self.workspace is not None and self.chance.random() < 0.2:
            self.close()
        if self.workspace is None:
            self.workspace = Workspace.open(self.folder / "config.toml", clock=self.clock)
        workspace = self.workspace
        report = run(workspace)
        vocabulary, rules = known_rules(workspace)
        store, as_of = workspace.store, report.as_of
        told = earlier(store, rules, Clock(as_of, vocabulary.zone), before_run=report.run_id)
        whole = assign(
            store, rules, vocabulary=vocabulary, as_of=as_of, settings=workspace.settings.rules, told=told
        )
        stored = store.segments.at_run(report.run_id)
        evaluation = report.evaluation or {}
        if self.did["evaluate"] > 1 and evaluation["everybody"] is not None:
            self.wrong.append(f"everybody was asked: {evaluation['everybody']}")
        self.asked, self.of = self.asked + evaluation["asked"], self.of + evaluation["of"]
        self.did["in full"] += len(evaluation["in_full"])
        for name, members in whole.members.items():
            if stored[name].members != members:
                few, all_ = stored[name].members - members, members - stored[name].members
                self.wrong.append(
                    f"run {report.run_id} at {as_of}: {name} has {list(few)} too many, lacks {list(all_)}:"
                    f" {rules.segments[name].source}"
                )

    def close(self) -> None:
        """Another process makes the next run."""
        if self.workspace is not None:
            self.workspace.close()
            self.workspace = None

    def activity(self) -> None:
        """Somebody did something, lately, long ago or in time to come; or it was told wrong, or it moved."""
        self.did["activity"] += 1
        for _ in range(self.chance.choice((1, 1, 3))):
            self._happened()

    def people(self) -> None:
        """Somebody came, went, or is another."""
        self.did["people"] += 1
        name = self.chance.choice([*self.customers, f"c{PEOPLE + self.did['people']}"])
        if name in self.customers and len(self.customers) > PEOPLE // 2 and self.chance.random() < 0.3:
            del self.customers[name]
        else:
            self._customer(name)

    def merge_or_split(self) -> None:
        """A card gets the address of a customer, or of nobody, or is another's."""
        self.did["merge or split"] += 1
        self._card(self.chance.choice([*self.cards, f"k{PEOPLE + self.did['merge or split']}"]))

    def pass_time(self) -> None:
        """Some time, or until the clocks change, or until something crosses an edge to the microsecond."""
        self.did["time"] += 1
        now, span = self.clock.utc_now(), self.chance.choice(SPANS)
        kind = self.chance.random()
        if kind < 0.15:
            later = [at for at in CLOCKS_CHANGE if at > now]
            if later and later[0] - now < 40 * DAY:
                span = later[0] - now + self.chance.choice((-HOUR, dt.timedelta(0), HOUR))
        elif kind < 0.4:
            rows = [row for rows in self.rows.values() for row in rows.values()]
            at = self.chance.choice(rows)["at"]
            edge = at + self.chance.choice((HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY))  # type: ignore[operator]
            if dt.timedelta(0) <= edge - now < 40 * DAY:
                span = edge - now + dt.timedelta(microseconds=self.chance.choice((-1, 0, 1)))
        self.clock.advance(max(span, dt.timedelta(0)).total_seconds())

    def edit(self) -> None:
        """A rule is another."""
        self.did["edit"] += 1
        self.texts.edit()

    # ── exports ──

    wrong: list[str]

    def _customer(self, name: str) -> None:
        choose = self.chance.choice
        now = self.clock.utc_now()
        born = dt.date(choose((1970, 1989, 1992, 2000)), now.month, 1) + choose((0, 3, 12, 27)) * DAY
        self.customers[name] = {
            "email": choose((f"{name}@x.example", f"{name}@x.example", self._any_address(), "")),
            "country": choose(("DE", "FR", "IT", "")),
            "city": choose(("Ulm", "Rome", "")),
            "birthday": choose((born, "")),
            "signed_up": choose((now - choose((0, 1, 5, 14, 29)) * DAY - choose((0, 1, 7)) * HOUR, "")),
            "score": choose((0, 1, 2, 3, 5, 8, 13, "")),
            "vip": choose(("true", "false", "")),
        }

    def _card(self, name: str) -> None:
        address = self.chance.choice((f"{name}@y.example", self._any_address(), self._any_address(), ""))
        self.cards[name] = {"email": address, "city": self.chance.choice(("Ulm", "Bonn", ""))}

    def _any_address(self) -> str:
        return f"c{self.chance.randrange(PEOPLE)}@x.example"

    def _happened(self) -> None:
        choose, now = self.chance.choice, self.clock.utc_now()
        name = choose(("orders", "orders", "orders", "clicks", "clicks", "contracts"))
        rows = self.rows[name]
        key = choose([*rows, "new"]) if self.chance.random() < 0.2 else "new"
        at = now - choose((0, 0, 1, 2, 7, 14, 29, 90)) * DAY + choose((-5, -1, 0, 0, 2)) * HOUR
        row: dict[str, object] = {"at": at - dt.timedelta(seconds=self.chance.randrange(3) * 1000)}
        if name == "clicks":
            row |= {"card": choose(list(self.cards)), "link": choose(("/tea", "/cup"))}
        else:
            row |= {"customer": choose([*self.customers, "c999"])}
        if name == "orders":
            row |= {"amount": choose((1, 4.99, 10, 30)), "sku": choose(("tea", "cup", "hat", ""))}
        if name == "contracts":
            row |= {"contract": f"t{self.chance.randrange(8)}", "stage": choose(("open", "won", "lost"))}
        rows[f"{name[0]}{len(rows)}" if key == "new" else key] = row

    def _write(self) -> None:
        self.wrong = []
        tables: Mapping[str, Mapping[str, Mapping[str, object]]] = {
            "customers": self.customers,
            "cards": self.cards,
            **self.rows,
        }
        for folder in ("exports", "rules"):
            self.folder.joinpath(folder).mkdir(exist_ok=True)
        for name, rows in tables.items():
            with (self.folder / "exports" / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                fields = list(next(iter(rows.values())))
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["id", *fields])
                writer.writerows([key, *(_told(row[field]) for field in fields)] for key, row in rows.items())
        (self.folder / "rules" / "rules.toml").write_text(self.texts.file(), encoding="utf-8")


def _told(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else value
