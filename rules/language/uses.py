"""Which [[field]]s and [[score]]s of the rule files a text uses, by itself or through others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from rules.language.definitions import Drafts
from rules.language.files import sources_of
from rules.language.syntax.tokens import TokenKind, tokenize
from rules.vocabulary import Vocabulary


def definitions_used(path: Path, texts: Iterable[str]) -> tuple[str, ...]:
    """As `field spend_1y`, `score engagement`, sorted. Nothing about the files under `path` is checked."""
    drafts = Drafts(Vocabulary({}, {}))
    for source in sources_of(path):
        drafts.read(source)
    inside: dict[str, tuple[str, ...]] = {id_: (each.expression,) for id_, each in drafts.fields.items()}
    inside |= {id_: tuple(part.text for part in each.text.parts) for id_, each in drafts.scores.items()}
    used: set[str] = set()
    waiting = list(texts)
    while waiting:
        for name in _names(waiting.pop(), inside):
            if name not in used:
                used.add(name)
                waiting += inside[name]
    return tuple(sorted(f"{'field' if name in drafts.fields else 'score'} {name}" for name in used))


def _names(text: str, known: Mapping[str, object]) -> set[str]:
    tokens, _ = tokenize(text, known.keys())
    return {each.text for each in tokens if each.kind in (TokenKind.WORD, TokenKind.NAME)} & known.keys()
