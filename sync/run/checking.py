"""Is every account ready for what the config and the rules ask? Asked one connection after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from connectors.base import AudienceKind
from connectors.errors import BadSource, ConnectorError
from connectors.health import Health, Needs, WantedAudience
from rules.language import Sent, sent
from sync.errors import UserError
from sync.push import CARRIER
from sync.run.workspace import Workspace
from sync.store import AudienceRow

FIELD = AudienceKind.FIELD.value


@dataclass(frozen=True, slots=True)
class Checked:
    """One connection: what is asked of it, what its platform says. `fault`: the config itself is wrong."""

    connection: str
    platform: str
    needs: Needs
    health: Health
    fault: bool = False

    @property
    def kinds(self) -> Mapping[str, int]:
        """How many segments are sent here as what; "" stands for the connection's default kind."""
        return Counter(one.kind.value if one.kind else "" for one in self.needs.audiences)

    def document(self) -> dict[str, object]:
        """For scripts."""
        health = self.health
        return {
            "connection": self.connection,
            "platform": self.platform,
            "ok": health.ok,
            "account": health.account,
            "details": dict(health.details),
            "read": self.needs.read,
            "segments": [
                {"name": one.name, "as": one.kind.value if one.kind else None} for one in self.needs.audiences
            ],
            "quota": health.quota or None,
            "missing": [asdict(one) for one in health.missing],
            "creates": [asdict(one) for one in health.creates],
            "problems": list(health.problems),
            "notes": list(health.notes),
        }


def rules_of(workspace: Workspace) -> tuple[tuple[Sent, ...], bool]:
    """What the rule files send where, and whether all of them could be read. Needs no platform."""
    return sent(workspace.settings.rules_dir)


def check(workspace: Workspace, rules: tuple[Sent, ...]) -> Iterator[Checked]:
    """Every connection in the order of the config."""
    for name, settings in workspace.settings.connections.items():
        needs = _needs(workspace, name, rules)
        fault = False
        try:
            health = workspace.connector(name).check(needs)
        except UserError as error:
            health, fault = Health(ok=False, account="", problems=(str(error), *error.problems)), True
        except BadSource as error:
            health, fault = Health(ok=False, account="", problems=(str(error),)), True
        except ConnectorError as error:
            health = Health(ok=False, account="", problems=(str(error),))
        yield Checked(name, settings.platform, needs, health, fault)


def _needs(workspace: Workspace, name: str, rules: tuple[Sent, ...]) -> Needs:
    settings = workspace.settings.connections[name]
    if not settings.destination:
        return Needs(read=settings.source)
    rows = workspace.store.ledger.audiences(name)
    return Needs(
        read=settings.source,
        audiences=tuple(
            WantedAudience(
                f"{workspace.settings.audience_prefix}{one.target.name or one.name}",
                _kind(one.target.kind),
                _known_id(rows, one),
            )
            for one in rules
            if one.target.connection == name
        ),
    )


def _kind(name: str | None) -> AudienceKind | None:
    """An unknown one is for `segsync check` to complain about."""
    return AudienceKind(name) if name in set(AudienceKind) else None


def _known_id(rows: Sequence[AudienceRow], one: Sent) -> str | None:
    """The id of the platform's object as the last run knew it; the owned field is one for all segments."""
    for row in rows:
        ours = row.segment == CARRIER if row.kind == FIELD else row.segment == one.segment
        if ours and row.remote_id is not None and one.target.kind in (row.kind, None):
            return row.remote_id
    return None


@dataclass(frozen=True, slots=True)
class Listed:
    """A configured connection as the config, the rules and the store know it."""

    connection: str
    platform: str
    read: bool
    written: bool
    segments: int


def listed(workspace: Workspace) -> list[Listed]:
    """Every connection in the order of the config; no platform is asked."""
    rules, _ = rules_of(workspace)
    sent_to = Counter(one.target.connection for one in rules)
    return [
        Listed(one.name, one.platform, one.source, one.destination, sent_to[one.name])
        for one in workspace.settings.connections.values()
    ]
