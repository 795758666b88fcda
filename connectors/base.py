"""The connector contract: what the run asks of every platform, and nothing more.

A connector speaks to one configured account (a *connection*). It knows nothing of rules, storage or
schedules. What differs between platforms is declared in `Features`, not guessed by the engine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

import pyarrow as pa

from connectors.health import Health, Needs
from connectors.shapes import BatchShape as BatchShape


class FieldType(StrEnum):
    """Type of a field a stream carries. The Arrow type a page must use is given by `ARROW_TYPES`."""

    TEXT = "text"
    NUMBER = "number"  # float64 in pages; stored as exact millionths by the run
    MONEY = "money"  # float64 or decimal in major units in pages; stored as integer minor units
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    TEXTS = "texts"  # a list of texts


ARROW_TYPES: Mapping[FieldType, pa.DataType] = {
    FieldType.TEXT: pa.string(),
    FieldType.NUMBER: pa.float64(),
    FieldType.MONEY: pa.decimal128(18, 2),
    FieldType.BOOLEAN: pa.bool_(),
    FieldType.DATE: pa.date32(),
    FieldType.DATETIME: pa.timestamp("us", tz="UTC"),
    FieldType.TEXTS: pa.list_(pa.string()),
}


class StreamKind(StrEnum):
    """A stream carries contacts (latest record wins) or activity (things that happened, kept for ever)."""

    CONTACTS = "contacts"
    ACTIVITY = "activity"


@dataclass(frozen=True, slots=True)
class StreamField:
    """One column of a stream under the platform's own name, e.g. `FNAME` or `total`."""

    name: str
    type: FieldType
    meaning: str = ""
    unit: str | None = None
    currency_from: str | None = None  # for MONEY: the column that holds the ISO 4217 code, if any


@dataclass(frozen=True, slots=True)
class RecordStates:
    """Rows of these kinds are states of things that belong to a contact, such as deals: the latest row of a
    thing is what it is now. At one and the same instant the kind named last is the later one."""

    name: str  # what rules call the thing, e.g. `deal`; no kind has this name
    key: str  # the field whose value tells one thing from another
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """A kind of record a source yields.

    Pages of a CONTACTS stream have the columns
      external_id  string, not null   the platform's stable id of the contact
      address      string             how writes name this contact (an e-mail, an id); null: external_id
      changed_at   timestamp[us, UTC] when the platform says it last changed; may be null
      deleted      bool               true: the contact is gone on the platform
      email_consent string            one of `Consent`; null: the source cannot tell
      lists        list<string>       names of lists, tags, static segments the contact is on
    followed by one column per entry of `fields`.

    Pages of an ACTIVITY stream have the columns
      event_id     string, not null   unique in the connection, the same on every read
      external_id  string             the contact it belongs to; null: found by `email`
      email        string             the address it belongs to, where no id is known
      kind         string, not null   `purchase`, `email_open`, …
      at           timestamp[us, UTC], not null
    followed by one column per entry of `fields`.
    """

    name: str
    kind: StreamKind
    fields: tuple[StreamField, ...]
    standard: Mapping[str, str] = field(default_factory=dict)
    """Vocabulary name → name of the column in `fields` that carries it, e.g. {"first_name": "FNAME"}."""
    activity_kinds: tuple[str, ...] = ()
    """For ACTIVITY: every value `kind` may take."""
    record: RecordStates | None = None
    """For ACTIVITY: what the rows are states of, if they are."""
    incremental: bool = True
    """False: every read is a full read; the run then compares content."""
    reading: int = 1
    """Raise it when rows are read otherwise than before, so that those read already are asked for again."""
    own_field: str | None = None
    """For CONTACTS: the platform's name of the field we own. Pages then have one more column behind `lists`,
    which tells on the way what others did to it:
      own_values   list<string>       what stands in the field, whoever put it there; null: not told
    """
    own_field_lag_s: float = 0.0
    """So long after a write pages may still tell what stood in the field before it."""


class Consent(StrEnum):
    """Marketing consent for e-mail as one platform states it. The strictest over all platforms wins."""

    OPTED_IN = "opted_in"
    PENDING = "pending"  # asked, not yet confirmed
    NEVER_ASKED = "never_asked"  # e.g. a customer who did not opt in
    OPTED_OUT = "opted_out"  # unsubscribed, complained, archived
    UNDELIVERABLE = "undeliverable"  # hard bounces ("cleaned")


