"""The command line. Importing it is cheap: what a command needs is imported when it runs."""

from __future__ import annotations

import gc

GC_THRESHOLDS = (10_000, 10, 10)
"""Objects made before Python looks for cycles; with its own 700, a small pull takes 7 % more CPU."""


def main() -> None:
    """Entry point of `segsync`."""
    gc.set_threshold(*GC_THRESHOLDS)
    from sync.cli.app import start

    start()
