"""Tables set up for the contract suite: a folder of files, a SQLite database, or a PostgreSQL database."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sql

from connectors.base import Audience, Connector, Stream
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.simulation import Reply
from tests.connectors.prescribing import Refusal
from tests.connectors.rig import Rig

CONTACTS: dict[str, Any] = {"key": "id", "columns": {"email": "mail"}, "changed_at": "changed"}
CLICKS: dict[str, Any] = {
    "kind": "email_click",
    "key": "click",
    "email": "mail",
    "at": "changed",
    "columns": {"link": "link"},
}
MEMBERS = ("segment", "external_id", "address", "since")
SHOP = "shop"

NO_CALLS = "a batch is one transaction or one file, there are no calls"
NO_NAMES = "rows carry the id of our segment, and no name that somebody could change"
NOT_MANAGED = "a segment is nothing but its rows: there is no object to rename or delete"
NO_VALUES = "a table holds who is a member of what, not values of people"
NO_STRANGERS = "a table takes every id and address, it cannot know who is a stranger"
NOWHERE: Mapping[str, str] = MappingProxyType(
    {
        "test_ensure_finds_an_audience_whose_case_was_changed": NO_NAMES,
        "test_an_audience_renamed_by_hand_stays_the_same": NO_NAMES,
        "test_ensure_survives_losing_its_answer": "what a database does not confirm, it takes back",
        "test_strangers_are_refused_with_a_reason_that_names_nobody": NO_STRANGERS,
        "test_an_unusable_address_is_refused_alone": NO_STRANGERS,
        "test_a_failed_write_is_sent_again_and_ends_the_same": NO_CALLS,
        "test_a_write_whose_answer_is_cut_short_is_no_success": NO_CALLS,
        "test_a_batch_of_the_declared_size_is_one_call": NO_CALLS,
        "test_never_more_calls_at_once_than_allowed": NO_CALLS,
        "test_usage_counts_what_the_platform_counts": NO_CALLS,
        "test_halving_costs_few_calls": NO_CALLS,
        "test_outcomes_are_right_in_any_order_of_the_answer": "a transaction has no answer to each row",
        "test_being_told_to_slow_down_is_waited_out": "files and databases have no rate limit",
        "test_a_wait_that_is_too_long_is_handed_to_the_run": "files and databases have no rate limit",
        "test_a_flaky_platform_changes_no_result": "a read that breaks is begun anew by the next run",
        "test_an_erased_contact_is_gone": "source tables belong to somebody else and are only read",
        "test_renaming_an_audience_moves_nobody": NOT_MANAGED,
        "test_renaming_an_audience_that_is_gone_says_so": NOT_MANAGED,
        "test_deleting_an_audience_twice_is_no_error_and_deletes_nobody": NOT_MANAGED,
        "test_deleting_an_audience_survives_losing_its_answer": NOT_MANAGED,
        "test_an_owned_field_is_neither_renamed_nor_deleted": NOT_MANAGED,
        "test_what_others_put_into_the_owned_field_stays": NO_VALUES,
        "test_what_others_take_out_or_put_in_meanwhile_is_left_so": NO_VALUES,
        "test_changing_values_twice_changes_nothing_more_and_writes_no_more_than_values": NO_VALUES,
        "test_pages_tell_what_stands_in_the_owned_field_and_nothing_else_changes": NO_VALUES,
        "test_the_owned_field_takes_values_only": NO_VALUES,
    }
)
"""Contract tests that can mean nothing on any kind of table, with the reason."""
ON_A_SERVER = (
    "test_a_wrong_key_is_unauthorized_and_check_says_so",
    "test_a_platform_that_is_down_is_unavailable_and_check_says_so",
    "test_revoked_credentials_end_every_call_at_once",
    "test_revoked_credentials_pause_this_connection_while_others_go_on",
)
"""Tests that need an account on a server, which files do not have, SQLite's own included."""


