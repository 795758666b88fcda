"""Runs the cases in rule files, for `segsync test`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from rules.engine.cases import run_cases
from rules.language import render
from sync.assign import is_error, read_rules
from sync.errors import UserError
from sync.run.workspace import Workspace


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """One case: where it stands, whether it holds, and if not the explanation as lines."""

    place: str
    segment: str
    name: str
    passed: bool
    said: str = ""
    lines: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "place": self.place,
            "segment": self.segment,
            "name": self.name,
            "passed": self.passed,
            "said": self.said,
            "explanation": list(self.lines),
        }


def run_all(workspace: Workspace, path: Path | None) -> Sequence[CaseOutcome]:
    """Every case of the rule files. UserError if the files themselves have errors."""
    vocabulary, _ = workspace.vocabulary(path)
    loaded = read_rules(path or workspace.settings.rules_dir, vocabulary)
    if loaded.ruleset is None:
        errors = tuple(str(problem) for problem in loaded.problems if is_error(problem))
        raise UserError("the rule files have errors; the cases were not run", problems=errors)
    database = duckdb.connect()
    try:
        results = run_cases(loaded.cases, loaded.ruleset, vocabulary, render=render, connection=database)
    finally:
        database.close()
    return [
        CaseOutcome(
            place=f"{result.case.place.file}:{result.case.place.line}:{result.case.place.column}",
            segment=result.case.segment_id,
            name=result.case.name,
            passed=result.passed,
            said=result.message,
            lines=tuple(line for tree in result.explanations for line in tree.lines()),
        )
        for result in results
    ]
