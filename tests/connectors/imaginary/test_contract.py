"""The connector contract on a platform whose folder was added and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.base import AudienceKind
from tests.connectors.contract import ConnectorContract
from tests.connectors.imaginary.rig import imaginary_rig
from tests.connectors.rig import Rig, assert_kinds


class TestImaginary(ConnectorContract):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        with imaginary_rig() as rig:
            yield rig

    def test_tags_are_the_only_kind_of_audience(self, rig: Rig) -> None:
        assert_kinds(rig.connect(), AudienceKind.TAG)
