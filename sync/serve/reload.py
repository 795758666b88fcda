"""The config and the rule files while the service runs: taken up when they change, if they are good.

Runs work with a copy of the last good rule files, so neither a typing mistake nor a half-written file stops
anything: what was in use stays in use, and what is wrong with the new ones is told until it is mended.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

from connectors.errors import ConnectorError
from rules.language import Sent, rule_files, sent, wrong_links
from sync.config import Settings
from sync.errors import PlatformFailed, UserError
from sync.run.rulebook import known_rules
from sync.run.workspace import Workspace, settings_from
from sync.schedule import problems as schedule_problems

Print = tuple[tuple[str, int, int], ...]
"""(path, time of change in ns, size) of every file."""


class Watched:
    """`settings` are those in use, their rules a copy. `problems`: what is wrong with the newest files."""

    def __init__(self, workspace: Workspace) -> None:
        """Take up what `workspace` was opened with; UserError if its rules or schedules are not good."""
        self.problems: tuple[str, ...] = ()
        self.segments: tuple[Sent, ...] = ()
        self._workspace = workspace
        self._config = workspace.settings.path
        self._folder = Path(tempfile.mkdtemp(prefix="segsync-rules-"))
        self._number = 0
        self._rules_dir = workspace.settings.rules_dir
        self._taken = self._changing = self._print()
        try:
            self.settings = self._good(workspace.settings)
        except BaseException:
            self.close()
            raise

    def look(self) -> bool:
        """Whether other settings or rules are in use than before. What is still being written has to wait."""
        found = self._print()
        if found == self._taken:
            return False
        if found != self._changing:
            self._changing = found
            return False
        self._taken = found
        try:
            settings = settings_from(self._config)
            self._rules_dir = settings.rules_dir
            self._taken = self._changing = self._print()
            if settings.store != self._workspace.settings.store:
                raise UserError("[store] has changed: that takes effect when the service is started again")
            self.settings = self._good(settings)
        except UserError as error:
            self.problems = error.problems or (str(error),)
            return False
        except OSError:  # a file that went away while it was read: look again
            self._taken = self._changing = ()
            return False
        self.problems = ()
        return True

    def close(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self._folder, ignore_errors=True)

    # ── inner ────────────────────────────────────────────────────────────────────────────────────────

    def _good(self, settings: Settings) -> Settings:
        """The settings with a copy of their rules; UserError with everything that is wrong with them."""
        self._number += 1
        copy = self._folder / str(self._number)
        if wrong := wrong_links(settings.rules_dir):  # a copy would lose them
            raise UserError("a rule file is lost", problems=tuple(str(problem) for problem in wrong))
        for name, file in rule_files(settings.rules_dir):
            there = copy / name
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, there)
        copied = dataclasses.replace(settings, rules_dir=copy)
        tried = self._workspace.having(copied)
        try:
            known_rules(tried)
        except PlatformFailed:
            pass  # its fields are not known yet, so the rules are checked by the first run
        except ConnectorError:
            pass
        finally:
            tried.disconnect()
        segments, complete = sent(copy)
        amiss = schedule_problems(copied, segments, complete=complete)
        if amiss:
            raise UserError("a schedule is wrong", problems=tuple(str(problem) for problem in amiss))
        self.segments = segments
        return copied

    def _print(self) -> Print:
        files = (path for _, path in rule_files(self._rules_dir))
        return tuple(_told(file) for file in (self._config, *files))


def _told(file: Path) -> tuple[str, int, int]:
    try:
        found = file.stat()
    except OSError:
        return str(file), 0, -1
    return str(file), found.st_mtime_ns, found.st_size
