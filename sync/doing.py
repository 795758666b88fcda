"""What this thread is at just now: run, connection, step. For logs, so that every line tells whose it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_doing: ContextVar[Mapping[str, object]] = ContextVar("doing", default=MappingProxyType({}))


def now_doing() -> Mapping[str, object]:
    """Ids and words such as run, connection, step; empty between two pieces of work."""
    return _doing.get()


@contextmanager
def doing(**what: object) -> Iterator[None]:
    """Inside the block also `what` is told."""
    token = _doing.set(MappingProxyType({**_doing.get(), **what}))
    try:
        yield
    finally:
        _doing.reset(token)
