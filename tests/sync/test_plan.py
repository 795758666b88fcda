"""Requirements of the plan: the fewest writes, only owned members leave, brakes hold what is risky."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from connectors.base import AudienceKind, BatchShape
from rules.ruleset import Expect, Mode
from sync.brakes import BrakeKind, BrakeLimits, SourceCount
from sync.plan import AudienceInput, Plan, changes, make, target

people = st.sets(st.integers(0, 400), max_size=300).map(BitMap)
modes = st.sampled_from(list(Mode))
MAILCHIMP = BatchShape(adds=5, removes=5, together=True)


def audience(**given_values: object) -> AudienceInput:
    values: dict[str, object] = {
        "audience": 1,
        "connection": "newsletter",
        "segment": "vip",
        "name": "VIP",
        "kind": AudienceKind.TAG,
        "mode": Mode.MIRROR,
        "shape": MAILCHIMP,
        "desired": BitMap(),
        "owned": BitMap(),
        "actual": BitMap(),
        "reachable": BitMap(range(1000)),
        "not_mailable": BitMap(),
        "people": 1000,
    }
    return AudienceInput(**(values | given_values))  # type: ignore[arg-type]


def applied(plan: Plan, *, with_held: bool = False) -> list[BitMap]:
    """What the audiences hold after the platform has carried out the batches, as plain sets."""
    result = []
    for one in plan.audiences:
        actual = set(one.source.actual)
        for batch in one.batches:
            if with_held or not batch.held:
                actual |= set(batch.adds)
                actual -= set(batch.removes)
        result.append(BitMap(actual))
    return result


@settings(derandomize=True, deadline=None)
@given(desired=people, owned=people, actual=people, mode=modes)
def test_members_we_did_not_add_are_never_removed(
    desired: BitMap, owned: BitMap, actual: BitMap, mode: Mode
) -> None:
    found = changes(desired=desired, owned=owned, actual=actual, mode=mode)
    assert set(found.removes) <= set(owned)
    assert not set(found.adds) & set(actual), "a write that changes nothing"
    assert not set(found.adds) & (set(owned) - set(actual)), "others took them out: that is respected"
    assert not set(found.adds) & set(found.removes)
    if mode is Mode.APPEND:
        assert not found.removes


@settings(derandomize=True, deadline=None)
@given(desired=people, owned=people, actual=people, hidden=people, reachable=people)
def test_an_applied_plan_leaves_nothing_to_do_and_respects_suppression(
    desired: BitMap, owned: BitMap, actual: BitMap, hidden: BitMap, reachable: BitMap
) -> None:
    owned = owned & actual
    one = audience(desired=desired, owned=owned, actual=actual, not_mailable=hidden, reachable=reachable)
    plan = make([one])
    (after,) = applied(plan, with_held=True)
    foreign = set(actual) - set(owned)
    assert set(after) == (set(desired) & set(reachable)) - set(hidden) | foreign
    assert not (set(after) - set(actual)) & set(hidden), "a suppressed person was added"
    again = make([replace(one, actual=after, owned=after - BitMap(foreign))])
    assert again.changes == again.held == 0


@settings(derandomize=True, deadline=None)
@given(desired=people, owned=people)
def test_calls_are_the_fewest_possible(desired: BitMap, owned: BitMap) -> None:
    plan = make([audience(desired=desired, owned=owned, actual=owned)])
    adds, removes = len(set(desired) - set(owned)), len(set(owned) - set(desired))
    if plan.held:
        return
    assert sum(b.calls for b in plan.batches) == max(-(-adds // 5), -(-removes // 5))
    assert all(len(b.adds) <= 5 and len(b.removes) <= 5 for b in plan.batches)


def test_a_suppression_list_is_possible() -> None:
    hidden = BitMap([1, 2])
    one = audience(desired=hidden, not_mailable=hidden, include_suppressed=True)
    assert set(target(one)) == {1, 2}
    assert set(target(replace(one, include_suppressed=False))) == set()


def brakes_for(leaving: int, of: int) -> list[BrakeKind]:
    owned = BitMap(range(of))
    plan = make([audience(desired=owned - BitMap(range(leaving)), owned=owned, actual=owned)])
    if plan.brakes:
        assert plan.held == leaving
        assert plan.changes == 0
    return [brake.kind for brake in plan.brakes]


def test_removals_are_held_above_ten_percent_and_fifty_people() -> None:
    assert brakes_for(51, 500) == [BrakeKind.REMOVALS]
    assert brakes_for(50, 400) == [], "fifty people are not more than fifty"
    assert brakes_for(60, 600) == [], "ten percent is not more than ten percent"
    assert brakes_for(61, 600) == [BrakeKind.REMOVALS]


def test_a_segment_that_empties_is_held_and_its_adds_elsewhere_go() -> None:
    other = audience(audience=2, segment="new", desired=BitMap([7]))
    plan = make([audience(owned=BitMap([1]), actual=BitMap([1])), other])
    assert [brake.kind for brake in plan.brakes] == [BrakeKind.EMPTIED]
    assert plan.changes == 1
    assert plan.held == 1


def test_a_source_that_shrank_holds_all_removals_but_no_adds() -> None:
    one = audience(desired=BitMap([2, 3]), owned=BitMap([1, 2]), actual=BitMap([1, 2]))
    for source, held in [
        (SourceCount("shop", before=100, now=79), 1),
        (SourceCount("shop", before=100, now=80), 0),
        (SourceCount("shop", before=100, now=100, ended_early=True), 1),
        (SourceCount("shop", before=0, now=0), 0),
    ]:
        plan = make([one], sources=[source])
        assert plan.held == held, source
        assert set(plan.audiences[0].adds) == {3}


def test_expected_sizes_hold_the_side_that_would_do_harm() -> None:
    large = make([audience(desired=BitMap(range(10)), expect=Expect(max=9))])
    assert (large.changes, large.held) == (0, 10)
    share = make([audience(desired=BitMap(range(300)), expect=Expect(max_share=0.2))])
    assert [brake.kind for brake in share.brakes] == [BrakeKind.TOO_LARGE]
    some = BitMap(range(3))
    small = make([audience(desired=BitMap([0]), owned=some, actual=some, expect=Expect(min=2))])
    assert (small.changes, small.held) == (0, 2)


def test_the_same_input_gives_the_same_plan_and_another_input_another_hash() -> None:
    one = audience(desired=BitMap(range(23)))
    assert make([one]).hash == make([one]).hash
    assert make([one]).hash != make([replace(one, desired=BitMap(range(24)))]).hash


def test_one_write_sets_all_segments_of_a_person_in_an_owned_field() -> None:
    vip = audience(kind=AudienceKind.FIELD, carrier=9, desired=BitMap([1, 2]))
    new = audience(kind=AudienceKind.FIELD, carrier=9, audience=2, segment="new", desired=BitMap([2, 3]))
    plan = make([vip, new])
    sent = [(b.audience, set(b.adds), b.calls) for b in plan.batches if b.calls]
    assert sent == [(9, {1, 2, 3}, 1)]
    carried = [(b.audience, set(b.adds)) for b in plan.batches if not b.calls]
    assert carried == [(1, {1, 2}), (2, {2, 3})]


BULK = BatchShape(50, 50, together=True, per_call=2, bulk_above=20, bulk_calls=3, type_prefix=3, job_s=10)


@settings(derandomize=True, deadline=None)
@given(desired=people, leads=people)
@example(desired=BitMap(range(200)), leads=BitMap(range(0, 200, 2)))
def test_types_of_record_that_go_in_calls_of_their_own_are_counted_so(desired: BitMap, leads: BitMap) -> None:
    types = (BitMap(range(1000)) - leads, leads)
    one = audience(
        kind=AudienceKind.FIELD, carrier=9, shape=BULK, desired=desired, record_types=types, mode=Mode.APPEND
    )
    sent = list(make([one]).fields)
    assert set().union(*(b.adds for b in sent)) == set(desired)
    mixed = 0
    for batch in sent:
        counts = [len(set(batch.adds) & set(some)) for some in types]
        mixed += all(counts)
        calls = -(-sum(counts) // 2)
        if sum(counts) > 20:
            calls = sum(min(3, -(-count // 2)) for count in counts)
        assert batch.calls == calls
        assert batch.jobs == (sum(count > 6 for count in counts) if sum(counts) > 20 else 0)
    assert len(sent) == -(-len(desired) // 50)
    assert mixed <= 1, "the types are apart as far as they can be"


def test_who_has_no_contact_there_any_more_takes_no_call() -> None:
    gone, there = BitMap(range(4)), BitMap(range(4, 14))
    one = audience(
        owned=gone | there, actual=gone | there, reachable=there | BitMap([20]), desired=BitMap([20])
    )
    plan = make([one])
    assert sum(b.calls for b in plan.batches) == 2  # ten to remove by fives, with them the one to add
    assert sum(len(b.removes) for b in plan.batches) == 14


def test_brake_limits_can_be_set() -> None:
    owned = BitMap(range(100))
    one = audience(desired=BitMap(range(95)), owned=owned, actual=owned)
    assert not make([one]).brakes
    assert make([one], limits=BrakeLimits(removals_share=0.01, removals_min=4)).brakes
