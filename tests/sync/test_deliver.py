"""Requirements of delivery: one outcome per change, one bad record never holds up the others."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from connectors.base import Action, Audience, AudienceKind, Connector
from connectors.errors import UnexpectedResponse
from sync.deliver import Address, Delivery, FieldChange, deliver
from tests.sync.memory import MemoryDestination

AUDIENCE = Audience("vip", "VIP", AudienceKind.TAG, "VIP")


def send(destination: MemoryDestination, adds: BitMap, removes: BitMap | None = None) -> Delivery:
    destination.ensure(AUDIENCE)
    everyone = {person: Address(str(person), f"{person}@example.com") for person in range(600)}
    return deliver(destination, AUDIENCE, adds=adds, removes=removes or BitMap(), addresses=everyone)


def test_the_memory_destination_keeps_the_contract() -> None:
    assert isinstance(MemoryDestination(), Connector)


@settings(derandomize=True, deadline=None)
@given(size=st.integers(1, 500), data=st.data())
def test_halving_isolates_every_culprit_within_the_bound(size: int, data: st.DataObject) -> None:
    culprits = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=5))
    destination = MemoryDestination(poison=frozenset(map(str, culprits)))
    delivery = send(destination, BitMap(range(size)))
    assert {refusal.person for refusal in delivery.refused} == culprits
    assert set(delivery.done_adds) == set(range(size)) - culprits
    assert destination.sets["VIP"] == set(map(str, delivery.done_adds))
    bound = 1 + 2 * len(culprits) * math.ceil(math.log2(size)) if size > 1 else 1
    assert destination.calls <= bound


def test_a_batch_of_nothing_but_culprits_stops_instead_of_halving_for_ever() -> None:
    destination = MemoryDestination(poison=frozenset(map(str, range(500))))
    with pytest.raises(UnexpectedResponse, match="look at the field"):
        send(destination, BitMap(range(500)))
    assert destination.calls < 40


def test_a_person_without_an_address_is_refused_with_the_reason() -> None:
    destination = MemoryDestination()
    delivery = send(destination, BitMap([1, 700]))
    assert [(r.person, r.code) for r in delivery.refused] == [(700, "unreachable")]
    assert set(delivery.done_adds) == {1}


def test_outcomes_are_matched_by_id_in_whatever_order_the_platform_answers() -> None:
    destination = MemoryDestination()
    delivery = send(destination, BitMap([1, 2, 3]), BitMap([4, 5]))
    assert (set(delivery.done_adds), set(delivery.done_removes)) == ({1, 2, 3}, {4, 5})


def test_a_missing_outcome_is_unknown_not_done() -> None:
    class Forgetful(MemoryDestination):
        def write(self, batch):  # type: ignore[no-untyped-def]
            return super().write(batch)[1:]

    delivery = send(Forgetful(), BitMap([1, 2, 3]))
    assert delivery.unknown == 1
    assert len(delivery.done_adds) == 2


def test_an_owned_field_gets_what_changes_and_no_more() -> None:
    class Field(MemoryDestination):
        def write(self, batch):  # type: ignore[no-untyped-def]
            sent = [(c.action, c.value, c.without) for c in batch.changes]
            assert sent == [(Action.SET, "a;b", ""), (Action.SET, "", "c")]
            return super().write(batch)

    destination = Field()
    destination.ensure(AUDIENCE)
    addresses = {1: Address("1", "1"), 2: Address("2", "2")}
    values = {1: FieldChange(("a", "b")), 2: FieldChange(out=("c",))}
    sent = deliver(
        destination, AUDIENCE, adds=BitMap([1, 2]), removes=BitMap(), addresses=addresses, values=values
    )
    assert set(sent.done_adds) == {1, 2}
