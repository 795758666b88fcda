"""What holds for all tests: generated examples are the same every time, and none fails for being slow."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")
