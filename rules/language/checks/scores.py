"""What earns points in a [[score]]: an activity each time, or a condition while it is true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rules import ir
from rules.language.checks.conditions import activity, check_condition
from rules.language.checks.scope import Scope
from rules.language.checks.values import counted
from rules.language.syntax import tree


@dataclass(frozen=True, slots=True)
class PointsText:
    """One entry of a score: `text` is an activity (`earned`) or a condition; points in millionths."""

    text: str
    earned: bool
    points: int
    at_most_per_day: int | None


@dataclass(frozen=True, slots=True)
class ScoreText:
    """A score with its expressions as text; the half-life in days, the bounds in millionths."""

    parts: tuple[PointsText, ...]
    half_life: int | None
    at_least: int | None
    at_most: int | None


def check_earned(node: tree.Tree, scope: Scope, *, part: PointsText, text: ScoreText) -> ir.Earned | None:
    """`KIND [where CONDITION] [WINDOW]`."""
    of = node.of if isinstance(node, tree.Happened) else node
    found = activity(of, scope)
    if found is None:
        before = len(scope.findings)
        check_condition(node, scope)  # says what is wrong with it, if something is
        if len(scope.findings) == before and not scope.findings:
            message = "when names one activity, such as email_click where …; write if for a condition"
            scope.report(of.at, message)
        return None
    seen = counted(found, scope)
    if seen is None:
        return None
    kind, where, period = seen
    return ir.Earned(kind, where, period, part.points, part.at_most_per_day, text.half_life)


def check_granting(node: tree.Tree, scope: Scope) -> ir.Predicate | None:
    """A condition about the person alone, so that a score can be ranked and used in any segment."""
    return check_alone(node, scope, what="a score", instead="rank by the score instead")


def check_alone(node: tree.Tree, scope: Scope, *, what: str, instead: str) -> ir.Predicate | None:
    """A condition about the person alone; `what` cannot hold any other."""
    condition = check_condition(node, scope)
    for kind in _kinds(condition) if condition is not None else ():
        if issubclass(kind, ir.InSegment | ir.HeldSegment):
            message = (
                f"{what} cannot ask for a segment; give the condition a name with [[field]] and use that"
            )
            scope.report(node.at, message)
            return None
        if issubclass(kind, ir.RankShare | ir.RankCount | ir.Quintile):
            scope.report(node.at, f"{what} cannot compare people with people; {instead}")
            return None
    return condition


def _kinds(node: ir.Node) -> Iterator[type[ir.Node]]:
    yield type(node)
    for child in ir.children(node):
        yield from _kinds(child)
