from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.base import RejectedRow
from sync.store import Run, Store, StoreError
from tests.sync.store.conftest import NOW

PAGE = pa.table({"external_id": ["1", "2", None], "at": pa.array([NOW] * 3, pa.timestamp("us", tz="UTC"))})


def test_a_page_and_its_checkpoint_are_there_together(store: Store) -> None:
    assert store.inbox.checkpoint("mc", "members").cursor is None
    assert store.inbox.commit_page("mc", "members", PAGE, "c1") == 1
    assert store.inbox.commit_page("mc", "members", PAGE, "c2") == 2
    assert store.inbox.commit_page("mc", "orders", PAGE, "x") == 1
    assert store.inbox.checkpoint("mc", "members").cursor == "c2"
    assert store.inbox.checkpoint("mc", "members").rows_last == 6
    first, second = store.inbox.waiting("mc", "members")
    assert (first.sequence, second.sequence) == (1, 2)
    assert first.read().equals(PAGE)
    assert len(store.inbox.waiting()) == 3


def test_a_page_without_rows_only_moves_the_cursor(store: Store) -> None:
    assert store.inbox.commit_page("mc", "members", PAGE.slice(0, 0), "c9") == 0
    assert store.inbox.checkpoint("mc", "members").cursor == "c9"
    assert store.inbox.waiting() == []


def test_a_full_read_sets_the_count_that_the_next_is_compared_with(store: Store) -> None:
    store.inbox.restart("mc", "members")
    store.inbox.commit_page("mc", "members", PAGE, "c1")
    store.inbox.read_completed("mc", "members", at=NOW, full=True)
    store.inbox.restart("mc", "members")
    again = store.inbox.checkpoint("mc", "members")
    assert (again.cursor, again.rows_last, again.rows_good, again.last_good_at) == (None, 0, 3, NOW)
    store.inbox.commit_page("mc", "members", PAGE.slice(0, 1), "c1")
    store.inbox.read_completed("mc", "members", at=NOW + dt.timedelta(days=1), full=False)
    assert store.inbox.checkpoint("mc", "members").rows_good == 3


def test_the_same_rejected_row_is_kept_once_with_the_runs_that_saw_it(store: Store) -> None:
    row = RejectedRow("people.csv:17", "the line has 3 fields, not 4", "a\x00b,\ud800")
    store.inbox.commit_page("files", "people", PAGE, "1", rejected=[row, row], run_id=1)
    store.inbox.reject("files", "people", [row, RejectedRow("people.csv:18", "x" * 900)], run_id=2)
    newest, oldest = store.inbox.rejected("files")
    assert (oldest["where"], oldest["first_seen_run"], oldest["last_seen_run"]) == ("people.csv:17", 1, 2)
    assert oldest["raw"] == "a\ufffdb,?"
    assert len(str(newest["reason"])) == 500
    assert store.inbox.rejected_counts() == {("files", "people"): 2}


def test_files_that_no_page_names_are_swept_and_waiting_ones_stay(store: Store) -> None:
    store.inbox.commit_page("mc", "members", PAGE, "c1")
    store.inbox.commit_page("mc", "members", PAGE, "c2")
    store.inbox.absorbed(store.inbox.waiting()[:1])
    folder = store.folder / "inbox"
    for name in ("crashed.arrow", "half.writing"):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - 7200,) * 2)
    (folder / "young.arrow").write_bytes(b"x")  # another process may be about to commit it
    assert store.sweep() == 3
    assert [page.sequence for page in store.inbox.waiting()] == [2]
    assert store.inbox.waiting()[0].read().equals(PAGE)
    assert (folder / "young.arrow").exists()
    assert store.sweep() == 0


def test_sequences_never_start_again_after_a_sweep(store: Store) -> None:
    for cursor in "abc":
        store.inbox.commit_page("mc", "members", PAGE, cursor)
    store.inbox.absorbed(store.inbox.waiting())
    store.sweep()
    assert store.inbox.commit_page("mc", "members", PAGE, "d") == 4


def test_a_failing_transaction_leaves_neither_file_nor_cursor(store: Store, run: Run) -> None:
    class Broken:
        where = "1"
        reason = "x"

        @property
        def raw(self) -> str:
            raise RuntimeError("broken on the way")

    with pytest.raises(RuntimeError):
        store.inbox.commit_page("mc", "members", PAGE, "c1", rejected=[Broken()])  # type: ignore[list-item]
    assert store.inbox.checkpoint("mc", "members").cursor is None
    assert list((store.folder / "inbox").iterdir()) == []


def test_a_missing_page_file_is_told_with_what_to_do(store: Store) -> None:
    store.inbox.commit_page("mc", "members", PAGE, "c1")
    page = store.inbox.waiting()[0]
    Path(page.path).unlink()
    with pytest.raises(StoreError, match="read the stream from its start"):
        page.read()
