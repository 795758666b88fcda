"""The database of a connection. SQLAlchemy is imported here, when the first statement is needed.

Driver errors become the contract's reactions; their texts are shown only where they can hold no values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connectors.errors import BadSource, BatchRefused, ConnectorError, Unauthorized, Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
"""What a URL without a driver means where SQLAlchemy's own choice is not installed with segsync."""


class Database:
    """Opens the engine when it is first used; `close` lets go of it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine; raises `BadSource` for a URL that cannot be used."""
        if self._engine is None:
            import sqlalchemy
            from sqlalchemy import exc

            try:
                url = sqlalchemy.make_url(self._url)
                url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
                self._engine = sqlalchemy.create_engine(url, hide_parameters=True, pool_pre_ping=True)
            except exc.NoSuchModuleError as error:
                raise BadSource(f"url: {error}") from None
            except (exc.ArgumentError, ValueError):
                raise BadSource("url: is no database URL such as postgresql://user@host/shop") from None
            except ImportError as error:
                raise BadSource(f"url: the driver of this database is not installed: {error.name}") from None
        return self._engine

    @property
    def label(self) -> str:
        """The database without user and password."""
        url = self.engine.url
        host = f"{url.host}/" if url.host else ""
        return f"{url.get_backend_name()}:{host}{url.database or ''}"

    @contextmanager
    def transaction(self, *, rows: bool = False) -> Iterator[Connection]:
        """A connection in a transaction that is committed at the end; driver errors are translated.

        `rows`: it writes rows, so a constraint or type of the table may refuse one of them: BatchRefused.
        """
        from sqlalchemy import exc

        try:
            with self.engine.begin() as connection:
                yield connection
        except (exc.IntegrityError, exc.DataError) as error:
            if not rows:
                raise reaction(error) from None
            name = type(error).__name__
            raise BatchRefused(f"the database does not take a row ({name})", code="row_refused") from None
        except exc.SQLAlchemyError as error:
            raise reaction(error) from None

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None


DENIED = ("password", "authentication", "access denied", "permission denied", "not authorized", "role ")
MISSING = (
    "no such table",
    "does not exist",
    "no such column",
    "doesn't exist",
    "syntax error",
    "unable to open",
)


def reaction(error: Exception) -> ConnectorError:
    """The engine's reaction to a driver's error."""
    text = str(getattr(error, "orig", None) or error).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    folded = text.casefold()
    if any(sign in folded for sign in DENIED) and "does not exist" not in folded:
        return Unauthorized("the database refuses this user: check the url's user, password and rights")
    if any(sign in folded for sign in MISSING):
        return BadSource(f"the database cannot answer: {first}")
    return Unavailable(f"the database failed ({type(error).__name__}); the call can be repeated")
