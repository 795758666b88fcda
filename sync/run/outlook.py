"""What would turn the answer about one person in a segment: the nearest change, and time alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rules import ir
from rules.engine.ahead import Ahead, View
from rules.engine.explain import Render
from rules.engine.flips import deadline, nearest
from rules.engine.words import said


@dataclass(frozen=True, slots=True)
class Outlook:
    """`changes`: in words, all of them together; empty: none was found. `before`: they must come until then.

    `view`: what time alone does; `leaves`: the parts of the rule that turn then.
    """

    member: bool
    changes: tuple[str, ...]
    before: dt.datetime | None
    view: View
    leaves: tuple[str, ...]
    as_of: dt.datetime

    def lines(self) -> Iterator[str]:
        """For people."""
        would = "would leave" if self.member else "would enter"
        if self.changes:
            until = ""
            if self.before is not None:
                until = f", {_span(self.before - self.as_of)} (before {self.before:%Y-%m-%d %H:%M} UTC)"
            yield f"{would} with: {'; '.join(self.changes)}{until}"
        else:
            yield f"no change of this person was found with which they {would}"
        turn, held = self.view.turn, "; ranks held still" if self.view.held else ""
        if turn is None:
            yield f"by time alone nothing changes before {self.view.until:%Y-%m-%d}{held}"
        else:
            does = "leaves" if self.member else "enters"
            because = f", when this turns: {'; '.join(self.leaves)}" if self.leaves else ""
            yield f"by time alone {does} on {turn.at:%Y-%m-%d %H:%M:%S} UTC{because}{held}"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        turn = self.view.turn
        return {
            "nearest_change": list(self.changes),
            "before": self.before.isoformat() if self.before else None,
            "turns_by_time_at": turn.at.isoformat() if turn else None,
            "turning": list(self.leaves),
            "looked_until": self.view.until.isoformat(),
            "ranks_held_still": self.view.held,
        }


def outlook(condition: ir.Predicate, ahead: Ahead, *, render: Render) -> Outlook:
    """Of the person that `ahead` looks at."""
    person, context = ahead.person, ahead.context
    flip, view = nearest(condition, ahead.scope), ahead.view(condition)
    leaves = () if view.turn is None else tuple(_text(leaf, render) for leaf in view.turn.leaves)
    return Outlook(
        member=ahead.scope.holds(condition),
        changes=() if flip is None else tuple(said(flip, person, context)),
        before=None if flip is None else deadline(flip, condition, ahead),
        view=view,
        leaves=leaves,
        as_of=context.clock.as_of,
    )


def _text(leaf: ir.Predicate, render: Render) -> str:
    return "the stay" if isinstance(leaf, ir.Lasting) else render(leaf)


def _span(left: dt.timedelta) -> str:
    """`within 3 days`, rounded down."""
    for name, seconds in (("day", 86_400), ("hour", 3_600)):
        number = int(left.total_seconds() // seconds)
        if number:
            return f"within {number} {name}{'' if number == 1 else 's'}"
    return "within the hour"
