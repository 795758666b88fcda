"""Kills at commits: a life dies before, inside or after its n-th commit, as its environment says."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

COMMIT = "SEGSYNC_CAMPAIGN_COMMIT"
"""`before:17`, `inside:17` or `after:17`: the life dies at its 17th commit."""
COMMITS = "@@commits "
"""Said at the end of a life that reached it, with their number."""
AROUND = ("before", "inside", "after")

_done = 0


def die_at_commits() -> None:
    """From now on commits are counted, and the one that is named is the last.

    Inside: the commit is on its way to the database, and nobody waits for its end.
    """
    point, _, text = os.environ.get(COMMIT, "none:0").partition(":")
    lock = threading.Lock()
    commit_of = DefaultDialect.do_commit

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        global _done
        with lock:
            _done += 1
            last = _done == int(text)
        if not last:
            commit_of(dialect, connection)
            return
        if point == "inside":
            if dialect.name == "postgresql":
                raw = getattr(connection, "dbapi_connection", connection)
                raw.pgconn.send_query(b"COMMIT")
                raw.pgconn.flush()
            else:
                threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGKILL)).start()
                commit_of(dialect, connection)
        elif point == "after":
            commit_of(dialect, connection)
        os.kill(os.getpid(), signal.SIGKILL)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign,assignment]


def tell_commits() -> None:
    """How many there were."""
    print(f"\n{COMMITS}{_done}")
