"""The connector contract on Klaviyo."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.base import Action, Audience, AudienceKind, Batch, Change
from connectors.errors import Unavailable
from connectors.simulation import Kind, Script
from tests.connectors.contract import ConnectorContract
from tests.connectors.klaviyo.rig import klaviyo_rig
from tests.connectors.rig import Rig, assert_kinds, contacts

ENOUGH_FOR_A_BATCH = 2_010


class TestKlaviyo(ConnectorContract):
    @pytest.fixture
    def rig(self, request: pytest.FixtureRequest) -> Iterator[Rig]:
        name = request.node.name
        with klaviyo_rig(people=ENOUGH_FOR_A_BATCH if "declared_size" in name else 330) as rig:
            yield rig

    def test_one_property_for_all_segments_is_the_default_kind_of_audience(self, rig: Rig) -> None:
        assert_kinds(rig.connect(), AudienceKind.FIELD, AudienceKind.LIST)

    def test_audiences_lists_those_that_are_not_ours_too(self, rig: Rig) -> None:
        """The property is always among them, so the contract's own test would do without any list."""
        super().test_audiences_lists_those_that_are_not_ours_too(rig)
        assert {"newsletter", "segsync: VIP"} <= {one.name for one in rig.connect().audiences()}

    def test_a_write_whose_answer_is_cut_short_is_no_success(self, rig: Rig) -> None:
        """On the property: a list call is answered without a body, so nothing of it can be cut."""
        connector = rig.connect()
        field = Audience("*", "segments", AudienceKind.FIELD, "segsync_segments")
        rig.simulation.faults.add(Script(Kind.TRUNCATED_200, "POST /api/profile-bulk-import-jobs", times=99))
        changes = [Change(Action.SET, id_, address, "vip") for id_, address in contacts(connector, 2)]
        with pytest.raises(Unavailable):
            connector.write(Batch(field, changes))
