"""One installation, opened: the settings, the store, the connections, and what they can tell.

Connections are opened when first used and closed together. What streams a platform has is remembered, so
that checking rules works while a platform is down.
"""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from connectors import pacing
from connectors.base import Connector, Features, Stream
from connectors.errors import BadSource, ConnectorError, Frozen
from connectors.pacing import Clock, SystemClock
from connectors.registry import platform
from rules.vocabulary import Vocabulary
from sync.clusters.standing import clusterings_beside
from sync.config import ConfigError, Settings, load
from sync.errors import PlatformFailed, UserError
from sync.fields import FieldSpec
from sync.models.standing import in_use
from sync.run.late import AskingBudgets, Tally
from sync.run.quotas import RememberedBudgets
from sync.run.remembered import dumped, features_of, streams_of
from sync.secrets import SecretError
from sync.store import Lease, Store, StoreError
from sync.store.budgets import DatabaseBudgets
from sync.store.shapes import NO_SNAPSHOT
from sync.vocabulary import build


class Workspace:
    """Everything a command works with. Use as a context manager."""

    def __init__(self, settings: Settings, store: Store, *, clock: Clock) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        now_s = None if isinstance(clock, pacing.SystemClock) else lambda: clock.utc_now().timestamp()
        self.budgets = DatabaseBudgets(store.database, clock=clock, now_s=now_s)
        """Of every account, shared with all other processes; their time is the database's, or the test's."""
        self.offline = False
        """True: no connection is opened, so no platform is asked anything."""
        self._tally = Tally()
        self._connectors: dict[str, Connector] = {}
        self._features: dict[str, Features] = {}
        self._asked: dict[str, RememberedBudgets] = {}
        self._writing: Counter[str] = Counter()  # connections that are being written to, by our threads
        self._listed: tuple[int, frozenset[str]] | None = None
        self._built: tuple[object, tuple[Vocabulary, tuple[FieldSpec, ...]]] | None = None
        self._leases: dict[str | None, Lease] = {}  # of this process: connection → who may call it just now

    @classmethod
    def open(cls, config: Path, *, clock: Clock | None = None) -> Self:
        """Load the config and open the store. UserError with every problem of the config at once."""
        settings = settings_from(config)
        for warning in settings.warnings:
            sys.stderr.write(f"{warning}\n")
        with secrets_told():
            url = settings.store.url()
        store = Store.open(url, Path(settings.store.lake))
        if settings.store.memory_limit:
            store.lake.memory_limit = settings.store.memory_limit
        return cls(settings, store, clock=clock or SystemClock())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of sockets, files and the database."""
        self.disconnect()
        self.store.close()

    def disconnect(self) -> None:
        """Let go of the connections' sockets and files; they are opened again when they are used."""
        for connector in self._connectors.values():
            connector.close()
        self._connectors.clear()
        self._keep_counts()

    def _keep_counts(self) -> None:
        """How many calls there were, for the metrics: numbers to look at, not worth a run."""
        counts = self._tally.take()
        if counts:
            with suppress(StoreError):
                self.store.calls.add(counts)

    def having(self, settings: Settings) -> Self:
        """The same store with other settings; close only one of the two, the other one is disconnected."""
        return type(self)(settings, self.store, clock=self.clock)

    @contextmanager
    def under(self, lease: Lease, *, connection: str | None = None) -> Iterator[Self]:
        """A view for work under a lease: it stops writing, and calling platforms, once the lease is lost.

        `connection`: the lease is only for this one's calls (a task); else for those that no task has.
        """
        view = copy.copy(self)
        view.store = self.store.guarded(lease)
        self._leases[connection] = lease
        try:
            yield view
        finally:
            del self._leases[connection]
            self._keep_counts()

    # ── connections ──────────────────────────────────────────────────────────────────────────────────

    @property
    def sources(self) -> list[str]:
        """Connections that are read."""
        return [c.name for c in self.settings.connections.values() if c.source]

    @property
    def destinations(self) -> list[str]:
        """Connections that may be written to."""
        return [c.name for c in self.settings.connections.values() if c.destination]

    def connector(self, name: str) -> Connector:
        """The connection `name`, opened. UserError if it is not configured or a secret is missing."""
        if name not in self._connectors:
            connection = self.settings.connections.get(name)
            if connection is None:
                known = ", ".join(self.settings.connections) or "none"
                raise UserError(f"there is no connection {name}; the config has: {known}")
            if self.offline:
                raise UserError(
                    f"{name} was never asked what it can do, or its settings were changed since; "
                    "`segsync plan` asks it, or go without --offline"
                )
            with secrets_told():
                values = connection.revealed()
            try:
                budgets = AskingBudgets(
                    self.budgets, lambda: self._may_call(name), tally=self._tally, connection=name
                )
                asked = self._asked[name] = RememberedBudgets(budgets)
                opened = platform(connection.platform).open(values, self.clock, asked)
            except BadSource as error:
                raise UserError(f"connections.{name}: {error}") from error
            self._connectors[name] = opened
        return self._connectors[name]

    def _may_call(self, name: str) -> None:
        """Whoever works on the connection under a lease must hold it until the answer is there."""
        lease = self._leases.get(name) or self._leases.get(None)
        if lease is not None:
            lease.before_request()
        if self._writing[name] > 0:
            self.may_write(name)

    @contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Inside the block each request to the connection asks first whether writes are frozen."""
        self._writing[name] += 1
        try:
            self.may_write(name)
            yield
        finally:
            self._writing[name] -= 1

    def may_write(self, name: str) -> None:
        """Raises `Frozen` if a person stopped writes to the connection, or to all."""
        freeze = self.store.decisions.frozen(name)
        if freeze is not None:
            raise Frozen(str(freeze))

    def calls_left(self, name: str) -> int | None:
        """Calls that the account's day has left for us; None if its platform has not told."""
        return self._asked[name].left_today() if name in self._asked else None

    def features(self, name: str) -> Features:
        """What the connection can do; asks the platform once, and remembers the answer."""
        if name not in self._features:
            found = self.connector(name).features
            self._features[name] = found
            noted = {"settings": self._settings_hash(name), **dumped(found)}
            self.store.notes.set(f"features:{name}", noted)
        return self._features[name]

    def remembered(self, name: str) -> Features | None:
        """What the connection could do when it was last asked; None: never, or by other settings."""
        noted = self.store.notes.get(f"features:{name}")
        same = isinstance(noted, dict) and noted["settings"] == self._settings_hash(name)
        return features_of(noted) if isinstance(noted, dict) and same else None

    def known(self, name: str) -> tuple[tuple[Stream, ...], frozenset[str]]:
        """(streams, audience kinds) of the connection: as the last run saw them if its settings are the same,
        so that questions are answered quickly, and while a platform is down."""
        noted = self.store.notes.get(f"features:{name}")
        remembered = None
        if isinstance(noted, dict):
            remembered = streams_of(noted), frozenset(noted["audiences"])
            if name not in self._features and noted["settings"] == self._settings_hash(name):
                return remembered
        try:
            found = self.features(name)
        except BadSource:
            raise
        except ConnectorError as error:
            if remembered is not None:
                return remembered
            raise PlatformFailed(
                f"{name}: {error} Its fields are not known yet; run this again when it answers"
            ) from error
        return found.streams, frozenset(kind.value for kind in found.audiences)

    def _settings_hash(self, name: str) -> str:
        connection = self.settings.connections[name]
        content = [connection.platform, sorted((key, str(value)) for key, value in connection.values.items())]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    # ── vocabulary ───────────────────────────────────────────────────────────────────────────────────

    def vocabulary(self, rules: Path | None = None) -> tuple[Vocabulary, tuple[FieldSpec, ...]]:
        """Every name a rule may use, and where each field's values come from; `rules`: the folder or file in
        which the rules stand, for clusterings give names, too. Default: the rules in force."""
        if not self.settings.connections:
            raise UserError(
                f"{self.settings.path.name} has no connection yet, so no name is known for a rule to use; "
                "add a section [connections.NAME] and try `segsync connections check`"
            )
        streams = {name: self.known(name)[0] for name in self.sources}
        audiences = {name: self.known(name)[1] for name in self.destinations}
        clusterings = clusterings_beside(self.settings.rules_dir, rules)
        of = streams, self._lists(), audiences, self._versions(), clusterings
        if self._built is None or self._built[0] != of:
            try:
                vocabulary = build(
                    self.settings,
                    streams,
                    lists=of[1],
                    audiences=audiences,
                    models=of[3],
                    clusterings=clusterings,
                )
            except ConfigError as error:
                raise config_error(error) from error
            self._built = of, vocabulary
        return self._built[1]

    def _versions(self) -> dict[str, int]:
        used = in_use(self.store, self.settings.models) if self.settings.models else {}
        return {name: one.version for name, one in used.items()}

    def _lists(self) -> frozenset[str]:
        """Every "connection:list" that contacts are on, read once from each state of the lake."""
        lake = self.store.lake
        snapshot = lake.snapshots().get("contacts", NO_SNAPSHOT)
        if self._listed is None or self._listed[0] != snapshot:
            contacts = lake.relation("contacts", snapshot=snapshot, only=("connection", "lists"))
            with closing(lake.connect()) as database:
                rows = database.execute(
                    f"SELECT DISTINCT connection || ':' || unnest(lists) FROM {contacts} WHERE len(lists) > 0"
                ).fetchall()
            self._listed = snapshot, frozenset(row[0] for row in rows)
        return self._listed[1]


def settings_from(config: Path) -> Settings:
    """The checked config; UserError with all problems, and the mend if there is no file."""
    if not config.exists():
        raise UserError(f"there is no {config}; `segsync init` makes one, or name yours with --config")
    try:
        return load(config)
    except ConfigError as error:
        raise config_error(error) from error


def config_error(error: ConfigError) -> UserError:
    """A config's problems as the command line tells them."""
    count = len(error.problems)
    noun = "problem" if count == 1 else "problems"
    return UserError(f"{count} {noun} in the config", problems=tuple(str(p) for p in error.problems))


@contextmanager
def secrets_told() -> Iterator[None]:
    """A reference that leads nowhere is a user's mistake; the message names the reference only."""
    try:
        yield
    except SecretError as error:
        raise UserError(str(error)) from error
