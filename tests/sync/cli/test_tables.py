"""Tables on a narrow console: the name by which a row is found stays in one piece."""

from __future__ import annotations

import pytest

from sync.cli.output import table

LONG = "rfm/cannot-lose-them-they-were-so-good"


def shown(capsys: pytest.CaptureFixture[str], first: str, columns: int) -> list[str]:
    """The lines of a table of so many columns with numbers."""
    headings = ["segment", *(f"order again within {number} days" for number in range(columns))]
    table("", headings, [[first, *["12,345.67"] * columns]])
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [1, 8, 13])
def test_other_columns_give_way_before_the_first_one(
    capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    lines = shown(capsys, LONG, columns)
    assert len(LONG) <= 40
    assert sum(LONG in line for line in lines) == 1
    assert max(len(line) for line in lines) <= 160


def test_nothing_of_a_longer_name_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    name = LONG.replace("/", "-") * 3
    assert name in "".join(line[2:].split(" ")[0] for line in shown(capsys, name, 13))
    assert any(name in line for line in shown(capsys, name, 1)), "where there is room it is not broken"
