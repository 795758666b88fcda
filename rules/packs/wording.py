"""A pack's rule file for one installation: other ids, or without the rules whose fields are not there.

Works on the text, so that comments and layout come along. It leans on how packs are written: every table that
defines something begins at the start of a line, and the ids of fields and scores contain a `_`.
"""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rules.language import Loaded, load
from rules.packs.catalogue import NeedKind, Pack
from rules.vocabulary import Vocabulary

_DEFINES = re.compile(r"\[\[(segment|tiers|field|score)\]\]")
_READ = re.compile(r"\s*(#|(name|why|owner)\s*=)")
_FILE = "rules.toml"


def ids_of(text: str) -> dict[str, tuple[str, ...]]:
    """ "segment", "tiers", "field", "score" → the ids that a rule file defines."""
    values = tomllib.loads(text)
    return {
        kind: tuple(str(one["id"]) for one in values.get(kind, ()))
        for kind in ("segment", "tiers", "field", "score")
    }


def prefixed(text: str, prefix: str) -> str:
    """The file with `PREFIX-` before the ids of segments and tiers, and `PREFIX_` before those of fields and
    scores, where they are defined and where they are used. Names that people see stay."""
    ids = ids_of(text)
    for kind in ("segment", "tiers"):
        for id_ in ids[kind]:
            quoted = re.escape(id_)
            new = f"{prefix}-{id_}"
            text = re.sub(rf'^(id\s*=\s*"){quoted}"', rf'\g<1>{new}"', text, flags=re.MULTILINE)
            text = re.sub(rf'\b((?:segment|tier) "){quoted}(?=["/])', rf"\g<1>{new}", text)
            text = re.sub(rf'(since\s*=\s*\{{[^}}\n]*"){quoted}(?=["/])', rf"\g<1>{new}", text)
    for id_ in (*ids["field"], *ids["score"]):
        text = re.sub(rf"(?<![\w.-]){re.escape(id_)}(?![\w-])", f"{prefix.replace('-', '_')}_{id_}", text)
    return text


def with_activity(one: Pack, name: str, other: str) -> Pack:
    """The pack as it asks for the activity `other` where it asked for `name`; what people read stays.

    ValueError if the pack needs no such activity.
    """
    if not any(need.kind is NeedKind.ACTIVITY and need.name == name for need in one.needs):
        there = ", ".join(need.name for need in one.needs if need.kind is NeedKind.ACTIVITY)
        raise ValueError(f"the pack {one.name} asks for no activity {name}; it asks for {there or 'none'}")
    word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])")
    lines = (line if _READ.match(line) else word.sub(other, line) for line in one.rules.splitlines(True))
    needs = (
        replace(need, name=other + need.name.removeprefix(name))
        if need.kind in (NeedKind.ACTIVITY, NeedKind.DETAIL) and need.activity == name
        else need
        for need in one.needs
    )
    return replace(one, rules="".join(lines), needs=tuple(needs))


def fitting(text: str, vocabulary: Vocabulary) -> tuple[str, tuple[str, ...]]:
    """The file without the rules that are wrong in this vocabulary, and what was left out.

    Whatever uses something that is left out goes as well, and so do fields and scores that nothing uses then.
    """
    head, blocks = _blocks(text)
    gone: list[str] = []
    while wrong := _wrong(head, blocks, vocabulary) or _unused(blocks):
        gone += [id_ for at in sorted(wrong) for id_ in _groups(blocks[at])]
        blocks = [block for at, block in enumerate(blocks) if at not in wrong]
    return "".join((head, *blocks)), tuple(gone)


def _wrong(head: str, blocks: Sequence[str], vocabulary: Vocabulary) -> set[int]:
    """Which blocks the checker finds errors in."""
    lines = {one.line for one in _loaded("".join((head, *blocks)), vocabulary).errors}
    found, start = set(), head.count("\n") + 1
    for at, block in enumerate(blocks):
        end = start + block.count("\n")
        if any(start <= line < end for line in lines):
            found.add(at)
        start = end
    return found


def _unused(blocks: Sequence[str]) -> set[int]:
    """Which blocks define a field or score that no other block names."""
    found = set()
    for at, block in enumerate(blocks):
        ids = ids_of(block)
        others = "".join((*blocks[:at], *blocks[at + 1 :]))
        if any(id_ not in others for id_ in (*ids["field"], *ids["score"])):
            found.add(at)
    return found


def _groups(block: str) -> tuple[str, ...]:
    return tuple(id_ for kind, ids in ids_of(block).items() for id_ in ids if kind in ("segment", "tiers"))


def _blocks(text: str) -> tuple[str, list[str]]:
    """What stands before the first rule, and each rule with the comments right above it."""
    lines = text.splitlines(keepends=True)
    starts = [_with_comments(lines, at) for at, line in enumerate(lines) if _DEFINES.match(line)]
    ends = [*starts[1:], len(lines)]
    head = "".join(lines[: starts[0]] if starts else lines)
    return head, ["".join(lines[start:end]) for start, end in zip(starts, ends, strict=True)]


def _with_comments(lines: Sequence[str], at: int) -> int:
    while at and lines[at - 1].startswith("#"):
        at -= 1
    return at


def _loaded(text: str, vocabulary: Vocabulary) -> Loaded:
    with tempfile.TemporaryDirectory(prefix="segsync-") as place:
        path = Path(place) / _FILE
        path.write_text(text, encoding="utf-8")
        return load(path, vocabulary)
