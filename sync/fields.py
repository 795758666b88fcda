"""Where a person's facts come from: each vocabulary field with its source columns in order of trust.

Pure data. The config builds these; `sync.identify.people` reads them. It knows nothing of how a platform
spells its values.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules.vocabulary import Field, Type


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A vocabulary field and the contact columns it may come from, most trusted first.

    A source is (connection, column); its column in the lake table `contacts` is "connection.column".
    The columns `external_id` and `address` of the record itself may be named like any other.
    """

    name: str
    type: Type
    unit: str | None = None
    meaning: str = ""
    sources: tuple[tuple[str, str], ...] = ()

    def field(self) -> Field:
        """The same field as the rules see it."""
        named = tuple(f"{connection}.{column}" for connection, column in self.sources)
        return Field(name=self.name, type=self.type, meaning=self.meaning, unit=self.unit, sources=named)
