"""One run over four platforms: one person per human, the strictest consent everywhere."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from connectors.simulation import Chance, Kind, When
from tests.scenarios.region import NAMES, Human, Region

RULES = """
[[segment]]
id = "germans"
name = "Germans"
when = 'country = "DE"'
to = ["newsletter", { connection = "hub", as = "list" }, { connection = "shop-mail", as = "list" },
      { connection = "crm", as = "campaign" }]

[[segment]]
id = "french"
name = "French"
when = 'country = "FR"'
to = [{ connection = "hub", as = "field" }, { connection = "crm", as = "field" },
      { connection = "shop-mail", as = "field" }, { connection = "newsletter", as = "field" }]
"""


def check(region: Region) -> None:
    germans = "segsync: Germans"
    assert region.mailchimp.tagged(germans) == region.expected("DE", "newsletter")
    assert {a.lower() for a in region.hub.listed(germans)} == region.expected("DE", "hub")
    assert {str(a).lower() for a in region.klaviyo.on_list(germans)} == region.expected("DE", "shop-mail")


def test_one_person_per_human_and_the_strictest_consent_everywhere(tmp_path: Path) -> None:
    region = Region(tmp_path)
    before = region.consents()
    with region.served(RULES) as config:
        report = region.run(config)
        assert not report.failed, report.document()
        assert report.people == len(region.humans)
        check(region)
        for name in NAMES:
            part = report.connections[name]
            assert part.calls == part.minimum_calls, (name, part.document())
        assert region.consents() == before
        again = region.run(config)
        assert not again.failed, again.document()
        assert again.changes == again.held == again.lake_rows_changed == 0, again.document()
        assert sum(part.calls for part in again.connections.values()) == 0
        assert region.consents() == before


def test_who_opts_out_on_one_platform_leaves_the_audiences_of_all(tmp_path: Path) -> None:
    """Somebody on each platform, each of whom is on others too."""
    region = Region(tmp_path, people=40, seed=4)
    with region.served(RULES) as config:
        region.run(config)
        leavers: dict[str, Human] = {}
        for name in NAMES:
            leavers[name] = next(
                h
                for h in region.humans
                if h.country == "DE" and h.mailable and name in h.on and len(h.on) > 2
                if h not in leavers.values()
            )
        for name, leaver in leavers.items():
            region.opt_out(leaver, name)
        consents = region.consents()
        report = region.run(config)
        assert not report.failed, report.document()
        check(region)
        assert region.consents() == consents


@pytest.mark.parametrize(
    ("seed", "rounds"), [(1, 3), *(pytest.param(seed, 6, marks=pytest.mark.long) for seed in (1, 2, 3, 4))]
)
def test_nobodys_consent_is_ever_loosened_whatever_fails(tmp_path: Path, seed: int, rounds: int) -> None:
    region = Region(tmp_path, people=40, seed=seed)
    choice = random.Random(seed)
    with region.served(RULES) as config:
        for number in range(rounds):
            for simulation in region.simulations.values():
                simulation.faults.clear(seed=seed * 100 + number)
                if number % 3 != 2:
                    for kind in (Kind.RATE_LIMITED, Kind.HTML_502, Kind.CUT):
                        simulation.faults.add(Chance(kind, 0.05, when=choice.choice(list(When))))
            human = choice.choice([h for h in region.humans if h.mailable])
            region.opt_out(human, choice.choice(sorted(human.on)))
            consents = region.consents()
            region.run(config)
            assert region.consents() == consents, f"round {number}"
        check(region)
