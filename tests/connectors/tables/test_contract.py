"""The connector contract on files, SQLite and PostgreSQL; what means nothing there says why (rig.py)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql

from connectors.base import Action, AudienceKind, Batch, Change, OutcomeState
from connectors.errors import AudienceLost, BadSource, BatchRefused, ConnectorError, Unauthorized
from tests.connectors.contract import ConnectorContract
from tests.connectors.rig import Rig, assert_kinds, changes, contacts, ensured
from tests.connectors.tables.rig import SHOP, Kind, TableRig


@pytest.fixture
def server(postgres: str) -> str:
    """URL of an empty database on a server, with all rights, beside two roles without any."""
    url = sql.make_url(postgres).set(drivername="postgresql+psycopg")
    name = f"contract_{uuid.uuid4().hex}"
    engine = sql.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        known = {row[0] for row in connection.execute(sql.text("select rolname from pg_roles"))}
        for role in (SHOP, "nobody_may"):
            if role not in known:
                connection.execute(sql.text(f"create role {role} nologin"))
        connection.execute(sql.text(f"create database {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


class TestTables(ConnectorContract):
    @pytest.fixture(params=list(Kind))
    def rig(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
        url = f"sqlite:///{tmp_path / 'x.db'}" if request.param is Kind.SQLITE else None
        if request.param is Kind.POSTGRESQL:
            url = request.getfixturevalue("server")
        rig = TableRig(request.param, tmp_path, url)
        yield rig
        rig.close()

    def test_every_change_has_one_outcome_in_its_place(self, rig: Rig) -> None:
        """Nobody is a stranger to a table; who has no id is refused."""
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 20)
        connector.write(Batch(audience, changes(Action.ADD, people[:10])))
        nobody = Change(Action.ADD, " ", "stranger@example.com")
        mixed = [*changes(Action.ADD, people[10:]), nobody, *changes(Action.REMOVE, people[:5])]
        outcomes = connector.write(Batch(audience, mixed))
        assert [o.change for o in outcomes] == mixed
        assert [n for n, o in enumerate(outcomes) if o.state is not OutcomeState.DONE] == [10]
        assert rig.carriers(audience) == {a for _, a in people[5:]}

    def test_every_documented_refusal_leads_to_its_reaction(self, rig: Rig) -> None:
        """The engine's reaction to what its owner does to the destination."""
        assert isinstance(rig, TableRig)
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 2)
        for reaction, spoil, mend in situations(rig, people[0][0]):
            spoil()
            with pytest.raises(reaction) as caught:
                rig.connect().write(Batch(audience, changes(Action.ADD, people)))
            assert "@" not in str(caught.value)
            mend()
            assert rig.carriers(audience) == set()
        rig.delete(audience)
        with pytest.raises(AudienceLost):
            connector.write(Batch(audience, changes(Action.ADD, people)))

    def test_a_file_or_table_that_is_replaced_is_read_again_as_a_whole(self, rig: Rig) -> None:
        connector = rig.connect(**rig.listing_settings())
        stream = connector.features.streams[0]
        pages = list(connector.read(stream, None))
        rig.delete_contact(contacts(connector, 1)[0][1])
        rig.add_contact(9_000_001)
        again = list(connector.read(stream, pages[-1].cursor))
        assert sum(page.rows.num_rows for page in again) == 30  # one left, one came
        assert "9000001" in {id_ for page in again for id_ in page.rows["external_id"].to_pylist()}

    def test_a_table_is_the_only_kind_of_audience(self, rig: Rig) -> None:
        assert_kinds(rig.connect(), AudienceKind.TABLE)


Situation = tuple[type[ConnectorError], Callable[[], None], Callable[[], None]]


def situations(rig: TableRig, person: str) -> list[Situation]:
    """(reaction, what the owner does, and how it is undone)."""
    if rig.kind is Kind.FILES:
        path = Path(str(rig.settings()["url"]).removeprefix("file:")) / "members.csv"
        whole = path.read_text()
        return [
            (BadSource, lambda: _put(path, "a,b\n1,2\n"), lambda: _put(path, whole)),
            (BadSource, lambda: _put(path, '"'), lambda: _put(path, whole)),
        ]
    renamed: Situation = (
        BadSource,
        lambda: rig.run("alter table members rename column address to email"),
        lambda: rig.run("alter table members rename column email to address"),
    )
    if rig.kind is Kind.SQLITE:
        refused = lambda: rig.run("drop trigger poison")  # noqa: E731
        return [renamed, (BatchRefused, lambda: rig.poison(person, ""), refused)]
    return [
        renamed,
        (
            BatchRefused,
            lambda: rig.poison(person, ""),
            lambda: rig.run("alter table members drop constraint poison"),
        ),
        (
            Unauthorized,
            lambda: rig.run(f"revoke all on members from {SHOP}"),
            lambda: rig.run(f"grant all on members to {SHOP}"),
        ),
        (Unauthorized, rig.revoke, rig.restore),
    ]


def _put(path: Path, text: str) -> None:
    path.write_text(text)
