"""What a platform's tests must offer the contract suite, and the steps its tests share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence

from connectors.base import Action, Audience, AudienceKind, Change, Connector, Page, Stream, StreamKind
from connectors.pacing import ManualClock
from connectors.simulation import Simulation


class Rig(ABC):
    """One platform set up for the contract: simulator running, clock in our hands."""

    simulation: Simulation
    clock: ManualClock
    address: str
    people: int
    """Contacts at the start: more than two pages' worth, some of them not active."""
    write_operation: str
    """Pattern of the call that changes an audience."""
    read_operation: str
    """Pattern of the call that reads contacts."""
    connections: int = 6
    read_again: int = 0
    """Contacts that an incremental read brings once more, because they share the last moment it had seen."""

    @abstractmethod
    def connect(self, **settings: object) -> Connector:
        """A connection; `settings` replace those of the rig."""

    @abstractmethod
    def wrong_credentials(self) -> Mapping[str, object]:
        """Settings with a key that the platform does not know."""

    @abstractmethod
    def unreachable(self) -> Mapping[str, object]:
        """Settings with an address where nobody answers."""

    @abstractmethod
    def add_contact(self, number: int) -> None:
        """A contact that becomes known now."""

    @abstractmethod
    def change_contacts(self, addresses: Iterable[str]) -> None:
        """Something about these contacts changes now, on the platform's side."""

    @abstractmethod
    def carriers(self, audience: Audience) -> set[str]:
        """Addresses that are in the audience, looked up in the simulator itself."""

    @abstractmethod
    def put_in(self, audience: Audience, address: str) -> None:
        """Somebody else puts a contact into the audience by hand."""

    @abstractmethod
    def delete(self, audience: Audience) -> None:
        """Somebody deletes the audience by hand."""


def stream_of(connector: Connector, kind: StreamKind) -> list[Stream]:
    return [s for s in connector.features.streams if s.kind is kind]


def by_id(stream: Stream, pages: Iterable[Page]) -> dict[str, dict[str, object]]:
    """Rows by id, the last one winning, as the run keeps them."""
    key = "external_id" if stream.kind is StreamKind.CONTACTS else "event_id"
    return {row[key]: row for page in pages for row in page.rows.to_pylist()}


def contacts(connector: Connector, count: int) -> list[tuple[str, str]]:
    """(external_id, address) of the first contacts that a platform lists."""
    stream = stream_of(connector, StreamKind.CONTACTS)[0]
    rows = by_id(stream, connector.read(stream, None))
    return [(id_, str(row["address"])) for id_, row in list(rows.items())[:count]]


def changes(action: Action, people: Sequence[tuple[str, str]]) -> list[Change]:
    return [Change(action, id_, address) for id_, address in people]


def ensured(connector: Connector, name: str = "segsync: VIP") -> Audience:
    """An audience of the first kind that takes adds and removes; owned fields take values."""
    kind = next(kind for kind in connector.features.audiences if kind is not AudienceKind.FIELD)
    remote_id = connector.ensure(Audience("vip", name, kind))
    return Audience("vip", name, kind, remote_id)


def assert_kinds(connector: Connector, *kinds: AudienceKind) -> None:
    """The first kind is the default, so their order is part of the contract."""
    assert tuple(connector.features.audiences) == kinds


def keys(content: object) -> Iterator[str]:
    """Every key at any depth of a JSON content."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield name
            yield from keys(value)
    elif isinstance(content, list):
        for value in content:
            yield from keys(value)
