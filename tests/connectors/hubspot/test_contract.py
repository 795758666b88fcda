"""The connector contract on HubSpot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.base import AudienceKind
from tests.connectors.contract import ConnectorContract
from tests.connectors.hubspot.rig import hubspot_rig
from tests.connectors.rig import Rig, assert_kinds


class TestHubspot(ConnectorContract):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        with hubspot_rig() as rig:
            yield rig

    def test_lists_are_the_default_kind_of_audience(self, rig: Rig) -> None:
        assert_kinds(rig.connect(), AudienceKind.LIST, AudienceKind.FIELD)
