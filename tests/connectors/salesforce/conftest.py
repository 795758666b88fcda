"""A small org with a connector."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connectors.salesforce.rig import SalesforceRig, salesforce_rig


@pytest.fixture
def org() -> Iterator[SalesforceRig]:
    """60 contacts and 30 leads, 5 of them converted."""
    with salesforce_rig(contacts=60, leads=30) as rig:
        yield rig
