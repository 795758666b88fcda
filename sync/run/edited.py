"""Whose edit made a segment's rule another one: its own, that of a rule it uses, a field, score or tier."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from rules.language.uses import definitions_used
from sync.store import Store

OWN_TEXT = "its own text"


def edited_between(
    store: Store, rules_dir: Path, segment: str, used: Collection[str], earlier: int, later: int
) -> tuple[str, ...]:
    """What was edited between two runs, or may have been, where it cannot be told which.

    `used`: the segments that the segment uses, and itself. Of fields and scores no earlier text is kept:
    those of today are told."""
    then, now = _Wordings(store, earlier), _Wordings(store, later)
    found: dict[str, None] = {}
    for name in used:
        if then.versions.get(name) != now.versions.get(name):
            shown = OWN_TEXT if name == segment else f"{'tier' if '/' in name else 'segment'} {name}"
            found |= dict.fromkeys(_edits(name, shown, then, now, rules_dir))
    return tuple(found)


class _Wordings:
    """Segment → version as a run had it, and the text, where asked for."""

    def __init__(self, store: Store, run: int) -> None:
        self._segments = store.segments
        self.versions = {name: one.version for name, one in store.segments.at_run(run).items()}

    def text(self, name: str) -> str | None:
        """None: there was no such segment."""
        version = self.versions.get(name)
        found = (one.source for one in self._segments.versions(name) if one.version == version)
        return next(found, None)


def _edits(name: str, shown: str, then: _Wordings, now: _Wordings, rules_dir: Path) -> Sequence[str]:
    if then.text(name) != now.text(name):
        return [shown]
    group, _, tier = name.partition("/")
    beside = sorted({*then.versions, *now.versions} if tier else ())
    tiers = [one for one in beside if one.startswith(f"{group}/") and one != name]
    if edited := [f"tier {one}" for one in tiers if then.text(one) != now.text(one)]:
        return edited
    texts = [text for one in (name, *tiers) if (text := now.text(one)) is not None]
    return definitions_used(rules_dir, texts) or [f"what the names in {shown} mean"]
