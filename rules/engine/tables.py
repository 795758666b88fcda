"""The relations that rules are asked over, and who may keep their rows in order of persons."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rules.engine.features import Activity
from rules.engine.periods import Range
from rules.engine.session import Session
from rules.engine.stretches import Stretch

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows of a person: those in the range; `ends`: the first and the last of them are enough."""

    range: Range = field(default_factory=lambda: Range(None, None))
    ends: bool = False


class ByPerson(Protocol):
    """Keeps the rows of relations in order of persons. `kind`: of activity, None: people."""

    def count(self) -> int:
        """How many people there are."""
        ...

    def crossed(self, kind: str, found: Range) -> NDArray[np.int32]:
        """At least everybody with activity of the kind in the range."""
        ...

    def valued(self, field: str, found: Range) -> NDArray[np.int32]:
        """At least everybody with a date (in days) or an instant in the range in this field of people."""
        ...

    def names(self, kind: str | None) -> Collection[str]:
        """The columns of the relation."""
        ...

    def rows(
        self, kind: str | None, people: NDArray[np.int32], span: Span, columns: Collection[str] | None
    ) -> pa.Table:
        """The rows of these people (ascending), with `person` and at most these columns; None: all."""
        ...

    def of(self, kind: str | None, person: int) -> Sequence[Mapping[str, object]]:
        """The rows of one person, column → value, with all columns."""
        ...

    def stretches(self, kind: str, people: NDArray[np.int32]) -> Sequence[Stretch]:
        """Of each of these people (ascending) where their rows of a kind lie. TooMany, of `stretches`, if it
        is not worth while to pick them."""
        ...


@dataclass(frozen=True, slots=True)
class Tables:
    """Relations in SQL, such as `read_parquet(['…'])` or the name of a view; columns as the architecture
    of the lake fixes them (`rules.vocabulary`). `by_person`: keeps the very same rows."""

    people: str
    activity: Mapping[str, str]  # kind → its rows; a kind without rows may be missing
    by_person: ByPerson | None = None

    def rows(self, session: Session, kind: str, /) -> Activity:
        """The rows of a kind, for features."""
        return activity_of(session, self.activity[kind])


def activity_of(session: Session, relation: str) -> Activity:
    """A relation of activity, for features."""
    return Activity(relation, texts(session.columns(relation)))


def texts(columns: Collection[str] | Sequence[str]) -> frozenset[str]:
    """The fields that have a folded copy."""
    return frozenset(name.removesuffix("__ci") for name in columns if name.endswith("__ci"))


def always_read(columns: Collection[str]) -> set[str]:
    """The columns of people that rules may need without naming them."""
    return {name for name in columns if name in ("suppressed", "in_lists") or name.startswith("consented_")}
