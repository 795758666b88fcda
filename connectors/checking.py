"""What the checks of all platforms share: asking for rights one by one, and collecting what is missing.

A right is found out by a call that needs it and changes nothing. Where only writing needs the right, the call
is one that the platform must refuse for its content (nobody to add, nothing to make): being refused for that
shows that the right is there. Should a platform look at the content first, the check misses a missing right,
and the first real write tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from connectors.base import AudienceKind, RemoteAudience
from connectors.errors import ConnectorError, RateLimited, Unauthorized, Unavailable
from connectors.health import Creation, Health, MissingScope, Needs, WantedAudience


def everything(kinds: Iterable[AudienceKind]) -> Needs:
    """What a connection is checked for if nobody says what it is needed for: reading, and every kind."""
    return Needs(audiences=tuple(WantedAudience("", kind) for kind in kinds))


def named(wanted: Iterable[WantedAudience]) -> list[WantedAudience]:
    """Those that the rules name; `everything` names none."""
    return [one for one in wanted if one.name]


def to_create(
    wanted: Iterable[WantedAudience], there: Sequence[RemoteAudience], kind: str, *, object: str = ""
) -> list[Creation]:
    """The wanted audiences that are not on the platform, by id or by name without regard to case."""
    ids = {one.remote_id for one in there}
    names = {one.name.casefold() for one in there}
    return [
        Creation(kind, one.name, object=object)
        for one in named(wanted)
        if one.remote_id not in ids and one.name.casefold() not in names
    ]


class Findings:
    """Collects one check. `grant` says how a person grants a right."""

    def __init__(self, grant: str) -> None:
        self._grant = grant
        self.account = ""
        self.details: dict[str, str] = {}
        self.problems: list[str] = []
        self.missing: list[MissingScope] = []
        self.creates: list[Creation] = []
        self.notes: list[str] = []
        self.quota = ""
        self.stopped = False
        """The platform stopped answering: what was not asked yet stays unknown."""

    def lack(self, scope: str, blocks: str, grant: str | None = None) -> None:
        """A right is missing."""
        if all(one.scope != scope for one in self.missing):
            self.missing.append(MissingScope(scope, blocks, grant or self._grant))

    def ask(
        self, scopes: Sequence[str], blocks: str, call: Callable[[], object], *, empty: bool = False
    ) -> bool:
        """Whether the right is there. `empty`: a writing call without content, which may be refused."""
        if self.stopped:
            return False
        try:
            call()
        except Unauthorized as error:
            for scope in error.scopes or scopes:
                self.lack(scope, blocks)
            return False
        except (Unavailable, RateLimited) as error:
            self.stopped = True
            self.problems.append(str(error))
            return False
        except ConnectorError as error:
            if not empty:
                self.problems.append(str(error))
            return empty
        return True

    def health(self) -> Health:
        """The answer of `check`."""
        problems = tuple(dict.fromkeys([*map(str, self.missing), *self.problems]))
        return Health(
            ok=not problems,
            account=self.account,
            problems=problems,
            details={name: told for name, told in self.details.items() if told},
            missing=tuple(self.missing),
            quota=self.quota,
            creates=tuple(self.creates),
            notes=tuple(self.notes),
        )
