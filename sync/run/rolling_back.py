"""`rollback`: the stored text of a version put back into its rule file: files stay the single truth."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rules.language.rewrite import CannotRewriteError, file_of, rewritten
from sync.assign import is_error
from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.run.supposed import rules_with
from sync.run.workspace import Workspace
from sync.store import SegmentVersion


@dataclass(frozen=True, slots=True)
class Rollback:
    """What would be written. `note`: why the text does not mean what it meant, if so."""

    file: Path
    version: SegmentVersion
    before: bytes
    after: bytes
    note: str = ""

    def lines(self) -> Iterator[str]:
        """The difference, line by line."""
        old, new = (text.decode("utf-8-sig").splitlines() for text in (self.before, self.after))
        yield from difflib.unified_diff(old, new, self.file.name, self.file.name, lineterm="", n=1)

    def document(self) -> dict[str, object]:
        """As JSON. `diff`: empty if the file has that text already."""
        return {
            "file": self.file.name,
            "segment": self.version.segment,
            "version": self.version.version,
            "diff": list(self.lines()),
            "note": self.note,
        }


def rollback(workspace: Workspace, segment: str, version: str) -> Rollback:
    """Find the version (the beginning of its name is enough) and try its text; writes nothing yet.

    UserError if there is no such version, the file cannot take it, or the rules would have problems with it.
    """
    folder = workspace.settings.rules_dir
    found = _version(workspace, segment, version)
    file = file_of(folder, segment)
    if file is None:
        raise UserError(f"no rule file has a segment {segment}; its text was: {found.source}")
    before = file.read_bytes()
    try:
        after = rewritten(before, segment, found.source)
    except CannotRewriteError as error:
        raise UserError(f"{file.name} cannot take version {found.version[:12]} back: {error}") from error
    vocabulary, _ = workspace.vocabulary()
    place = file.relative_to(folder) if folder.is_dir() else Path(file.name)
    loaded = rules_with(folder, place, after, vocabulary)
    if loaded.ruleset is None:
        problems = tuple(str(problem) for problem in loaded.problems if is_error(problem))
        raise UserError(
            f"with version {found.version[:12]} of {segment} the rules have problems; nothing was changed",
            problems=problems,
        )
    note = ""
    if loaded.ruleset.segments[segment].version != found.version:
        note = "a named field or an earlier tier was edited since, so this text does not mean what it meant"
    return Rollback(file, found, before, after, note)


def write(made: Rollback) -> None:
    """Put it into the file in one step. UserError if somebody edited the file meanwhile."""
    real = made.file.resolve()
    if real.read_bytes() != made.before:
        raise UserError(f"{made.file.name} was edited meanwhile; nothing was changed, run this again")
    descriptor, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
    try:
        with os.fdopen(descriptor, "wb") as temporary:
            temporary.write(made.after)
            temporary.flush()
            os.fsync(temporary.fileno())
        shutil.copymode(real, name)
        os.replace(name, real)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _version(workspace: Workspace, segment: str, version: str) -> SegmentVersion:
    segments = workspace.store.segments
    known = segments.versions(segment)
    if not known:
        raise UserError(f"no run has computed a segment {segment}{did_you_mean(segment, segments.latest())}")
    found = [one for one in known if one.version.startswith(version)] if version else []
    if len(found) != 1:
        how = "no version" if not found else f"{len(found)} versions"
        raise UserError(f"{segment} has {how} {version}…; `segsync history {segment}` lists them")
    return found[0]
