"""References to secrets: `env:NAME` or `file:PATH`. The value is read only when a connection is opened.

A `Secret` never holds the value, so it cannot leak through a repr, a log line, a pickle or a crash report.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SecretError(Exception):
    """A secret cannot be had: the sentence says which reference, why, and what to do; never a value."""


class SecretSource(StrEnum):
    """Where a secret lies."""

    ENVIRONMENT = "env"
    FILE = "file"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A reference to a secret. `where` is a variable's name or an absolute path."""

    source: SecretSource
    where: str

    @classmethod
    def parse(cls, text: str, *, folder: Path) -> Secret:
        """Read `env:NAME` or `file:PATH` (relative to `folder`); ValueError, without the text, if neither."""
        kind, colon, rest = text.partition(":")
        if not colon or kind not in tuple(SecretSource):
            raise ValueError("a secret is never written here: put env:NAME or file:PATH in its place")
        if not rest.strip():
            raise ValueError(
                f"{kind}: needs a name behind the colon, such as env:API_KEY or file:secrets/api_key"
            )
        if kind == SecretSource.FILE:
            return cls(SecretSource.FILE, str((folder / Path(rest).expanduser()).absolute()))
        if not _ENVIRONMENT_NAME.fullmatch(rest):
            raise ValueError("env: needs the name of a variable (letters, digits, underscores), not a value")
        return cls(SecretSource.ENVIRONMENT, rest)

    @property
    def reference(self) -> str:
        """`env:NAME` or `file:PATH`, safe to show."""
        return f"{self.source}:{self.where}"

    def reveal(self) -> str:
        """The value, read now; a file without its line end. SecretError if it is missing or empty."""
        if self.source is SecretSource.ENVIRONMENT:
            value = os.environ.get(self.where, "")
            if not value.strip():
                raise SecretError(
                    f"the environment variable {self.where} is not set: export it and run again"
                )
            return value.strip()
        try:
            value = Path(self.where).read_text(encoding="utf-8").strip()
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise SecretError(f"the secret's file {self.where} cannot be read: {why}") from None
        except UnicodeDecodeError:
            raise SecretError(f"the secret's file {self.where} is not a UTF-8 text") from None
        if not value:
            raise SecretError(f"the secret's file {self.where} is empty")
        return value

    def concern(self) -> str | None:
        """What is doubtful about where the secret lies, without reading it; None if nothing is."""
        if self.source is SecretSource.ENVIRONMENT or os.name != "posix":
            return None
        try:
            mode = Path(self.where).stat().st_mode
        except OSError:
            return None  # missing is said when it is needed: other commands work without it
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            return f"{self.where} can be read by other users of this machine: chmod 600 it"
        return None

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("***", spec)
