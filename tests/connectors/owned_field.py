"""The part of the contract for platforms with a field that carries all segments of a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.base import Action, Audience, AudienceKind, Batch, Change, Connector, OutcomeState, StreamKind
from tests.connectors.rig import Rig, by_id, contacts, stream_of


class OwnedFieldContract:
    """Mixed into ConnectorContract. Connectors without audiences of kind FIELD have nothing to show here."""

    def test_what_others_put_into_the_owned_field_stays(self, rig: Rig) -> None:
        connector, field = owned_field(rig)
        (ana, a), (ben, b), (cleo, c), (dora, d) = contacts(connector, 4)
        rig.type_in(a, ["by hand", "zebra"])
        rig.type_in(b, ["by hand", "vip"])
        rig.type_in(c, ["by hand", "new"])
        people = [(ana, a), (ben, b), (cleo, c), (dora, d)]
        into = [Change(Action.SET, id_, address, "vip") for id_, address in people]
        assert {o.state for o in connector.write(Batch(field, into))} == {OutcomeState.DONE}
        assert rig.field_values() == {
            a: ["by hand", "vip", "zebra"],
            b: ["by hand", "vip"],
            c: ["by hand", "new", "vip"],
            d: ["vip"],
        }
        out = [Change(Action.SET, id_, address, "", "new;vip") for id_, address in people]
        assert {o.state for o in connector.write(Batch(field, out))} == {OutcomeState.DONE}
        assert rig.field_values() == {a: ["by hand", "zebra"], b: ["by hand"], c: ["by hand"]}

    def test_what_others_take_out_or_put_in_meanwhile_is_left_so(self, rig: Rig) -> None:
        """Only what changes is sent, so a value we once knew never comes back."""
        connector, field = owned_field(rig)
        ((id_, address),) = contacts(connector, 1)
        connector.write(Batch(field, [Change(Action.SET, id_, address, "lapsed;vip")]))
        rig.type_in(address, ["by hand", "lapsed"])
        connector.write(Batch(field, [Change(Action.SET, id_, address, "new")]))
        assert rig.field_values() == {address: ["by hand", "lapsed", "new"]}

    def test_changing_values_twice_changes_nothing_more_and_writes_no_more_than_values(
        self, rig: Rig
    ) -> None:
        connector, field = owned_field(rig)
        people = contacts(connector, 30)
        for _, address in people[::3]:
            rig.type_in(address, ["by hand"])
        changes = [Change(Action.SET, id_, address, "b;a", "c") for id_, address in people]
        connector.write(Batch(field, changes[:1]))
        found = []
        for _ in range(2):
            before = rig.simulation.traffic.writes
            assert {o.state for o in connector.write(Batch(field, changes))} == {OutcomeState.DONE}
            shape = connector.features.audiences[AudienceKind.FIELD]
            assert rig.simulation.traffic.writes - before == shape.calls(len(people), 0)
            found.append(rig.field_values())
        assert found[0] == found[1]
        assert set(map(tuple, found[0].values())) == {("a", "b"), ("a", "b", "by hand")}

    def test_pages_tell_what_stands_in_the_owned_field_and_nothing_else_changes(self, rig: Rig) -> None:
        connector, field = owned_field(rig)
        people = contacts(connector, 12)
        stream = stream_of(rig.connect(), StreamKind.CONTACTS)[0]
        assert stream.own_field == field.remote_id
        before = by_id(stream, rig.connect().read(stream, None))
        rig.clock.advance(60)
        changes = [Change(Action.SET, id_, address, "a;b") for id_, address in people[:8]]
        connector.write(Batch(field, changes))
        for _, address in people[6:]:
            rig.type_in(address, ["b", "by hand"])
        rig.clock.advance(60)
        after = by_id(stream, rig.connect().read(stream, None))
        told = {row["address"]: sorted(row["own_values"]) for row in after.values() if row["own_values"]}
        expected = {address: ["a", "b"] for _, address in people[:6]}
        assert told == rig.field_values() == expected | {a: ["b", "by hand"] for _, a in people[6:]}
        for id_, row in after.items():
            assert {**row, "own_values": 0, "changed_at": 0} == {
                **before[id_],
                "own_values": 0,
                "changed_at": 0,
            }

    def test_the_owned_field_takes_values_only(self, rig: Rig) -> None:
        connector, field = owned_field(rig)
        ((id_, address),) = contacts(connector, 1)
        rig.type_in(address, ["by hand"])
        for action in (Action.ADD, Action.REMOVE):
            (outcome,) = connector.write(Batch(field, [Change(action, id_, address)]))
            assert outcome.state is OutcomeState.REFUSED
        assert rig.field_values() == {address: ["by hand"]}


def owned_field(rig: Rig) -> tuple[Connector, Audience]:
    """A connection and its owned field, made."""
    connector = rig.connect()
    if AudienceKind.FIELD not in connector.features.audiences:
        pytest.skip("the platform has no audiences of this kind")
    field = Audience("*", "segments", AudienceKind.FIELD)
    return connector, replace(field, remote_id=connector.ensure(field))
