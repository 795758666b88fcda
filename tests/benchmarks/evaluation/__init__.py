"""Evaluation: rules to stored bitmaps, against others' ways in the same run, and how it grows.

`run` is what `python -m tests.benchmarks evaluation` measures; its last step draws `evaluation.svg`.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.figures import Figure


def run(
    *, people: int = 1_000_000, events: int = 10_000_000, rounds: int = 3, folder: Path | None = None
) -> list[Figure]:
    """Generates the world (in `folder`, or for the time being), measures and draws."""
    import json_logic  # noqa: F401 - told now, not after many minutes
    import rule_engine  # noqa: F401

    from tests.benchmarks import generator
    from tests.benchmarks.evaluation.compared import compared
    from tests.benchmarks.evaluation.plot import draw
    from tests.benchmarks.evaluation.sizes import figures_of, sizes

    with generator.world(folder, people=people, events=events) as world:
        figures = compared(world, rounds)
    figures += figures_of(sizes())
    draw(figures)
    return figures
