"""What part of the work a run is to do. Kept with the run and with its plan, as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Scope:
    """`sources` to pull and `segments` whose audiences are planned (None: all; empty: none); `push` or not.

    Every rule is evaluated whatever the scope is, because segments may be built on segments.
    """

    sources: tuple[str, ...] | None = None
    segments: tuple[str, ...] | None = None
    push: bool = True

    @classmethod
    def of(
        cls,
        *,
        sources: Iterable[str] | None = None,
        segments: Iterable[str] | None = None,
        push: bool = True,
    ) -> Self:
        """As the constructor, from any iterables; the order of names means nothing."""
        return cls(
            tuple(sorted(set(sources))) if sources is not None else None,
            tuple(sorted(set(segments))) if segments is not None else None,
            push,
        )

    @property
    def plans(self) -> bool:
        """Whether there is anything to plan."""
        return self.segments is None or bool(self.segments)

    @property
    def key(self) -> str:
        """Names the audiences a plan of this scope is about; "" means all of them."""
        if self.segments is None:
            return ""
        return hashlib.sha256(json.dumps(self.segments).encode()).hexdigest()[:16]

    def document(self) -> dict[str, object]:
        """As JSON; `read` is its inverse."""
        return {
            "sources": list(self.sources) if self.sources is not None else None,
            "segments": list(self.segments) if self.segments is not None else None,
            "push": self.push,
        }

    @classmethod
    def read(cls, document: Mapping[str, object]) -> Self:
        """From JSON; what is missing means everything."""
        sources, segments = document.get("sources"), document.get("segments")
        return cls.of(
            sources=map(str, sources) if isinstance(sources, list) else None,
            segments=map(str, segments) if isinstance(segments, list) else None,
            push=bool(document.get("push", True)),
        )


EVERYTHING = Scope()
