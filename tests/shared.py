"""Where the shared material (recordings, data sets, contracts) lies beside the checkout.

Tests that need it say so when they are skipped without; `SEGSYNC_REQUIRE_SHARED=1` makes that a failure.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared"


def shared(relative: str) -> Path:
    """The path `../shared/RELATIVE`; skips the test with the reason if it is not there."""
    path = ROOT / relative
    if not path.exists():
        reason = f"needs ../shared/{relative}, which is not beside this checkout"
        if os.environ.get("SEGSYNC_REQUIRE_SHARED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
