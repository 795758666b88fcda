"""The platforms' process and the pipe to it."""

from __future__ import annotations

import os
import traceback
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.scenarios.campaign.clock import SharedClock


class Remote:
    """`remote("step", 8)` is `platforms.step(8)` in the other process."""

    def __init__(self, folder: Path, clock: SharedClock, *, people: int, seed: int) -> None:
        self._ours, theirs = Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._ours.close()
            try:
                _serve(theirs, folder, clock, people, seed)
            finally:
                os._exit(0)
        theirs.close()

    def __call__(self, name: str, *arguments: Any, **named: Any) -> Any:
        self._ours.send((name, arguments, named))
        done, answer = self._ours.recv()
        if not done:
            raise RuntimeError(f"the platforms failed at {name}:\n{answer}")
        return answer

    def close(self) -> None:
        """Ends the process; it has nothing to lose."""
        self._ours.close()
        os.waitpid(self.pid, 0)


def _serve(pipe: Connection, folder: Path, clock: SharedClock, people: int, seed: int) -> None:
    from tests.scenarios.campaign.platforms import Platforms

    platforms: Platforms | None = None
    while True:
        try:
            name, arguments, named = pipe.recv()
        except EOFError:
            return
        try:
            if platforms is None:
                platforms = Platforms(folder, clock, people=people, seed=seed)
            pipe.send((True, getattr(platforms, name)(*arguments, **named)))
        except Exception:
            pipe.send((False, traceback.format_exc()))
