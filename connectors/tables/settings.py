"""The settings of one `tables` connection: from the nested mapping of the config to frozen values.

Every problem is found in one pass and named by its key's path. Nothing here opens a file or a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from connectors.base import Consent, FieldType
from connectors.errors import BadSource
from connectors.tables.keys import Keys

STANDARD_FIELDS = frozenset(
    {
        "email",
        "phone",
        "name",
        "first_name",
        "last_name",
        "title",
        "gender",
        "birthday",
        "language",
        "country",
        "region",
        "city",
        "postcode",
        "timezone",
        "company",
        "company.employees",
        "company.industry",
        "company.revenue",
        "job_title",
        "website",
        "signed_up",
    }
)
"""Names of the vocabulary that a column may be mapped to directly; any other name is a field of its own."""

NATURAL_TYPES = {
    "birthday": FieldType.DATE,
    "signed_up": FieldType.DATETIME,
    "company.employees": FieldType.NUMBER,
    "company.revenue": FieldType.MONEY,
}
TABLE_KEYS = ("from", "query", "key", "columns", "types", "incremental", "encoding", "delimiter", "zone")
CONTACT_KEYS = (*TABLE_KEYS, "changed_at", "consent", "lists", "deleted")
ACTIVITY_KEYS = (*TABLE_KEYS, "name", "kind", "kind_column", "kinds", "contact", "email", "at")
TYPE_KEYS = ("type", "format", "zone", "decimal", "separator", "currency")


@dataclass(frozen=True, slots=True)
class Column:
    """One source column, what it is called here and how its values are read.

    `format` is a strptime format, or `unix`, `unix_ms`; None: ISO 8601. `zone` is for times without one.
    """

    name: str
    source: str
    type: FieldType
    path: str
    format: str | None = None
    zone: str = "UTC"
    decimal: str = "."
    separator: str = ";"
    currency: str | None = None  # name of the field that carries the currency


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from. Exactly one of `table` (file, glob or SQL table) and `query` is set."""

    path: str  # of the settings, e.g. `contacts`
    table: str | None
    query: str | None
    encoding: str
    delimiter: str | None  # None: found out from the header line

    @property
    def label(self) -> str:
        """How messages call it."""
        return self.table or "the query"


@dataclass(frozen=True, slots=True)
class ConsentColumn:
    """Which values of a column mean which consent; values are compared folded and stripped."""

    source: str
    values: Mapping[str, Consent]
    otherwise_known: bool  # True: opted_out was not spelled out, so every other value means it


@dataclass(frozen=True, slots=True)
class ContactsTable:
    """A table with one contact per row."""

    name: str
    origin: Origin
    key: tuple[str, ...]
    fields: tuple[Column, ...]
    incremental: str | None
    changed_at: Column | None
    consent: ConsentColumn | None
    lists: Column | None
    deleted: Column | None


@dataclass(frozen=True, slots=True)
class ActivityTable:
    """A table with one thing that happened per row. An empty `key`: the row's content identifies it."""

    name: str
    origin: Origin
    key: tuple[str, ...]
    fields: tuple[Column, ...]
    incremental: str | None
    kind: str | None
    kind_column: str | None
    kinds: Mapping[str, str]  # value of the kind column → kind
    contact: str | None
    email: str | None
    at: Column


class StoreKind(StrEnum):
    """Files in a folder, or a database."""

    FILES = "files"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class TableSettings:
    """One connection, checked. `location` is a folder for files, a SQLAlchemy URL for a database."""

    store: StoreKind
    location: str
    contacts: ContactsTable | None
    activity: tuple[ActivityTable, ...]
    memberships: str | None


def read_settings(raw: Mapping[str, object], *, path: str = "") -> TableSettings:
    """Settings of one connection; raises `BadSource` whose text has one problem per line.

    `path` is put before every key's path in the problems, e.g. `connections.shop`.
    """
    problems: list[str] = []
    settings = _settings(Keys(raw, path, problems))
    if problems:
        raise BadSource("\n".join(problems))
    return settings


def settings_problems(raw: Mapping[str, object], *, path: str = "") -> list[str]:
    """Every problem of the settings as a sentence that begins with the key's path; empty if there is none."""
    problems: list[str] = []
    _settings(Keys(raw, path, problems))
    return problems


