"""The command line. Importing it is cheap: what a command needs is imported when it runs."""

from __future__ import annotations


def main() -> None:
    """Entry point of `segsync`."""
    from sync.cli.app import start

    start()
