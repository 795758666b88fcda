"""The destination: rows of ours in a table or file, changed as a whole, and nobody else's touched."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sql
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from connectors.base import Action, Audience, AudienceKind, Batch, Change, Connector, OutcomeState
from connectors.errors import AudienceLost, BadSource, Unavailable
from connectors.tables.membership_files import _escaped, _unescaped
from tests.connectors.tables.reading import connect

VIP = Audience("vip", "VIP", AudienceKind.TABLE)
NEW = Audience("new", "New", AudienceKind.TABLE)


@pytest.fixture(params=["csv", "parquet", "database"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path | str, str]]:
    """Where to connect, and what the memberships are called there."""
    if request.param == "database":
        yield f"sqlite:///{tmp_path / 'out.db'}", "segments_out"
    else:
        yield tmp_path, f"out/members.{request.param}"


def destination(place: tuple[Path | str, str]) -> Connector:
    connector = connect(place[0], memberships={"to": place[1]})
    assert isinstance(connector, Connector)
    return connector


def add(*ids: str) -> list[Change]:
    return [Change(Action.ADD, id_, f"{id_}@example.com") for id_ in ids]


def remove(*ids: str) -> list[Change]:
    return [Change(Action.REMOVE, id_, "") for id_ in ids]


def members(connector: Connector, audience: Audience = VIP) -> dict[str, str]:
    found = [row for page in connector.members(audience) for row in page.rows.to_pylist()]
    assert len({row["external_id"] for row in found}) == len(found)
    return {row["external_id"]: row["address"] for row in found}


def test_members_are_added_and_removed_and_every_change_has_its_outcome(place: Any) -> None:
    connector = destination(place)
    assert connector.audiences() == []
    assert connector.ensure(VIP) == connector.ensure(VIP) == "vip"
    assert [(a.remote_id, a.members) for a in connector.audiences()] == [("vip", 0)]
    outcomes = connector.write(Batch(VIP, add("1", "2", "3")))
    assert [o.change for o in outcomes] == add("1", "2", "3")
    assert {o.state for o in outcomes} == {OutcomeState.DONE}
    connector.write(Batch(NEW, add("1")))
    connector.write(Batch(VIP, [*add("4"), *remove("2", "9")]))
    again = destination(place)
    assert members(again) == {n: f"{n}@example.com" for n in ("1", "3", "4")}
    assert {(a.remote_id, a.members) for a in again.audiences()} == {("vip", 3), ("new", 1)}


def test_the_same_write_again_changes_nothing(place: Any) -> None:
    connector = destination(place)
    connector.ensure(VIP)
    batch = Batch(VIP, [*add("1", "2"), *remove("3")])
    connector.write(batch)
    before = members(connector)
    since = content(place)
    connector._clock.advance(86_400)  # type: ignore[attr-defined]
    assert {o.state for o in connector.write(batch)} == {OutcomeState.DONE}
    assert members(connector) == before
    assert content(place) == since


def content(place: tuple[Path | str, str]) -> list[tuple[str, ...]]:
    """All rows, read without the connector."""
    where, name = place
    if isinstance(where, str):
        with sql.create_engine(where).connect() as connection:
            return sorted(
                tuple(str(v) for v in row) for row in connection.execute(sql.text(f"select * from {name}"))
            )
    if name.endswith("parquet"):
        return sorted(
            tuple(str(v) for v in row.values()) for row in parquet.read_table(where / name).to_pylist()
        )
    with (where / name).open(newline="") as file:
        return sorted(tuple(row) for row in list(csv.reader(file))[1:])


def test_a_changed_address_is_written_and_since_stays(place: Any) -> None:
    connector = destination(place)
    connector.ensure(VIP)
    connector.write(Batch(VIP, add("1")))
    since = content(place)[0][3]
    connector._clock.advance(86_400)  # type: ignore[attr-defined]
    connector.write(Batch(VIP, [Change(Action.ADD, "1", "new@example.com")]))
    assert members(connector) == {"1": "new@example.com"}
    assert content(place)[0][3] == since


def test_who_has_no_id_is_refused_alone(place: Any) -> None:
    connector = destination(place)
    connector.ensure(VIP)
    odd = [
        Change(Action.ADD, " ", "a@example.com"),
        Change(Action.SET, "5", "", "x"),
        Change(Action.ADD, "a\0", ""),
    ]
    outcomes = connector.write(Batch(VIP, [*add("1"), *odd]))
    assert [o.state for o in outcomes] == [OutcomeState.DONE] + [OutcomeState.REFUSED] * 3
    assert all(o.code and o.reason for o in outcomes[1:])
    assert set(members(connector)) == {"1"}


def test_a_destination_deleted_by_hand_is_lost_and_can_be_made_again(place: Any) -> None:
    connector = destination(place)
    connector.ensure(VIP)
    connector.write(Batch(VIP, add("1")))
    where, name = place
    if isinstance(where, str):
        with sql.create_engine(where).begin() as connection:
            connection.execute(sql.text(f"drop table {name}"))
    else:
        (where / name).unlink()
    with pytest.raises(AudienceLost):
        connector.write(Batch(VIP, add("2")))
    with pytest.raises(AudienceLost):
        list(connector.members(VIP))
    assert connector.audiences() == []
    connector.ensure(VIP)
    connector.write(Batch(VIP, add("2")))
    assert set(members(connector)) == {"2"}


def test_a_table_or_file_of_somebody_else_is_left_alone(place: Any) -> None:
    where, name = place
    if isinstance(where, str):
        with sql.create_engine(where).begin() as connection:
            connection.execute(sql.text(f"create table {name} (a text)"))
    else:
        (where / "out").mkdir()
        table = pa.table({"a": ["1"]})
        if name.endswith("parquet"):
            parquet.write_table(table, where / name)
        else:
            (where / name).write_text("a\n1\n")
    connector = destination(place)
    assert not connector.check().ok
    with pytest.raises(BadSource, match="name another"):
        connector.write(Batch(VIP, add("1")))


def test_a_person_is_erased_from_every_segment(place: Any) -> None:
    connector = destination(place)
    connector.ensure(VIP)
    connector.write(Batch(VIP, add("1", "2")))
    connector.write(Batch(NEW, add("1")))
    for _ in range(2):
        assert connector.erase("1").state is OutcomeState.DONE
    assert members(connector) == {"2": "2@example.com"}
    assert members(connector, NEW) == {}


def test_a_batch_of_the_declared_size_goes_through(place: Any) -> None:
    connector = destination(place)
    connector.ensure(VIP)
    size = connector.features.audiences[AudienceKind.TABLE].adds
    connector.write(Batch(VIP, add(*(str(n) for n in range(size)))))
    swap = [*add(*(f"x{n}" for n in range(size))), *remove(*(str(n) for n in range(size)))]
    assert len(connector.write(Batch(VIP, swap))) == 2 * size
    assert set(members(connector)) == {f"x{n}" for n in range(size)}


def test_postgresql_takes_memberships_too(postgres: str) -> None:
    connector = connect(postgres, memberships={"to": "segments_out"})
    assert connector.check().ok
    connector.ensure(VIP)
    connector.write(Batch(VIP, add("1", "2")))
    connector.write(Batch(VIP, [*remove("1"), *add("2", "3")]))
    assert set(members(connector)) == {"2", "3"}
    connector.close()


def test_a_full_disk_leaves_the_old_file_and_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operating system is the part that is replaced here: it says the disk is full."""
    connector = connect(tmp_path, memberships={"to": "members.csv"})
    connector.ensure(VIP)
    connector.write(Batch(VIP, add("1")))
    before = (tmp_path / "members.csv").read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        connector.write(Batch(VIP, add("2")))
    monkeypatch.undo()
    assert (tmp_path / "members.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["members.csv"]
    connector.write(Batch(VIP, add("2")))
    assert set(members(connector)) == {"1", "2"}


def test_a_csv_that_a_spreadsheet_opens_runs_no_formula(tmp_path: Path) -> None:
    connector = connect(tmp_path, memberships={"to": "members.csv"})
    connector.ensure(VIP)
    evil = ["=1+1", "+49", "-5", "@x", "\tx", " =x", "\u00a0=x", "＝x", "'=x", "plain", "'plain", 'a"b,\nc']
    connector.write(Batch(VIP, [Change(Action.ADD, text, text) for text in evil]))
    rows = content((tmp_path, "members.csv"))
    for row in rows:
        assert not re.match("[ \u00a0\ufeff]*[=+\\-@\t\r\n＝＋－＠]", row[1]), row
    assert members(connect(tmp_path, memberships={"to": "members.csv"})) == {text: text for text in evil}


@given(st.lists(st.text(st.sampled_from("'=+-@\t\r\n ＝a\u00a0\ufeff"), max_size=5)))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_escaping_can_always_be_undone(texts: list[str]) -> None:
    column = pa.chunked_array([pa.array(texts, pa.string())])
    assert _unescaped(_escaped(column)).to_pylist() == texts


def test_leaving_one_segment_leaves_the_other_segments_alone(place: Any) -> None:
    connector = destination(place)
    connector.ensure(VIP)
    connector.write(Batch(VIP, add("1", "2")))
    connector.write(Batch(NEW, add("1", "2")))
    connector.write(Batch(VIP, [*remove("2"), Change(Action.ADD, "1", "moved@example.com")]))
    assert members(connector) == {"1": "moved@example.com"}
    assert members(connector, NEW) == {"1": "1@example.com", "2": "2@example.com"}
