"""Who holds a claim: a process on a machine, and whether that process is known to be dead.

Only what can be known for sure counts: a process that may live elsewhere is never called dead.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import cast


def me() -> dict[str, object]:
    """This process, as it is written beside a claim (JSON)."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "place": _place(), "pid": pid, "started": _started(pid)}


def is_dead(owner: Mapping[str, object]) -> bool:
    """True if the process is certainly gone: its pid on this very machine, or the machine was restarted."""
    if not owner:
        return False  # let go of: nobody holds it, so only the lease counts
    mine = _place()
    theirs = cast("list[str]", owner.get("place") or [])
    if theirs != mine:
        # the same host name and pid namespace with another boot id: the machine was restarted
        return (
            len(theirs) == 2
            and bool(mine[1])
            and theirs[0] != mine[0]
            and owner.get("host") == socket.gethostname()
            and theirs[1] == mine[1]
        )
    pid = int(cast("int", owner["pid"]))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return owner.get("started") is not None and _started(pid) != owner["started"]


def _place() -> list[str]:
    """Machine boot and pid namespace: within the same two, a pid that is gone is a process that is dead."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    try:
        return [boot.read_text().strip(), str(space.readlink())]
    except OSError:  # no /proc: a host of this name, whose pids are all we know
        return [socket.gethostname(), ""]


def _started(pid: int) -> str | None:
    """When a process began, in ticks since boot, so that a pid used again is told apart; None: unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]  # a zombie is dead, though its pid still answers
    except (OSError, IndexError):
        return None
