"""Opt-outs from one platform recorded on another: who is to be, and the sending.

Only on connections whose settings turn it on, only on evidence (a contact of the same person that says
"opted out", not merely unknown or undeliverable), and once for each piece of evidence: who signs up again
on the destination afterwards is left alone until somebody says anew that the person opted out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from connectors.base import Action, Change, Connector, Consent, OutcomeState, RecordsOptOuts
from connectors.errors import ConnectorError, Frozen
from sync.brakes import Brake, BrakeKind, BrakeLimits
from sync.identify.sql import text_literal
from sync.store import Store
from sync.store.optouts import OptOut, OptOutState, StoredOptOut

STOPPED = (Consent.OPTED_OUT, Consent.UNDELIVERABLE)
"""Consents of a contact that gets no marketing mail anyway."""
STATES = {
    OutcomeState.DONE: OptOutState.DONE,
    OutcomeState.REFUSED: OptOutState.REFUSED,
    OutcomeState.UNKNOWN: OptOutState.SENT,
}


@dataclass(frozen=True, slots=True)
class Marketable:
    """Who could be opted out on one connection: all reasons, and how many contacts can be mailed there."""

    opt_outs: tuple[OptOut, ...]
    contacts: int


@dataclass(slots=True)
class Recorded:
    """What became of one connection's opt-outs, counted in contacts."""

    connection: str
    done: int = 0
    refused: int = 0
    unknown: int = 0
    calls: int = 0
    stopped: str | None = None
    frozen: bool = False  # stopped because a person stopped all writes


def contacts_of(opt_outs: Iterable[OptOut | StoredOptOut]) -> set[int]:
    """The contacts; each of them is one change, however many reasons there are."""
    return {one.contact for one in opt_outs}


def people_per_call(connector: Connector) -> int:
    """0: the connection records no opt-outs."""
    return connector.opt_outs_per_call if isinstance(connector, RecordsOptOuts) else 0


