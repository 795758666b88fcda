"""An import that Klaviyo finishes long after we have stopped waiting is still ours: nobody is left behind."""

from __future__ import annotations

from pathlib import Path

from sync.run.workspace import Workspace
from tests.scenarios.company import segment
from tests.scenarios.region import Region

HERE, OWN = "shop-mail", "segsync_segments"
RULES = segment("germans", 'country = "DE"', to=f'[{{ connection = "{HERE}", as = "field" }}]')


def named(region: Region) -> set[str]:
    """Addresses of those in whose property the segment stands."""
    profiles = region.klaviyo.account.profiles.values()
    return {str(p.email).lower() for p in profiles if "germans" in (p.properties.get(OWN) or ())}  # type: ignore[operator]


def test_whom_a_late_import_brings_in_though_no_rule_wants_them_any_more_is_taken_out(tmp_path: Path) -> None:
    """Our look came before the import had an effect, so nobody knew that it was on its way."""
    region = Region(tmp_path, people=40)
    with region.served(RULES) as config:
        jobs = region.klaviyo.jobs
        jobs.stalled = True
        assert region.run(config).connections[HERE].unknown > 0
        left = next(h for h in region.humans if h.country == "DE" and h.mailable and HERE in h.on)
        region.opt_out(left, HERE)
        assert named(region) == set()
        region.run(config)  # looks, and finds nobody
        jobs.stalled = False
        for _ in range(3):
            region.clock.advance(600)
            report = region.run(config)
        assert report.exit_code == 0
        assert named(region) == region.expected("DE", HERE)
        with Workspace.open(config, clock=region.clock) as workspace:
            for row in workspace.store.ledger.audiences(HERE):
                assert row.actual == row.owned or row.segment == "*", "nobody here is another's"
