"""How long steps tell how far they are. Who shows it, and whether, is the caller's business."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told by long steps how far they are; called from several threads."""

    def step(self, name: str, total: int | None = None) -> None:
        """A new step begins; `total` units if known."""

    def advance(self, units: int = 1) -> None:
        """So many more units of the current step are done."""


class _Silent:
    def step(self, name: str, total: int | None = None) -> None:
        """Nobody watches."""

    def advance(self, units: int = 1) -> None:
        """Nobody watches."""


SILENT: Progress = _Silent()
