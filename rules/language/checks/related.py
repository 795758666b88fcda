"""Related records: `any(deal where …)`, `all(…)`, `none(…)`."""

from __future__ import annotations

from rules import ir
from rules.language.checks.scope import Scope
from rules.language.checks.values import count
from rules.language.problems import suggest
from rules.language.syntax import tree
from rules.vocabulary import NUMBER_SCALE, Type


def check_related(node: tree.Related, scope: Scope) -> ir.Predicate | None:
    """`any`: one record or more that fits. `none`: not any. `all`: there is one, and each fits."""
    word, name = node.word, node.records.name
    if name.name not in scope.vocabulary.records:
        scope.report(name.at, _why_none(word, name.name, scope))
        return None
    if word == "all" and node.records.where is None:
        scope.report(node.at, f"all needs a condition: all({name.name} where …); or write any({name.name})")
        return None
    matching = count(node.records, scope)
    if matching is None:
        return None
    if word == "all":
        assert isinstance(matching, ir.RecordAggregate)  # noqa: S101 - the name is one of the records
        of = count(tree.Activity(node.at, name, None, node.records.period), scope)
        return ir.AllRecords(matching, of) if isinstance(of, ir.RecordAggregate) else None
    some = ir.Compare(ir.Comparison.GE, matching, ir.Literal(NUMBER_SCALE, Type.NUMBER))
    return ir.Not(some) if word == "none" else some


def _why_none(word: str, name: str, scope: Scope) -> str:
    records = scope.vocabulary.records
    if name in scope.vocabulary.kinds:
        instead = f"never {name}" if word == "none" else f"{name} where …"
        near = next((one.name for one in records.values() if name in one.kinds), None)
        hint = f", or {word}({near} where …)" if near else ""
        return f"{word} asks for records such as deals, but {name} is an activity; write {instead}{hint}"
    if name in scope.vocabulary.fields or name in scope.named_ids:
        return f"{word} asks for records such as deals, but {name} is a fact of the person"
    if not records:
        return f'unknown record "{name}"; no connection gives any, and the config names none in [records]'
    listed = f" (known: {', '.join(sorted(records))})"
    return f'unknown record "{name}"{suggest(name, records) or listed}'
