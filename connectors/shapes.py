"""What one write to a platform takes: people in a call, calls in a batch, jobs. For plans and forecasts.

The formulas here are those a connector keeps to when it writes, so that a plan can tell its calls before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchShape:
    """How many people one write call takes. `adds` and `removes` ride in the same call if `together`."""

    adds: int
    removes: int
    together: bool
    calls_per_change: bool = False  # the platform takes one person per call; a batch is then many calls
    per_call: int | None = None  # a batch takes several calls of so many changes, adds and removes mixed
    bulk_above: int | None = None  # with `per_call`: of a batch of more changes bulk jobs are made …
    bulk_calls: int = 0  # … of so many write calls each
    type_prefix: int = 0  # … for one type of record each, told by so many characters of the address
    job_s: float = 0.0  # how long the platform works on a job as a rule (bulk, or any call), for forecasts

    def calls(self, adds: int, removes: int, *, types: Sequence[int] = ()) -> int:
        """Fewest write calls for so many adds and removes to one audience.

        `types`: how many of them are for each type of record, where `type_prefix` tells types apart.
        """
        if self.calls_per_change:
            return adds + removes
        if self.per_call is not None:
            in_bulk = self._in_bulk(adds + removes, types)
            rest = adds + removes - sum(in_bulk)
            return len(in_bulk) * self.bulk_calls - (-rest // self.per_call)
        need_adds, need_removes = -(-adds // self.adds), -(-removes // self.removes)
        return max(need_adds, need_removes) if self.together else need_adds + need_removes

    def jobs(self, adds: int, removes: int, *, types: Sequence[int] = ()) -> int:
        """How many jobs such a batch makes that the platform works on after our call."""
        if not self.job_s:
            return 0
        if self.bulk_above is not None:
            return len(self._in_bulk(adds + removes, types))
        return self.calls(adds, removes, types=types)

    def by_bulk(self, count: int, *, of: int) -> bool:
        """Whether `count` records of one type, in a batch of `of` changes, are a bulk job: to save calls."""
        if self.bulk_above is None or self.per_call is None or of <= self.bulk_above:
            return False
        return -(-count // self.per_call) > self.bulk_calls

    def _in_bulk(self, changes: int, types: Sequence[int]) -> list[int]:
        return [count for count in types or (changes,) if self.by_bulk(count, of=changes)]
