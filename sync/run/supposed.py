"""The rules as they would be with another text in one file; nothing is written to the rules folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rules.language import Loaded, load
from rules.vocabulary import Vocabulary


def rules_with(folder: Path, file: Path, content: bytes, vocabulary: Vocabulary) -> Loaded:
    """`file`: one of the folder's, by its path in there, or a new one; `folder` may be the one rule file."""
    with tempfile.TemporaryDirectory(prefix="segsync-") as place:
        copy = Path(place) / "rules"
        if folder.is_dir():
            shutil.copytree(folder, copy, ignore=_no_rules, ignore_dangling_symlinks=True)
        else:
            copy.mkdir()
        (copy / file).write_bytes(content)
        return load(copy, vocabulary)


def _no_rules(folder: str, names: Iterable[str]) -> set[str]:
    """What need not be copied: history, notes, data beside the rules."""
    return {
        name
        for name in names
        if name.startswith(".") or not (name.endswith(".toml") or Path(folder, name).is_dir())
    }
