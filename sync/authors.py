"""Who wrote a rule: whoever last committed its file, or the owner of a file that is not committed as it is.

An author is one of the company's own people. It is stored with the rule's version and shown to whoever
approves, and appears in no log, error message or metric.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from sync.store import Author

_PATIENCE_S = 20
_MISLEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE")
"""Set inside git's own hooks: they would lead to another repository than the one the rules lie in."""


def authors(folder: Path, files: Iterable[str]) -> Mapping[str, Author | None]:
    """File, as the rules name it → its author. `folder` is the rules folder, or the one rule file."""
    return {file: author_of(folder / file if folder.is_dir() else folder) for file in sorted({*files})}


def author_of(path: Path) -> Author | None:
    """None: there is no such file."""
    try:
        real = path.resolve(strict=True)
        return _committed(real) or Author(_owner(real))
    except OSError:
        return None


def unread_repository(folder: Path) -> str | None:
    """Why the rules' repository cannot be asked, if they lie in one; None if it can, or there is none."""
    place = folder.resolve()
    if not any((parent / ".git").exists() for parent in (place, *place.parents)):
        return None
    try:
        done = _git(place if place.is_dir() else place.parent, "rev-parse", "--is-inside-work-tree")
    except (OSError, subprocess.TimeoutExpired):
        return "git is not installed, or does not answer"
    if done.returncode:
        return "git refuses to read it, because it belongs to another user or is damaged"
    return None


def _committed(path: Path) -> Author | None:
    """Who committed it last; None if it lies in no work tree, or differs from what was committed."""
    try:
        state = _git(path.parent, "status", "--porcelain", "--ignored", "--", path.name)
        if state.returncode or state.stdout:
            return None
        told = _git(path.parent, "log", "-1", "--format=%aN%x00%aE", "--", path.name)
    except (OSError, subprocess.TimeoutExpired):
        return None
    name, _, email = told.stdout.strip().partition("\0")
    return Author(name or email, email, committed=True) if not told.returncode and (name or email) else None


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    return subprocess.run(
        ["git", "--literal-pathspecs", "-c", "i18n.logOutputEncoding=UTF-8", *words],
        cwd=folder,
        env={**known, "GIT_OPTIONAL_LOCKS": "0"},  # reading must not stand in the way of a commit
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_PATIENCE_S,
        check=False,
    )


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:  # a number without a login, as in a container
        return f"uid {path.stat().st_uid}"
