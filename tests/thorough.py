"""How many examples generated tests look at: a fifth in `make test`, all in `make test-long`."""

from __future__ import annotations

import os


def examples(all_of_them: int) -> int:
    """For `max_examples`. Runs are derandomised, so the same rules, people and files come up every time."""
    return all_of_them if os.environ.get("SEGSYNC_THOROUGH") == "1" else max(5, all_of_them // 5)
