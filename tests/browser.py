"""A real browser for tests: Chromium without a window, asked over two pipes; nothing listens on a port.

It speaks the Chrome DevTools Protocol (https://chromedevtools.github.io/devtools-protocol/): JSON with a 0
byte after each message, to the browser's file descriptor 3, from its 4.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE_S

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


class Tab:
    """One page. `events`: what the browser told by itself, in order, as (method, parameters)."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._rest, self._number = write, read, b"", 0
        self._session: str | None = None
        self.events: list[tuple[str, dict[str, Any]]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "Accessibility"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: object) -> Any:
        """The result of a command; AssertionError if the browser refuses it."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, file: Path, *, width: int, height: int = 900) -> None:
        """Load a file into a window so many pixels wide, and wait until it is there."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **screen)
        self.events.clear()
        self.ask("Page.navigate", url=file.as_uri())
        while not self.told("Page.loadEventFired"):
            self._next()

    def told(self, method: str) -> list[dict[str, Any]]:
        """The events of one kind since the page was opened."""
        return [parameters for name, parameters in self.events if name == method]

    def value(self, script: str) -> Any:
        """What an expression of JavaScript comes to on the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def _next(self) -> Any:
        until = time.monotonic() + PATIENCE_S
        while b"\0" not in self._rest:
            assert select.select([self._read], [], [], max(until - time.monotonic(), 0))[0], "it hangs"
            some = os.read(self._read, 1 << 20)
            assert some, "the browser ended"
            self._rest += some
        message, self._rest = self._rest.split(b"\0", 1)
        found = json.loads(message)
        if "method" in found:
            self.events.append((found["method"], found["params"]))
        return found


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """A tab of a fresh browser that keeps its files in `profile`; skips the test where none is found."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser is installed ({', '.join(NAMES)} are looked for): apt install chromium")
    to_it, write = os.pipe()
    read, from_it = os.pipe()
    started = subprocess.Popen(
        ["/bin/bash", "-c", f'exec "$@" 3<&{to_it} 4>&{from_it}', "browser", program, *_OPTIONS,
         f"--user-data-dir={profile}"],
        pass_fds=(to_it, from_it), start_new_session=True,
        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_it)
    os.close(from_it)
    try:
        yield Tab(write, read)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        os.close(write)
        os.close(read)
