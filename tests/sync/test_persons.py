"""What a run makes of changes is what it would make of everything: contacts, links, people, activity."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pytest

from connectors.base import FieldType, Stream, StreamField, StreamKind
from rules.vocabulary import Type
from sync.assign import IDENTIFIED
from sync.fields import FieldSpec
from sync.identify import match_rules
from sync.persons import Absorbed, absorb
from sync.store import Store
from sync.store.attach import reattach
from sync.store.values import Money
from tests.databases import sqlite_url
from tests.sync.store.records import AT, commit, read

MEMBERS = Stream(
    "members",
    StreamKind.CONTACTS,
    (StreamField("mail", FieldType.TEXT), StreamField("city", FieldType.TEXT)),
)
ORDERS = Stream(
    "orders", StreamKind.ACTIVITY, (StreamField("product", FieldType.TEXT),), activity_kinds=("purchase",)
)
CONNECTIONS = ("shop", "news")
STREAMS = dict.fromkeys(CONNECTIONS, (MEMBERS, ORDERS))
FIELDS = (
    FieldSpec("email", Type.TEXT, sources=tuple((name, "mail") for name in CONNECTIONS)),
    FieldSpec("city", Type.TEXT, sources=tuple((name, "city") for name in reversed(CONNECTIONS))),
)
RULES = match_rules(FIELDS, max_contacts_per_key=3)
MAILS = [None, "shared@x.example", *(f"p{n}@x.example" for n in range(7))]
TABLES = {"contacts": "contact", "links": "contact", "people": "person", "activity": "connection, event_id"}


def absorbed(store: Store) -> Absorbed:
    return absorb(
        store,
        STREAMS,
        fields=FIELDS,
        rules=RULES,
        money=Money(),
        own_names={},
        began=AT,
        run_id=store.runs.latest(limit=1)[0].id,
        at=AT,
    )


def arrive(store: Store, chance: random.Random) -> None:
    """Some contacts come, change, go and return; some buy."""
    for connection in CONNECTIONS:
        contacts = [
            {
                "external_id": f"c{chance.randrange(9)}",
                "mail": chance.choice(MAILS),
                "city": chance.choice([None, "Rome", "Bonn"]),
                "deleted": chance.random() < 0.2,
                "email_consent": chance.choice([None, "opted_in", "opted_out"]),
                "lists": chance.choice([[], ["a"], ["b", "a"]]),
                "changed_at": AT + dt.timedelta(hours=chance.randrange(100)),
            }
            for _ in range(chance.randrange(4))
        ]
        orders = [
            {
                "event_id": f"e{chance.randrange(40)}",
                "external_id": chance.choice([None, f"c{chance.randrange(9)}"]),
                "email": chance.choice(MAILS),
                "product": chance.choice(["Tea", "Cup"]),
            }
            for _ in range(chance.randrange(4))
        ]
        if contacts:
            commit(store, MEMBERS, contacts, connection=connection)
        if orders:
            commit(store, ORDERS, orders, connection=connection)


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.long if seed else ()) for seed in range(5)]
)
def test_changes_lead_to_the_lake_that_everything_would_lead_to(seed: int, tmp_path: Path) -> None:
    """One of the five seeds in `make test`: each asks the whole pass seven times, which takes its time."""
    chance = random.Random(seed)
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        store.runs.claim("test", as_of=AT, now=AT)
        for _ in range(7):
            arrive(store, chance)
            absorbed(store)
            made = {name: read(store, name, order=key) for name, key in TABLES.items()}
            before = store.lake.snapshots()

            store.notes.set(IDENTIFIED, {})  # as after a crash: everything is looked at anew
            again = absorbed(store)
            assert reattach(store.lake) == frozenset()

            assert {name: read(store, name, order=key) for name, key in TABLES.items()} == made
            assert store.lake.snapshots() == before  # nothing differed, so nothing was written
            assert (again.merges, again.splits) == (0, 0)


def test_a_quiet_pull_leaves_links_and_people_alone(tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        store.runs.claim("test", as_of=AT, now=AT)
        one = {"external_id": "c1", "mail": "p1@x.example"}
        commit(store, MEMBERS, [one], connection="shop")
        absorbed(store)
        before = store.lake.snapshots()
        commit(store, MEMBERS, [{**one, "changed_at": AT + dt.timedelta(days=1)}], connection="shop")
        absorbed(store)
        assert store.lake.snapshots() == before
