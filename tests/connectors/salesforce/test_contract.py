"""The connector contract on Salesforce."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.base import AudienceKind
from tests.connectors.contract import ConnectorContract
from tests.connectors.rig import Rig, assert_kinds
from tests.connectors.salesforce.rig import CONTACTS, PAGE, salesforce_rig

CROWDS = {"any_order": 2100, "declared_size": 900}
"""Tests that need more contacts than the others."""


class TestSalesforce(ConnectorContract):
    @pytest.fixture
    def rig(self, request: pytest.FixtureRequest) -> Iterator[Rig]:
        name = request.node.name
        contacts = next((many for words, many in CROWDS.items() if words in name), CONTACTS)
        with salesforce_rig(page=PAGE, contacts=contacts) as rig:
            yield rig

    def test_campaigns_are_the_default_kind_of_audience(self, rig: Rig) -> None:
        assert_kinds(rig.connect(), AudienceKind.CAMPAIGN, AudienceKind.FIELD)
