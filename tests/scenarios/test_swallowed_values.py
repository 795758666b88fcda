"""A platform says that it took a value and did not: who does not come back changed is looked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.region import Region

RULES = """
[[segment]]
id = "german"
name = "German"
when = 'country = "DE"'
to = [{ connection = "hub", as = "field" }, { connection = "crm", as = "field" }]
"""
HOUR_S = 3_600


def values(region: Region, name: str) -> dict[str, str]:
    """Address → what stands in our field."""
    if name == "hub":
        rows = [one.properties for one in region.hub.records.live("contacts").values()]
        return {str(row["email"]).lower(): row.get("segsync_segments") or "" for row in rows}
    rows_of_crm = region.crm.org.tables["Contact"].values()
    return {str(row["Email"]).lower(): row["Segments__c"] or "" for row in rows_of_crm}


def as_it_was(region: Region, name: str, address: str) -> Callable[[], None]:
    """A call that makes one record what it is now, its time of change included."""
    if name == "hub":
        record = region.hub.records.by_address(address)
        assert record is not None
        before, updated = dict(record.properties), record.updated

        def again() -> None:
            record.properties, record.updated = dict(before), updated
            region.hub.records.index.note(record, at=updated)

        return again
    rows = region.crm.org.tables["Contact"]
    key, row = next((key, dict(row)) for key, row in rows.items() if str(row["Email"]).lower() == address)
    return lambda: rows[key].update(row)


@pytest.mark.parametrize("name", ["hub", "crm"])
def test_a_value_that_was_swallowed_is_written_again(tmp_path: Path, name: str) -> None:
    region = Region(tmp_path, people=20, seed=5)
    human = next(h for h in region.humans if h.country == "DE" and h.mailable and name in h.on)
    address = human.address(name).lower()
    undo = as_it_was(region, name, address)
    with region.served(RULES) as config:
        region.run(config)
        assert values(region, name)[address] == "german"
        undo()
        assert values(region, name)[address] == ""
        for _ in range(2):
            region.clock.advance(HOUR_S)
            report = region.run(config)
            assert not report.failed, report.document()
        assert values(region, name)[address] == "german"
        assert report.changes == 0
        reads = region.simulations[name].traffic.reads
        region.clock.advance(HOUR_S)
        region.run(config)
        calm = region.simulations[name].traffic.reads - reads
        undo()
        region.clock.advance(HOUR_S)
        reads = region.simulations[name].traffic.reads
        region.run(config)
        assert region.simulations[name].traffic.reads - reads == calm, "who came back once is not looked for"
