"""What can go wrong in the store, as sentences for a person. None of them holds personal values."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StoreError(Exception):
    """The store cannot do what was asked; the message says what happened and what to do next."""


class NewerStore(StoreError):
    """The store was written by a newer segsync; this one must not touch it."""


class NoSpaceLeft(StoreError):
    """The disk is full. What was being written is not there; everything before it is."""


class DatabaseGone(StoreError):
    """The database stopped answering. What was not committed is undone; the next run goes on from there."""


class RunInProgress(StoreError):
    """Another run holds the lease."""


class LeaseLost(StoreError):
    """Another process took over: stop at once and write nothing more."""


class Stopped(StoreError):
    """This process was asked to end: it begins nothing more and has recorded what it did."""


class NotShared(StoreError):
    """A second worker process wants to work on a store that only one may write to."""


class PlanNotOpen(StoreError):
    """The plan was superseded, rejected or is applied already; make a new one."""


_SQLITE_FULL = ("database or disk is full", "disk I/O error")


def is_no_space(error: BaseException) -> bool:
    """True if `error` (or what caused it) means that a disk, a quota or a file-size limit is exhausted."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        text = str(cause)
        if "No space left on device" in text or "File too large" in text or "Disk quota exceeded" in text:
            return True
        if "sqlite3" in type(cause).__module__ and any(word in text for word in _SQLITE_FULL):
            return True
        if type(cause).__name__ == "DiskFull":  # psycopg's class for SQLSTATE 53100
            return True
        cause = cause.__cause__ or cause.__context__
    return False


@contextmanager
def no_space_is_told(place: Path | str) -> Iterator[None]:
    """Turn a full disk inside the block into `NoSpaceLeft` naming `place`; other errors pass unchanged."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        if not is_no_space(error):
            raise
        raise NoSpaceLeft(
            f"no space left in {place}; nothing was changed, free space and run again"
        ) from error
