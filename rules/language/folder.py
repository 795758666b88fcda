"""Which files of a rules folder are rule files."""

from __future__ import annotations

import os
from pathlib import Path

from rules.language.problems import Problem

_LINK_TO_NOWHERE = "this is a link to a file that is not there; mend the link, or delete it"
_LINKED_FOLDER = "this is a link to a folder, which is not followed; put the files here, or link each of them"


def rule_files(path: Path) -> list[tuple[str, Path]]:
    """Every *.toml of a folder and the folders in it → (its name within the folder, its path), by path.

    A file stands for itself, even one that is not there. Links to files count. What begins with a dot is left
    out, folders too: editors' locks, `.git`, and the dated folder that holds the files of a ConfigMap.
    """
    if not path.is_dir():
        return [(path.name, path)]
    return [(_name(each, path), each) for each in _seen(path) if each.suffix == ".toml" and each.is_file()]


def wrong_links(path: Path) -> list[Problem]:
    """Links in a rules folder behind which rules are lost: to files that are gone, and to folders."""
    if not path.is_dir():
        return []
    links = [each for each in _seen(path) if each.is_symlink()]
    return [Problem(_name(each, path), 1, 1, _LINKED_FOLDER) for each in links if each.is_dir()] + [
        Problem(_name(each, path), 1, 1, _LINK_TO_NOWHERE)
        for each in links
        if each.suffix == ".toml" and not each.exists()
    ]


def _seen(path: Path) -> list[Path]:
    """Files, and links to folders, by path; of what is hidden nothing is even listed."""
    found = list[Path]()
    for place, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names = [*files, *(name for name in folders if Path(place, name).is_symlink())]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()
