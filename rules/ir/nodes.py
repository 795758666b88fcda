"""What all nodes have in common: the content hash, the nodes inside, the form in which they are stored."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache

from rules.fixed import Equal

VERSION = 1
"""Part of every hash; raised when the meaning of a node changes."""


class Node(Equal):
    """Base of all nodes; `key` is the content hash under which equal nodes are computed once."""

    @property
    def key(self) -> str:
        """16 hex digits; equal for equal nodes, in any process."""
        return _key(self)


@lru_cache(maxsize=20_000)
def _key(node: Node) -> str:
    return hashlib.sha256(json.dumps([VERSION, dump(node)], sort_keys=True).encode()).hexdigest()[:16]


def children(node: Node) -> Iterator[Node]:
    """The nodes directly inside `node`, in order; periods are nodes too."""
    for name in node.field_names:
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (part for part in value if isinstance(part, Node))


def dump(value: object) -> object:
    """The node as JSON-ready lists and scalars: `["Class", field, …]`. Stable over versions of Python."""
    if isinstance(value, Node):
        return [type(value).__name__, *(dump(getattr(value, name)) for name in value.field_names)]
    if isinstance(value, tuple):
        return [dump(v) for v in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return value
