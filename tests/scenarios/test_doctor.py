"""`segsync doctor`: each check has been seen to fail here, and says what to do."""

from __future__ import annotations

import datetime as dt
import os
import socket
import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from sync.run.doctor import Finding, Level, examine
from sync.run.surroundings import Surroundings
from tests.scenarios.company import KEY, Company, join, people, segment

REAL = Surroundings()


@pytest.fixture
def ran(firm: Company) -> Company:
    """A company with one run behind it; its files are its owner's alone."""
    join(firm.newsletter, range(4))
    firm.customers(people(range(4)))
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"'))
    firm.later(minutes=10)
    firm.run()
    return firm


def found(firm: Company, around: Surroundings = REAL, *, offline: bool = True) -> list[Finding]:
    return list(examine(firm.config, offline=offline, around=around))


def bad(findings: list[Finding]) -> dict[str, str]:
    """check → message of what is not fine; each of these says what to do."""
    wrong = [one for one in findings if one.level is not Level.FINE]
    assert all(one.remedy for one in wrong)
    return {one.check: one.message for one in wrong}


def database_of(firm: Company) -> sqlite3.Connection:
    return sqlite3.connect(firm.folder / "segsync.db", isolation_level=None)


def test_all_is_in_order_after_a_run_and_the_command_says_so(ran: Company) -> None:
    answer = ran.segsync("doctor", "--format", "json")
    assert answer.code == 0, answer.said
    levels = {one["level"] for one in answer.document["findings"]}
    assert levels == {"fine"}, answer.out
    checks = {one["check"] for one in answer.document["findings"]}
    assert {"versions", "config", "secrets", "disk", "database", "tables", "clock", "lake", "runs"} <= checks
    assert "connection newsletter" in checks
    assert "All in order." in ran.segsync("doctor", "--offline").out


def test_a_new_installation_is_in_order_and_stays_untouched(firm: Company) -> None:
    firm.customers([])
    firm.orders([])
    assert bad(found(firm)) == {}
    assert not (firm.folder / "segsync.db").exists()


def test_a_platform_that_refuses_us_ends_with_4(firm: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    firm.customers([])
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"'))
    monkeypatch.setenv(KEY, "0123456789abcdef0123456789abcdef-us21")
    answer = firm.segsync("doctor")
    assert answer.code == 4, answer.said
    assert "problem  connection newsletter" in answer.out
    assert firm.segsync("doctor", "--offline").code == 0


def test_what_the_machine_lacks_is_told(firm: Company) -> None:
    firm.write_config('[business]\nzone = "Europe/Berlin"\n')

    def with_(**values: object) -> dict[str, str]:
        return bad(found(firm, replace(REAL, **values)))  # type: ignore[arg-type]

    assert with_(free=lambda _: 100 << 20)["disk"].startswith("0.1 GiB free")
    assert with_(free=lambda _: 1 << 30)["disk"].startswith("1.0 GiB free")
    assert with_(zones=lambda: {"UTC"})["clock"] == "the time zone Europe/Berlin is not known here"
    assert with_(python=(3, 9))["versions"].startswith("Python is 3.9 and must be")
    assert (
        with_(installed=lambda: {"duckdb>=2.0": "1.4.0"})["versions"] == "duckdb is 1.4.0 and must be >=2.0"
    )
    assert with_(installed=lambda: {"pyarrow>=21": None})["versions"] == "pyarrow is missing"
    assert REAL.installed(), "the requirements are read from the installed metadata"


def test_config_secrets_and_file_modes(ran: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    ran.config.chmod(0o666)
    (ran.folder / "segsync.db").chmod(0o644)
    told = bad(found(ran))
    assert "may change" in told["config"]
    assert "segsync.db" in told["files"]
    monkeypatch.delenv(KEY)
    assert KEY in bad(found(ran))["secrets"]
    ran.config.write_text("[stor]\n", encoding="utf-8")
    assert "stor" in bad(found(ran))["config"]
    assert ran.segsync("doctor").code == 1


def test_a_clock_that_is_off(ran: Company) -> None:
    late = replace(REAL, now=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90))
    findings = found(ran, late)
    assert "differ by 90 s" in bad(findings)["clock"]
    assert next(one for one in findings if one.check == "clock").level is Level.PROBLEM


def test_a_damaged_database(ran: Company) -> None:
    path = ran.folder / "segsync.db"
    database_of(ran).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    for page in range(10, len(content) // 4096, 3):
        content[page * 4096 : page * 4096 + 200] = b"\xab" * 200
    path.write_bytes(content)
    assert "database" in bad(found(ran))
    path.write_bytes(b"this is no database" * 1000)
    assert "is not a SQLite database" in bad(found(ran))["database"]


def test_a_store_of_another_version(ran: Company) -> None:
    with database_of(ran) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "a newer segsync made this store" in bad(found(ran))["tables"]
    with database_of(ran) as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "of an older segsync" in bad(found(ran))["tables"]


def test_the_lake_and_its_files(ran: Company) -> None:
    folder = ran.folder / "lake" / "lake"
    stray = folder / "people" / "data" / "stray.parquet"
    stray.write_bytes(b"x" * 1000)
    os.utime(stray, (0, 0))
    assert bad(found(ran))["lake"].startswith("1 files")
    stray.unlink()
    path = next((folder / "contacts" / "data").iterdir())
    whole = path.read_bytes()
    pq.write_table(pq.read_table(path).slice(1), path)
    assert "rows and should have" in bad(found(ran))["lake"]
    path.write_bytes(b"PAR1")
    assert "cannot be read" in bad(found(ran))["lake"]
    path.unlink()
    assert f"{path.name} is gone" in bad(found(ran))["lake"]
    path.write_bytes(whole)
    assert "lake" not in bad(found(ran))
    (ran.folder / "lake").rename(ran.folder / "away")
    assert "is gone" in bad(found(ran))["lake"]


def test_runs_that_are_stuck(ran: Company) -> None:
    def gone(table: str) -> str:
        return f"UPDATE {table} SET state = 'running', lease_until = 0 WHERE id = 1"

    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: database_of(ran).execute(gone("runs")), "died at work"),
        (lambda: database_of(ran).execute("UPDATE runs SET state = 'done'"), ""),
        (lambda: database_of(ran).execute(gone("tasks")), "was left by its worker"),
        (lambda: database_of(ran).execute("UPDATE tasks SET state = 'done'"), ""),
        (lambda: database_of(ran).execute("UPDATE batches SET state = 'sent'"), "never recorded"),
        (lambda: database_of(ran).execute("UPDATE batches SET state = 'done'"), ""),
    ]
    for change, words in cases:
        change()
        assert words in bad(found(ran)).get("runs", ""), words
        assert words or "runs" not in bad(found(ran))
    with ran.open() as workspace:
        workspace.store.runs.enqueue("schedule", now=dt.datetime.now(dt.UTC) - dt.timedelta(hours=2))
    assert "queued for more than an hour" in bad(found(ran))["runs"]


def test_a_database_that_does_not_answer(firm: Company) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    text = firm.config.read_text(encoding="utf-8")
    url = f"postgresql://segsync@127.0.0.1:{port}/segsync"
    firm.config.write_text(text.replace("sqlite:///segsync.db", url), encoding="utf-8")
    assert "database" in bad(found(firm))
