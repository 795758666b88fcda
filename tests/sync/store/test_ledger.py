from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from sync.store import (
    AudienceRow,
    BatchOutcome,
    Brake,
    Plan,
    PlannedBatch,
    PlanNotOpen,
    PlanState,
    Refusal,
    Run,
    RunState,
    Store,
)
from tests.databases import sqlite_url
from tests.sync.store.conftest import NOW

LATER = NOW + dt.timedelta(hours=1)


def save(store: Store, run: Run, batches: list[PlannedBatch], brakes: list[Brake] | None = None) -> Plan:
    return store.plans.save(
        run_id=run.id,
        as_of=NOW,
        created_at=NOW,
        plan_hash="h",
        batches_=batches,
        brakes_=brakes or [],
        summary={"changes": len(batches)},
    )


@pytest.fixture
def audience(store: Store) -> AudienceRow:
    return store.ledger.audience("mc", "vip", "tag", name="VIP")


def test_an_outcome_moves_batch_owned_actual_and_refusals_at_once(
    store: Store, run: Run, audience: AudienceRow
) -> None:
    store.ledger.observed(audience.id, actual=BitMap([1, 9]), remote_mark="2")
    plan = save(store, run, [PlannedBatch(audience.id, BitMap([1, 2, 3, 4]), BitMap([9]))])
    (batch,) = store.plans.open_batches(plan.id)
    store.plans.mark_sent([batch.id])
    assert store.plans.open_batches(plan.id)[0].state == "sent"
    refused = [Refusal(3, "add", "not_found", "no such member")]
    for tries in (1, 2):  # recording again, as after a crash, changes nothing else
        store.ledger.record_outcomes(
            batch.id, done_adds=BitMap([1, 2]), done_removes=BitMap([9]), refused=refused, at=LATER, calls=1
        )
        row = store.ledger.get(audience.id)
        assert (row.owned, row.actual) == (BitMap([1, 2]), BitMap([1, 2]))
        (kept,) = store.ledger.refusals(audience.id)
        assert (kept.person, kept.code, kept.tries) == (3, "not_found", tries)
        assert store.plans.batches(plan.id)[0].state == "sent"  # 4: no answer
    store.ledger.record_outcomes(
        batch.id, done_adds=BitMap([3, 4]), done_removes=BitMap(), refused=[], at=LATER
    )
    assert store.ledger.refusals(audience.id) == []
    assert store.ledger.get(audience.id).owned == BitMap([1, 2, 3, 4])
    assert store.plans.open_batches(plan.id) == []
    assert store.plans.settle(plan.id) is PlanState.APPLIED


def test_a_batch_carried_by_several_calls_is_done_when_all_of_them_are(
    store: Store, run: Run, audience: AudienceRow
) -> None:
    plan = save(store, run, [PlannedBatch(audience.id, BitMap([1, 2]), BitMap())])
    (batch,) = store.plans.open_batches(plan.id)
    store.plans.mark_sent([batch.id])
    parts = [BatchOutcome(batch.id, done_adds=BitMap([person])) for person in (1, 2)]
    store.ledger.record(parts, at=LATER)
    assert store.plans.open_batches(plan.id) == []
    assert store.ledger.get(audience.id).owned == BitMap([1, 2])


def test_many_batches_recorded_together_are_as_one_after_the_other(
    store: Store, run: Run, audience: AudienceRow
) -> None:
    other = store.ledger.audience("mc", "vip", "list", name="VIP")
    plan = save(
        store,
        run,
        [
            PlannedBatch(audience.id, BitMap([1, 2]), BitMap()),
            PlannedBatch(other.id, BitMap([5]), BitMap()),
            PlannedBatch(audience.id, BitMap(), BitMap([2])),
        ],
    )
    a, b, c = store.plans.batches(plan.id)
    store.ledger.record(
        [
            BatchOutcome(a.id, done_adds=a.adds),
            BatchOutcome(b.id, done_adds=b.adds),
            BatchOutcome(c.id, done_removes=c.removes),
        ],
        at=LATER,
    )
    assert store.ledger.get(audience.id).owned == BitMap([1])
    assert store.ledger.get(other.id).owned == BitMap([5])