def _settings(keys: Keys) -> TableSettings:
    keys.only(("platform", "url", "contacts", "activity", "memberships"))
    url = keys.text("url") or "file:."
    # A reference whose value is not read yet (while a config is checked) can only mean a database.
    database = ("://" in url and not url.startswith("file:")) or url.startswith("env:")
    store = StoreKind.DATABASE if database else StoreKind.FILES
    if store is StoreKind.FILES and not url.startswith("file:"):
        keys.problem("url", 'is neither "file:FOLDER" nor a database URL such as "sqlite:///shop.db"')
    location = url if store is StoreKind.DATABASE else url.removeprefix("file:").removeprefix("//")
    contacts_keys = keys.table("contacts")
    contacts = _contacts(contacts_keys, store) if contacts_keys else None
    activity: list[ActivityTable] = []
    for entry in keys.tables("activity"):
        table = _activity(entry, store)
        if any(table.name == other.name for other in activity):
            entry.problem("name", f'"{table.name}" is used twice; give each activity its own name')
        activity.append(table)
    memberships_keys = keys.table("memberships")
    memberships = None
    if memberships_keys:
        memberships_keys.only(("to",))
        memberships = memberships_keys.needed_text("to")
        if store is StoreKind.FILES and not memberships.endswith((".csv", ".parquet")):
            memberships_keys.problem("to", "must be a .csv or .parquet file, or a folder/NAME.csv in it")
    if not (contacts_keys or activity or memberships_keys):
        keys.problem(None, "has none of contacts, activity and memberships: nothing to read or write")
    return TableSettings(store, location or ".", contacts, tuple(activity), memberships)


def _origin(keys: Keys, store: StoreKind) -> Origin:
    table, query = keys.text("from"), keys.text("query")
    if (table is None) == (query is None):
        keys.problem("from", 'say either from = "FILE OR TABLE" or query = "select …"')
    if query is not None and store is StoreKind.FILES:
        keys.problem("query", "needs a database: set the connection's url")
    encoding = keys.text("encoding") or "utf-8"
    try:
        "".encode(encoding)
    except LookupError:
        keys.problem("encoding", f'"{encoding}" is unknown; use for example "utf-8", "cp1252" or "latin-1"')
        encoding = "utf-8"
    delimiter = keys.text("delimiter", blank=True)
    if delimiter is not None and (
        len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n' or delimiter.isalnum()
    ):
        keys.problem("delimiter", "must be one character such as , ; | or a tab")
        delimiter = None
    return Origin(keys.path, table, query, encoding, delimiter)


def _contacts(keys: Keys, store: StoreKind) -> ContactsTable:
    keys.only(CONTACT_KEYS)
    fields = _fields(keys)
    changed_at = keys.text("changed_at")
    incremental = keys.text("incremental") or changed_at
    lists_keys, lists_column = keys.text_or_table("lists")
    lists = None
    if lists_keys:
        lists_keys.only(("column", "separator"))
        separator = lists_keys.text("separator", blank=True) or ";"
        lists = Column("lists", lists_keys.needed_text("column"), FieldType.TEXTS, lists_keys.path)
        lists = Column("lists", lists.source, lists.type, lists.path, separator=separator)
    elif lists_column:
        lists = Column("lists", lists_column, FieldType.TEXTS, f"{keys.path}.lists")
    deleted = keys.text("deleted")
    table = ContactsTable(
        name="contacts",
        origin=_origin(keys, store),
        key=keys.needed_texts("key"),
        fields=fields,
        incremental=incremental,
        changed_at=_time(keys, "changed_at", changed_at) if changed_at else None,
        consent=_consent(keys),
        lists=lists,
        deleted=Column("deleted", deleted, FieldType.BOOLEAN, f"{keys.path}.deleted") if deleted else None,
    )
    _check_incremental(keys, table, table.changed_at, store)
    return table


