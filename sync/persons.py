"""Step 2 of a run with the store: absorb what was pulled, link contacts to people, attach their activity.

Everything may be repeated: after a crash the next run finds by notes and snapshots what is not done yet.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import duckdb
import pyarrow as pa
from pyroaring import BitMap

from connectors.base import Stream, StreamKind
from sync.assign import IDENTIFIED
from sync.fields import FieldSpec
from sync.identify import BLOCKED_SCHEMA, Identified, MatchRules, identify
from sync.identify.countries import SPELLED
from sync.identify.keys import email_key
from sync.identify.people import build_all_people, build_some_people
from sync.observe import doubt, observe, tells_all, trust
from sync.progress import SILENT, Progress
from sync.pull import listing_absorbed, named_everybody
from sync.quality import kept_out
from sync.store import PersonEvent, Store
from sync.store.activity import absorb_activity
from sync.store.attach import doubtful, reattach
from sync.store.contacts import absorb_contacts, columns_of
from sync.store.lake import Lake
from sync.store.moves import REATTACH, Moves, finish_moves, note_moves
from sync.store.values import Money
from sync.store.whole import amend, overwrite
from sync.whereabouts import bitmap

BLOCKED = "identified:blocked"
"""Note of the keys that link nobody, and of the pass that found them."""


@dataclass(slots=True)
class Absorbed:
    """Rows of the lake that changed, by what they were."""

    contacts_new: int = 0
    contacts_changed: int = 0
    contacts_deleted: int = 0
    activity_new: int = 0
    activity_replaced: int = 0
    rejected: int = 0
    living: dict[str, int] = field(default_factory=dict)  # connection → contacts that are not deleted
    people: int = 0
    merges: int = 0
    splits: int = 0
    blocked: list[str] = field(default_factory=list)  # sentences on keys that link nobody
    kept_out: list[str] = field(default_factory=list)  # sentences on records that make nobody a person

    @property
    def changed_rows(self) -> int:
        """Rows of the lake that are not what they were."""
        contacts = self.contacts_new + self.contacts_changed + self.contacts_deleted
        return contacts + self.activity_new + self.activity_replaced


def absorb(
    store: Store,
    streams: Mapping[str, Sequence[Stream]],
    *,
    fields: Sequence[FieldSpec],
    rules: MatchRules,
    money: Money,
    own_names: Mapping[str, Iterable[str]],
    began: dt.datetime,
    run_id: int,
    at: dt.datetime,
    refuse: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Absorbed:
    """Bring contacts, people and activity of the lake up to date with what was pulled.

    `own_names`: connection → names of our audiences there, which never count as news. `began`: when
    the pull began; pages may not tell yet what was written into an owned field shortly before. `refuse`:
    rules of quality; records that break one stay out of people.
    """
    result = Absorbed()
    before = store.lake.snapshots().get("contacts")
    changed = BitMap()
    values: dict[str, list[pa.Table]] = {}
    certain: list[str] = []
    progress.step("contacts")
    # all at once: the lake keeps every shape a table has had, and copies them all with each commit
    store.lake.ensure("contacts", columns_of(store, streams))
    for connection, some in streams.items():
        for stream in some:
            if stream.kind is StreamKind.CONTACTS:
                news = stream.own_field and store.inbox.waiting(connection, stream.name)
                if news and doubt(store, connection):
                    certain.append(connection)
                done = absorb_contacts(
                    store,
                    connection,
                    stream,
                    money=money,
                    ignore_lists=own_names.get(connection, ()),
                    complete=named_everybody(store, connection, stream),
                    run_id=run_id,
                )
                listing_absorbed(store, connection, stream)
                result.contacts_new += done.new
                result.contacts_changed += done.changed
                result.contacts_deleted += done.deleted
                result.rejected += done.rejected
                changed |= done.contacts
                if done.own_values is not None and tells_all(store, connection, stream, began=began):
                    values.setdefault(connection, []).append(done.own_values)
    progress.step("people")
    _identify(store, fields, rules, refuse, before, changed, result, run_id=run_id, at=at)
    for connection, tables in values.items():
        observe(store, connection, pa.concat_tables(tables))
    for connection in certain:
        trust(store, connection)
    progress.step("activity")
    for connection, some in streams.items():
        for stream in some:
            if stream.kind is StreamKind.ACTIVITY:
                told = absorb_activity(
                    store, connection, stream, money=money, email_key=email_key, run_id=run_id
                )
                result.activity_new += told.new
                result.activity_replaced += told.replaced
                result.rejected += told.rejected
    store.sweep()
    return result


def _identify(
    store: Store,
    fields: Sequence[FieldSpec],
    rules: MatchRules,
    refuse: Sequence[str],
    before: int | None,
    changed: BitMap,
    result: Absorbed,
    *,
    run_id: int,
    at: dt.datetime,
) -> None:
    lake = store.lake
    lake.ensure("contacts", {})
    lake.ensure("links", {})
    noted = store.notes.get(IDENTIFIED)
    known: Mapping[str, object] = noted if isinstance(noted, dict) else {}
    now: dict[str, object] = {
        "contacts": lake.snapshots().get("contacts"),
        "rules": _fingerprint(rules),
        "fields": f"{_fingerprint(fields)}/{SPELLED}",
        **({"refuse": list(refuse)} if refuse else {}),
    }
    finish_moves(store)  # of a process that died between the links and the ledger
    unfinished = bool(store.notes.get(REATTACH))
    in_doubt = None
    database = lake.connect()
    try:
        contacts, links = lake.relation("contacts"), lake.relation("links")
        if known != now:
            same_rules = known.get("rules") == now["rules"]
            only = told = None
            out_before = kept_out.remembered(store, of=known)
            same_refused = known.get("refuse") == now.get("refuse") and (out_before is not None or not refuse)
            if same_rules and same_refused and known and known.get("contacts") == before:
                database.register(
                    "changed_contacts", pa.table({"contact": pa.array(list(changed), pa.int32())})
                )
                only, told = "changed_contacts", _told_blocked(store, known)
            found = identify(
                database,
                contacts=contacts,
                links=links,
                rules=rules,
                reserve=lambda n: store.numbers.reserve("person", n),
                changed=only,
                blocked=told,
                full=not same_rules,
            )
            if found.links.num_rows or found.gone.num_rows:
                note_moves(store, _moves(store, found, run_id=run_id, at=at))
                if only is None:
                    overwrite(lake, "links", found.whole(database, links))
                else:
                    in_doubt = doubtful(database, links=links, new=found.links, moved=found.moved)
                    amend(lake, "links", found.links, gone=_numbers(found.gone, "contact"))
                finish_moves(store)
                links = lake.relation("links")
            actions = found.events.column("action").to_pylist()
            result.merges, result.splits = actions.count("merge"), actions.count("split")
            result.blocked = [_blocked(row) for row in found.blocked.to_pylist()]
            store.notes.set(BLOCKED, {"of": now, "rows": found.blocked.to_pylist()})
            out = kept_out.look(
                database,
                contacts=contacts,
                fields=fields,
                refuse=refuse,
                as_of=at,
                changed=only if known.get("fields") == now["fields"] else None,
                before=out_before,
            )
            kept_out.remember(store, out, of=now)
            shown, theirs = out.relations(database, contacts=contacts, links=links)
            if only is None or known.get("fields") != now["fields"]:
                people = build_all_people(database, contacts=shown, links=theirs, fields=fields)
                overwrite(lake, "people", people)
            else:
                _amend_people(
                    lake,
                    database,
                    found.moved,
                    only,
                    contacts=shown,
                    links=links,
                    theirs=theirs,
                    fields=fields,
                )
        result.people = lake.rows("people")
        result.kept_out = (kept_out.remembered(store) or kept_out.KeptOut()).sentences()
        result.living = living_contacts(database, lake.relation("contacts", only=("connection", "deleted")))
    finally:
        database.close()
    if store.notes.get(REATTACH):
        reattach(lake, None if unfinished else in_doubt)
        store.notes.set(REATTACH, False)
    if known != now:
        store.notes.set(IDENTIFIED, now)


def _amend_people(
    lake: Lake,
    database: duckdb.DuckDBPyConnection,
    moved: pa.Table,
    changed: str,
    *,
    contacts: str,
    links: str,
    theirs: str,
    fields: Sequence[FieldSpec],
) -> None:
    """Make the rows anew of everybody who has, or had, a contact that changed or went to somebody else.

    `theirs`: the links of those who have a row at all.
    """
    database.register("moved_contacts", moved)
    persons = bitmap(
        database,
        f"""SELECT old_person FROM moved_contacts UNION ALL SELECT new_person FROM moved_contacts
            UNION ALL SELECT person FROM {links} WHERE contact IN (SELECT contact FROM {changed})""",
    )
    database.unregister("moved_contacts")
    database.register("persons_to_make", pa.table({"person": pa.array(list(persons), pa.int32())}))
    people = build_some_people(
        database, persons="persons_to_make", contacts=contacts, links=theirs, fields=fields
    )
    database.unregister("persons_to_make")
    amend(lake, "people", people, gone=persons - _numbers(people, "person"))


def _told_blocked(store: Store, known: Mapping[str, object]) -> pa.Table | None:
    """What was found blocked in the pass that made the links; None if it is not kept."""
    noted = store.notes.get(BLOCKED)
    if not isinstance(noted, dict) or noted["of"] != known:
        return None
    return pa.Table.from_pylist(noted["rows"], schema=BLOCKED_SCHEMA)


def _numbers(table: pa.Table, column: str) -> BitMap:
    return BitMap(table.column(column).to_numpy().astype("uint32"))


def _moves(store: Store, found: Identified, *, run_id: int, at: dt.datetime) -> Moves:
    """Contacts that went to other people take along what we know to be ours; activity follows."""
    pairs: dict[str, set[tuple[int, int]]] = {}
    for row in found.moved.to_pylist() if _has_old(found.moved) else []:
        if row["old_person"] is not None and row["new_person"] is not None:
            pairs.setdefault(row["connection"], set()).add((row["old_person"], row["new_person"]))
    events = [
        PersonEvent(at, row["action"], row["into"], row["person"], row["reason"] or "", run_id)
        if row["action"] == "merge"
        else PersonEvent(at, row["action"], row["person"], row["into"], row["reason"] or "", run_id)
        for row in found.events.to_pylist()
    ]
    return Moves(pairs, events, activity=store.lake.rows("activity") > 0)


def _has_old(moved: pa.Table) -> bool:
    column = moved.column("old_person")
    return bool(column.null_count < len(column))


def _blocked(row: Mapping[str, object]) -> str:
    keys, contacts = row["keys"], row["contacts"]
    return (
        f"{row['connection']}: {keys} {row['kind']} value(s) held by {contacts} contacts link nobody: "
        f"{row['reason']}"
    )


def living_contacts(database: duckdb.DuckDBPyConnection, contacts: str) -> dict[str, int]:
    """Connection → contacts that are not deleted."""
    query = f"SELECT connection, count(*) FROM {contacts} WHERE NOT coalesce(deleted, false) GROUP BY 1"
    return {str(name): int(count) for name, count in database.execute(query).fetchall()}


def suppressed_people(database: duckdb.DuckDBPyConnection, people: str) -> BitMap:
    """Everybody who must not be marketed to, on whichever platform they said so."""
    return bitmap(database, f"SELECT person FROM {people} WHERE suppressed")


def _fingerprint(value: Sequence[FieldSpec] | MatchRules) -> str:
    """16 hex digits that change when the content does, the same in every process."""
    content = asdict(value) if isinstance(value, MatchRules) else [asdict(one) for one in value]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=sorted).encode()).hexdigest()[:16]
