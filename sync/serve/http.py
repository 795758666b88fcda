"""/healthz, /readyz and /metrics. No personal data, so no login; but on loopback unless told otherwise.

/healthz is 200 while the ticker beats: whoever watches the process may restart it otherwise. /readyz is 200
while it can do its work: the database answers, with the tables of this program. Its body also tells what is
wrong with a config or rules that were changed; the good ones before them stay in use, so it stays ready.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sync.errors import UserError
from sync.serve.logs import without_addresses
from sync.serve.metrics import Metrics
from sync.serve.state import State
from sync.store.alive import complaint

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_JSON = "application/json; charset=utf-8"
Answer = tuple[int, str, bytes]


@contextmanager
def served(state: State, *, host: str, port: int) -> Iterator[str]:
    """Answers until the end of the block; yields its own address, for port 0 is a free one."""
    metrics = Metrics(state)

    class Handler(_Handler):
        def respond(self, path: str) -> Answer:
            return _respond(path, state, metrics)

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}:{port}: {error.strerror}; name another one with --host and --port"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _respond(path: str, state: State, metrics: Metrics) -> Answer:
    if path == "/healthz":
        return _json(
            200 if state.alive else 503, {"alive": state.alive, "tick_age_s": round(state.tick_age_s, 1)}
        )
    if path == "/readyz":
        ready, told = readiness(state)
        return _json(200 if ready else 503, told)
    if path == "/metrics":
        return 200, _TEXT, metrics.text()
    return _json(404, {"error": "there are /healthz, /readyz and /metrics"})


def readiness(state: State) -> tuple[bool, dict[str, Any]]:
    """(Whether it can do its work, what to tell.)"""
    wrong = complaint(state.workspace.store.database)
    ready = wrong is None and not state.draining
    return ready, {
        "ready": ready,
        "database": wrong or "ok",
        "config": "the one before is in use" if state.problems else "ok",
        "problems": [without_addresses(problem) for problem in state.problems],
        "draining": state.draining,
    }


def _json(status: int, document: object) -> Answer:
    return status, _JSON, json.dumps(document, ensure_ascii=False).encode()


class _Handler(BaseHTTPRequestHandler):
    timeout = 30
    server_version = "segsync"
    sys_version = ""

    def respond(self, path: str) -> Answer:
        """Overridden where the state is known."""
        raise AssertionError(path)

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        try:
            status, kind, content = self.respond(self.path.partition("?")[0])
        except Exception as error:  # noqa: BLE001 - whatever the database says, the server lives on
            status, kind, content = _json(503, {"error": type(error).__name__})
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Requests of a monitor every few seconds are not worth a line."""
