"""Logs as JSON lines on standard error: ids and sentences of ours, never an address or a name of a person.

What other libraries say may hold anything (a URL with an e-mail address, a row), so only who spoke is told.
Of an exception only its kind and its places in the code are told, for the same reason.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import sys
import traceback
from typing import TextIO

from sync.doing import now_doing

_OURS = ("connectors", "rules", "sync")
_ADDRESS = re.compile(r"[^\s@<>\"'=/:,;()]+@[^\s@<>\"'/:,;()]+")


def start_logging(stream: TextIO | None = None) -> logging.Handler:
    """All logs of this process as JSON lines on `stream` (default: standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    return handler


class JsonLines(logging.Formatter):
    """One object per line: time, level, logger, message, what the thread was at, and `extra` ids."""

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.split(".")[0] in _OURS
        message = without_addresses(record.getMessage()) if ours else "not shown: it may name people"
        line: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **now_doing(),
        }
        for key in ("run", "schedule", "slot", "connection", "step", "problems"):
            if ours and hasattr(record, key):
                line[key] = getattr(record, key)
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["at"] = [
                f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(line, ensure_ascii=False, default=str)


def without_addresses(text: str) -> str:
    """The text with everything that looks like an e-mail address taken out."""
    return _ADDRESS.sub("…", text)
