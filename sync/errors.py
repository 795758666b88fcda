"""What a user may do wrong or meet, with the exit code of the command line. Never a traceback for these.

0 done · 1 problems in input · 2 wrong usage · 3 held · 4 a platform failed · 5 there is work to do
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Documented in the README; scripts rely on them."""

    DONE = 0
    PROBLEMS = 1
    USAGE = 2
    HELD = 3
    PLATFORM_FAILED = 4
    WORK_TO_DO = 5


class UserError(Exception):
    """Says what happened, to what, and what to do next. `problems` are further lines, one each."""

    exit_code = ExitCode.PROBLEMS

    def __init__(self, message: str, *, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class PlatformFailed(UserError):
    """A platform did not do its part; the rest went on."""

    exit_code = ExitCode.PLATFORM_FAILED


class Busy(UserError):
    """Another run is at work."""
