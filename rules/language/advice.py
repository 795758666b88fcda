"""What is said of rules without an error: of no one, of everyone, in vain, unused, too small to be meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules import ir
from rules.language.checked import Checked
from rules.language.checks.contradictions import alike, contradictions
from rules.language.checks.expression import Expressions
from rules.language.checks.leaving import leaving
from rules.language.checks.logic import Logic
from rules.language.definitions import Drafts, SegmentDraft
from rules.language.problems import Severity
from rules.language.render import render
from rules.language.syntax import tree

_PERCENT = 10_000
"""In millionths."""


def warn_unused(drafts: Drafts, expressions: Expressions) -> None:
    """Fields and scores that no rule uses."""
    for id_, each in drafts.fields.items():
        if id_ not in expressions.used_fields:
            at = each.table.value_at("id")
            each.table.source.report(at, f'no rule uses the field "{id_}"', Severity.WARNING)
    for id_, score in drafts.scores.items():
        if id_ not in expressions.used_fields:
            at = score.table.value_at("id")
            score.table.source.report(at, f'no rule uses the score "{id_}"', Severity.WARNING)


def warn(checked: Mapping[str, Checked], expressions: Expressions) -> None:
    """Conditions of no one or everyone, and rules about the same people."""
    conditions = {
        id_: each.own for id_, each in checked.items() if each.own is not None and not each.draft.otherwise
    }
    leaves = {id_: each.leave_when for id_, each in checked.items() if each.leave_when is not None}
    logic = Logic.over([*conditions.values(), *leaves.values()])
    for id_, own in conditions.items():
        draft = checked[id_].draft
        _warn_of("when", own, draft, expressions, logic)
        if (leave_when := leaves.get(id_)) is not None:
            _warn_of("leave_when", leave_when, draft, expressions, logic)
            for message in leaving(own, leave_when):
                draft.table.source.report(draft.table.value_at("leave_when"), message, Severity.WARNING)
        earlier = tuple(conditions[tier.id] for tier in draft.earlier if tier.id in conditions)
        if earlier and not logic.never(own) and logic.never(own, unless=ir.Or(earlier)):
            message = "no one is left for this tier: the earlier tiers take everyone it asks for"
            draft.table.source.report(draft.table.value_at("when"), message, Severity.WARNING)
    drafts = {id_: checked[id_].draft for id_ in conditions}
    compared = {  # the others have a memory of their own
        id_: own for id_, own in conditions.items() if id_ not in leaves and drafts[id_].stay is None
    }
    for id_, other, same in alike(compared, logic):
        table = drafts[id_].table
        if same:
            equal = conditions[id_] == conditions[other]
            what = "has the same condition as" if equal else "asks in other words for the same people as"
            table.source.report(table.value_at("when"), f'"{id_}" {what} "{other}"', Severity.WARNING)
        elif drafts[id_].earlier == () == drafts[other].earlier:
            message = f'everyone in "{id_}" is also in "{other}"'
            table.source.report(table.value_at("when"), message, Severity.NOTE)


def _warn_of(
    key: str, condition: ir.Predicate, draft: SegmentDraft, expressions: Expressions, logic: Logic
) -> None:
    """What the condition under a key says in vain, where it stands."""
    text = draft.expression if key == "when" else draft.leave_expression or ""
    places = expressions.places.get(text, {})
    for culprit, message in (*contradictions(condition, logic), *small_shares(condition)):
        node = places.get(culprit)
        at = draft.table.value_at(key)
        if node is not None:
            at = draft.table.character_at(key, tree.beginning(node))
        draft.table.source.report(at, message, Severity.WARNING)


def small_shares(condition: ir.Predicate) -> Iterator[tuple[ir.Predicate, str]]:
    """Shares below 1 %, which look like 0.1 for a tenth."""
    match condition:
        case ir.And(parts) | ir.Or(parts):
            for part in parts:
                yield from small_shares(part)
        case ir.Not(part):
            yield from small_shares(part)
        case ir.RankShare(_, ppm) | ir.RandomShare(ppm) if ppm < _PERCENT:
            meant = (
                f"; if {ppm / _PERCENT:.0%} is meant, write {ppm / _PERCENT:.0%}"
                if ppm * 100 >= _PERCENT
                else ""
            )
            yield condition, f"{render(condition)} is {ppm:,} of a million people{meant}"
