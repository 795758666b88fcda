"""When a trigger changes its state: a pure rule. To leave a state, two judgements in a row must agree.

They agree if both are worse than the state, or both are better; the state then goes to the nearer of the two.
So what swings between good and bad is told once or not at all. Kinds that say so get worse at once; better
only by the rule, that a connection which fails at every other run is not told each time.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from sync.config.alerting import Level
from sync.store.alerts import AlertState


def step(state: AlertState, seen: Level, *, evidence: int, at_once: bool, now: dt.datetime) -> AlertState:
    """The state after one judgement.

    `evidence` grows (the id of a run, the minute): what was judged by before is no second judgement.
    """
    if evidence <= state.evidence:
        return state
    level = Level(state.level)
    if seen is level:
        return replace(state, doubt=None, evidence=evidence)
    worse = seen.rank > level.rank
    if worse and at_once:
        return _moved(state, seen, None, evidence, now)
    doubt = Level(state.doubt) if state.doubt is not None else None
    if doubt is None or (doubt.rank > level.rank) is not worse:
        return replace(state, doubt=seen.value, evidence=evidence)
    nearer = min((doubt, seen), key=lambda one: abs(one.rank - level.rank))
    return _moved(state, nearer, seen if seen is not nearer else None, evidence, now)


def _moved(
    state: AlertState, level: Level, doubt: Level | None, evidence: int, now: dt.datetime
) -> AlertState:
    return replace(
        state,
        level=level.value,
        since=now,
        transition=state.transition + 1,
        doubt=doubt.value if doubt else None,
        evidence=evidence,
    )