CONTACT_COLUMNS = pa.schema(
    [
        pa.field("external_id", pa.string(), nullable=False),
        pa.field("address", pa.string()),
        pa.field("changed_at", pa.timestamp("us", tz="UTC")),
        pa.field("deleted", pa.bool_()),
        pa.field("email_consent", pa.string()),
        pa.field("lists", pa.list_(pa.string())),
    ]
)
ACTIVITY_COLUMNS = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("external_id", pa.string()),
        pa.field("email", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)


def page_schema(stream: Stream) -> pa.Schema:
    """The Arrow schema every page of `stream` has: the fixed columns, then its fields in order."""
    fixed = list(CONTACT_COLUMNS if stream.kind is StreamKind.CONTACTS else ACTIVITY_COLUMNS)
    if stream.own_field is not None:
        fixed.append(pa.field("own_values", pa.list_(pa.string())))
    return pa.schema([*fixed, *(pa.field(f.name, ARROW_TYPES[f.type]) for f in stream.fields)])


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A source row that could not be used. Reported and counted, never silently dropped.

    `where` names file and line, or the record's id; `reason` is a sentence with the mend. Neither holds
    personal values; `raw` (the row itself) is kept in the store only, never logged. `kept`: the row came
    through all the same, only one value of it was refused, so it is not to be counted as a lost row.
    """

    where: str
    reason: str
    raw: str | None = None
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """What arrives together: rows, the cursor to continue *after* them, and the rows that were refused."""

    rows: pa.Table
    cursor: str | None
    rejected: tuple[RejectedRow, ...] = ()
    listing: str | None = None
    """Names the listing of the *whole* stream this page belongs to, the same on all its pages and on those of
    a resumed read (e.g. the identity of a file). When such a read has ended normally, contacts that none of
    its pages named are gone from the source. None: an incremental read, which says nothing of the others."""
    listing_ends: bool = False
    """The listing's last page: a read that is resumed behind it names nobody of the listing any more."""


class AudienceKind(StrEnum):
    """What a segment becomes on a platform."""

    TAG = "tag"
    LIST = "list"
    CAMPAIGN = "campaign"
    FIELD = "field"  # all segments of a person joined in one owned field
    TABLE = "table"  # rows in a table or file


@dataclass(frozen=True, slots=True)
class Features:
    """What this connection can do. Read from settings and fact sheets; no network needed."""

    streams: tuple[Stream, ...]
    audiences: Mapping[AudienceKind, BatchShape]
    """Empty for a source that cannot be written to. The first kind is the default."""
    name_limit: int = 100  # characters of an audience's name
    concurrency: int = 1  # write calls that may be under way at once
    seconds_per_call: float = 0.5  # what a write call takes as a rule, for forecasts
    calls_per_s: float | None = None  # most write calls in a second over a long time, for forecasts
    unlisted: frozenset[Consent] = frozenset()
    """Contacts of these states take changes, and `members` does not show them: nothing follows from that."""


@dataclass(frozen=True, slots=True)
class Audience:
    """The platform's object for a segment. `remote_id` is None until `ensure` has answered."""

    segment: str
    name: str
    kind: AudienceKind
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteAudience:
    """What `audiences` finds on the platform. `members` is a count in the platform's own terms.

    `changed`: when or how the platform says it last changed, if it says so. As long as both stay the same
    nobody else has changed the members, and they need not be read.
    """

    remote_id: str
    name: str
    kind: AudienceKind
    members: int | None
    changed: str | None = None

    @property
    def mark(self) -> str | None:
        """Both in one text; None if the platform tells neither."""
        return None if self.members is None and not self.changed else f"{self.members} {self.changed or ''}"


class Action(StrEnum):
    """What is to be done with one person in one audience."""

    ADD = "add"
    REMOVE = "remove"
    SET = "set"  # FIELD audiences: `value` into the owned field, `without` out of it
    OPT_OUT = "opt_out"  # never in a batch: only for `RecordsOptOuts.opt_out`


