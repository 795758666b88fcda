"""Whatever happens on HubSpot between and during reads: what we know in the end is what is there."""

from __future__ import annotations

import random

import pytest

from connectors.base import Page
from connectors.hubspot import reading
from connectors.hubspot.simulated.records import Record
from connectors.simulation import Chance, Kind
from tests.connectors.hubspot.conftest import Portal


def something_happens(portal: Portal, chance: random.Random, number: int) -> None:
    records = portal.hubspot.records
    there = [r for r in records.live("contacts").values() if r.archived_at is None]
    what = chance.choice(("add", "add", "change", "change", "change", "opt out", "archive", "merge", "erase"))
    if what == "add" or len(there) < 5:
        portal.hubspot.add_contact(f"new{number}@example.com")
    elif what == "change":
        for record in chance.sample(there, min(len(there), chance.choice((1, 3, 60)))):
            records.update(record, {"lastname": f"Name{number}"})
    elif what == "opt out":
        record = chance.choice(there)
        record.properties["hs_email_optout"] = "true"
        records.touch(record)
    elif what == "archive":
        records.archive(chance.choice(there))
    elif what == "merge":
        one, other = chance.sample(there, 2)
        records.merge(one, other)
    else:
        records.erase(chance.choice(there))


class Known:
    """What a run knows: the latest row of everybody, and that a listing that ended names all there are."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[object, ...]] = {}
        self.named: dict[str, set[str]] = {}
        self.cursor: str | None = None

    def take(self, page: Page) -> None:
        for row in page.rows.to_pylist():
            self.rows[row["external_id"]] = (row["deleted"], row["lastname"], row["email_consent"])
        if page.listing is not None:
            self.named.setdefault(page.listing, set()).update(page.rows["external_id"].to_pylist())
        self.cursor = page.cursor

    def ended(self, last: Page) -> None:
        if last.listing is not None:
            named = self.named[last.listing]
            self.rows = {id_: facts for id_, facts in self.rows.items() if id_ in named}

    @property
    def living(self) -> dict[str, tuple[object, ...]]:
        return {id_: facts for id_, facts in self.rows.items() if not facts[0]}


def truth(portal: Portal) -> dict[str, tuple[object, ...]]:
    def consent(record: Record) -> str:
        return "opted_out" if record.properties.get("hs_email_optout") else "never_asked"

    return {
        record.id: (False, record.properties.get("lastname"), consent(record))
        for record in portal.hubspot.records.live("contacts").values()
        if record.archived_at is None
    }


@pytest.mark.parametrize("seed", range(7))
def test_what_we_know_in_the_end_is_what_is_there(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Random histories with faults, with reads that die after a page and go on later; small ceilings."""
    monkeypatch.setattr(reading, "ROWS", 100)
    monkeypatch.setattr("connectors.hubspot.windows.CEILING", 50)
    monkeypatch.setattr("connectors.hubspot.simulated.index.CEILING", 50)
    chance = random.Random(seed)
    portal.fill(230)
    portal.hubspot.faults.clear(seed=seed)
    faults = (Kind.EMPTY_503, Kind.CUT, Kind.TRUNCATED_200, Kind.RATE_LIMITED)
    portal.hubspot.faults.add(*(Chance(kind, 0.01) for kind in faults))
    connector = portal.connect()
    stream = connector.features.streams[0]
    known = Known()
    for turn in range(14):
        dies_after = chance.choice((None, None, 1, 2))
        for number, page in enumerate(connector.read(stream, known.cursor), start=1):
            with portal.hubspot.lock:
                if chance.random() < 0.4:
                    something_happens(portal, chance, turn * 100 + number)
            known.take(page)
            if number == dies_after:
                break
        else:
            known.ended(page)
        with portal.hubspot.lock:
            for number in range(chance.randrange(4)):
                something_happens(portal, chance, turn * 100 + 50 + number)
        portal.clock.advance(chance.choice((1, 20, 600, 90_000)))
    portal.clock.advance(60)
    for _ in range(2):  # the first may end a listing that was under way
        for page in connector.read(stream, known.cursor):
            known.take(page)
        known.ended(page)
    there = truth(portal)
    # Until the next listing only the erased are not known to be gone: they leave no trace.
    records = portal.hubspot.records
    erased = known.living.keys() - records.live("contacts").keys() - records.merged.keys()
    assert {id_: facts for id_, facts in known.living.items() if id_ not in erased} == there
    portal.clock.advance(8 * 86_400)
    for page in connector.read(stream, known.cursor):
        known.take(page)
    known.ended(page)
    assert known.living == there
