"""After every run, and once a minute while the service runs: judge what is wrong, and tell who wants to know.

Nothing that goes wrong in here may end or fail a run: it is logged, and made up for at the next look.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sync.alerts.channels import send
from sync.alerts.notices import Message, called
from sync.alerts.posting import Undelivered
from sync.alerts.telling import is_muted, judge, send_due
from sync.config.alerting import AlertKind, Level
from sync.errors import UserError
from sync.run.workspace import Workspace
from sync.store import LeaseLost, Stopped

LONGEST_S = 20.0
"""No try to send begins later than this after the first; the rest waits for the next look."""

_log = logging.getLogger(__name__)


def evaluate_and_send(workspace: Workspace, now: dt.datetime) -> None:
    """Judge all triggers and send what is due. Any number of processes may do so; never raises."""
    end_s = time.monotonic() + LONGEST_S
    store, settings = workspace.store, workspace.settings
    try:
        judge(store, settings, now=now)
        send_due(store, settings, now=now, may_go_on=lambda: time.monotonic() < end_s)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not worth a run
        _log.warning(
            "alerts: the look at them broke off (%s); the next look makes up for it", type(error).__name__
        )


@contextmanager
def alerting(workspace: Workspace) -> Iterator[None]:
    """Look at the alerts when the block is over and the run in it has ended, well or not."""
    try:
        yield
    except (Stopped, LeaseLost):  # the run goes on elsewhere
        raise
    except Exception:
        evaluate_and_send(workspace, workspace.clock.utc_now())
        raise
    evaluate_and_send(workspace, workspace.clock.utc_now())


def send_test(workspace: Workspace, channel: str | None = None) -> list[dict[str, Any]]:
    """Send a test notice to a channel, or to all; what became of each, as JSON. Mutes do not count."""
    settings = workspace.settings.alerts
    chosen = [one for one in settings.channels if channel in (None, one.name)]
    if not chosen:
        known = ", ".join(one.name for one in settings.channels) or "none"
        raise UserError(
            f"there is no channel {channel}; the config has: {known}"
            if channel
            else "the config has no [[alerts.channel]] yet, so nobody would be told"
        )
    now = workspace.clock.utc_now()
    found: list[dict[str, Any]] = []
    for one in chosen:
        key = f"msg_test_{int(now.timestamp() * 1000)}"
        document: dict[str, object] = {
            "type": "alert.test",
            "id": key,
            "timestamp": now.isoformat(timespec="seconds"),
            "data": {},
        }
        text = "This is a test: nothing is wrong. Notices of segsync arrive here."
        failure = None
        try:
            test = Message(key, now, "segsync: test notice", text, document)
            send(one, test, now=now, internal=settings.internal)
        except Undelivered as error:
            failure = str(error)
        found.append(
            {"channel": one.name, "kind": one.kind.value, "sent": failure is None, "failure": failure}
        )
    return found


def alerts(workspace: Workspace) -> dict[str, Any]:
    """States that are not OK, channels, and which of them cannot be reached, as JSON. Ids and counts only."""
    now, settings = workspace.clock.utc_now(), workspace.settings
    states = [
        {
            "trigger": state.trigger,
            "name": called(state.trigger),
            "level": state.level,
            "since": state.since.isoformat(timespec="seconds"),
            "doubt": state.doubt,
            "what": state.what,
            "advice": state.advice,
        }
        for state in workspace.store.alerts.states().values()
        if state.trigger.partition(":")[0] in list(AlertKind)
    ]
    return {
        "alerts": sorted(
            (one for one in states if one["level"] != Level.OK),
            key=lambda one: (-Level(str(one["level"])).rank, str(one["trigger"])),
        ),
        "channels": [
            {
                "channel": one.name,
                "kind": one.kind.value,
                "minimum": one.minimum.value,
                "triggers": None if one.triggers is None else [kind.value for kind in one.triggers],
                "muted_until": str(one.mute_until) if is_muted(one, settings, now=now) else None,
            }
            for one in settings.alerts.channels
        ],
        "unreachable": unreachable(workspace),
    }


def unreachable(workspace: Workspace) -> list[dict[str, Any]]:
    """Channels that the last try did not reach."""
    return [
        {
            "channel": one.channel,
            "notices": one.notices,
            "tries": one.tries,
            "since": one.since.isoformat(timespec="seconds"),
            "failure": one.failure,
        }
        for one in workspace.store.alerts.stuck()
    ]