class Change(NamedTuple):
    """One absolute write for one person: repeating it changes nothing. A push makes millions, and a named
    tuple takes a third of the time of a frozen dataclass.

    SET: names joined by `;`. Those of `value` are to be in the owned field, those of `without` are not to be;
    whatever else stands there, others put there, and it stays (see connectors/owned_field.py).
    """

    action: Action
    external_id: str
    address: str
    value: str | None = None
    without: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes out together. At most `BatchShape.adds` + `BatchShape.removes` changes."""

    audience: Audience
    changes: Sequence[Change]


class OutcomeState(StrEnum):
    """What became of a change."""

    DONE = "done"
    REFUSED = "refused"  # the platform said no to this one person; kept with the reason, tried next run
    UNKNOWN = "unknown"  # no answer: may or may not have taken effect; the same write is sent again


class Outcome(NamedTuple):
    """Exactly one per change of a batch, matched by id, never by position. A named tuple as `Change` is."""

    change: Change
    state: OutcomeState
    code: str | None = None  # short and stable, e.g. "not_found", "invalid_address"
    reason: str | None = None  # a sentence for people, without personal values


@runtime_checkable
class Connector(Protocol):
    """One connection to one platform account. Small and required for all."""

    @property
    def features(self) -> Features: ...

    def check(self, needs: Needs | None = None) -> Health:
        """Who am I, which scopes are missing for `needs`, which quota, what would be made; changes nothing.

        None: for everything the connection could be used for. Raises nothing for bad keys.
        """

    def read(self, stream: Stream, after: str | None) -> Iterator[Page]:
        """Pages of `stream` after cursor `after` (None: from the start)."""

    def audiences(self) -> list[RemoteAudience]:
        """Every audience that is there now, ours or not, in as few calls as possible."""

    def ensure(self, audience: Audience) -> str:
        """Create or find the platform's object; idempotent; returns its id."""

    def members(self, audience: Audience) -> Iterator[Page]:
        """Who is in there now: pages with the columns external_id, address (and value for FIELD).

        The address is null where the platform lists members by id alone; asking for it would cost calls.
        """

    def write(self, batch: Batch) -> list[Outcome]:
        """Send one batch; one outcome per change, never fewer. Raises only the engine's reactions."""

    def erase(self, external_id: str) -> Outcome:
        """Delete the person's data on the platform for good (privacy request)."""

    def usage(self) -> Mapping[str, int]:
        """Calls made so far: {"reads": n, "writes": n, "retries": n, "rate_limited": n}.

        "preparing", if there: how many of the writes carried no changes, such as declaring an option.
        """

    def close(self) -> None:
        """Let go of sockets and files."""


@runtime_checkable
class ManagesAudiences(Protocol):
    """What a connector offers beside the contract if its platform can rename and delete audiences."""

    def rename(self, audience: Audience) -> None:
        """Give the object `audience.remote_id` the name `audience.name`; its members stay."""

    def delete(self, audience: Audience) -> None:
        """Delete the object `audience.remote_id`; that it is gone already is no error."""


@runtime_checkable
class RecordsOptOuts(Protocol):
    """What a connector offers beside the contract if it can write down that somebody opted out elsewhere.

    The only contact segsync's writes have with consent, and it goes one way: there is no counterpart.
    """

    @property
    def opt_outs_per_call(self) -> int:
        """People one call takes. 0: no admin has allowed it in the settings, so it must not be asked for."""

    def opt_out(self, changes: Sequence[Change]) -> list[Outcome]:
        """Let these contacts get no marketing mail any more; one outcome per change, never fewer.

        Every change has `Action.OPT_OUT`. Idempotent: who is opted out already is done without a call that
        writes. DONE means that the platform was seen to say so. Raises only the engine's reactions.
        """


@runtime_checkable
class MarksMembers(Protocol):
    """What a connector offers beside the contract if `audiences` alone cannot tell that members changed."""

    def members_mark(self, audience: Audience) -> str | None:
        """A text that changes when anybody changes the members of `audience.remote_id`; None: cannot tell."""


@runtime_checkable
class Prepares(Protocol):
    """What a connector offers beside the contract if more than one call may come before the changes."""

    def preparation(self, missing: Sequence[Audience], values: Collection[str]) -> int:
        """Write calls that `ensure` of all `missing` and `declare` of `values` will take; only reads."""

    def declare(self, values: Collection[str]) -> None:
        """The owned field is about to get these values: make them known, in one call for all."""
