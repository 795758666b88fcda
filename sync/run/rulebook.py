"""What the config and the rule files decide, read for a run or for a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from rules.language import clusterings_in, rule_files
from rules.ruleset import Clustering, RuleSet
from rules.vocabulary import Vocabulary
from sync.assign import rules_or_problems
from sync.errors import UserError
from sync.fields import FieldSpec
from sync.identify import MatchRules, match_rules
from sync.push import CARRIER
from sync.run.workspace import Workspace
from sync.store import AudienceRow, Store


def left_over(store: Store, rules: RuleSet) -> list[AudienceRow]:
    """Audiences with members of ours that no rule names as a target any more."""
    named = {(s.id, target.connection) for s in rules.segments.values() for target in s.to}
    return [
        row
        for row in store.ledger.audiences()
        if row.owned and row.segment != CARRIER and (row.segment, row.connection) not in named
    ]


def known_rules(workspace: Workspace) -> tuple[Vocabulary, RuleSet]:
    """The vocabulary and the checked rules, without a run."""
    vocabulary, _ = workspace.vocabulary()
    return vocabulary, checked_rules(workspace, vocabulary)


def known_clusterings(workspace: Workspace) -> Mapping[str, Clustering]:
    """The checked clusterings; where there is none, no other rule has to be right."""
    folder = workspace.settings.rules_dir
    if not folder.exists() or not clusterings_in(folder):
        return {}
    return known_rules(workspace)[1].clusterings


def checked_rules(workspace: Workspace, vocabulary: Vocabulary) -> RuleSet:
    """The checked rules. The files are checked again once they differ, or the vocabulary does."""
    folder = workspace.settings.rules_dir
    contents = _contents(folder)
    known = _CHECKED.get(workspace)
    if known is not None and known.contents == contents is not None and known.vocabulary is vocabulary:
        return known.rules
    rules = rules_or_problems(folder, vocabulary)
    if _contents(folder) == contents:  # else somebody wrote them meanwhile
        _CHECKED[workspace] = _Checked(contents, vocabulary, rules)
    return rules


@dataclass(frozen=True, slots=True)
class _Checked:
    """The rules of these contents by this vocabulary."""

    contents: tuple[tuple[str, bytes], ...] | None
    vocabulary: Vocabulary
    rules: RuleSet


_CHECKED: WeakKeyDictionary[Workspace, _Checked] = WeakKeyDictionary()
"""What each open workspace checked last."""


def _contents(folder: Path) -> tuple[tuple[str, bytes], ...] | None:
    """Every rule file and what is in it; None: one cannot be read, of which `load` tells."""
    try:
        return tuple((str(each), each.read_bytes()) for _, each in rule_files(folder))
    except OSError:
        return None


def rules_of_matching(workspace: Workspace, fields: Sequence[FieldSpec]) -> MatchRules:
    """What makes two contacts one person, by the config."""
    identity = workspace.settings.identity
    try:
        return match_rules(
            fields,
            shared_ids={key.name: key.sources for key in identity.keys},
            blocked=identity.blocked,
            max_contacts_per_key=identity.max_contacts_per_key,
        )
    except ValueError as error:
        raise UserError(f"identity: {error}") from error
