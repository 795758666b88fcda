"""The store: everything segsync remembers. Control database and lake, opened and closed together."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sync.store.alerts import Alerts
from sync.store.calls import Calls
from sync.store.database import Database
from sync.store.decisions import Decisions
from sync.store.errors import no_space_is_told
from sync.store.events import Notes, PersonEvents
from sync.store.inbox import Inbox
from sync.store.kpis import Kpis
from sync.store.leases import Guard
from sync.store.ledger import Ledger
from sync.store.migrate import migrate
from sync.store.models import Models
from sync.store.numbers import Numbers
from sync.store.optouts import OptOuts
from sync.store.plans import Plans
from sync.store.runs import Runs
from sync.store.schedules import Schedules
from sync.store.segments import Segments
from sync.store.tasks import Tasks

if TYPE_CHECKING:
    from sync.store.lake import Lake
    from sync.store.recalled import Recalled


class Store:
    """Two planes: `lake` (scanned) and the rest (transactional). Safe for two processes at once."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.inbox = Inbox(database, folder / "inbox")
        self.runs = Runs(database)
        self.tasks = Tasks(database)
        self.schedules = Schedules(database)
        self.calls = Calls(database)
        self.alerts = Alerts(database)
        self.segments = Segments(database)
        self.ledger = Ledger(database)
        self.plans = Plans(database)
        self.decisions = Decisions(database)
        self.opt_outs = OptOuts(database)
        self.numbers = Numbers(database)
        self.person_events = PersonEvents(database)
        self.notes = Notes(database)
        self.models = Models(database)
        self.kpis = Kpis(database, self.segments)
        self._recalled: Recalled | None = None
        self._lake: Lake | None = None

    @classmethod
    def open(cls, url: str, lake: Path) -> Self:
        """Open the store, making or upgrading it as needed.

        `url`: a SQLAlchemy URL of SQLite or PostgreSQL, or the path of a SQLite file. `lake`: a folder.
        Raises `StoreError` (`NewerStore` for a store of a newer segsync) with a message for a person.
        """
        database = Database(url)
        try:
            migrate(database)
            with no_space_is_told(f"the lake {lake}"):
                return cls(database, lake.absolute())
        except BaseException:
            database.close()
            raise

    def guarded(self, guard: Guard) -> Self:
        """A view of the store for work under a lease: whatever it writes proves the lease first.

        Needs no closing; the store it was made from must stay open.
        """
        view = type(self)(self.database.guarded(guard), self.folder)
        if self._lake is not None:
            view.lake.memory_limit, view.lake.threads = self._lake.memory_limit, self._lake.threads
        return view

    def planning_in(self, database: Database) -> Self:
        """A view that keeps everything but memberships and lake in `database`; see `store.scratch`."""
        view = type(self)(database, self.folder)
        view.segments, view._lake = self.segments, self.lake
        return view

    def go_on(self) -> None:
        """Call it before beginning something new: raises `Stopped` or `LeaseLost` if that must not be."""
        if self.database.guard is not None:
            self.database.guard.go_on()

    @property
    def lake(self) -> Lake:
        """The lake; its libraries are imported on first use."""
        if self._lake is None:
            from sync.store.lake import Lake

            self._lake = Lake(self.database, self.folder)
        return self._lake

    @property
    def recalled(self) -> Recalled:
        """What the last evaluation went by; its libraries are imported on first use."""
        if self._recalled is None:
            from sync.store.recalled import Recalled

            self._recalled = Recalled(self.folder)
        return self._recalled

    def sweep(self) -> int:
        """Remove what crashes and absorbed pages left in the inbox; call it while holding the lease."""
        return self.inbox.sweep(now_s=time.time())  # a file's age is the file system's, not the run's as_of

    def close(self) -> None:
        """Let go of files and connections."""
        if self._lake is not None:  # made on first use
            self._lake.close()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
