"""What `check` is asked and what it answers: needs, missing rights, what would be created, the quota."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.base import AudienceKind


@dataclass(frozen=True, slots=True)
class WantedAudience:
    """A segment the rules send here. `kind` None: the connection's default; `remote_id`: as last known."""

    name: str
    kind: AudienceKind | None = None
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What the config and the rule files ask of a connection, for `check`."""

    read: bool = True
    audiences: tuple[WantedAudience, ...] = ()

    def of(self, kind: AudienceKind, *, default: AudienceKind) -> tuple[WantedAudience, ...]:
        """The audiences of a kind, where those without a kind are of the kind `default`."""
        return tuple(one for one in self.audiences if (one.kind or default) is kind)


@dataclass(frozen=True, slots=True)
class MissingScope:
    """A right that our key or user lacks, by the platform's own name for it."""

    scope: str
    blocks: str  # what cannot be done without, e.g. "no list can be filled"
    grant: str  # where and how a person grants it, as a sentence

    def __str__(self) -> str:
        return f"{self.scope} is missing: {self.blocks}. {self.grant}"


@dataclass(frozen=True, slots=True)
class Creation:
    """What a run would make on the platform before it writes members or values."""

    kind: str  # in the platform's words: "property", "list", "tag", …
    name: str
    label: str = ""  # what people see, where that is not the name
    object: str = ""  # what it is made on, e.g. "contacts"

    def __str__(self) -> str:
        label = f', shown as "{self.label}",' if self.label and self.label != self.name else ""
        return f'{self.kind} "{self.name}"{label}{f" on {self.object}" if self.object else ""}'


@dataclass(frozen=True, slots=True)
class Health:
    """Answer of `check`: who we are on the platform, and what is missing, in sentences for a person.

    `problems` are all that keeps the config from being carried out, missing scopes included; `notes` what
    works less well than it could. `quota`: how many calls are left, in words; empty: not known.
    """

    ok: bool
    account: str
    problems: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[MissingScope, ...] = ()
    quota: str = ""
    creates: tuple[Creation, ...] = ()
    notes: tuple[str, ...] = ()
