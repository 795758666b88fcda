"""Requirements of approvals: no row goes that was not shown, none that was held goes without a person."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from sync.approval import Only, Rows, Selection, Shown, going
from sync.plan import make
from tests.sync.test_plan import audience, people


def sent(plan: object) -> Rows:
    batches = [b for b in plan.batches if not b.held]  # type: ignore[attr-defined]
    none = BitMap()
    return Rows(
        BitMap.union(none, *(b.adds for b in batches)), BitMap.union(none, *(b.removes for b in batches))
    )


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    desired=people,
    members=people,
    shown=st.tuples(people, people, people, people, people, people),
    only=st.sampled_from([None, *Only]),
    approved=st.booleans(),
    trusted=st.booleans(),
)
def test_only_shown_rows_go_and_held_ones_only_when_picked(
    desired: BitMap,
    members: BitMap,
    shown: tuple[BitMap, ...],
    only: Only | None,
    approved: bool,
    trusted: bool,
) -> None:
    now = make([audience(desired=desired, owned=members, actual=members)])
    seen = Shown(*(Rows(shown[n], shown[n + 1] - shown[n]) for n in (0, 2, 4)))
    selection = Selection("vip", "newsletter", only) if approved else None
    found = going(now, {1: seen}, selection, trusted=trusted)
    goes = sent(found.plan)
    for half, some, first, held in (
        (Only.ADDS, goes.adds, seen.open.adds, seen.held.adds),
        (Only.REMOVES, goes.removes, seen.open.removes, seen.held.removes),
    ):
        picked = approved and only in (None, half)
        assert some <= (first | held if picked else first)
    assert goes.adds <= desired - members
    assert goes.removes <= members - desired
    everything = found.plan.changes + found.plan.held
    assert everything + found.unshown + len(seen.rejected) >= len(desired ^ members), "nothing gets lost"


def test_rows_that_changed_since_are_counted_and_skipped() -> None:
    members = BitMap(range(10, 20))
    now = make([audience(desired=members | BitMap([1, 2]), owned=members, actual=members)])
    shown = Shown(open=Rows(BitMap([2, 3]), BitMap([11])))
    found = going(now, {1: shown})
    assert (found.unshown, found.vanished, found.shown) == (1, 2, 3), "1 is new; 3 and 11 are not due now"
    assert set(sent(found.plan).adds) == {2}


def test_what_is_done_meanwhile_has_not_changed() -> None:
    """After a crash half of the shown rows are done: the other half is still what was shown."""
    now = make([audience(desired=BitMap([1, 2]), owned=BitMap([1]), actual=BitMap([1]))])
    found = going(now, {1: Shown(open=Rows(BitMap([1, 2])))})
    assert found.changed == 0
    assert set(sent(found.plan).adds) == {2}


def test_a_brake_that_trips_only_now_holds_what_was_open_unless_a_person_let_it_go() -> None:
    members = BitMap(range(100))
    now = make([audience(desired=BitMap(), owned=members, actual=members)])  # it has become empty
    shown = {1: Shown(open=Rows(removes=members))}
    assert going(now, shown).plan.held == 100
    assert going(now, shown, trusted=True).plan.held == 0
    assert going(now, shown, Selection(connection="elsewhere")).plan.held == 100
