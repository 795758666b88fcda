"""The mutants as their TOML files tell them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
PLATFORMS = ("mailchimp", "hubspot", "salesforce", "klaviyo", "tables")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: `old` stands at exactly one place of `file` and becomes `new`; then `tests` must fail."""

    platform: str
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str | None:
        """The text of the file with the fault; None if `old` does not stand at exactly one place."""
        return text.replace(self.old, self.new) if text.count(self.old) == 1 else None


def mutants(platform: str) -> Iterator[Mutant]:
    """All mutants of a platform, in the order of its file."""
    content = tomllib.loads((FOLDER / f"{platform}.toml").read_text(encoding="utf-8"))
    for one in content["mutant"]:
        given = {name: one[name] for name in ("name", "file", "old", "new")}
        yield Mutant(platform=platform, tests=tuple(one["tests"]), **given)
