from __future__ import annotations

import datetime as dt
import random
import subprocess
import sys
from pathlib import Path

import pytest
from pyroaring import BitMap

from sync.store import Author, PersonEvent, Run, RunState, SegmentVersion, Store, StoreError
from sync.store.numbers import LARGEST
from tests.sync.store.conftest import NOW

VIP = SegmentVersion("vip", "v1", "where = 'x'", "VIP")
NEW = SegmentVersion("new", "n1", "where = 'y'", "New")


def next_run(store: Store, run: Run) -> Run:
    store.runs.finish(run, RunState.DONE, now=NOW, stats={})
    return store.runs.claim("test", as_of=NOW, now=NOW)


def test_an_unchanged_membership_is_stored_once_and_history_is_kept(store: Store, run: Run) -> None:
    def save(run: Run, vip: BitMap, new: BitMap) -> list[str]:
        members = {"vip": vip, "new": new}
        return store.segments.save(run.id, as_of=NOW, versions=[VIP, NEW], members=members)

    assert save(run, BitMap([1, 2]), BitMap()) == ["vip", "new"]
    second = next_run(store, run)
    assert save(second, BitMap([1, 2]), BitMap([5])) == ["new"]
    third = next_run(store, second)
    assert save(third, BitMap([2]), BitMap([5])) == ["vip"]
    latest = store.segments.latest()
    assert (latest["vip"].members, latest["vip"].run_id) == (BitMap([2]), third.id)
    assert (latest["new"].members, latest["new"].run_id, latest["new"].last_run) == (
        BitMap([5]),
        second.id,
        third.id,
    )
    assert [(m.run_id, m.last_run, m.size) for m in store.segments.history("vip")] == [
        (third.id, third.id, 1),
        (run.id, second.id, 2),
    ]
    assert store.segments.at_run(second.id)["vip"].members == BitMap([1, 2])
    assert store.segments.at_run(second.id)["new"].members == BitMap([5])


def test_a_wording_keeps_its_author_until_somebody_brings_it_back(store: Store, run: Run) -> None:
    ann, bob = Author("Ann", "ann@team.example", committed=True), Author("bob")

    def save(run: Run, version: str, author: Author | None) -> Run:
        wording = SegmentVersion("vip", version, version, "VIP", author)
        store.segments.save(run.id, as_of=NOW, versions=[wording], members={"vip": BitMap([1])})
        assert store.segments.current() == {"vip": version}
        return next_run(store, run)

    for version, author in (("v1", ann), ("v1", None), ("v2", bob), ("v3", None)):
        run = save(run, version, author)
    assert {one.version: one.author for one in store.segments.versions("vip")} == {
        "v1": ann,
        "v2": bob,
        "v3": None,
    }
    save(run, "v1", bob)
    assert store.segments.versions("vip")[0].author == bob


def test_a_new_wording_is_a_new_version_even_with_the_same_members(store: Store, run: Run) -> None:
    store.segments.save(run.id, as_of=NOW, versions=[VIP], members={"vip": BitMap([1])})
    second = next_run(store, run)
    newer = SegmentVersion("vip", "v2", "where = 'z'", "VIP")
    assert store.segments.save(second.id, as_of=NOW, versions=[newer], members={"vip": BitMap([1])}) == []
    assert [version.version for version in store.segments.versions("vip")] == ["v2", "v1"]
    assert store.segments.latest()["vip"].version == "v2"


def test_saving_the_same_run_again_replaces_its_result(store: Store, run: Run) -> None:
    for members in (BitMap([1]), BitMap([2, 3]), BitMap([2, 3])):
        store.segments.save(run.id, as_of=NOW, versions=[VIP], members={"vip": members})
    (only,) = store.segments.history("vip")
    assert (only.members, only.size) == (BitMap([2, 3]), 2)


def test_large_bitmaps_come_back_as_they_were(store: Store, run: Run) -> None:
    members = BitMap(random.Random(5).sample(range(2**31), 50_000)) | BitMap(range(10**6, 2 * 10**6))
    store.segments.save(run.id, as_of=NOW, versions=[VIP], members={"vip": members})
    assert store.segments.latest()["vip"].members == members


def test_numbers_are_never_given_twice_by_two_processes(
    database_url: str, store: Store, tmp_path: Path
) -> None:
    code = (
        "import sys, pathlib; from sync.store import Store\n"
        "store = Store.open(sys.argv[1], pathlib.Path(sys.argv[2]))\n"
        "for _ in range(40): print(store.numbers.reserve('person', 3))"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, database_url, str(tmp_path / "lake")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    given = [store.numbers.reserve("person", 3) for _ in range(40)]
    for child in children:
        given += [int(line) for line in child.communicate()[0].split()]
    assert sorted(given) == list(range(1, 3 * 120, 3))
    assert store.numbers.next("person") == 361
    assert store.numbers.reserve("contact", 0) == 1


def test_numbers_end_with_a_clear_message(store: Store) -> None:
    store.numbers.reserve("person", LARGEST)
    with pytest.raises(StoreError, match="has given all"):
        store.numbers.reserve("person", 1)
    assert store.numbers.next("person") == LARGEST + 1


def test_what_happened_to_a_person_is_found_from_both_sides(store: Store) -> None:
    merge = PersonEvent(NOW, "merge", 1, 2, "both contacts hold the same e-mail key", 7)
    split = PersonEvent(NOW + dt.timedelta(days=1), "split", 1, 3, "the key was blocked", 8)
    store.person_events.add([merge, split])
    assert store.person_events.of(2) == [merge]
    assert store.person_events.of(1) == [merge, split]
    assert store.person_events.of_run(8) == [split]
