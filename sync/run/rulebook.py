"""What the config and the rule files decide, read for a run or for a question."""

from __future__ import annotations

from collections.abc import Sequence

from rules.ruleset import RuleSet
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
    return vocabulary, rules_or_problems(workspace.settings.rules_dir, vocabulary)


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
