"""The part of the contract about what changes without us: deleted contacts, renamed audiences, clocks."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Action, Batch, StreamKind
from connectors.errors import CursorExpired
from sync.pull import listing_absorbed, named_everybody, pull
from sync.store import Store
from sync.store.contacts import absorb_contacts
from tests.connectors.rig import Rig, WrongClock, by_id, changes, contacts, ensured, place_of, stream_of
from tests.databases import sqlite_url


class Died(BaseException):
    """As a kill: nobody catches it."""


class Dying:
    """Progress of a process that dies after so many pages."""

    def __init__(self, *, after: int) -> None:
        self._left = after

    def step(self, name: str, total: int | None = None) -> None:
        """Nobody watches."""

    def advance(self, units: int = 1) -> None:
        self._left -= 1
        if not self._left:
            raise Died


class ChangingContract:
    """Mixed into ConnectorContract."""

    def test_resuming_doubles_nothing(self, rig: Rig) -> None:
        """What comes once more after a checkpoint is the very row that came before it."""
        connector = rig.connect()
        for stream in connector.features.streams:
            pages = list(connector.read(stream, None))
            for taken in range(1, len(pages) + 1):
                before = by_id(stream, pages[:taken])
                rest = list(connector.read(stream, pages[taken - 1].cursor))
                after = by_id(stream, rest)
                assert sum(page.rows.num_rows for page in rest) == len(after), (stream.name, taken)
                again = before.keys() & after.keys()
                assert {id_: after[id_] for id_ in again} == {id_: before[id_] for id_ in again}
                if stream.incremental:
                    assert len(again) <= rig.most_read_again, (stream.name, taken)

    @pytest.mark.parametrize("first", [True, False], ids=["the first read", "a read of changes"])
    def test_a_pull_that_goes_on_where_another_stopped_ends_at_the_present(
        self, rig: Rig, tmp_path: Path, first: bool
    ) -> None:
        """Else an opt-out after the interruption would wait for the run after next."""
        connector = rig.connect()
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        pages = list(connector.read(stream, None))
        people = by_id(stream, pages)
        if not first:
            rig.clock.advance(3600)
            rig.change_contacts(place_of(row) for row in people.values())
            rig.clock.advance(60)
            pages = list(connector.read(stream, pages[-1].cursor))
        id_, row = next(iter(by_id(stream, pages[:1]).items()))
        with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
            for taken in range(1, len(pages)):
                store.inbox.restart("it", stream.name)
                for page in pages[:taken]:
                    store.inbox.commit_page("it", stream.name, page.rows, page.cursor)
                rig.clock.advance(3600)
                rig.change_contacts([place_of(row)])
                rig.clock.advance(60)
                last = max(page.id for page in store.inbox.waiting())
                assert pull(store, "it", connector, run_id=1, at=rig.clock.utc_now()).stopped is None
                news = [page for page in store.inbox.waiting("it", stream.name) if page.id > last]
                assert any(id_ in page.read_column("external_id").to_pylist() for page in news), taken

    def test_whom_a_listing_lacks_is_gone_though_the_run_died_with_its_last_page(
        self, rig: Rig, tmp_path: Path
    ) -> None:
        """The next read goes on behind the listing, and would name nobody of it."""
        connector = rig.connect(**rig.listing_settings())
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        gone, address = contacts(connector, 3)[2]
        with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
            pull(store, "it", connector, run_id=1, at=rig.clock.utc_now())
            assert absorb_contacts(store, "it", stream, complete=named_everybody(store, "it", stream)).new
            listing_absorbed(store, "it", stream)
            rig.delete_contact(address)
            rig.clock.advance(40 * 86_400)
            store.inbox.restart("it", stream.name)
            pages = list(connector.read(stream, None))
            assert pages[-1].listing is not None
            dying = Dying(after=len(pages))
            with pytest.raises(Died):
                pull(store, "it", connector, run_id=2, at=rig.clock.utc_now(), progress=dying)
            pull(store, "it", connector, run_id=3, at=rig.clock.utc_now())
            done = absorb_contacts(store, "it", stream, complete=named_everybody(store, "it", stream))
            assert done.deleted == 1
            with closing(store.lake.connect()) as lake:
                query = f"SELECT external_id FROM {store.lake.relation('contacts')} WHERE deleted"
                assert gone in [id_ for (id_,) in lake.sql(query).fetchall()]

    def test_a_deleted_contact_is_seen(self, rig: Rig) -> None:
        """At once where the platform tells; else by a listing that does not name it, repeated after days."""
        connector = rig.connect(**rig.listing_settings())
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        pages = list(connector.read(stream, None))
        before = by_id(stream, pages)
        gone, address = contacts(connector, 3)[2]
        rig.clock.advance(60)
        rig.delete_contact(address)
        rig.clock.advance(60)
        if rig.tells_deletes:
            told = by_id(stream, connector.read(stream, pages[-1].cursor))
            assert told[gone]["deleted"] is True
            assert not any(row["deleted"] for id_, row in told.items() if id_ != gone)
        else:
            rig.clock.advance(8 * 86_400)
            listing = list(connector.read(stream, pages[-1].cursor))
            assert len({page.listing for page in listing}) == 1
            assert listing[0].listing is not None
            assert before.keys() - by_id(stream, listing).keys() == {gone}
        whole = by_id(stream, connector.read(stream, None))
        assert {id_ for id_, row in whole.items() if not row["deleted"]} == before.keys() - {gone}

    def test_a_cursor_from_the_future_hides_nothing(self, rig: Rig) -> None:
        """A clock was wrong for a while, or an older state was put back: nothing is missed."""
        connector, stream, cursor = rig.ahead()
        known = by_id(stream, rig.connect().read(stream, None)).keys()
        rig.add_contact(9_000_001)
        rig.clock.advance(60)
        try:
            pages = list(connector.read(stream, cursor))
        except CursorExpired:
            pages = list(connector.read(stream, None))
        assert len(by_id(stream, pages).keys() - known) == 1

    def test_an_audience_renamed_by_hand_stays_the_same(self, rig: Rig) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 3)
        connector.write(Batch(audience, changes(Action.ADD, people[:1])))
        rig.rename(audience, "Renamed by somebody")
        there = {one.remote_id for one in connector.audiences()}
        again = replace(audience, remote_id=connector.ensure(audience))
        assert again == audience
        assert {one.remote_id for one in connector.audiences()} == there
        connector.write(Batch(again, changes(Action.ADD, people[1:])))
        assert rig.carriers(audience) == {address for _, address in people}

    def test_a_member_that_somebody_took_out_can_be_put_in_again(self, rig: Rig) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 3)
        batch = Batch(audience, changes(Action.ADD, people))
        connector.write(batch)
        rig.take_out(audience, people[1][1])
        assert rig.carriers(audience) == {people[0][1], people[2][1]}
        connector.write(batch)
        assert rig.carriers(audience) == {address for _, address in people}

    @pytest.mark.parametrize("wrong_s", [600, -600], ids=["fast", "slow"])
    def test_whoever_changes_is_found_though_our_clock_is_wrong(self, rig: Rig, wrong_s: float) -> None:
        """A read that a fast clock ends in the platform's future would lose what changes until then."""
        right, rig.clock = rig.clock, WrongClock(rig.clock, wrong_s)
        connector = rig.connect()
        rig.clock = right
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        pages = list(connector.read(stream, None))
        known = set(by_id(stream, pages))
        for number in range(3):
            rig.clock.advance(90)
            rig.add_contact(9_000_001 + number)
            rig.clock.advance(90)
            pages = list(connector.read(stream, pages[-1].cursor))
            known |= set(by_id(stream, pages))
            assert len(known) == rig.people + number + 1
