"""One batch out, one outcome per change back. Talks to a connector; knows nothing of the store.

A batch that a platform refuses as a whole is halved until the culprit stands alone, so that one bad
record never holds up the others (at most 2·⌈log2 b⌉ extra calls for one culprit among b).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import NamedTuple

from pyroaring import BitMap

from connectors.base import Action, Audience, Batch, Change, Connector, Outcome, OutcomeState
from connectors.errors import BatchRefused, UnexpectedResponse
from connectors.owned_field import joined

MOST_CULPRITS = 5
"""More refused records than this in one batch mean a fault of the schema, not of the records."""


@dataclass(frozen=True, slots=True)
class Address:
    """How one destination names a person."""

    external_id: str
    address: str


class Named(NamedTuple):
    """How one destination names some people, side by side in rising order of their numbers."""

    people: Sequence[int]
    external_ids: Sequence[str]
    addresses: Sequence[str]


class AddressBook(Mapping[int, Address]):
    """Addresses by person that are cheaper to look up for many at once."""

    @abstractmethod
    def named(self, people: BitMap) -> Named:
        """Those of `people` that are known."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What one person's owned field is to hold of ours, and what of ours no more: segment ids, sorted."""

    into: tuple[str, ...] = ()
    out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """One person whom the platform did not take, with its reason. No personal values in `reason`."""

    person: int
    action: Action
    code: str
    reason: str


@dataclass(slots=True)
class Delivery:
    """What became of one batch: people by outcome. Together exactly the people of the batch."""

    done_adds: BitMap = field(default_factory=BitMap)
    done_removes: BitMap = field(default_factory=BitMap)
    refused: list[Refusal] = field(default_factory=list)
    unknown: int = 0  # no answer: sent again by the next run, since the plan still wants them


def deliver(
    connector: Connector,
    audience: Audience,
    *,
    adds: BitMap,
    removes: BitMap,
    addresses: Mapping[int, Address],
    values: Mapping[int, FieldChange] | None = None,
) -> Delivery:
    """Send one batch. `values` (FIELD audiences): person → what changes in the owned field.

    Raises the engine's reactions (`Unavailable`, `Unauthorized`, `AudienceLost`, …) when nothing is known
    of the batch; a person without an address is refused with the code `unreachable`.
    """
    delivery = Delivery()
    waiting: dict[Action, dict[str, int]] = {}
    batch: list[Change] = []
    add = Action.ADD if values is None else Action.SET
    for action, some in ((add, adds), (Action.REMOVE, removes)):
        known = _named(addresses, some)
        if len(known.people) < len(some):
            reason = "has no contact on this destination any more"
            for person in some - BitMap(known.people):
                delivery.refused.append(Refusal(person, action, "unreachable", reason))
        waiting[action] = dict(zip(known.external_ids, known.people, strict=True))
        batch += _changes(action, known, values)
    if batch:
        before = _unanswered(connector)
        outcomes = _send(connector, audience, batch)
        doubtful = _unanswered(connector) > before
        _sort_out(outcomes, add, waiting[add], waiting[Action.REMOVE], delivery, doubtful=doubtful)
    return delivery


def _unanswered(connector: Connector) -> int:
    """Tries so far that were repeated because nobody knows whether they took effect."""
    usage = connector.usage()
    return usage.get("retries", 0) - usage.get("rate_limited", 0)


def _named(addresses: Mapping[int, Address], people: BitMap) -> Named:
    """Those of `people` that are known."""
    if not people:
        return Named((), (), ())
    if isinstance(addresses, AddressBook):
        return addresses.named(people)
    known = [(person, where) for person in people if (where := addresses.get(person)) is not None]
    return Named(
        [person for person, _ in known],
        [where.external_id for _, where in known],
        [where.address for _, where in known],
    )


def _changes(action: Action, known: Named, values: Mapping[int, FieldChange] | None) -> list[Change]:
    """One for each of them, in their order."""
    if values is None:
        return [*map(Change, repeat(action), known.external_ids, known.addresses)]
    fields = [values[person] for person in known.people]
    into, out = [joined(field.into) for field in fields], [joined(field.out) for field in fields]
    return [*map(Change, repeat(action), known.external_ids, known.addresses, into, out)]


def _sort_out(
    outcomes: Sequence[Outcome],
    add: Action,
    adding: dict[str, int],
    removing: dict[str, int],
    delivery: Delivery,
    *,
    doubtful: bool,
) -> None:
    """Match outcomes by id, never by position; whoever got none is unknown.

    `add`: the action of `adding`, which hold as `removing` do the person by external id. `doubtful`: a try
    without an answer came before. It may have put in whom its repetition then refuses, and who would stay for
    ever as somebody else's; so whom it refuses is unknown, too, and the next look tells.
    """
    adds: list[int] = []
    removes: list[int] = []
    for change, state, code, reason in outcomes:
        action = change.action
        leaves = action is Action.REMOVE
        person = None
        if leaves or action is add:
            person = (removing if leaves else adding).pop(change.external_id, None)
        if person is None:
            raise UnexpectedResponse("the connector answered for somebody who was not in the batch")
        if state is OutcomeState.DONE:
            (removes if leaves else adds).append(person)
        elif state is OutcomeState.REFUSED and (leaves or not doubtful):
            told = reason or "the platform gave no reason"
            delivery.refused.append(Refusal(person, action, code or "refused", told))
        else:
            delivery.unknown += 1
    delivery.unknown += len(adding) + len(removing)
    delivery.done_adds |= BitMap(adds)
    delivery.done_removes |= BitMap(removes)


def _send(connector: Connector, audience: Audience, batch: Sequence[Change]) -> Sequence[Outcome]:
    try:
        return connector.write(Batch(audience, batch))
    except BatchRefused as refused:
        outcomes: list[Outcome] = []
        culprits = _split(connector, audience, batch, refused, outcomes)
        if culprits > MOST_CULPRITS:
            raise UnexpectedResponse(
                f"the platform refused {culprits} of {len(batch)} records of one batch with the code "
                f"{refused.code!r}: look at the field or audience it names, then run again"
            ) from refused
        return outcomes


def _split(
    connector: Connector,
    audience: Audience,
    batch: Sequence[Change],
    refused: BatchRefused,
    outcomes: list[Outcome],
) -> int:
    """`batch` is known to hold a culprit. Sends its parts, fills `outcomes`, returns the culprits found."""
    if len(batch) == 1:
        outcomes.append(Outcome(batch[0], OutcomeState.REFUSED, refused.code, str(refused)))
        return 1
    middle = len(batch) // 2
    found = 0
    for part, others_are_clean in ((batch[:middle], False), (batch[middle:], True)):
        if found > MOST_CULPRITS:
            return found
        if others_are_clean and found == 0:
            # The first half went through, so the culprit is here: no need to send this half whole.
            found += _split(connector, audience, part, refused, outcomes)
            continue
        try:
            outcomes.extend(connector.write(Batch(audience, part)))
        except BatchRefused as again:
            found += _split(connector, audience, part, again, outcomes)
    return found
