"""Annotations for a pull request: lines that GitHub's runners, and others like them, show beside a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.output import say

if TYPE_CHECKING:
    from rules.language import Problem


class ReviewFormat(StrEnum):
    """Of commands that judge rules; `github` prints annotations for a pull request."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


ReviewOption = Annotated[ReviewFormat, typer.Option("--format", help="text, json or github")]


def annotate(
    level: str, message: str, *, file: str = "", line: int | None = None, column: int | None = None
) -> None:
    """`level`: error, warning or notice. Without a file it is about the whole."""
    where = {"file": file, "line": line, "col": column} if file else {}
    named = ",".join(f"{name}={_property(value)}" for name, value in where.items() if value is not None)
    say(f"::{level}{' ' if named else ''}{named}::{_escaped(message)}")


def annotate_problems(problems: Iterable[Problem], rules: Path) -> None:
    """Every problem at its place; `rules` is the folder or file that was read."""
    for problem in problems:
        level = "notice" if str(problem.severity) == "note" else str(problem.severity)
        file = file_of(rules, problem.file)
        annotate(level, problem.message, file=file, line=problem.line, column=problem.column)


def tell_errors(problems: Iterable[Problem], rules: Path, output: ReviewFormat) -> None:
    """Why rules cannot be asked: as annotations, else on standard error with how many they are."""
    found = list(problems)
    if output is ReviewFormat.GITHUB:
        annotate_problems(found, rules)
        return
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    noun = "problem" if len(found) == 1 else "problems"
    sys.stderr.write(f"segsync: {len(found)} {noun} in {rules}\n")


def file_of(rules: Path, name: str) -> str:
    """A rule file from where the command runs, as a checkout's runner knows it."""
    path = rules / name if rules.is_dir() else rules
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _escaped(str(value)).replace(":", "%3A").replace(",", "%2C")
