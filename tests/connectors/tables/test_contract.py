"""The parts of the connector contract that do not need a platform behind HTTP, on files and on SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from connectors.base import Action, Audience, AudienceKind, Batch, Change, Connector
from connectors.pacing import ManualClock
from tests.connectors.contract import ConnectorContract, Rig, assert_kinds
from tests.connectors.tables.reading import connect

CONTACTS: dict[str, Any] = {"key": "id", "columns": {"email": "mail"}, "changed_at": "changed"}
CLICKS: dict[str, Any] = {
    "kind": "email_click",
    "key": "click",
    "email": "mail",
    "at": "changed",
    "columns": {"link": "link"},
}


class TableRig(Rig):
    """A folder of files, or a SQLite database with the same rows."""

    def __init__(self, folder: Path, *, database: bool) -> None:
        self.clock = ManualClock()
        self.people = 30
        self._folder, self._database = folder, database
        self._people = {n: f"p{n}@example.com" for n in range(self.people)}
        self._write()

    def _write(self) -> None:
        changed = {n: f"2025-01-{1 + (n > 1000):02} 10:00:00" for n in self._people}
        if self._database:
            with sql.create_engine(f"sqlite:///{self._folder / 'x.db'}").begin() as run:
                run.execute(
                    sql.text("create table if not exists people (id integer primary key, mail, changed)")
                )
                run.execute(
                    sql.text("create table if not exists clicks (click primary key, mail, changed, link)")
                )
                for n, mail in self._people.items():
                    values = {"n": n, "m": mail, "c": changed[n]}
                    run.execute(sql.text("insert or replace into people values (:n, :m, :c)"), values)
                    run.execute(sql.text("insert or replace into clicks values (:n, :m, :c, 'x')"), values)
            return
        rows = [f"{n},{mail},{changed[n]},x" for n, mail in self._people.items()]
        (self._folder / "people.csv").write_text("\n".join(["id,mail,changed,link", *rows]) + "\n")
        (self._folder / "clicks.csv").write_text("\n".join(["click,mail,changed,link", *rows]) + "\n")

    def connect(self, **settings: object) -> Connector:
        ending = "" if self._database else ".csv"
        parts: dict[str, Any] = {
            "contacts": {**CONTACTS, "from": f"people{ending}"},
            "activity": [{**CLICKS, "from": f"clicks{ending}"}],
            "memberships": {"to": f"members{ending}"},
        }
        where: Any = f"sqlite:///{self._folder / 'x.db'}" if self._database else self._folder
        return connect(where, **{**parts, **settings})

    def wrong_credentials(self) -> Mapping[str, object]:
        return {}

    def unreachable(self) -> Mapping[str, object]:
        return {}

    def add_contact(self, number: int) -> None:
        self._people[number] = f"p{number}@example.com"
        self._write()

    def change_contacts(self, addresses: Iterable[str]) -> None:
        self._write()

    def carriers(self, audience: Audience) -> set[str]:
        pages = self.connect().members(audience)
        return {str(a) for page in pages for a in page.rows["address"].to_pylist()}

    def put_in(self, audience: Audience, address: str) -> None:
        number = next(n for n, mail in self._people.items() if mail == address)
        self.connect().write(Batch(audience, [Change(Action.ADD, str(number), address)]))

    def delete(self, audience: Audience) -> None:
        if self._database:
            with sql.create_engine(f"sqlite:///{self._folder / 'x.db'}").begin() as run:
                run.execute(sql.text("drop table members"))
        else:
            (self._folder / "members.csv").unlink()


class TestTables:
    """Left out: what tells of HTTP, of rate limits, and of strangers, whom a table cannot know."""

    @pytest.fixture(params=[False, True], ids=["files", "sqlite"])
    def rig(self, request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
        return TableRig(tmp_path, database=request.param)

    test_schema = ConnectorContract.test_every_page_has_the_schema_of_its_stream
    test_standard_fields = ConnectorContract.test_standard_fields_name_columns_that_exist
    test_two_full_reads_agree = ConnectorContract.test_two_full_reads_agree
    test_a_read_yields_nobody_twice = ConnectorContract.test_a_read_yields_nobody_twice
    test_activity = ConnectorContract.test_activity_is_of_declared_kinds_and_names_a_person
    test_resuming = ConnectorContract.test_resuming_from_any_checkpoint_loses_nothing
    test_cursor_that_is_not_ours = ConnectorContract.test_a_cursor_that_is_not_ours_is_expired
    test_ensure_is_idempotent = ConnectorContract.test_ensure_is_idempotent
    test_healthy = ConnectorContract.test_a_healthy_account_says_who_it_is

    def test_an_incremental_read_sees_the_new_contact_and_ties_only(self, rig: Rig) -> None:
        connector = rig.connect()
        stream = connector.features.streams[0]
        rig.add_contact(9_000_001)
        cursor = [page.cursor for page in connector.read(stream, None)][-1]
        rig.add_contact(9_000_002)
        found = {
            row["external_id"] for page in connector.read(stream, cursor) for row in page.rows.to_pylist()
        }
        assert found == {"9000001", "9000002"}

    def test_a_table_is_the_only_kind_of_audience(self, rig: Rig) -> None:
        assert_kinds(rig.connect(), AudienceKind.TABLE)
