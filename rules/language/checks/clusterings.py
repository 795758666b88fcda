"""What a [[clustering]] may compare people by, and whom it may look at."""

from __future__ import annotations

from rules import ir
from rules.language.checks.scope import Scope
from rules.language.checks.scores import check_alone
from rules.language.checks.values import check_value, type_of
from rules.language.render import render
from rules.language.syntax import tree
from rules.ruleset import CLUSTER
from rules.vocabulary import Type


def check_feature(node: tree.Tree, scope: Scope) -> ir.Value | None:
    """A number, money, a text or yes/no: anything that two people can have alike."""
    value = check_value(node, scope)
    if value is None:
        return None
    if isinstance(value, ir.Literal):
        scope.report(node.at, f"{render(value)} is the same for everybody; compare people by what differs")
        return None
    match type_of(value):
        case Type.DATE | Type.DATETIME:
            scope.report(node.at, f"people are not compared by dates; write days since {render(value)}")
            return None
        case Type.TEXTS:
            message = "people are not compared by lists; write how many there are, or most frequent"
            scope.report(node.at, message)
            return None
    return value if _no_cluster(value, node, scope) else None


def check_looked_at(node: tree.Tree, scope: Scope) -> ir.Predicate | None:
    """A condition about the person alone."""
    instead = "write a limit instead, such as > 100"
    found = check_alone(node, scope, what="a clustering", instead=instead)
    return found if found is not None and _no_cluster(found, node, scope) else None


def _no_cluster(found: ir.Node, node: tree.Tree, scope: Scope) -> bool:
    for name in _facts(found):
        known = scope.vocabulary.fields.get(name)
        if known is not None and (known.model or "").startswith(f"{CLUSTER}."):
            scope.report(node.at, f"{name} is told by clusters, and they cannot be found by themselves")
            return False
    return True


def _facts(node: ir.Node) -> list[str]:
    """Facts of the person; those inside an aggregate are fields of the activity."""
    if isinstance(node, ir.Fact):
        return [node.name]
    if isinstance(node, ir.Aggregate | ir.Earned):
        return []
    return [name for child in ir.children(node) for name in _facts(child)]