def write_calls(contacts: int, *, per_call: int) -> int:
    """Fewest write calls for so many contacts."""
    return -(-contacts // per_call)


class Evidence:
    """The lake's word on consent. `contacts` and `links` are relations `database` can read."""

    def __init__(self, database: duckdb.DuckDBPyConnection, *, contacts: str, links: str) -> None:
        self._database = database
        columns = "contact, person, contacts.connection AS connection, contacts.external_id AS external_id"
        self._theirs = (
            f"(SELECT {columns}, address, email_consent, changed_at FROM {contacts} AS contacts"
            f" JOIN {links} AS links USING (contact) WHERE NOT coalesce(deleted, false))"
        )

    def marketable(self, connection: str) -> Marketable:
        """People who opted out somewhere and can still be mailed on `connection`, with every reason."""
        stopped = ", ".join(text_literal(consent) for consent in STOPPED)
        open_ = (
            f"SELECT person, contact FROM {self._theirs} WHERE connection = {text_literal(connection)}"
            f" AND nullif(address, '') IS NOT NULL AND coalesce(email_consent, '') NOT IN ({stopped})"
        )
        said = (
            f"SELECT person, connection, contact, changed_at FROM {self._theirs}"
            f" WHERE email_consent = {text_literal(Consent.OPTED_OUT)}"
        )
        table = self._database.sql(
            "SELECT open.contact AS contact, person, said.connection AS source,"
            " said.contact AS source_contact, said.changed_at AS source_changed_at"
            f" FROM ({open_}) AS open JOIN ({said}) AS said USING (person) ORDER BY 1, 3, 4"
        ).to_arrow_table()
        times = table.column("source_changed_at").cast(pa.timestamp("us", tz="UTC"))
        rows = table.set_column(4, "source_changed_at", times).to_pylist()
        ((count,),) = self._database.sql(f"SELECT count(*) FROM ({open_})").fetchall()
        found = tuple(OptOut(connection=connection, **row) for row in rows)
        return Marketable(found, count)

    def opted_out(self, contacts: Collection[int]) -> set[int]:
        """Those of these contacts that are there and opted out."""
        said = f"email_consent = {text_literal(Consent.OPTED_OUT)}"
        return {int(contact) for contact, *_ in self._of(contacts, where=said)}

    def addresses(self, contacts: Collection[int]) -> Mapping[int, tuple[str, str]]:
        """Contact → (external id, address), as the platform names it now."""
        return {int(contact): (ident, address or "") for contact, ident, address in self._of(contacts)}

    def _of(self, contacts: Collection[int], *, where: str = "true") -> list[tuple[int, str, str | None]]:
        if not contacts:
            return []
        cursor = self._database.cursor()
        cursor.register("wanted", pa.table({"contact": pa.array(sorted(contacts), pa.int64())}))
        found: list[tuple[int, str, str | None]] = cursor.sql(
            f"SELECT contact, external_id, address FROM {self._theirs}"
            f" WHERE contact IN (SELECT contact FROM wanted) AND {where}"
        ).fetchall()
        return found


def planned(
    store: Store, connection: str, evidence: Evidence, *, limits: BrakeLimits, at: dt.datetime
) -> tuple[list[OptOut], Brake | None]:
    """What is to be recorded on `connection`, all of it held if it is too much to go without a person."""
    recorded = _brought_up_to_date(store, connection, evidence, at=at)
    found = evidence.marketable(connection)
    due = contacts_of(one for one in found.opt_outs if (one.contact, one.source_contact) not in recorded)
    rows = [one for one in found.opt_outs if one.contact in due]
    if len(due) <= limits.removals_min or len(due) <= limits.removals_share * found.contacts:
        return rows, None
    message = (
        f"{connection}: {len(due)} of {found.contacts} contacts that can be mailed would be opted out "
        f"({len(due) / found.contacts:.0%}; the limit is {limits.removals_share:.0%} "
        f"and {limits.removals_min} people); segsync cannot undo this"
    )
    return [replace(one, held=True) for one in rows], Brake(BrakeKind.OPT_OUTS, message)


def _brought_up_to_date(
    store: Store, connection: str, evidence: Evidence, *, at: dt.datetime
) -> set[tuple[int, int]]:
    """Settle what had no answer, end what its source has taken back; what is done: (contact, source's)."""
    log = store.opt_outs.log(connection)
    sent = [one for one in log if one.state is OptOutState.SENT]
    seen = evidence.opted_out(contacts_of(sent))
    store.opt_outs.move([one.id for one in sent if one.contact in seen], OptOutState.DONE, at=at)
    done = [one for one in log if one.state is OptOutState.DONE] + [
        one for one in sent if one.contact in seen
    ]
    still = evidence.opted_out({one.source_contact for one in done})
    past = [one.id for one in done if one.source_contact not in still]
    store.opt_outs.move(past, OptOutState.PAST, at=at)
    return {(one.contact, one.source_contact) for one in done if one.source_contact in still}


def shown_before(rows: Sequence[OptOut], shown: Sequence[StoredOptOut]) -> list[OptOut]:
    """What was shown and is due still; held if it was shown as held. Anything new waits for the next plan."""
    known = {(one.connection, one.contact, one.source_contact): one.held for one in shown}
    keys = [(one.connection, one.contact, one.source_contact) for one in rows]
    return [replace(one, held=known[key]) for one, key in zip(rows, keys, strict=True) if key in known]


def record(
    store: Store,
    opt_outs: Sequence[StoredOptOut],
    connector: Connector,
    evidence: Evidence,
    *,
    at: dt.datetime,
) -> Recorded:
    """Send the open opt-outs of one connection, call by call, each stored before the next one goes out."""
    done = Recorded(opt_outs[0].connection)
    per_call = people_per_call(connector)
    if not isinstance(connector, RecordsOptOuts) or not per_call:
        return done  # turned off since it was planned
    rows: dict[int, list[int]] = {}
    for one in opt_outs:
        rows.setdefault(one.contact, []).append(one.id)
    addresses = evidence.addresses(rows)
    gone = [contact for contact in rows if contact not in addresses]
    reason = "the contact is not there any more"
    ids = [id_ for contact in gone for id_ in rows[contact]]
    store.opt_outs.move(ids, OptOutState.REFUSED, at=at, code="unreachable", reason=reason)
    done.refused += len(gone)
    there = [contact for contact in rows if contact in addresses]
    for start in range(0, len(there), per_call):
        some = there[start : start + per_call]
        named = {addresses[contact][0]: contact for contact in some}
        # Marked before the call: after a crash the log still says that this may have been written.
        store.opt_outs.move([id_ for contact in some for id_ in rows[contact]], OptOutState.SENT, at=at)
        before = connector.usage().get("writes", 0)
        try:
            outcomes = connector.opt_out([Change(Action.OPT_OUT, *addresses[contact]) for contact in some])
        except ConnectorError as error:
            done.stopped, done.frozen = str(error), isinstance(error, Frozen)
            return done
        finally:
            done.calls += connector.usage().get("writes", 0) - before
        for outcome in outcomes:
            store.opt_outs.move(
                rows[named[outcome.change.external_id]],
                STATES[outcome.state],
                at=at,
                code=outcome.code,
                reason=outcome.reason,
            )
        states = [outcome.state for outcome in outcomes]
        done.done += states.count(OutcomeState.DONE)
        done.refused += states.count(OutcomeState.REFUSED)
        done.unknown += len(some) - states.count(OutcomeState.DONE) - states.count(OutcomeState.REFUSED)
    return done