class Kind(StrEnum):
    """What keeps the tables."""

    FILES = "files"
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class TableRig(Rig):
    """`url` is the database with all rights (None: files in `folder`); on a server we connect as `SHOP`."""

    platform = "tables"
    read_again = 1
    most_read_again = 30
    tells_deletes = False

    def __init__(self, kind: Kind, folder: Path, url: str | None) -> None:
        self.kind = kind
        self.clock = ManualClock()
        self.people = 30
        reasons = {} if kind is Kind.POSTGRESQL else dict.fromkeys(ON_A_SERVER, "files have no account")
        if kind is Kind.FILES:
            reasons["test_halving_isolates_a_poison_record"] = "a file takes every text"
        self.bypass = {**NOWHERE, **reasons}
        self._folder = folder
        self._engine = None if url is None else sql.create_engine(url)
        self._open: list[Connector] = []
        self._rows = {n: (f"p{n}@example.com", f"2025-01-01 10:00:{n:02}") for n in range(self.people)}
        if self._engine is not None:
            self._prepare()
        self._write()
        self.replace_members([("newsletter", "1", "p1@example.com", "2025-01-01T10:00:00Z")])

    # ---- the owner's own hand --------------------------------------------------------------------

    def run(self, statement: str, **values: object) -> None:
        """As the owner of the database."""
        assert self._engine is not None
        with self._engine.begin() as connection:
            connection.execute(sql.text(statement), values)

    def _prepare(self) -> None:
        moment = "timestamp" if self.kind is Kind.POSTGRESQL else "text"
        if self.kind is Kind.SQLITE:
            self.run("pragma journal_mode = wal")  # a reader holds up no writer
        self.run(f"create table people (id integer primary key, mail text, changed {moment})")
        self.run(f"create table clicks (click integer primary key, mail text, changed {moment}, link text)")
        columns = f"segment text, external_id text, address text, since {moment}"
        self.run(f"create table members ({columns}, primary key (segment, external_id))")
        if self.kind is Kind.POSTGRESQL:
            self.run(f"alter role {SHOP} login")
            self.run(f"grant all on all tables in schema public to {SHOP}")
            self.run(f"grant all on schema public to {SHOP}")

    def _write(self) -> None:
        if self._engine is not None:
            self.run("delete from people")
            self.run("delete from clicks")
            with self._engine.begin() as connection:
                rows = [{"n": n, "m": mail, "c": changed} for n, (mail, changed) in self._rows.items()]
                connection.execute(sql.text("insert into people values (:n, :m, :c)"), rows)
                connection.execute(sql.text("insert into clicks values (:n, :m, :c, 'x')"), rows)
            return
        lines = [f"{n},{mail},{changed},x" for n, (mail, changed) in self._rows.items()]
        for name, key in (("people", "id"), ("clicks", "click")):
            text = "\n".join([f"{key},mail,changed,link", *lines]) + "\n"
            (self._folder / f"{name}.csv").write_text(text)

    def members(self) -> list[tuple[str, str, str, str]]:
        """All rows of the destination, read without the connector."""
        if self._engine is not None:
            with self._engine.connect() as connection:
                found = connection.execute(sql.text("select * from members")).all()
            return [(str(a), str(b), str(c), str(d)) for a, b, c, d in found]
        with (self._folder / "members.csv").open(newline="") as file:
            return [(a, b, c, d) for a, b, c, d in list(csv.reader(file))[1:]]

    def replace_members(self, rows: Sequence[Sequence[str]]) -> None:
        if self._engine is not None:
            self.run("delete from members")
            for a, b, c, d in rows:
                self.run("insert into members values (:a, :b, :c, :d)", a=a, b=b, c=c, d=d)
            return
        with (self._folder / "members.csv").open("w", newline="") as file:
            csv.writer(file).writerows([MEMBERS, *rows])

    def _now(self) -> str:
        return self.clock.utc_now().strftime("%Y-%m-%d %H:%M:%S")

    # ---- connections -----------------------------------------------------------------------------

    def _url(self, **changed: Any) -> str:
        assert self._engine is not None
        url = self._engine.url
        if self.kind is Kind.POSTGRESQL:
            url = url.set(username=SHOP).set(**changed)
        return url.render_as_string(hide_password=False)

    def settings(self) -> Mapping[str, object]:
        files = self._engine is None
        ending = ".csv" if files else ""
        return {
            "url": f"file:{self._folder}" if files else self._url(),
            "contacts": {**CONTACTS, "from": f"people{ending}"},
            "activity": [{**CLICKS, "from": f"clicks{ending}", "incremental": "changed"}],
            "memberships": {"to": f"members{ending}"},
        }

    def connect(self, **settings: object) -> Connector:
        given = {**self.settings(), **settings}
        made = platform("tables").open(given, self.clock)  # type: ignore[arg-type]
        self._open.append(made)
        return made

    def listing_settings(self) -> Mapping[str, object]:
        """Without a time of change, every read names everybody."""
        contacts = {name: value for name, value in CONTACTS.items() if name != "changed_at"}
        return {"contacts": {**contacts, "from": "people" if self._engine else "people.csv"}}

    def wrong_credentials(self) -> Mapping[str, object]:
        return {"url": self._url(username="nobody_may")}

    def unreachable(self) -> Mapping[str, object]:
        return {"url": f"postgresql://{SHOP}@127.0.0.1:9/shop"}

    def revoke(self) -> None:
        self.run(f"alter role {SHOP} nologin")
        self.run(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{SHOP}'")

    def restore(self) -> None:
        self.run(f"alter role {SHOP} login")

    def close(self) -> None:
        for connector in self._open:
            connector.close()
        if self._engine is not None:
            self._engine.dispose()

    # ---- what others do --------------------------------------------------------------------------

    def add_contact(self, number: int) -> None:
        self._rows[number] = (f"p{number}@example.com", self._now())
        self._write()

    def change_contacts(self, addresses: Iterable[str]) -> None:
        changed = set(addresses)
        self._rows = {
            n: (mail, self._now() if str(n) in changed or mail in changed else at)
            for n, (mail, at) in self._rows.items()
        }
        self._write()

    def delete_contact(self, address: str) -> None:
        self._rows = {n: row for n, row in self._rows.items() if str(n) != address and row[0] != address}
        self._write()

    def ahead(self) -> tuple[Connector, Stream, str | None]:
        """A backup was put back: what was read last is not there any more."""
        before = dict(self._rows)
        self.clock.advance(86_400)
        self.add_contact(9_000_000)
        self.clock.advance(-86_400)
        connector = self.connect()
        stream = connector.features.streams[0]
        cursor = [page.cursor for page in connector.read(stream, None)][-1]
        self._rows = before
        self._write()
        return self.connect(), stream, cursor

    def carriers(self, audience: Audience) -> set[str]:
        return {address for segment, _, address, _ in self.members() if segment == audience.remote_id}

    def put_in(self, audience: Audience, address: str) -> None:
        row = (str(audience.remote_id), address, address, "2025-01-01T10:00:00Z")
        self.replace_members([*self.members(), row])

    def take_out(self, audience: Audience, address: str) -> None:
        kept = [row for row in self.members() if (row[0], row[2]) != (audience.remote_id, address)]
        self.replace_members(kept)

    def delete(self, audience: Audience) -> None:
        if self._engine is not None:
            self.run("drop table members")
        else:
            (self._folder / "members.csv").unlink()

    def poison(self, external_id: str, address: str) -> None:
        """The database's owner lets this person into no segment."""
        if self.kind is Kind.POSTGRESQL:
            self.run(f"alter table members add constraint poison check (external_id <> '{external_id}')")
            return
        self.run(
            f"create trigger poison before insert on members when new.external_id = '{external_id}' "
            "begin select raise(abort, 'not this one'); end"
        )

    # ---- what files and databases have not -------------------------------------------------------

    def rename(self, audience: Audience, name: str) -> None:
        raise AssertionError(NO_NAMES)

    def stranger(self, number: int) -> tuple[str, str]:
        raise AssertionError(NO_STRANGERS)

    def documented(self) -> Sequence[Refusal]:
        raise AssertionError(NO_CALLS)

    def poison_reply(self) -> Reply:
        raise AssertionError(NO_CALLS)
