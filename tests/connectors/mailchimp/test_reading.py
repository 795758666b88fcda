"""Nothing is lost while the audience changes under a read: any changes, between any two pages.

The oracle is the simulator's own state: what we know after the next quiet read must be what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Page
from connectors.mailchimp.client import Client
from connectors.mailchimp.mapping import consent, members_stream
from connectors.mailchimp.reading import Position, Reader
from connectors.mailchimp.simulator import KEY, MailchimpSimulator
from connectors.pacing import ManualClock
from connectors.simulation import serve
from tests.thorough import examples

PEOPLE = 24
NAMES = [{"tag": "FNAME", "type": "text", "name": "First name"}]
STREAM = members_stream(NAMES, own_field="SEGMENTS")

step = st.tuples(
    st.sampled_from(["change", "archive", "revive", "unsubscribe", "add", "erase", "move"]),
    st.integers(0, PEOPLE - 1),
)
steps = st.lists(st.lists(step, max_size=12), max_size=9)


class World:
    """A small audience that can be changed between two pages."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.simulator = MailchimpSimulator(now=clock.utc_now)
        self.added = 0
        start = clock.utc_now() - timedelta(days=1)
        for number in range(PEOPLE):
            status = "archived" if number % 6 == 5 else "subscribed"
            at = start + timedelta(seconds=number // 4)
            self.simulator.add_member(f"p{number}@example.com", status=status, changed_at=at)
        self.members = list(self.simulator.audience.members.values())

    def apply(self, doings: Sequence[tuple[str, int]]) -> None:
        home = self.simulator.audience
        with self.simulator.lock:
            for what, number in doings:
                member = self.members[number]
                if what == "add":
                    self.added += 1
                    now = self.clock.utc_now()
                    self.simulator.add_member(f"new{self.added}@example.com", changed_at=now)
                    continue
                if member.id not in home.members:
                    continue
                if what == "erase":
                    home.remove(member)
                    continue
                if what == "change":
                    member.merge["FNAME"] = f"{member.merge['FNAME']}x"
                elif what == "move":
                    home.move(member, f"moved{self.added}-{number}-{member.address}")
                else:
                    status = {"archive": "archived", "revive": "subscribed"}.get(what, "unsubscribed")
                    member.status = status
                home.touch(member)

    def truth(self) -> dict[str, tuple[object, object, object]]:
        members = self.simulator.audience.members.values()
        return {m.contact_id: (m.address, consent(m.status), m.merge["FNAME"] or None) for m in members}


@contextmanager
def reading(world: World, *, lookback_s: int = 0) -> Iterator[Reader]:
    with serve(world.simulator) as address:
        client = Client(key=KEY, base_url=address, connections=1, clock=world.clock)
        id_ = world.simulator.audience.id
        yield Reader(client, id_, clock=world.clock, lookback_s=lookback_s, page=5, overlap=2)
        client.close()


def learn(known: dict[str, tuple[object, object, object]], page: Page) -> None:
    for row in page.rows.to_pylist():
        known[row["external_id"]] = (row["address"], row["email_consent"], row["FNAME"])


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(changes=steps, stop_after=st.integers(1, 30))
def test_after_a_quiet_read_we_know_exactly_what_is_there(
    changes: list[list[tuple[str, int]]], stop_after: int
) -> None:
    """A read is interrupted after some page while people change, and resumed from that page's cursor."""
    world = World(ManualClock())
    known: dict[str, tuple[object, object, object]] = {}
    cursor: str | None = None
    with reading(world) as reader:
        for number, page in enumerate(reader.members(STREAM, None), start=1):
            learn(known, page)
            cursor = page.cursor
            world.clock.advance(3)
            world.apply(changes[number - 1] if number <= len(changes) else [])
            if number == stop_after:
                break
        for _ in range(2):  # the rest of the interrupted read, then the next one
            world.clock.advance(30)
            for page in reader.members(STREAM, cursor):
                learn(known, page)
                cursor = page.cursor
    truth = world.truth()
    assert {id_: known.get(id_) for id_ in truth} == truth


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(changes=steps)
def test_a_listing_names_everybody_who_is_there_whatever_they_do_meanwhile(
    changes: list[list[tuple[str, int]]],
) -> None:
    """Whoever it does not name is taken for erased, so it must not miss anybody who only changes."""
    world = World(ManualClock())
    there = set(world.truth())
    named: set[str] = set()
    with reading(world) as reader:
        for number, page in enumerate(reader.members(STREAM, None)):
            named.update(page.rows["external_id"].to_pylist())
            assert page.listing is not None
            world.clock.advance(3)
            world.apply(changes[number] if number < len(changes) else [])
    assert there & set(world.truth()) <= named


def test_everybody_is_listed_again_after_some_days_and_who_was_erased_is_not() -> None:
    world = World(ManualClock())
    with reading(world) as reader:
        cursor = [page.cursor for page in reader.members(STREAM, None)][-1]
        world.clock.advance(6 * 86_400)
        early = list(reader.members(STREAM, cursor))
        assert [page.listing for page in early] == [None]
        world.apply([("erase", 0)])
        world.clock.advance(2 * 86_400)
        late = list(reader.members(STREAM, early[-1].cursor))
        assert len({page.listing for page in late} | {None}) == 2
        assert {i for page in late for i in page.rows["external_id"].to_pylist()} == set(world.truth())
        assert [page.listing for page in reader.members(STREAM, late[-1].cursor)] == [None]


def test_a_read_of_an_empty_audience_ends_with_a_position() -> None:
    world = World(ManualClock())
    world.simulator.audience.members.clear()
    world.simulator.audience.version += 1
    with reading(world) as reader:
        (page,) = reader.members(STREAM, None)
    assert page.rows.num_rows == 0
    assert Position.load(page.cursor, now=world.clock.utc_now()).since is not None


def test_lookback_reads_again_what_may_have_come_late() -> None:
    """Their clock may lag behind ours by less than the lookback."""
    world = World(ManualClock())
    with reading(world, lookback_s=60) as reader:
        cursor = [p.cursor for p in reader.members(STREAM, None)][-1]
        late = world.clock.utc_now() - timedelta(seconds=50)
        world.clock.advance(600)
        world.simulator.add_member("late@example.com", changed_at=late)
        found = [a for p in reader.members(STREAM, cursor) for a in p.rows["address"].to_pylist()]
    assert found == ["late@example.com"]


@pytest.mark.parametrize(("page", "overlap"), [(5, 0), (5, 5), (1001, 50)])
def test_pages_that_could_lose_somebody_are_not_allowed(page: int, overlap: int) -> None:
    clock = ManualClock()
    client = Client(key=KEY, base_url="http://127.0.0.1:9", connections=1, clock=clock)
    with pytest.raises(ValueError, match="overlap"):
        Reader(client, "x", clock=clock, page=page, overlap=overlap)
