"""A full disk, made with the limit on the size of files: writes fail in the middle, as on a full disk."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from sync.store import NoSpaceLeft, Store
from sync.store.activity import absorb_activity
from sync.store.contacts import absorb_contacts
from sync.store.whole import overwrite
from tests.sync.store.records import AT, MEMBERS, ORDERS, commit, page, read


@contextmanager
def full_disk(*, free: int) -> Iterator[None]:
    """No file of this process may grow beyond `free` bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_page_that_does_not_fit_leaves_the_store_as_it_was(lake_store: Store) -> None:
    rows = page(
        MEMBERS, [{"external_id": f"{n} {n * 7919}", "FNAME": f"{n * 104_729}"} for n in range(20_000)]
    )
    with (
        full_disk(free=100_000),
        pytest.raises(NoSpaceLeft, match=r"no space left in .*inbox; nothing was changed"),
    ):
        lake_store.inbox.commit_page("mc", "members", rows, "c1")
    assert lake_store.inbox.checkpoint("mc", "members").cursor is None
    assert list((lake_store.folder / "inbox").iterdir()) == []
    lake_store.inbox.commit_page("mc", "members", rows, "c1")
    assert absorb_contacts(lake_store, "mc", MEMBERS).new == 20_000


def test_a_lake_that_is_full_loses_nothing_and_the_next_run_goes_on(lake_store: Store) -> None:
    people = pa.table({"person": pa.array([1], pa.int32())})
    overwrite(lake_store.lake, "people", people)
    members = [{"external_id": f"{n} {n * 7919}", "FNAME": f"{n * 104_729}"} for n in range(20_000)]
    commit(lake_store, MEMBERS, members)
    commit(lake_store, ORDERS, [{"event_id": f"{n} {n * 7919}", "at": AT} for n in range(20_000)])
    before = lake_store.lake.snapshots()
    with full_disk(free=60_000):
        for absorb, stream in ((absorb_contacts, MEMBERS), (absorb_activity, ORDERS)):
            with pytest.raises(NoSpaceLeft, match="free space and run again"):
                absorb(lake_store, "mc", stream)
    assert lake_store.lake.snapshots() == before
    assert len(lake_store.inbox.waiting()) == 2
    assert not list((lake_store.folder / "lake").glob("*/data/*.parquet.tmp"))
    assert absorb_contacts(lake_store, "mc", MEMBERS).new == 20_000
    assert absorb_activity(lake_store, "mc", ORDERS).new == 20_000
    assert len(read(lake_store, "people", order="person")) == 1


def test_a_database_that_is_full_is_told_and_intact(lake_store: Store, tmp_path: Path) -> None:
    lake_store.notes.set("before", 1)
    with full_disk(free=200_000), pytest.raises(NoSpaceLeft, match="no space left for the database"):
        lake_store.notes.set("huge", "x" * 2_000_000)
    assert lake_store.notes.get("before") == 1
    assert lake_store.notes.get("huge") is None
    lake_store.notes.set("after", 2)
    assert lake_store.notes.get("after") == 2
