"""A queued run whose process ended is taken up again, maybe much later: it goes by what is true then."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.simulation import Request
from sync.run.pipeline import attempt, carry_out
from sync.store import Stopped
from sync.store.leases import Terms
from sync.store.tables import runs
from tests.connectors.prescribing import intercepted
from tests.scenarios.company import Company, company, emails, join, people, segment


def stopped_before_its_first_write(firm: Company) -> None:
    """A queued run that has read, planned and sent nothing yet, when its process is told to end."""
    stopping = threading.Event()

    def end_at_a_write(request: Request) -> None:
        if request.method != "GET":
            stopping.set()

    with intercepted(firm.newsletter, end_at_a_write), firm.open() as workspace:
        workspace.store.runs.enqueue("test", now=workspace.clock.utc_now())
        run = workspace.store.runs.claim_next(now=workspace.clock.utc_now())
        assert run is not None
        with pytest.raises(Stopped):
            carry_out(workspace, run, stopping=stopping)


def taken_up(firm: Company) -> None:
    with firm.open() as workspace:
        run = workspace.store.runs.claim_next(now=workspace.clock.utc_now())
        assert run is not None
        carry_out(workspace, run)


@pytest.mark.parametrize("hours", [0, 2])
def test_sources_are_read_once_more_if_it_is_taken_up_much_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    with company(tmp_path, monkeypatch) as firm:
        firm.rules(segment("germans", 'country = "DE"'))
        join(firm.newsletter, range(1, 6))
        firm.customers(people(range(1, 6)))
        firm.orders([])
        firm.later(minutes=5)
        stopped_before_its_first_write(firm)
        assert firm.tagged("germans") == set()
        firm.customers([*people(range(1, 4)), *people(range(4, 6), country="FR")])
        firm.later(hours=hours)
        taken_up(firm)
        assert firm.tagged("germans") == emails(range(1, 4) if hours else range(1, 6))
        firm.run()
        assert firm.tagged("germans") == emails(range(1, 4))


def test_a_run_that_was_let_go_is_not_claimed_by_one_more_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others would wait for a lease that nobody holds."""
    with company(tmp_path, monkeypatch) as firm, firm.open() as workspace:
        store = workspace.store
        store.database.terms = Terms(heartbeat_s=0.0005)
        store.runs.enqueue("test", now=workspace.clock.utc_now())
        for _ in range(40):
            run = store.runs.claim_next(now=workspace.clock.utc_now())
            assert run is not None
            with pytest.raises(Stopped), attempt(workspace, run):
                raise Stopped("told to end")
            with store.database.reading() as connection:
                row = connection.execute(select(runs)).one()
            assert (row.state, row.lease_until, row.owner) == ("running", 0, {})
