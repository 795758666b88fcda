"""Runs that ask few people store what asking everybody tells, whatever happened in between, and whenever."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.scenarios.campaign.driving import say
from tests.scenarios.renewing.driving import Renewing


@pytest.mark.parametrize(
    ("seed", "steps"), [(1, 25), *(pytest.param(n, 250, marks=pytest.mark.long) for n in range(11, 19))]
)
def test_after_every_step_few_tell_what_everybody_would(tmp_path: Path, seed: int, steps: int) -> None:
    """In `make test-long` two thousand steps."""
    with closing(Renewing(tmp_path, seed)) as made:
        assert made.go(steps, say) == []
    assert made.asked < made.of  # else nothing was gained
