"""The kill switch, and letting audiences go on that an undo has paused. Needs no run and waits for none."""

from __future__ import annotations

from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.run.workspace import Workspace
from sync.store import Decided, Decision
from sync.store.decisions import EVERYWHERE


def freeze(workspace: Workspace, *, connection: str | None, by: str, reason: str = "") -> str:
    """Stop all writes (to one connection) at once, in every process, until `thaw`; says what holds now."""
    name = _known(workspace, connection)
    store = workspace.store
    new = store.decisions.freeze(name, at=workspace.clock.utc_now(), by=by, reason=reason)
    freeze_ = next(one for one in store.decisions.freezes() if one.connection == name)
    return str(freeze_) if new else f"already: {freeze_}"


def thaw(workspace: Workspace, *, connection: str | None, by: str, reason: str = "") -> list[str]:
    """Take the freeze of the connection (or the one of everything) away; what is still frozen then."""
    name = _known(workspace, connection)
    decisions = workspace.store.decisions
    if not decisions.thaw(name, at=workspace.clock.utc_now(), by=by, reason=reason):
        frozen = ", ".join(one.connection or "everything" for one in decisions.freezes()) or "nothing"
        what = f"{name} is not frozen by itself" if name else "not everything is frozen"
        raise UserError(f"{what}; frozen is: {frozen}")
    return [str(one) for one in decisions.freezes()]


def resume(workspace: Workspace, segment: str, *, connection: str | None, by: str, reason: str = "") -> int:
    """Let the rules go on with a segment's audiences; how many were paused."""
    store = workspace.store
    rows = {row.id: row for row in store.ledger.audiences()}
    paused = [
        id_
        for id_ in store.decisions.paused()
        if rows[id_].segment == segment and connection in (None, rows[id_].connection)
    ]
    if not paused:
        names = sorted({rows[id_].segment for id_ in store.decisions.paused()})
        raise UserError(f"no audience of {segment} is paused; paused are: {', '.join(names) or 'none'}")
    store.decisions.resume(paused)
    where = {"segment": segment, "connection": connection}
    decision = Decision(workspace.clock.utc_now(), by, Decided.RESUMED, reason=reason, data=where)
    store.decisions.note(decision)
    return len(paused)


def _known(workspace: Workspace, connection: str | None) -> str:
    """The name if the config has it, or if it is frozen and the config has it no more."""
    if connection is None:
        return EVERYWHERE
    known = [*workspace.settings.connections, *(f.connection for f in workspace.store.decisions.freezes())]
    if connection not in known or connection == EVERYWHERE:
        raise UserError(f"there is no connection {connection}{did_you_mean(connection, known)}")
    return connection
