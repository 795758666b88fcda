"""The connector contract on Mailchimp."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.base import AudienceKind
from tests.connectors.contract import ConnectorContract
from tests.connectors.mailchimp.rig import mailchimp_rig
from tests.connectors.rig import Rig, assert_kinds


class TestMailchimp(ConnectorContract):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        with mailchimp_rig() as rig:
            yield rig

    def test_tags_are_the_default_kind_of_audience(self, rig: Rig) -> None:
        assert_kinds(rig.connect(), AudienceKind.TAG, AudienceKind.FIELD)