def test_held_batches_wait_until_somebody_approves(store: Store, run: Run, audience: AudienceRow) -> None:
    batches = [
        PlannedBatch(audience.id, BitMap([1]), BitMap()),
        PlannedBatch(audience.id, BitMap(), BitMap([2]), held=True),
    ]
    plan = save(store, run, batches, [Brake("removals", "51 of 100 leave", audience.id, {"removes": 51})])
    assert plan.state is PlanState.OPEN
    (open_batch,) = store.plans.open_batches(plan.id)
    store.ledger.record([BatchOutcome(open_batch.id, done_adds=BitMap([1]))], at=LATER)
    assert store.plans.settle(plan.id) is PlanState.HELD
    assert store.plans.brakes(plan.id)[0].data == {"removes": 51}
    assert store.plans.open_batches(plan.id) == []
    assert store.plans.approve(plan.id, at=LATER).state is PlanState.OPEN
    assert [batch.removes for batch in store.plans.open_batches(plan.id)] == [BitMap([2])]


def test_a_newer_plan_supersedes_the_older_and_only_the_newest_can_be_approved(
    store: Store, run: Run, audience: AudienceRow
) -> None:
    held = [PlannedBatch(audience.id, BitMap(), BitMap([2]), held=True)]
    old = save(store, run, held)
    new = save(store, run, held)
    assert old.state is PlanState.HELD
    assert store.plans.get(old.id).state is PlanState.SUPERSEDED
    with pytest.raises(PlanNotOpen, match="superseded"):
        store.plans.approve(old.id, at=LATER)
    assert store.plans.unfinished() == new
    assert store.plans.reject(new.id).state is PlanState.REJECTED
    with pytest.raises(PlanNotOpen, match="rejected"):
        store.plans.approve(new.id, at=LATER)
    with pytest.raises(PlanNotOpen, match="no plan 77"):
        store.plans.get(77)


def test_a_lost_audience_owns_nobody_any_more(store: Store, audience: AudienceRow) -> None:
    store.ledger.ensured(audience.id, remote_id="r1")
    store.ledger.adopt(audience.id, BitMap([1, 2]))
    store.ledger.lost(audience.id)
    row = store.ledger.get(audience.id)
    assert (row.remote_id, row.owned, row.actual, row.state) == (None, BitMap(), BitMap(), "lost")


def test_an_audience_keeps_its_members_when_its_name_changes(store: Store, audience: AudienceRow) -> None:
    store.ledger.adopt(audience.id, BitMap([1, 2]))
    again = store.ledger.audience("mc", "vip", "tag", name="Very", include_suppressed=True)
    assert (again.id, again.name, again.include_suppressed, again.owned) == (
        audience.id,
        "Very",
        True,
        BitMap([1, 2]),
    )


PEOPLE = st.sets(st.integers(1, 40), max_size=15).map(BitMap)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.tuples(PEOPLE, PEOPLE, PEOPLE, st.booleans()), max_size=8))
def test_owned_is_what_was_done_and_only_that(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[BitMap, BitMap, BitMap, bool]]
) -> None:
    """Compared with plain Python sets. A removal of somebody else's member never makes them ours."""
    folder = tmp_path_factory.mktemp("ledger")
    owned: set[int] = set()
    with Store.open(sqlite_url(folder), folder / "lake") as store:
        run = store.runs.claim("test", as_of=NOW, now=NOW)
        audience = store.ledger.audience("mc", "vip", "tag", name="VIP")
        for adds, removes, refused, twice in steps:
            plan = save(store, run, [PlannedBatch(audience.id, adds, removes - adds)])
            batch = store.plans.batches(plan.id)[0]
            outcome = BatchOutcome(
                batch.id,
                adds - refused,
                removes - adds - refused,
                [Refusal(person, "add", "x", "y") for person in adds & refused]
                + [Refusal(person, "remove", "x", "y") for person in (removes - adds) & refused],
            )
            for _ in range(1 + twice):
                store.ledger.record([outcome], at=LATER)
            owned |= set(adds - refused)
            owned -= set(removes - adds - refused)
            assert set(store.ledger.get(audience.id).owned) == owned
            assert store.plans.batches(plan.id)[0].state == "done"
        store.runs.finish(run, RunState.DONE, now=NOW, stats={})
