"""`python -m tests.scenarios.campaign --kills 20 --seed 1 --database sqlite --format json`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.scenarios.campaign.driving import Campaign, Result, say


def main() -> int:
    """Exit code 1 if anything did not hold."""
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="so many lives are killed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--people", type=int, default=150, help="how many the company knows")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--log", type=Path, help="a file for everything the lives say")
    parser.add_argument("--progress", action="store_true", help="say now and then how far it is")
    asked = parser.parse_args()
    campaign = Campaign(
        kills=asked.kills,
        seed=asked.seed,
        database=asked.database,
        people=asked.people,
        log=asked.log,
        progress=say if asked.progress else lambda _: None,
    )
    result = campaign.run()
    print(json.dumps(result.document()) if asked.format == "json" else table(result))
    return 1 if result.violations else 0


def table(result: Result) -> str:
    """Faults injected, calls against their bound, invariants held."""
    document = result.document()
    lines = [
        f"{result.kills.total()} kills in {result.lives} lives, seed {result.seed}, on {result.database},"
        f" {document['seconds']} s, {document['cpu_seconds']} s of processor time",
        "",
        "faults injected",
        *(f"  {count:6}  {kind}" for kind, count in sorted(result.faults.items())),
        *(f"  {count:6}  killed: {how}" for how, count in sorted(result.kills.items())),
        "",
        f"  {'write calls':12} {'made':>6} {'most':>6} = 1.25·LB/(1−p) + c·K + A + Σ(2·⌈log2 b⌉ + 1) + N + 5",
    ]
    for one in result.bounds:
        lines.append(
            f"  {one.connection:12} {one.writes:6} {one.most:6} = {one.tries:.1f} (LB {one.fewest})"
            f" + {one.kills} + {one.logins} + {one.halving} + {one.items} + {one.slack}"
        )
    lines += ["", f"invariants, checked {result.checks} times"]
    for key, meaning in INVARIANTS.items():
        broken = [text for text in result.violations if key in text]
        lines.append(f"  {'BROKEN' if broken else 'held':6}  {key:3} {meaning}")
    lines += [f"  {text}" for text in result.violations]
    return "\n".join(lines)


INVARIANTS = {
    "I1": "every platform is as the rules want it, and a fresh plan is empty",
    "I2": "nobody's consent was loosened at any moment",
    "I3": "no member, name or value of others was touched",
    "I5": "exactly the poison people are refused, each with a reason",
    "I6": "calls are within their bound",
    "I8": "no life and no run is stuck",
    "I11": "no address, phone number or secret in anything written out",
    "orders": "no activity lost, none doubled",
    "traceback": "no life ended with a traceback",
}


if __name__ == "__main__":
    sys.exit(main())
