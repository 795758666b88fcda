"""What an evaluation makes in a session for the time being, and how people are joined with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rules.engine.session import Derived, Session

if TYPE_CHECKING:
    import pyarrow as pa


class Making:
    """What was made in a session, to be let go of at the end."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._made: list[str] = []

    def make(self, derived: Derived) -> None:
        """Makes a relation."""
        self._made.append(derived.name)
        self.session.make(derived)

    def keep(self, name: str, table: pa.Table, types: Mapping[str, str]) -> None:
        """A small relation of given rows."""
        self._made.append(name)
        self.session.keep(name, table, types)

    def undo(self) -> None:
        """Lets go of all, the last first."""
        while self._made:
            self.session.drop(self._made.pop())


def joined(people: str, relations: list[str], expressions: str) -> str:
    """The people with those relations of features that the expressions mention."""
    used = [name for name in relations if f"{name}." in expressions]
    return people + "".join(f" LEFT JOIN {name} ON {name}.person = p.person" for name in used)
