"""Keep the store small: after a run at most once a day, and at once for `segsync vacuum`."""

from __future__ import annotations

import datetime as dt
from collections.abc import MutableSequence

from sync.run.workspace import Workspace
from sync.store import LeaseLost, Stopped, StoreError
from sync.store.vacuum import Retention, Swept, vacuum

_NOTE = "vacuumed"
_EVERY = dt.timedelta(days=1)


def sweep_now(workspace: Workspace) -> Swept:
    """All of it, now; call it inside a run."""
    now = workspace.clock.utc_now()
    swept = vacuum(workspace.store, now=now, keep=_retention(workspace), thorough=True)
    workspace.store.notes.set(_NOTE, now.isoformat())
    return swept


def sweep_daily(workspace: Workspace, notices: MutableSequence[str]) -> None:
    """At the end of a run: if the last time was a day ago. What goes wrong here is told and harms nobody."""
    now = workspace.clock.utc_now()
    noted = workspace.store.notes.get(_NOTE)
    if isinstance(noted, str):
        if now - dt.datetime.fromisoformat(noted) < _EVERY:
            return
        try:
            vacuum(workspace.store, now=now, keep=_retention(workspace))
        except (LeaseLost, Stopped):
            raise
        except StoreError as error:
            notices.append(f"the store could not be tidied up: {error}")
    workspace.store.notes.set(_NOTE, now.isoformat())


def _retention(workspace: Workspace) -> Retention:
    store = workspace.settings.store
    return Retention(
        lake_days=store.keep_lake_days,
        plans_days=store.keep_plans_days,
        history_days=store.keep_history_days,
        rejected_days=store.keep_rejected_days,
    )
