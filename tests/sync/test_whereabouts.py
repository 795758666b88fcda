"""Addresses of many people at once are those of each alone, and of nobody else."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from pyroaring import BitMap

from sync.deliver import Address
from sync.whereabouts import Addresses


@pytest.mark.parametrize("known", [0, 1, 300])
def test_many_at_once_are_those_of_each_alone(known: int) -> None:
    choice = random.Random(known)
    people = sorted(choice.sample(range(2_000), known))
    expected = {person: Address(f"id{person}", f"at {person}") for person in people}
    addresses = Addresses(
        pa.table(
            {
                "person": pa.array(people, pa.int32()),
                "external_id": pa.array([one.external_id for one in expected.values()], pa.string()),
                "address": pa.array([one.address for one in expected.values()], pa.string()),
            }
        )
    )
    assert dict(addresses) == expected
    for size in (0, 1, 50, 2_000):
        asked = choice.sample(range(2_000), size)
        found = addresses.named(BitMap(asked))
        known = [person for person in sorted(asked) if person in expected]
        assert list(found.people) == known
        assert list(map(Address, found.external_ids, found.addresses)) == [expected[one] for one in known]
