"""Many processes that spend one account's budget in a database, each noting when, by the database's clock.

Run as `python -m tests.sync.store.spenders URL WHAT PROCESSES SECONDS`: it forks before it opens anything,
lets all begin together, and prints one JSON list of notes per process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from connectors.pacing import Limits, Pacer, SystemClock
from connectors.standing import AtOnce, Window
from sync.store.budgets import DatabaseBudget
from sync.store.database import Database

CALLS = Window.of("calls", calls=25, seconds=1)
BURSTY = Window.of("calls", calls=100, seconds=10, burst=10)
AT_ONCE = AtOnce("at once", 3)
HOLD_S = 1.0
REFUSED_AFTER = 6
"""The first process is refused at its so-manieth call, where refusals are the point."""
CALL_S = 0.05


class Noting(DatabaseBudget):
    """Keeps for when the last turn was granted, by the database's clock."""

    granted_s = 0.0

    def take(self, *args: Any, **options: Any) -> float:
        wait_s = super().take(*args, **options)
        self.granted_s = self.now_s + wait_s
        return wait_s

    @contextmanager
    def _changing(self, *args: Any, **options: Any) -> Iterator[Any]:
        with super()._changing(*args, **options) as (self.now_s, standing):
            yield self.now_s, standing


class Spender:
    """One process. `notes` are pairs of the database's time: for when a call's turn was granted and when it
    went out; where calls at the same time are the point, when it went out and when it was over."""

    def __init__(self, url: str, number: int) -> None:
        self.database = Database(url)
        self.clock = SystemClock()
        self.budget = Noting(self.database, "Spent", "account", clock=self.clock)
        self.number = number
        self.notes: list[tuple[float, float]] = []

    def now_s(self) -> float:
        with self.database.reading() as connection:
            return self.database.now_ms(connection) / 1000

    def send(self) -> None:
        self.notes.append((self.budget.granted_s, self.now_s()))

    def send_slowly(self) -> None:
        began_s = self.now_s()
        time.sleep(CALL_S)  # the call itself: what it takes a platform to answer
        self.notes.append((began_s, self.now_s()))

    def rate(self, until_s: float, window: Window = CALLS) -> None:
        pacer = Pacer(Limits(windows=(window,)), clock=self.clock, budget=self.budget)
        while self.now_s() < until_s:
            pacer.call(self.send)

    def bursty(self, until_s: float) -> None:
        self.rate(until_s, BURSTY)

    def refused(self, until_s: float) -> None:
        pacer = Pacer(Limits(windows=(CALLS,)), clock=self.clock, budget=self.budget)
        while self.now_s() < until_s:
            pacer.call(self.send)
            if self.number == 0 and len(self.notes) == REFUSED_AFTER:
                self.budget.limited(CALLS, hold_s=HOLD_S)

    def places(self, until_s: float) -> None:
        pacer = Pacer(Limits(at_once=AT_ONCE), clock=self.clock, budget=self.budget)
        while self.now_s() < until_s:
            pacer.call(self.send_slowly)


def held(url: str) -> None:
    """Take a place, say so, and keep it until killed."""
    with Spender(url, 0).budget.place(AtOnce("at once", 1)):
        print("held", flush=True)
        sys.stdin.read()


def fork(url: str, what: str, processes: int, seconds: float) -> list[list[tuple[float, float]]]:
    """The notes of all processes. Nothing may be open yet."""
    start_read, start_write = os.pipe()
    pipes = []
    for number in range(processes):
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(start_write)
            spender = Spender(url, number)
            spender.now_s()  # connected
            os.write(write, b".")
            os.read(start_read, 1)
            work: Callable[[float], None] = getattr(spender, what)
            work(spender.now_s() + seconds)
            with os.fdopen(write, "w") as out:
                json.dump(spender.notes, out)
            os._exit(0)
        os.close(write)
        pipes.append(read)
    for read in pipes:
        os.read(read, 1)
    os.write(start_write, b"." * processes)
    found = []
    for read in pipes:
        with os.fdopen(read) as notes:
            found.append([(began_s, ended_s) for began_s, ended_s in json.load(notes)])
        os.wait()
    return found


def spend(url: str, what: str, *, processes: int = 8, seconds: float = 3) -> list[list[tuple[float, float]]]:
    """Run this module in a process of its own, which has nothing open, and give its notes."""
    command = [sys.executable, "-m", "tests.sync.store.spenders", url, what, str(processes), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [[(a, b) for a, b in notes] for notes in json.loads(done.stdout)]


def densest(moments: list[float], window_s: float) -> int:
    """The most that any window of so many seconds holds."""
    ordered, first, most = sorted(moments), 0, 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


if __name__ == "__main__":
    if sys.argv[2] == "held":
        held(sys.argv[1])
    else:
        print(json.dumps(fork(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
