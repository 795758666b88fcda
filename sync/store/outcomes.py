"""What runs really changed, as recorded with their batches: the ground an undo stands on."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyroaring import BitMap
from sqlalchemy import func, select

from sync.store.database import Database
from sync.store.optouts import OptOutState
from sync.store.tables import batches, opt_outs, plans


@dataclass(slots=True)
class Done:
    """What a run did to one audience in the end; `since`: people whom later runs changed there, by run."""

    added: BitMap = field(default_factory=BitMap)
    removed: BitMap = field(default_factory=BitMap)
    since: dict[int, BitMap] = field(default_factory=dict)


def done_by(database: Database, run_id: int) -> dict[int, Done]:
    """Audience → what the run did there, if anything; also of an owned field's carrier."""
    found: dict[int, Done] = {}
    columns = (plans.c.run_id, batches.c.audience_id, batches.c.done_adds, batches.c.done_removes)
    query = select(*columns).join(plans, plans.c.id == batches.c.plan_id).order_by(batches.c.id)
    with database.reading() as connection:
        for _, audience, adds, removes in connection.execute(query.where(plans.c.run_id == run_id)):
            if adds or removes:
                one = found.setdefault(audience, Done())
                one.added, one.removed = (
                    (one.added | adds) - removes,
                    (one.removed | removes) - adds,
                )
        later = query.where(plans.c.run_id > run_id, batches.c.audience_id.in_(list(found)))
        for run, audience, adds, removes in connection.execute(later):
            if adds or removes:
                since = found[audience].since
                since[run] = since.get(run, BitMap()) | adds | removes
    return found


def opt_outs_of(database: Database, run_id: int) -> int:
    """Contacts whom the run opted out somewhere."""
    query = select(func.count(func.distinct(opt_outs.c.contact))).join(
        plans, plans.c.id == opt_outs.c.plan_id
    )
    wanted = (plans.c.run_id == run_id, opt_outs.c.state.in_([OptOutState.DONE, OptOutState.PAST]))
    with database.reading() as connection:
        return int(connection.execute(query.where(*wanted)).scalar_one())
