"""`segsync doctor`: is everything in order, and what to do about what is not. Changes nothing.

One check that fails does not keep the others from being made, as far as they can be.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from sync.again import differed
from sync.config import Settings
from sync.errors import UserError
from sync.run.checking import check, rules_of
from sync.run.four_eyes import doubts
from sync.run.surroundings import Surroundings, open_to_others, python_fits, unmet, writable_by_others
from sync.run.workspace import Workspace, settings_from
from sync.secrets import Secret, SecretError
from sync.store import StoreError
from sync.store.checkup import Version, clock_ahead_s, damage, lake_health, lost_pages, stuck, version_of
from sync.store.database import Database
from sync.store.events import Notes
from sync.store.inbox import Inbox
from sync.store.lake import Lake

GIB = 1 << 30
_PATIENCE = dt.timedelta(hours=1)
"""How long a queued run may wait before that is remarked on."""


class Level(StrEnum):
    """A PROBLEM makes the command fail; a WARNING asks for a look."""

    FINE = "fine"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do; `remedy` is empty only if it is fine."""

    check: str
    level: Level
    message: str
    remedy: str = ""

    def document(self) -> dict[str, object]:
        """For scripts."""
        return asdict(self)


def examine(config: Path, *, offline: bool = False, around: Surroundings | None = None) -> Iterator[Finding]:
    """All checks in the order in which one depends on the other. `offline`: asks no platform."""
    around = around or Surroundings()
    yield from _versions(around)
    try:
        settings = settings_from(config)
    except UserError as error:
        for problem in error.problems or (str(error),):
            yield _problem("config", problem, "mend it; `segsync init` makes an example to compare with")
        return
    yield from _config(config, settings, around)
    yield from _four_eyes(settings)
    yield from _disk(settings, around)
    try:
        url = settings.store.url()
    except SecretError:
        return  # told with the other secrets
    yield from _store(config, settings, url, around, offline=offline)


def _store(
    config: Path, settings: Settings, url: str, around: Surroundings, *, offline: bool
) -> Iterator[Finding]:
    new = url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()
    if new:  # looking at it would make it
        yield from _tables(Version(None, "", known=True))
        if not offline:
            yield from _connections(config)
        return
    try:
        database = Database(url)
    except (StoreError, OSError) as error:
        yield _problem("database", str(error), "check [store] in the config and that the database runs")
        return
    try:
        try:
            version = version_of(database)
        except StoreError as error:
            yield _problem(
                "database", str(error), "check that it runs; if its file is damaged: segsync restore BACKUP"
            )
            return
        broken = damage(database)
        for line in broken:
            yield _problem("database", line, "stop segsync and restore the newest backup: segsync restore")
        yield from _tables(version)
        if broken or not version.known:
            return
        if not broken:
            yield _fine(
                "database", f"{'SQLite' if database.is_sqlite else 'PostgreSQL'} answers, nothing damaged"
            )
        yield from _clock(database, around)
        if version.found is not None:
            yield from _lake(database, Path(settings.store.lake), around)
        if version.current:
            yield from _claims(database, around)
            yield from evaluations(database)
    finally:
        database.close()
    if not offline and (version.current or version.found is None):
        yield from _connections(config)


def _versions(around: Surroundings) -> Iterator[Finding]:
    asked = python_fits(around.python)
    if asked is not None:
        there = ".".join(map(str, around.python))
        yield _problem("versions", f"Python is {there} and must be {asked}", "make a new environment with it")
    lacks = unmet(around.installed())
    for line in lacks:
        yield _problem("versions", line, "install segsync anew with its constraints.txt")
    if asked is None and not lacks:
        yield _fine("versions", "Python and all libraries are as segsync needs them")


def _config(config: Path, settings: Settings, around: Surroundings) -> Iterator[Finding]:
    doubts = list(settings.warnings)
    for warning in doubts:
        yield Finding("config", Level.WARNING, str(warning), "see the line of the config that is named")
    if writable_by_others(config):
        yield Finding("config", Level.WARNING, f"other users may change {config}", f"chmod go-w {config}")
    elif not doubts:
        yield _fine("config", f"{config} is right")
    secrets = [("store.database", settings.store.database)]
    for name, connection in settings.connections.items():
        secrets += [(f"connections.{name}.{key}", v) for key, v in connection.values.items()]  # type: ignore[misc]
    lost = False
    for key, value in secrets:
        if isinstance(value, Secret):
            try:
                value.reveal()
            except SecretError as error:
                lost = True
                yield _problem("secrets", f"{key}: {error}", "set it, then run `segsync doctor` again")
    if not lost:
        yield _fine("secrets", "every secret that the config names can be read")
    places = [Path(settings.store.lake)]
    if isinstance(settings.store.database, str) and settings.store.database.startswith("sqlite:///"):
        places.append(Path(settings.store.database.removeprefix("sqlite:///")))
    for place in places:
        if open_to_others(place):
            yield Finding(
                "files", Level.WARNING, f"other users may look into {place}", f"chmod go-rwx {place}"
            )
    zone = settings.business.zone
    if zone not in around.zones():
        yield _problem("clock", f"the time zone {zone} is not known here", "pip install --upgrade tzdata")


def _four_eyes(settings: Settings) -> Iterator[Finding]:
    if not settings.approval.four_eyes:
        named = "switched off" if settings.approval.people else "off: nobody is named in [approval.people]"
        yield _fine("four eyes", f"{named}; whoever edits a rule may approve what follows from it")
        return
    found = list(doubts(settings))
    for line in found:
        yield Finding(
            "four eyes",
            Level.WARNING,
            f"{line}; approving what an edit of it does will ask for --override",
            "name in [approval.people] what git, or the machine, calls each of you",
        )
    if not found:
        yield _fine("four eyes", "the author of every rule file is known; somebody else approves")


