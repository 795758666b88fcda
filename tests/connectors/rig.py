"""What a platform's tests must offer the contract suite, and the steps its tests share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from types import MappingProxyType

from connectors.base import Action, Audience, AudienceKind, Change, Connector, Page, Stream, StreamKind
from connectors.pacing import ManualClock
from connectors.simulation import Reply, Request, Simulation
from tests.connectors.prescribing import Refusal, intercept, intercepted, turn_round

YEAR_S = 366 * 86_400


class WrongClock(ManualClock):
    """Tells a time of day that is `wrong_s` seconds ahead of the right clock, and goes with it otherwise."""

    def __init__(self, right: ManualClock, wrong_s: float) -> None:
        super().__init__()
        self._right = right
        self._wrong = timedelta(seconds=wrong_s)

    def now_s(self) -> float:
        return self._right.now_s()

    def utc_now(self) -> datetime:
        return self._right.utc_now() + self._wrong

    def sleep(self, seconds: float) -> None:
        self._right.sleep(seconds)


class Rig(ABC):
    """One platform set up for the contract: simulator running, clock in our hands."""

    platform: str
    """Its name in the registry."""
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
    most_read_again: int = 0
    """Rows that a read brings once more at most when it is resumed from the cursor of one of its pages."""
    tells_deletes: bool = True
    """Whether reading changes names deleted contacts; else only a listing of everybody lacks them."""
    crowd: int = 20
    """People in a batch whose answer comes in any order."""
    unordered: tuple[str, ...] = ()
    """Keys in answers whose lists the platform gives in no certain order."""
    field_is_halved: bool = False
    """Whether the run halves batches of the owned field; else those of the first other kind."""
    bypass: Mapping[str, str] = MappingProxyType({})
    """Test → why it can mean nothing here; reported as skipped with this reason."""

    @abstractmethod
    def settings(self) -> Mapping[str, object]:
        """The settings of a connection, as a config would have them."""

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

    def type_in(self, address: str, names: Sequence[str]) -> None:  # noqa: B027 - not all have such a field
        """Somebody else makes this the whole value of the contact's owned field, now."""

    def field_values(self) -> dict[str, list[str]]:
        """Address → what stands in the owned field, in its order, where it is not empty."""
        return {}

    @abstractmethod
    def rename(self, audience: Audience, name: str) -> None:
        """Somebody renames the audience by hand."""

    @abstractmethod
    def take_out(self, audience: Audience, address: str) -> None:
        """Somebody takes a contact out of the audience by hand."""

    @abstractmethod
    def delete_contact(self, address: str) -> None:
        """Somebody deletes a contact, in the way that leaves the fewest traces."""

    @abstractmethod
    def stranger(self, number: int) -> tuple[str, str]:
        """(external_id, address) that looks right and belongs to nobody."""

    @abstractmethod
    def documented(self) -> Sequence[Refusal]:
        """Every refusal of the write call that the fact sheet documents."""

    @abstractmethod
    def poison_reply(self) -> Reply:
        """How the platform refuses a whole call without saying because of whom."""

    @abstractmethod
    def revoke(self) -> None:
        """The credentials of all connections are worth nothing from now on."""

    @abstractmethod
    def restore(self) -> None:
        """They are valid again."""

    # ---- the same for most -----------------------------------------------------------------------

    def listing_settings(self) -> Mapping[str, object]:
        """Settings with which a read can tell who is gone."""
        return {}

    def ahead(self) -> tuple[Connector, Stream, str | None]:
        """A connection, its contacts, and a cursor from a time that has not come yet."""
        self.clock.advance(YEAR_S)
        early = self.connect()
        stream = stream_of(early, StreamKind.CONTACTS)[0]
        cursor = [page.cursor for page in early.read(stream, None)][-1]
        self.clock.advance(-YEAR_S)
        return self.connect(), stream, cursor

    def answer_in_another_order(self) -> None:
        """From now on."""
        turn_round(self.simulation, self.unordered)

    def names(self, request: Request, external_id: str, address: str) -> bool:
        """Whether a write call is about this person, among others."""
        body = request.body.decode()
        return f'"{external_id}"' in body or f'"{address}"' in body

    def poison(self, external_id: str, address: str) -> None:
        """From now on the platform refuses every write that holds this person."""

        def refuse(request: Request) -> Reply | None:
            poisoned = self.simulation.is_write(request) and self.names(request, external_id, address)
            return self.poison_reply() if poisoned else None

        intercept(self.simulation, refuse)

    def refusing(self, refusal: Refusal) -> AbstractContextManager[None]:
        """While the block runs, the write call is refused so."""

        def refuse(request: Request) -> Reply | None:
            wanted = self.simulation.operation(request) == self.write_operation
            return refusal.reply if wanted else None

        return intercepted(self.simulation, refuse)


def stream_of(connector: Connector, kind: StreamKind) -> list[Stream]:
    return [s for s in connector.features.streams if s.kind is kind]


def by_id(stream: Stream, pages: Iterable[Page]) -> dict[str, dict[str, object]]:
    """Rows by id, the last one winning, as the run keeps them."""
    key = "external_id" if stream.kind is StreamKind.CONTACTS else "event_id"
    return {row[key]: row for page in pages for row in page.rows.to_pylist()}


def contacts(connector: Connector, count: int) -> list[tuple[str, str]]:
    """(external_id, address) of the first contacts that a platform lists."""
    stream = stream_of(connector, StreamKind.CONTACTS)[0]
    found: dict[str, str] = {}
    for page in connector.read(stream, None):
        for row in page.rows.select(["external_id", "address"]).to_pylist():
            found[row["external_id"]] = place_of(row)
    return list(found.items())[:count]


def place_of(row: Mapping[str, object]) -> str:
    """What writes call the contact: its address, or its id if it has none."""
    return str(row["address"] or row["external_id"])


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
