"""kill -9 at every step of pull, absorb and push, then once more undisturbed: the end is always the same."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sync.store import Store
from tests.sync.store import writer
from tests.sync.store.records import read

# Children are forked from a process that has the libraries loaded, but never ran a thread.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.sync.store.writer"])


def was_killed(folder: Path, what: str, kill_at: int) -> bool:
    """Work until step `kill_at`; False: it was done before that."""
    child = FORKS.Process(target=writer.work, args=(url(folder), folder / "lake", what, kill_at))
    child.start()
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode != 0


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'store.db'}"


def pulled(store: Store) -> object:
    pages = [(page.stream, page.sequence, page.read().to_pylist()) for page in store.inbox.waiting()]
    files = len(list((store.folder / "inbox").glob("*.arrow")))
    assert files >= len(pages)
    return pages, [store.inbox.checkpoint("mc", stream) for stream in ("members", "orders")]


def absorbed(store: Store) -> object:
    contacts = read(store, "contacts", order="external_id")
    numbers = [int(str(row.pop("contact"))) for row in contacts]  # a crash may leave gaps
    assert len(set(numbers)) == len(numbers)
    assert all(number < store.numbers.next("contact") for number in numbers)
    return contacts, read(store, "activity", order="event_id"), store.inbox.waiting()


def pushed(store: Store) -> object:
    owned = [(row.name, sorted(row.owned), sorted(row.actual)) for row in store.ledger.audiences()]
    refused = [(refusal.person, refusal.code) for refusal in store.ledger.refusals()]
    return owned, refused, store.plans.latest(limit=1)[0].state, store.runs.latest(limit=1)[0].state


STATE: Mapping[str, Callable[[Store], object]] = {"pull": pulled, "absorb": absorbed, "push": pushed}


@pytest.mark.parametrize(("what", "least"), [("pull", 12), ("absorb", 12), ("push", 12)])
def test_killed_at_any_step_and_run_again_the_end_is_the_same(what: str, least: int, tmp_path: Path) -> None:
    start = tmp_path / "start"
    with Store.open(url(start), start / "lake") as store:
        if what == "absorb":
            writer.WORK["pull"](store)

    def finished(folder: Path) -> object:
        with Store.open(url(folder), folder / "lake") as store:
            store.sweep()
            writer.WORK[what](store)
            return STATE[what](store)

    expected = finished(Path(shutil.copytree(start, tmp_path / "calm")))
    kills, kill_at = 0, 1
    while True:
        folder = Path(shutil.copytree(start, tmp_path / f"killed{kill_at}"))
        if not was_killed(folder, what, kill_at):
            break
        assert finished(folder) == expected, f"killed at step {kill_at} of {what}"
        kills += 1
        kill_at += 1 + kill_at // 4  # the first steps all, later ones every few
    assert kills >= least
