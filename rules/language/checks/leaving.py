"""What is odd about a `leave_when` beside its `when`: never true, always true, or true at the same time."""

from __future__ import annotations

from collections.abc import Iterator

from rules import ir
from rules.language.checks.contradictions import agree
from rules.language.render import render

_OPPOSITE = {
    ir.Comparison.LT: ir.Comparison.GE,
    ir.Comparison.LE: ir.Comparison.GT,
    ir.Comparison.GT: ir.Comparison.LE,
    ir.Comparison.GE: ir.Comparison.LT,
}


def leaving(when: ir.Predicate, leave_when: ir.Predicate) -> Iterator[str]:
    """Messages, by what comparisons with constants on one and the same value tell for certain."""
    if isinstance(leave_when, ir.Constant):
        what = "everybody, so nobody ever enters" if leave_when.value else "nobody, so nobody ever leaves"
        yield f"leave_when is true of {what}"
        return
    if leave_when in (ir.Not(when), when.part if isinstance(when, ir.Not) else None):
        yield "leave_when is the opposite of when, which is what happens without it; leave it out"
        return
    entering = when.parts if isinstance(when, ir.And) else (when,)
    for way in leave_when.parts if isinstance(leave_when, ir.Or) else (leave_when,):
        if way in entering or _never_beside(entering, way):
            yield f"nobody ever enters: who is let in by when leaves by {render(way)}"
        elif agree(entering, way):
            both = [part for part in entering if agree((part,), way)]
            yield (
                f"when and leave_when can be true at once: {render(ir.And((*both, way)))}; "
                "leave_when wins, so whoever is there neither enters nor stays"
            )


def _never_beside(entering: tuple[ir.Predicate, ...], way: ir.Predicate) -> bool:
    """Whether nobody can be let in without leaving this way: what lets in rules out its opposite."""
    if not isinstance(way, ir.Compare) or way.operator not in _OPPOSITE:
        return False
    opposite = ir.Compare(_OPPOSITE[way.operator], way.left, way.right)
    return agree(entering, opposite) is False
