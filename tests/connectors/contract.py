"""What every connector must do, whatever its platform: one suite, run against each simulator over HTTP.

A platform's test file defines a `Rig` (rig.py) and subclasses `ConnectorContract` with a fixture `rig`.
Every test here has been seen to fail on a simulator or connector that was broken for it.
"""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest

from connectors.base import (
    Action,
    Audience,
    Batch,
    Change,
    Consent,
    OutcomeState,
    StreamKind,
    page_schema,
)
from connectors.errors import AudienceLost, CursorExpired, RateLimited, Unauthorized, Unavailable
from connectors.simulation import Chance, Kind, Script, When
from tests.connectors.changing import ChangingContract
from tests.connectors.managing import ManagingContract
from tests.connectors.owned_field import OwnedFieldContract
from tests.connectors.refusing import RefusingContract
from tests.connectors.rig import (
    Rig,
    assert_kinds,
    by_id,
    changes,
    contacts,
    ensured,
    place_of,
    stream_of,
)

__all__ = ["ConnectorContract", "Rig", "assert_kinds"]


class ConnectorContract(ChangingContract, RefusingContract, ManagingContract, OwnedFieldContract):
    """The contract. Subclass it and give a fixture `rig`."""

    @pytest.fixture(autouse=True)
    def _bypassed(self, rig: Rig, request: pytest.FixtureRequest) -> None:
        """A test that can mean nothing on a platform is not run there, and the report says why."""
        reason = rig.bypass.get(request.function.__name__)
        if reason is not None:
            pytest.skip(f"means nothing here: {reason}")

    # ---- reading ---------------------------------------------------------------------------------

    def test_every_page_has_the_schema_of_its_stream(self, rig: Rig) -> None:
        connector = rig.connect()
        for stream in connector.features.streams:
            for page in connector.read(stream, None):
                assert page.rows.schema.equals(page_schema(stream)), stream.name
                assert page.rejected == ()

    def test_standard_fields_name_columns_that_exist(self, rig: Rig) -> None:
        for stream in rig.connect().features.streams:
            assert set(stream.standard.values()) <= {f.name for f in stream.fields}
            assert len({f.name for f in stream.fields}) == len(stream.fields)

    def test_two_full_reads_agree(self, rig: Rig) -> None:
        connector = rig.connect()
        for stream in connector.features.streams:
            first = by_id(stream, connector.read(stream, None))
            assert first == by_id(stream, connector.read(stream, None))
            if stream.kind is StreamKind.CONTACTS:
                assert len(first) == rig.people

    def test_a_read_yields_nobody_twice(self, rig: Rig) -> None:
        connector = rig.connect()
        for stream in connector.features.streams:
            pages = list(connector.read(stream, None))
            assert sum(p.rows.num_rows for p in pages) == len(by_id(stream, pages))

    def test_activity_is_of_declared_kinds_and_names_a_person(self, rig: Rig) -> None:
        connector = rig.connect()
        for stream in stream_of(connector, StreamKind.ACTIVITY):
            rows = by_id(stream, connector.read(stream, None)).values()
            assert rows
            assert {row["kind"] for row in rows} <= set(stream.activity_kinds)
            assert all(row["email"] or row["external_id"] for row in rows)

    def test_resuming_from_any_checkpoint_loses_nothing(self, rig: Rig) -> None:
        connector = rig.connect()
        for stream in connector.features.streams:
            pages = list(connector.read(stream, None))
            whole = by_id(stream, pages)
            for taken in range(1, len(pages) + 1):
                rest = list(connector.read(stream, pages[taken - 1].cursor))
                resumed = by_id(stream, [*pages[:taken], *rest])
                assert resumed == whole, (stream.name, taken)

    def test_a_new_connection_can_resume_where_the_old_one_stopped(self, rig: Rig) -> None:
        stream = stream_of(rig.connect(), StreamKind.CONTACTS)[0]
        first = next(iter(rig.connect().read(stream, None)))
        rest = rig.connect().read(stream, first.cursor)
        assert len(by_id(stream, [first, *rest])) == rig.people

    def test_an_incremental_read_sees_new_contacts_and_little_else(self, rig: Rig) -> None:
        connector = rig.connect()
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        pages = list(connector.read(stream, None))
        rig.clock.advance(3600)
        rig.add_contact(9_000_001)
        rig.clock.advance(60)
        found = by_id(stream, connector.read(stream, pages[-1].cursor))
        assert len(set(found) - set(by_id(stream, pages))) == 1
        assert len(found) == 1 + rig.read_again

    def test_contacts_that_change_while_we_read_hide_nobody(self, rig: Rig) -> None:
        """More contacts change than pages overlap, so offsets alone would skip some that did not."""
        connector = rig.connect()
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        before = by_id(stream, connector.read(stream, None))
        pages = []
        changed: list[str] = []
        for page in connector.read(stream, None):
            pages.append(page)
            if len(pages) == 1:
                changed = [place_of(row) for row in page.rows.slice(0, 120).to_pylist()]
                rig.clock.advance(30)
                rig.change_contacts(changed)
        assert set(by_id(stream, pages)) == set(before)
        rig.clock.advance(30)
        later = by_id(stream, connector.read(stream, pages[-1].cursor))
        assert set(changed) <= {place_of(row) for row in later.values()}

    def test_a_contact_that_changes_before_we_get_to_it_is_found_by_the_next_read(self, rig: Rig) -> None:
        connector = rig.connect()
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        last = list(by_id(stream, connector.read(stream, None)).values())[-1]
        pages = []
        for page in connector.read(stream, None):
            pages.append(page)
            if len(pages) == 1:
                rig.clock.advance(30)
                rig.change_contacts([place_of(last)])
        rig.clock.advance(30)
        found = by_id(stream, [*pages, *connector.read(stream, pages[-1].cursor)])
        assert len(found) == rig.people
        assert found[str(last["external_id"])]["changed_at"] > last["changed_at"]  # type: ignore[operator]

    def test_a_cursor_that_is_not_ours_is_expired(self, rig: Rig) -> None:
        connector = rig.connect()
        for stream in (s for s in connector.features.streams if s.incremental):
            with pytest.raises(CursorExpired):
                list(connector.read(stream, "not a cursor"))

    # ---- audiences -------------------------------------------------------------------------------

    def test_ensure_is_idempotent(self, rig: Rig) -> None:
        connector = rig.connect()
        for kind in connector.features.audiences:
            audience = Audience("vip", "segsync: VIP", kind)
            first = connector.ensure(audience)
            assert connector.ensure(audience) == first
            assert rig.connect().ensure(audience) == first
            assert [a.remote_id for a in connector.audiences()].count(first) == 1

    def test_ensure_finds_an_audience_whose_case_was_changed(self, rig: Rig) -> None:
        connector = rig.connect()
        assert ensured(connector, "segsync: VIP").remote_id == ensured(connector, "SEGSYNC: vip").remote_id

    def test_ensure_survives_losing_its_answer(self, rig: Rig) -> None:
        """The audience was made, the answer is lost, the same call is sent again."""
        connector = rig.connect()
        rig.simulation.faults.add(Script(Kind.EMPTY_503, "POST *", when=When.AFTER))
        audience = ensured(connector)
        assert [a.name for a in connector.audiences()].count("segsync: VIP") == 1
        assert audience.remote_id in {a.remote_id for a in connector.audiences()}

    def test_audiences_lists_those_that_are_not_ours_too(self, rig: Rig) -> None:
        connector = rig.connect()
        others = {a.remote_id for a in connector.audiences()}
        assert others
        audience = ensured(connector)
        assert {a.remote_id for a in connector.audiences()} == others | {audience.remote_id}

    def test_members_are_those_the_platform_holds(self, rig: Rig) -> None:
        """Also those who have opted out; no platform lists who was asked and has not answered yet."""
        connector = rig.connect()
        audience = ensured(connector)
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        rows = list(by_id(stream, connector.read(stream, None)).values())
        known_as = {
            row["email_consent"]: row for row in rows[::-1] if row["email_consent"] != Consent.PENDING
        }
        several = [*known_as.values(), *(row for row in rows[:3] if row["email_consent"] is None)]
        people = list({str(row["external_id"]): place_of(row) for row in several}.items())
        people = people if len(people) > 2 else contacts(connector, 3)
        connector.write(Batch(audience, changes(Action.ADD, people[:2])))
        for _, address in people[2:]:
            rig.put_in(audience, address)
        listed = pa.concat_tables([p.rows for p in connector.members(audience)]).to_pylist()
        known = dict(people)  # a platform that lists members by id alone leaves the address empty
        assert {(r["external_id"], r["address"] or known[r["external_id"]]) for r in listed} == set(people)

    # ---- writing ---------------------------------------------------------------------------------

    def test_every_change_has_one_outcome_in_its_place(self, rig: Rig) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 20)
        connector.write(Batch(audience, changes(Action.ADD, people[:10])))
        mixed = [
            *changes(Action.ADD, people[10:]),
            *changes(Action.REMOVE, people[:5]),
            Change(Action.ADD, "nobody", "stranger@example.com"),
        ]
        outcomes = connector.write(Batch(audience, mixed))
        assert [o.change for o in outcomes] == mixed
        assert [o.state for o in outcomes] == [OutcomeState.DONE] * 15 + [OutcomeState.REFUSED]
        assert rig.carriers(audience) == {a for _, a in people[5:]}

    def test_strangers_are_refused_with_a_reason_that_names_nobody(self, rig: Rig) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        change = Change(Action.ADD, "nobody", "stranger@example.com")
        (outcome,) = connector.write(Batch(audience, [change]))
        assert outcome.state is OutcomeState.REFUSED
        assert outcome.code
        assert outcome.reason
        assert "stranger" not in outcome.reason

    @pytest.mark.parametrize("address", ["", "no address", "a@b c@d", "@", "two@at@example.com"])
    def test_an_unusable_address_is_refused_alone(self, rig: Rig, address: str) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 2)
        batch = [*changes(Action.ADD, people), Change(Action.ADD, "x", address)]
        outcomes = connector.write(Batch(audience, batch))
        assert [o.state for o in outcomes] == [OutcomeState.DONE, OutcomeState.DONE, OutcomeState.REFUSED]
        assert rig.carriers(audience) == {a for _, a in people}

    def test_writing_twice_changes_nothing_more(self, rig: Rig) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 4)
        batch = Batch(audience, [*changes(Action.ADD, people[:2]), *changes(Action.REMOVE, people[2:])])
        first, second = connector.write(batch), connector.write(batch)
        assert {o.state for o in (*first, *second)} == {OutcomeState.DONE}
        assert rig.carriers(audience) == {a for _, a in people[:2]}

    @pytest.mark.parametrize("kind", [Kind.EMPTY_503, Kind.HTML_502, Kind.CUT])
    @pytest.mark.parametrize("when", list(When))
    def test_a_failed_write_is_sent_again_and_ends_the_same(self, rig: Rig, kind: Kind, when: When) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 5)
        rig.simulation.faults.add(Script(kind, rig.write_operation, when=when))
        outcomes = connector.write(Batch(audience, changes(Action.ADD, people)))
        assert {o.state for o in outcomes} == {OutcomeState.DONE}
        assert rig.carriers(audience) == {a for _, a in people}
        assert connector.usage()["retries"] == 1

    def test_a_write_whose_answer_is_cut_short_is_no_success(self, rig: Rig) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        rig.simulation.faults.add(Script(Kind.TRUNCATED_200, rig.write_operation, times=99))
        with pytest.raises(Unavailable):
            connector.write(Batch(audience, changes(Action.ADD, contacts(connector, 2))))

    @pytest.mark.parametrize("extra", [0, 1])
    def test_a_batch_of_the_declared_size_is_one_call(self, rig: Rig, extra: int) -> None:
        """N adds and N removes need exactly ⌈N / batch size⌉ calls where both ride together."""
        connector = rig.connect()
        audience = ensured(connector)
        shape = connector.features.audiences[audience.kind]
        half = shape.adds + extra
        for number in range(rig.people, 2 * half):
            rig.add_contact(number)
        people = contacts(connector, 2 * half)
        for _, address in people[half:]:
            rig.put_in(audience, address)  # whoever is not in need not be removed
        before = rig.simulation.traffic.writes
        adds, removes = changes(Action.ADD, people[:half]), changes(Action.REMOVE, people[half:])
        for start in range(0, half, shape.adds):
            together = [*adds[start : start + shape.adds], *removes[start : start + shape.removes]]
            connector.write(Batch(audience, together))
        assert rig.simulation.traffic.writes - before == shape.calls(half, half)
        assert rig.carriers(audience) == {a for _, a in people[:half]}

    def test_never_more_calls_at_once_than_allowed(self, rig: Rig) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 40)
        rig.simulation.traffic.reset()
        rig.simulation.delay_s = 0.01
        work = [changes(Action.ADD, people[n : n + 1]) for n in range(40)]
        threads = [threading.Thread(target=connector.write, args=(Batch(audience, one),)) for one in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert rig.carriers(audience) == {a for _, a in people}
        assert 1 < rig.simulation.traffic.most_open <= rig.connections
        assert connector.usage()["rate_limited"] == 0

    def test_an_audience_deleted_by_hand_is_lost_and_can_be_made_again(self, rig: Rig) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 2)
        connector.write(Batch(audience, changes(Action.ADD, people)))
        rig.delete(audience)
        with pytest.raises(AudienceLost):
            connector.write(Batch(audience, changes(Action.ADD, people)))
        with pytest.raises(AudienceLost):
            list(connector.members(audience))
        again = Audience("vip", audience.name, audience.kind, connector.ensure(audience))
        connector.write(Batch(again, changes(Action.ADD, people[:1])))
        assert rig.carriers(again) == {people[0][1]}

    def test_an_erased_contact_is_gone(self, rig: Rig) -> None:
        connector = rig.connect()
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        ((id_, address),) = contacts(connector, 1)
        assert connector.erase(id_).state is OutcomeState.DONE
        assert id_ not in by_id(stream, connector.read(stream, None))
        assert connector.erase(id_).state is OutcomeState.DONE
        audience = ensured(connector)
        (outcome,) = connector.write(Batch(audience, changes(Action.ADD, [(id_, address)])))
        assert outcome.state is OutcomeState.REFUSED

    # ---- trouble ---------------------------------------------------------------------------------

    def test_a_healthy_account_says_who_it_is(self, rig: Rig) -> None:
        health = rig.connect().check()
        assert health.ok
        assert health.account
        assert health.problems == ()

    def test_a_wrong_key_is_unauthorized_and_check_says_so(self, rig: Rig) -> None:
        connector = rig.connect(**rig.wrong_credentials())
        health = connector.check()
        assert not health.ok
        assert len(health.problems) == 1
        assert not any(str(v) in health.problems[0] for v in rig.wrong_credentials().values())
        with pytest.raises(Unauthorized):  # at the latest when reading: features may need no call
            list(connector.read(stream_of(connector, StreamKind.CONTACTS)[0], None))
        with pytest.raises(Unauthorized):
            connector.audiences()

    def test_a_platform_that_is_down_is_unavailable_and_check_says_so(self, rig: Rig) -> None:
        connector = rig.connect(**rig.unreachable())
        health = connector.check()
        assert not health.ok
        assert health.problems
        with pytest.raises(Unavailable):
            connector.audiences()

    def test_being_told_to_slow_down_is_waited_out(self, rig: Rig) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 2)
        rig.simulation.faults.add(Script(Kind.RATE_LIMITED, rig.write_operation, times=8, retry_after_s=70))
        before = rig.clock.now_s()
        connector.write(Batch(audience, changes(Action.ADD, people)))
        assert rig.clock.now_s() - before >= 8 * 70  # more than growing pauses would be
        assert connector.usage()["rate_limited"] == 8
        assert rig.carriers(audience) == {a for _, a in people}

    def test_a_wait_that_is_too_long_is_handed_to_the_run(self, rig: Rig) -> None:
        connector = rig.connect()
        rig.simulation.faults.add(Script(Kind.RATE_LIMITED, "*", retry_after_s=400))
        with pytest.raises(RateLimited) as caught:
            connector.audiences()
        assert caught.value.retry_after_s == 400

    def test_a_flaky_platform_changes_no_result(self, rig: Rig) -> None:
        connector = rig.connect()
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        expected = by_id(stream, connector.read(stream, None))
        rig.simulation.faults.clear(seed=5)
        kinds = [Kind.RATE_LIMITED, Kind.EMPTY_503, Kind.HTML_502, Kind.CUT, Kind.TRUNCATED_200]
        rig.simulation.faults.add(*(Chance(kind, 0.06, rig.read_operation) for kind in kinds))
        for _ in range(4):
            assert by_id(stream, connector.read(stream, None)) == expected
        assert connector.usage()["retries"] > 0

    def test_usage_counts_what_the_platform_counts(self, rig: Rig) -> None:
        rig.simulation.traffic.reset()
        connector = rig.connect()
        audience = ensured(connector)
        connector.write(Batch(audience, changes(Action.ADD, contacts(connector, 2))))
        usage = connector.usage()
        assert usage["reads"] == rig.simulation.traffic.reads
        assert usage["writes"] == rig.simulation.traffic.writes == 2
