"""The connector contract on Salesforce."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.base import AudienceKind
from tests.connectors.contract import ConnectorContract
from tests.connectors.rig import Rig, assert_kinds
from tests.connectors.salesforce.rig import CONTACTS, PAGE, salesforce_rig


class TestSalesforce(ConnectorContract):
    @pytest.fixture
    def rig(self, request: pytest.FixtureRequest) -> Iterator[Rig]:
        crowded = "any_order" in request.node.name
        with salesforce_rig(page=PAGE, contacts=2100 if crowded else CONTACTS) as rig:
            yield rig

    def test_campaigns_are_the_default_kind_of_audience(self, rig: Rig) -> None:
        assert_kinds(rig.connect(), AudienceKind.CAMPAIGN, AudienceKind.FIELD)
