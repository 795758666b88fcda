"""What campaigns did and found, as a table: faults injected, calls against their bound, invariants held."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

INVARIANTS = {
    "I1": "every platform is as the rules want it, and a fresh plan is empty",
    "I2": "nobody's consent was loosened at any moment",
    "I3": "no member, name or value of others was touched",
    "I4": "nobody who was erased is named by a call again, or made anew",
    "I5": "exactly the poison people are refused, each with a reason",
    "I6": "calls are within their bound",
    "I8": "no life and no run is stuck",
    "I11": "no address, phone number or secret in anything written out",
    "orders": "no activity lost, none doubled",
    "traceback": "no life ended with a traceback",
}


def table(campaign: Mapping[str, Any]) -> str:
    """Of one campaign, from its document."""
    lines = [
        f"{campaign['kills']} kills in {campaign['lives']} lives, seed {campaign['seed']}, on"
        f" {campaign['database']}, {campaign['seconds']} s, {campaign['cpu_seconds']} s of processor time",
        "",
        *_faults(campaign["faults"], campaign["killed"]),
        "",
        f"  {'write calls':12} {'made':>6} {'most':>6} = 1.25·LB/(1−p) + c·K + A + Σ(2·⌈log2 b⌉ + 1) + N + 5",
    ]
    for one in campaign["terms"]:
        lines.append(
            f"  {one['connection']:12} {one['writes']:6} {one['bound']:6} = {one['tries']:.1f}"
            f" (LB {one['fewest']}) + {one['kills']} + {one['logins']} + {one['halving']} + {one['items']}"
            f" + {one['slack']}"
        )
    return "\n".join([*lines, "", *_invariants(campaign["checks"], campaign["violations"])])


def total(campaigns: Sequence[Mapping[str, Any]]) -> str:
    """Of all of them together."""
    faults: Counter[str] = Counter()
    killed: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for one in campaigns:
        faults.update(one["faults"])
        killed.update(one["killed"])
        for term in one["terms"]:
            writes[term["connection"]] += term["writes"]
            most[term["connection"]] += term["bound"]
    seeds = [f"{one['seed']} on {one['database']}" for one in campaigns]
    lines = [
        f"{len(campaigns)} campaigns together (seeds {', '.join(seeds)}): {killed.total()} kills in"
        f" {sum(one['lives'] for one in campaigns)} lives,"
        f" {sum(one['cpu_seconds'] for one in campaigns):.0f} s of processor time",
        "",
        *_faults(faults, killed),
        "",
        f"  {'write calls':12} {'made':>6} {'most':>6}",
        *(f"  {name:12} {count:6} {most[name]:6}" for name, count in sorted(writes.items())),
    ]
    violations = [text for one in campaigns for text in one["violations"]]
    return "\n".join([*lines, "", *_invariants(sum(one["checks"] for one in campaigns), violations)])


def _faults(faults: Mapping[str, int], killed: Mapping[str, int]) -> list[str]:
    injected = [f"  {count:6}  {kind}" for kind, count in sorted(faults.items())]
    return ["faults injected", *injected, *(f"  {n:6}  killed: {how}" for how, n in sorted(killed.items()))]


def _invariants(checks: int, violations: Sequence[str]) -> list[str]:
    lines = [f"invariants, checked {checks} times"]
    for key, meaning in INVARIANTS.items():
        broken = any(re.search(rf"\b{key}\b", text) for text in violations)
        lines.append(f"  {'BROKEN' if broken else 'held':6}  {key:9} {meaning}")
    return [*lines, *(f"  {text}" for text in violations)]
