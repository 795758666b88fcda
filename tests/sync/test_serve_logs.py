"""Log lines: JSON with ids; nothing that another library says, no address, no message of an exception."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sync.doing import doing
from sync.serve.logs import start_logging, without_addresses

CANARY = "canary+1@example.com"


@contextmanager
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    start_logging(stream)
    try:
        yield stream
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_tells_what_its_thread_was_at() -> None:
    with logged() as stream:
        with doing(run=7), doing(connection="shop", step="pull"):
            logging.getLogger("sync.pull").info("read %d rows", 3)
        logging.getLogger("sync.serve").warning("later", extra={"schedule": "nightly"})
    first, second = lines(stream)
    assert (first["message"], first["run"], first["connection"], first["step"]) == (
        "read 3 rows",
        7,
        "shop",
        "pull",
    )
    assert (second["level"], second["schedule"], "run" in second) == ("warning", "nightly", False)


def test_nobody_s_address_is_in_a_line() -> None:
    with logged() as stream:
        logging.getLogger("sync.push").error("refused: %s", CANARY)
        logging.getLogger("urllib3.connectionpool").warning("GET /members?email=%s", CANARY)
        logging.getLogger("klaviyo").info("not even told")
        try:
            raise ValueError(f"no row for {CANARY}")
        except ValueError:
            logging.getLogger("sync.push").exception("a fault")
    assert "canary" not in stream.getvalue()
    ours, theirs, fault = lines(stream)
    assert ours["message"] == "refused: …"
    assert theirs["logger"] == "urllib3.connectionpool"
    assert fault["error"] == "ValueError"
    assert "test_serve_logs.py" in fault["at"][0]


@pytest.mark.parametrize(
    "text", [f"<{CANARY}>", f"email={CANARY}&x=1", f'"{CANARY}"', "a.b@x.co: no", "ä@ü.de"]
)
def test_addresses_are_found_wherever_they_stand(text: str) -> None:
    assert "@" not in without_addresses(text)
    assert without_addresses("run 7 at 03:00 on shop") == "run 7 at 03:00 on shop"