def _activity(keys: Keys, store: StoreKind) -> ActivityTable:
    keys.only(ACTIVITY_KEYS)
    kind, kind_column = keys.text("kind"), keys.text("kind_column")
    if (kind is None) == (kind_column is None):
        keys.problem("kind", 'say either kind = "purchase" or kind_column = "COLUMN"')
    kinds = keys.spellings("kinds")
    if kind_column is not None and not kinds:
        keys.problem("kinds", 'say which kinds the column holds: kinds = ["purchase", "refund"]')
    contact, email = keys.text("contact"), keys.text("email")
    if contact is None and email is None:
        keys.problem("contact", 'say whose activity it is: contact = "ID COLUMN" or email = "E-MAIL COLUMN"')
    table = ActivityTable(
        name=keys.text("name") or kind or "activity",
        origin=_origin(keys, store),
        key=keys.texts("key"),
        fields=_fields(keys),
        incremental=keys.text("incremental"),
        kind=kind,
        kind_column=kind_column,
        kinds=kinds,
        contact=contact,
        email=email,
        at=_time(keys, "at", keys.needed_text("at")),
    )
    _check_incremental(keys, table, table.at, store)
    return table


def _time(keys: Keys, name: str, source: str) -> Column:
    types = keys.table("types", required=False)
    own = types.table(name) if types and types.is_table(name) else None
    zone = _zone(own, "zone") if own and own.has("zone") else _zone(keys, "zone")
    return Column(
        name, source, FieldType.DATETIME, f"{keys.path}.{name}", own.text("format") if own else None, zone
    )


def _zone(keys: Keys, name: str) -> str:
    zone = keys.text(name) or "UTC"
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        keys.problem(name, f'"{zone}" is no time zone; use a name such as "Europe/London"')
        return "UTC"
    return zone


def _fields(keys: Keys) -> tuple[Column, ...]:
    columns, types = keys.texts_by_name("columns"), keys.table("types", required=False)
    reserved = {"at", "changed_at"}
    if types:
        types.only((*columns, *reserved))
    fields: list[Column] = []
    for name, source in columns.items():
        if name in FIXED_NAMES:
            keys.problem(f"columns.{name}", "is a name every page has already; choose another")
        own = types.table(name) if types and types.is_table(name) else None
        text = own.text("type") if own else (types.text(name) if types else None)
        found = NATURAL_TYPES.get(name, FieldType.TEXT) if text is None else _type(keys, name, text)
        path = f"{keys.path}.columns.{name}"
        if own is None:
            fields.append(Column(name, source, found, path, zone=_zone(keys, "zone")))
            continue
        own.only(TYPE_KEYS)
        decimal = own.text("decimal") or "."
        if decimal not in (".", ","):
            own.problem("decimal", 'must be "." or ","')
        currency = own.text("currency")
        carrier = next((n for n, s in columns.items() if s == currency), f"{name}_currency")
        if currency is not None and carrier not in columns:
            fields.append(Column(carrier, currency, FieldType.TEXT, f"{own.path}.currency"))
        zone = _zone(own if own.has("zone") else keys, "zone")
        separator = own.text("separator", blank=True) or ";"
        fields.append(
            Column(
                name, source, found, path, own.text("format"), zone, decimal, separator, currency and carrier
            )
        )
    return tuple(fields)


FIXED_NAMES = frozenset(
    {"external_id", "address", "changed_at", "deleted", "email_consent", "lists", "event_id", "kind", "at"}
)


def _type(keys: Keys, name: str, text: str) -> FieldType:
    try:
        return FieldType(text)
    except ValueError:
        keys.problem(f"types.{name}", f'"{text}" is no type; there are {", ".join(FieldType)}')
        return FieldType.TEXT


def _consent(keys: Keys) -> ConsentColumn | None:
    own = keys.table("consent")
    if own is None:
        return None
    own.only(("column", *Consent))
    values: dict[str, Consent] = {}
    for state in Consent:
        for value in own.texts(state):
            folded = value.strip().casefold()
            if values.setdefault(folded, state) is not state:
                own.problem(state, f'"{value}" stands under two states')
    if Consent.OPTED_IN not in values.values():
        own.problem("opted_in", 'say which values mean consent: opted_in = ["yes", "1"]')
    return ConsentColumn(own.needed_text("column"), values, not own.has(Consent.OPTED_OUT))


def _check_incremental(
    keys: Keys, table: ContactsTable | ActivityTable, time: Column | None, store: StoreKind
) -> None:
    if time is not None and not time.source:
        return  # that is told already
    known = {column.source for column in (*table.fields, *([time] if time else []))}
    if store is StoreKind.FILES and table.incremental is not None and table.incremental not in known:
        keys.problem("incremental", "must be the time column or a column named under columns, with its type")
