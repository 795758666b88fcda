from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from sync.store import NewerStore, Store, StoreError
from sync.store.database import Database
from sync.store.migrate import HEAD, migrate, upgrade
from sync.store.tables import metadata


def test_an_empty_database_gets_exactly_the_tables_of_the_code(empty_url: str) -> None:
    database = Database(empty_url)
    migrate(database)
    ours = {"iceberg_tables", "iceberg_namespace_properties", "alembic_version"}
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name not in ours}
        )
        assert compare_metadata(context, metadata) == []
        assert ours < set(inspect(connection).get_table_names())
    database.close()


def test_a_new_store_has_what_all_migrations_together_make(empty_url: str, another_empty_url: str) -> None:
    made, migrated = shape_of(empty_url, migrate), shape_of(another_empty_url, upgraded)
    assert made.keys() == migrated.keys()
    for table, shape in made.items():
        assert shape == migrated[table], table


def upgraded(database: Database) -> None:
    with database.writing() as connection:
        upgrade(connection, to="head")


def shape_of(url: str, make: Callable[[Database], None]) -> dict[str, dict[str, list[str]]]:
    """Table → its columns in any order, keys, indexes and checks, as the database itself tells them."""
    database = Database(url)
    make(database)
    with database.reading() as connection:
        there = inspect(connection)
        asked: dict[str, Callable[[str], Sequence[Any]]] = {
            "columns": there.get_columns,
            "primary key": lambda table: [there.get_pk_constraint(table)],
            "foreign keys": there.get_foreign_keys,
            "unique": there.get_unique_constraints,
            "checks": there.get_check_constraints,
            "indexes": there.get_indexes,
        }
        found = {
            table: {what: sorted(map(said, ask(table))) for what, ask in asked.items()}
            for table in there.get_table_names()
        }
        (version,) = connection.execute(text("SELECT version_num FROM alembic_version")).scalars()
        found["alembic_version"]["row"] = [str(version)]
    database.close()
    return found


def said(one: Mapping[str, Any]) -> str:
    """In words: conditions of indexes are objects, which are never equal."""
    options = {name: str(value) for name, value in one.get("dialect_options", {}).items()}
    return str({**one, "dialect_options": options})


def test_the_known_head_is_the_newest_migration_file() -> None:
    import sync.store.migrations.versions as versions

    files = sorted(path.name for path in Path(versions.__path__[0]).glob("[0-9]*.py"))
    assert files[-1].split("_")[0] == HEAD


def test_opening_twice_keeps_what_is_there(empty_url: str, tmp_path: Path) -> None:
    with Store.open(empty_url, tmp_path / "lake") as store:
        store.notes.set("a", {"b": 1})
    with Store.open(empty_url, tmp_path / "lake") as store:
        assert store.notes.get("a") == {"b": 1}


def test_a_store_of_a_newer_version_is_refused_and_not_touched(database_url: str, tmp_path: Path) -> None:
    Store.open(database_url, tmp_path / "lake").close()
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerStore, match="written by a newer segsync"):
        Store.open(database_url, tmp_path / "lake")
    with engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
    engine.dispose()


def test_a_database_of_somebody_else_is_refused(empty_url: str, tmp_path: Path) -> None:
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE checkpoints (x INTEGER)"))
    engine.dispose()
    with pytest.raises(StoreError, match="not segsync's"):
        Store.open(empty_url, tmp_path / "lake")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u@h/d", "sqlite or postgresql"),
        ("sqlite://", "needs a SQLite file"),
        ("nonsense://x y", "cannot be read|sqlite or postgresql"),
        ("postgresql://nobody:secret@127.0.0.1:1/x", "cannot open the database"),
    ],
)
def test_a_bad_url_is_told_without_its_password(url: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=words) as raised:
        Store.open(url, tmp_path / "lake")
    assert "secret" not in str(raised.value)
