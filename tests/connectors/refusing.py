"""The part of the contract about refusals: of a person, of a batch, of a call, of the whole connection."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from pyroaring import BitMap

from connectors.base import Action, Audience, AudienceKind, Batch, Change, Connector, OutcomeState, StreamKind
from connectors.errors import Unauthorized
from sync.deliver import Address, Delivery, FieldChange, deliver
from tests.connectors.paused import company
from tests.connectors.rig import Rig, changes, contacts, ensured, stream_of

VALUE = "vip"


class RefusingContract:
    """Mixed into ConnectorContract."""

    def test_outcomes_are_right_in_any_order_of_the_answer(self, rig: Rig) -> None:
        """Whoever the platform refuses stands between others, and its answer comes in another order."""
        connector = rig.connect()
        rig.answer_in_another_order()
        for audience in every_kind(connector):
            most = connector.features.audiences[audience.kind].adds
            people = contacts(connector, min(rig.crowd, most) - 3)
            batch = writing(audience, people)
            strangers = (2, 7, len(batch) + 2)
            for place in strangers:
                id_, address = rig.stranger(place)
                batch.insert(place, batch[0]._replace(external_id=id_, address=address))
            outcomes = connector.write(Batch(audience, batch))
            assert [outcome.change for outcome in outcomes] == batch
            refused = {n for n, outcome in enumerate(outcomes) if outcome.state is OutcomeState.REFUSED}
            assert refused == set(strangers), audience.kind
            assert {outcome.state for outcome in outcomes} == {OutcomeState.DONE, OutcomeState.REFUSED}
            if audience.kind is not AudienceKind.FIELD:
                assert rig.carriers(audience) == {address for _, address in people}

    def test_halving_isolates_a_poison_record(self, rig: Rig) -> None:
        """The platform refuses every call that holds one certain person, and does not say because of whom."""
        connector = rig.connect()
        culprit, people = 23, contacts(connector, 40)
        rig.poison(*people[culprit])
        for audience in every_kind(connector):
            delivery = delivered(connector, audience, people)
            assert [refusal.person for refusal in delivery.refused] == [culprit], audience.kind
            assert len(delivery.done_adds) == len(people) - 1
            if audience.kind is not AudienceKind.FIELD:
                assert rig.carriers(audience) == {a for _, a in people} - {people[culprit][1]}

    def test_halving_costs_few_calls(self, rig: Rig) -> None:
        connector = rig.connect()
        people = contacts(connector, 64)
        rig.poison(*people[40])
        kinds = {audience.kind is AudienceKind.FIELD: audience for audience in every_kind(connector)}
        before = rig.simulation.traffic.writes
        delivered(connector, kinds[rig.field_is_halved], people)
        assert 1 < rig.simulation.traffic.writes - before <= 1 + 2 * math.log2(len(people))

    def test_every_documented_refusal_leads_to_its_reaction(self, rig: Rig) -> None:
        """Refused, it writes nothing, says nothing of anybody, and the next call finds all as it was."""
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 2)
        batch = Batch(audience, changes(Action.ADD, people))
        table = rig.documented()
        assert len({refusal.reaction for refusal in table}) >= 4
        for refusal in table:
            fresh = rig.connect()
            _ = fresh.features
            with rig.refusing(refusal), pytest.raises(refusal.reaction) as caught:
                fresh.write(batch)
            assert "@" not in str(caught.value)
            rig.clock.advance(2 * 86_400)  # whatever the platform asked to wait for is over
        assert rig.carriers(audience) == set()
        connector.write(batch)
        assert rig.carriers(audience) == {address for _, address in people}

    def test_revoked_credentials_end_every_call_at_once(self, rig: Rig) -> None:
        connector = rig.connect()
        audience = ensured(connector)
        people = contacts(connector, 2)
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        rig.revoke()
        rig.clock.sleeps.clear()
        for call in (
            lambda: list(connector.read(stream, None)),
            connector.audiences,
            lambda: connector.ensure(Audience("new", "segsync: new", audience.kind)),
            lambda: list(connector.members(audience)),
            lambda: connector.write(Batch(audience, changes(Action.ADD, people))),
        ):
            with pytest.raises(Unauthorized):
                call()
        assert sum(rig.clock.sleeps) < 2  # its own even pace; nothing is tried again
        assert not connector.check().ok
        assert rig.carriers(audience) == set()

    def test_revoked_credentials_pause_this_connection_while_others_go_on(
        self, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A whole run with this platform and a shop's export beside it."""
        firm = company(rig, tmp_path, monkeypatch)
        firm.shop(1)
        first = firm.pull(code=0)
        assert first["platform"]["read"] >= rig.people
        assert first["shop"]["read"] == 1
        other = rig.connect()
        rig.revoke()
        with pytest.raises(Unauthorized):
            other.audiences()
        firm.shop(2)
        failed = firm.pull(code=4)
        assert failed["platform"]["stopped"]
        assert failed["platform"]["read"] == 0
        assert "stopped" not in failed["shop"]
        assert failed["shop"]["read"] == 2
        rig.restore()
        mended = firm.pull(code=0)
        assert "stopped" not in mended["platform"]


def every_kind(connector: Connector) -> list[Audience]:
    """One audience of each kind that the platform has."""
    made = [Audience(VALUE, "segsync: VIP", kind) for kind in connector.features.audiences]
    return [replace(audience, remote_id=connector.ensure(audience)) for audience in made]


def writing(audience: Audience, people: list[tuple[str, str]]) -> list[Change]:
    """Values for a field, else adds."""
    if audience.kind is AudienceKind.FIELD:
        return [Change(Action.SET, id_, address, VALUE) for id_, address in people]
    return changes(Action.ADD, people)


def delivered(connector: Connector, audience: Audience, people: list[tuple[str, str]]) -> Delivery:
    """What becomes of one batch, sent by the run's own delivery. Persons are the places in `people`."""
    numbers = BitMap(range(len(people)))
    field = audience.kind is AudienceKind.FIELD
    return deliver(
        connector,
        audience,
        adds=numbers,
        removes=BitMap(),
        addresses={number: Address(*people[number]) for number in numbers},
        values=dict.fromkeys(numbers, FieldChange(into=(VALUE,))) if field else None,
    )
