"""The HTTP side of every simulation: sockets, keep-alive, faults, counts, kills, the control address.

Standard library only, and bound to loopback only.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from connectors.simulation.control import CONTROL, control
from connectors.simulation.faults import Fault, Kind, When
from connectors.simulation.kills import Point
from connectors.simulation.platform import Reply, Request, Simulation
from connectors.simulation.traffic import Logged

HTML_502 = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center>"
    b"<hr><center>openresty</center></body></html>"
)


class _Handler(BaseHTTPRequestHandler):
    """Reads requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered: one packet per answer
    server: _Server
    server_version = "openresty"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.server.sockets.add(self.connection)
        self.server.simulation.traffic.connected()

    def finish(self) -> None:
        self.server.sockets.discard(self.connection)
        try:
            super().finish()
        except OSError:
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - as in the library
        """The simulation's time, not the computer's."""
        return formatdate(self.server.simulation.now().timestamp(), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: what happened is in Traffic."""

    def _handle(self) -> None:
        body = self._body()
        parts = urlsplit(self.path)
        pairs = tuple(parse_qsl(parts.query, keep_blank_values=True))
        request = Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(pairs),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            address=f"http://{self.headers.get('Host', self.server.name)}",
            pairs=pairs,
        )
        if self.server.control and request.path.startswith(CONTROL):
            self._send(control(self.server.simulation, request))
            return
        self._simulate(request)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815

    def _body(self) -> bytes:
        """The request's body, by length or in chunks, as clients in other languages send it."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length else b""
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            continue
        return b"".join(chunks)

    def _simulate(self, request: Request) -> None:
        simulation = self.server.simulation
        operation = simulation.operation(request)
        write = simulation.is_write(request)
        key = simulation.key_of(request)
        opened = simulation.traffic.opened(key, operation, write=write)
        kill = simulation.kills.next_for(write=write)
        fault: Fault | None = None
        reply: Reply | None = None
        try:
            if kill is not None and kill.point is Point.RECEIVED:
                simulation.kills.execute()
            else:
                delay_s = simulation.faults.delay_s
                time.sleep(simulation.delay_s if delay_s is None else delay_s)
                if simulation.simultaneous is not None and opened > simulation.simultaneous:
                    reply = simulation.too_many(request)
                else:
                    fault = simulation.faults.choose(operation)
                    reply = self._reply(request, fault)
                if kill is not None and kill.point is Point.APPLIED:
                    simulation.kills.execute()
                    reply = None
        finally:
            # Before the answer goes out: a client that sends the next request at once must find this
            # one over, or it would seem to have more open than it has.
            simulation.traffic.closed(key)
            simulation.traffic.answered(
                Logged(
                    operation=operation,
                    method=request.method,
                    path=request.path,
                    query=request.query,
                    body=request.body,
                    status=0 if reply is None else reply.status,
                    fault=None if fault is None else str(fault.kind),
                )
            )
        if reply is None:
            self._cut()
            return
        self._send(reply)
        if kill is not None and kill.point is Point.ANSWERED:
            simulation.kills.execute()

    def _reply(self, request: Request, fault: Fault | None) -> Reply | None:
        """The answer after the fault has had its say; None: cut the connection."""
        simulation = self.server.simulation
        applies = fault is None or fault.when is When.AFTER or fault.kind in (Kind.TRUNCATED_200, Kind.SLOW)
        reply = Reply(500)
        if applies:
            with simulation.lock:
                reply = simulation.answer(request)
        if fault is None:
            return reply
        if fault.kind is Kind.CUT:
            return None
        if fault.kind is Kind.RATE_LIMITED:
            return simulation.too_many(request, retry_after_s=fault.retry_after_s)
        if fault.kind is Kind.FORBIDDEN_BARE:
            return Reply(403, headers={"Content-Type": None})
        if fault.kind is Kind.HTML_502:
            return Reply(502, HTML_502, {"Content-Type": "text/html"})
        if fault.kind is Kind.EMPTY_503:
            return Reply(503, headers={"Content-Type": None})
        if fault.kind is Kind.TRUNCATED_200:
            # The length is that of the half: the transport notices nothing, only the JSON is broken.
            return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
        time.sleep(fault.seconds)
        return reply

    def _send(self, reply: Reply) -> None:
        try:
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json; charset=utf-8", **reply.headers}.items():
                if value is not None:
                    self.send_header(name, value)
            if reply.status != 204:
                length = len(reply.body) if reply.content_length is None else reply.content_length
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD" and reply.status != 204:
                self.wfile.write(reply.body)
            self.wfile.flush()
        except OSError:  # the client gave up; the call took effect all the same
            self.close_connection = True

    def _cut(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, simulation: Simulation, *, port: int, control: bool) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.simulation = simulation
        self.control = control
        self.sockets: set[socket.socket] = set()
        self.name = f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error; anything else is a fault of the simulation."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def hang_up(self) -> None:
        """Close every open connection, as a platform does that goes down."""
        for open_socket in list(self.sockets):
            try:
                open_socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@contextmanager
def serve(simulation: Simulation, *, port: int = 0, control: bool = False) -> Iterator[str]:
    """Serve `simulation` while the block runs; yields its address, e.g. `http://127.0.0.1:39001`.

    Port 0 takes a free one. With `control` the addresses under `/__control__/` answer (see control.py).
    """
    server = _Server(simulation, port=port, control=control)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{server.name}"
    finally:
        server.shutdown()
        server.server_close()
        server.hang_up()
        thread.join()


def run_forever(
    simulation: Simulation,
    *,
    announce: Callable[[str], None],
    port: int = 0,
    control: bool = False,
    faults: Path | None = None,
) -> None:
    """Serve until told to end (Ctrl-C or SIGTERM); calls `announce` with the address as soon as it answers.

    Only in the main thread, which is the one that is told.

    Raises FaultsFileError for a faults file that cannot be understood, OSError for a port in use.
    """
    if faults is not None:
        simulation.faults.load_file(faults)
    told: list[int] = []
    # A handler that notes it, no exception: one that rises in a finaliser is thrown away. Shells have Ctrl-C
    # ignored by what a script starts in the background.
    endings = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda one, _: told.append(one)) for number in endings}
    try:
        with serve(simulation, port=port, control=control) as address:
            announce(address)
            while not told:
                time.sleep(0.5)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