def _disk(settings: Settings, around: Surroundings) -> Iterator[Finding]:
    lake = Path(settings.store.lake)
    free = around.free(lake)
    held = sum(path.stat().st_size for path in lake.rglob("*") if path.is_file()) if lake.exists() else 0
    told = f"{free / GIB:,.1f} GiB free for the lake, which has {held / GIB:,.1f}"
    if free < GIB // 2:
        yield _problem("disk", told, "free space now: a run stops when the disk is full")
    elif free < max(2 * GIB, held):
        yield Finding("disk", Level.WARNING, told, "make room: merging writes new files before old ones go")
    else:
        yield _fine("disk", told)


def _tables(version: Version) -> Iterator[Finding]:
    if version.found is None:
        yield _fine("tables", "there is no store yet; the first command that needs it makes one")
    elif not version.known:
        yield _problem(
            "tables",
            f"a newer segsync made this store (version {version.found}, known up to {version.newest})",
            "install that version again, or restore a backup that was made before",
        )
    elif not version.current:
        yield Finding(
            "tables",
            Level.WARNING,
            f"the store is of an older segsync (version {version.found}, newest {version.newest})",
            "segsync backup, then any command upgrades it: segsync status",
        )
    else:
        yield _fine("tables", f"version {version.found}, the newest")


def _clock(database: Database, around: Surroundings) -> Iterator[Finding]:
    ahead = clock_ahead_s(database, now=around.now())
    if abs(ahead) > 5:
        level = Level.PROBLEM if abs(ahead) > 60 else Level.WARNING
        told = f"this machine's clock and the database's differ by {abs(ahead):,.0f} s"
        yield Finding("clock", level, told, "let both machines set their clocks by NTP")
    else:
        yield _fine("clock", "agrees with the database's")


def _lake(database: Database, folder: Path, around: Surroundings) -> Iterator[Finding]:
    if not folder.exists():
        yield _problem(
            "lake", f"its folder {folder} is gone", "name the right one in [store], or restore a backup"
        )
        return
    health = lake_health(Lake(database, folder), now=around.now())
    for line in health.broken:
        yield _problem("lake", line, "stop segsync and restore the newest backup: segsync restore")
    for line in lost_pages(Inbox(database, folder / "inbox")):
        yield _problem("lake", f"{line}: pages that were read are gone", "restore the newest backup")
    if health.unnamed:
        told = f"{health.unnamed:,} files ({health.unnamed_bytes / 1e6:,.1f} MB) that nothing needs any more"
        yield Finding("lake", Level.WARNING, told, "segsync vacuum")
    if not health.broken:
        yield _fine("lake", f"{health.rows:,} rows in {health.files:,} files, all there")


def _claims(database: Database, around: Surroundings) -> Iterator[Finding]:
    found = stuck(database, now=around.now(), patience=_PATIENCE)
    for run in found.runs:
        yield Finding(
            "runs", Level.WARNING, f"run {run} died at work", "segsync run: the next run goes on from there"
        )
    for task in found.tasks:
        yield Finding(
            "runs", Level.WARNING, f"{task} was left by its worker", "segsync run, or start `segsync worker`"
        )
    if found.waiting:
        runs = ", ".join(map(str, found.waiting[:5]))
        yield Finding(
            "runs",
            Level.WARNING,
            f"queued for more than an hour: run {runs}",
            "start `segsync serve` or `segsync worker`",
        )
    if found.unsettled:
        yield Finding(
            "runs",
            Level.WARNING,
            f"{found.unsettled:,} calls were sent and their answers never recorded",
            "segsync run: it reads those audiences back first",
        )
    if not (found.runs or found.tasks or found.waiting or found.unsettled):
        yield _fine("runs", "no run is stuck, every call has its outcome")


def evaluations(database: Database) -> Iterator[Finding]:
    """Whether asking few people has told otherwise than asking everybody."""
    found = differed(Notes(database))
    if found is None:
        yield _fine("evaluation", "asking few people has never told otherwise than asking everybody")
        return
    yield _problem(
        "evaluation",
        f"in run {found.run} asking only people of whom something may have changed told otherwise than asking"
        f" everybody, about {found.segments:,} segment(s); everybody is asked since",
        "segsync backup keeps what shows it: report it, and install the next version of segsync",
    )


def _connections(config: Path) -> Iterator[Finding]:
    try:
        with Workspace.open(config) as workspace:
            rules, readable = rules_of(workspace)
            if not readable:
                yield _problem("rules", "some rule files cannot be read", "segsync check")
            for one in check(workspace, rules):
                name = f"connection {one.connection}"
                for lack in one.health.missing:
                    yield _problem(name, f"{lack.scope}: without it, {lack.blocks}", f"{lack.grant}")
                told = {str(lack) for lack in one.health.missing}
                for line in one.health.problems:
                    if line not in told:
                        yield _problem(
                            name, line, f"segsync connections check tells more of {one.connection}"
                        )
                if one.health.ok:
                    yield _fine(name, "ready")
    except (UserError, StoreError) as error:
        yield _problem("connections", str(error), "mend what is named above first")


def _fine(check: str, message: str) -> Finding:
    return Finding(check, Level.FINE, message)


def _problem(check: str, message: str, remedy: str) -> Finding:
    return Finding(check, Level.PROBLEM, message, remedy)
