"""The part of the contract for platforms that can rename and delete audiences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from connectors.base import (
    Action,
    Audience,
    AudienceKind,
    Batch,
    Connector,
    ManagesAudiences,
    StreamKind,
)
from connectors.errors import AudienceLost, UnexpectedResponse
from connectors.simulation import Kind, Script, When
from tests.connectors.rig import Rig, by_id, changes, contacts, stream_of

NEW_NAME = "segsync: VIPs, all of them"


class ManagingContract:
    """Mixed into ConnectorContract. Connectors that are not ManagesAudiences have nothing to show here."""

    def test_renaming_an_audience_moves_nobody(self, rig: Rig) -> None:
        connector = manager(rig)
        for audience in own_audiences(connector):
            people = contacts(connector, 3)
            connector.write(Batch(audience, changes(Action.ADD, people)))
            names = {a.remote_id: a.name for a in connector.audiences()}
            renamed = replace(audience, name=NEW_NAME)
            for _ in range(2):
                connector.rename(renamed)
                assert rig.carriers(audience) == {address for _, address in people}
                found = {a.remote_id: a.name for a in connector.audiences()}
                assert found == {**names, str(audience.remote_id): NEW_NAME}
            assert connector.ensure(replace(renamed, remote_id=None)) == audience.remote_id

    def test_deleting_an_audience_twice_is_no_error_and_deletes_nobody(self, rig: Rig) -> None:
        connector = manager(rig)
        stream = stream_of(connector, StreamKind.CONTACTS)[0]
        everybody = set(by_id(stream, connector.read(stream, None)))
        others = {a.remote_id for a in connector.audiences()}
        for audience in own_audiences(connector):
            connector.write(Batch(audience, changes(Action.ADD, contacts(connector, 3))))
            for _ in range(2):
                connector.delete(audience)
                assert {a.remote_id for a in connector.audiences()} == others
            rig.clock.advance(60)  # reads stay clear of the present, in which members changed
            assert set(by_id(stream, connector.read(stream, None))) == everybody

    def test_deleting_an_audience_survives_losing_its_answer(self, rig: Rig) -> None:
        connector = manager(rig)
        for audience in own_audiences(connector):
            before = connector.usage()["retries"]
            rig.simulation.faults.add(Script(Kind.EMPTY_503, "DELETE *", when=When.AFTER))
            connector.delete(audience)
            assert connector.usage()["retries"] == before + 1
            assert audience.remote_id not in {a.remote_id for a in connector.audiences()}

    def test_renaming_an_audience_that_is_gone_says_so(self, rig: Rig) -> None:
        connector = manager(rig)
        for audience in own_audiences(connector):
            rig.delete(audience)
            names = {a.remote_id: a.name for a in connector.audiences()}
            with pytest.raises(AudienceLost):
                connector.rename(replace(audience, name=NEW_NAME))
            assert {a.remote_id: a.name for a in connector.audiences()} == names

    def test_an_owned_field_is_neither_renamed_nor_deleted(self, rig: Rig) -> None:
        connector = manager(rig)
        if AudienceKind.FIELD not in connector.features.audiences:
            pytest.skip("the platform has no audiences of this kind")
        field = Audience("vip", "segsync: VIP", AudienceKind.FIELD)
        field = replace(field, remote_id=connector.ensure(field))
        before = rig.simulation.traffic.writes
        connector.rename(replace(field, name=NEW_NAME))
        with pytest.raises(UnexpectedResponse, match="delete it in"):
            connector.delete(field)
        assert rig.simulation.traffic.writes == before


class Manager(Connector, ManagesAudiences):
    """Both protocols at once, for the type checker."""


def manager(rig: Rig) -> Manager:
    connector = rig.connect()
    if not isinstance(connector, ManagesAudiences):
        pytest.skip("the platform cannot rename or delete audiences")
    return connector  # type: ignore[return-value]


def own_audiences(connector: Connector) -> Iterator[Audience]:
    """One of each kind that is an object of its own on the platform; an owned field holds all segments."""
    for kind in connector.features.audiences:
        if kind is not AudienceKind.FIELD:
            made = Audience("vip", "segsync: VIP", kind)
            yield replace(made, remote_id=connector.ensure(made))
