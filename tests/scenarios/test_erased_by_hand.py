"""A record that somebody deleted on a platform is on no list there any more."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.region import Region

RULES = """
[[segment]]
id = "germans"
name = "Germans"
when = 'country = "DE"'
to = [{ connection = "hub", as = "list" }]
"""
TITLE = "segsync: Germans"


def test_whoever_is_deleted_while_another_comes_leaves_nothing_to_do(tmp_path: Path) -> None:
    """The list is as long as before, so its count alone does not tell that anything happened."""
    region = Region(tmp_path, people=30, seed=3)
    records = region.hub.records
    with region.served(RULES) as config:
        region.run(config)
        gone = next(h for h in region.humans if h.country == "DE" and h.mailable and "hub" in h.on)
        came = next(h for h in region.humans if h.country == "FR" and h.mailable and "hub" in h.on)
        audience = region.hub.lists.named(TITLE)
        assert audience is not None
        size = len(region.hub.lists.present(audience))
        deleted, added = (records.by_address(human.address("hub")) for human in (gone, came))
        assert deleted is not None
        assert added is not None
        records.archive(deleted)
        region.hub.lists.change(audience, add=[added.id], remove=[])
        assert len(region.hub.lists.present(audience)) == size
        region.clock.advance(2 * 86_400)  # by then all contacts were listed once more
        for _ in range(2):
            report = region.run(config)
            assert not report.failed, report.document()
            part = report.connections["hub"]
            assert (part.adds, part.removes, part.refused) == (0, 0, 0), part.document()
        assert {a.lower() for a in region.hub.listed(TITLE)} == (
            region.expected("DE", "hub") - {gone.address("hub").lower()} | {came.address("hub").lower()}
        )
