"""`python -m tests.scenarios.campaign --kills 20 --seed 1 --database sqlite --format json`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.scenarios.campaign.driving import Campaign, say
from tests.scenarios.campaign.telling import table


def main() -> int:
    """Exit code 1 if anything did not hold."""
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="so many lives are killed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--people", type=int, default=150, help="how many the company knows")
    parser.add_argument("--more", action="store_true", help="people are erased, workers share runs")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--log", type=Path, help="a file for everything the lives say")
    parser.add_argument("--progress", action="store_true", help="say now and then how far it is")
    asked = parser.parse_args()
    campaign = Campaign(
        kills=asked.kills,
        seed=asked.seed,
        database=asked.database,
        people=asked.people,
        more=asked.more,
        log=asked.log,
        progress=say if asked.progress else lambda _: None,
    )
    result = campaign.run()
    print(json.dumps(result.document()) if asked.format == "json" else table(result.document()))
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
