"""Tables on a narrow console: the name by which a row is found and every number stay in one piece."""

from __future__ import annotations

import re

import pytest

from sync.cli.output import table

LONG = "rfm/cannot-lose-them-they-were-so-good"
MONEY = "12,345.67"


def shown(capsys: pytest.CaptureFixture[str], first: str, columns: int) -> list[str]:
    """The lines of a table of so many columns with numbers."""
    headings = ["segment", *(f"order again within {number} days" for number in range(columns))]
    table("", headings, [[first, *[MONEY] * columns]])
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [1, 3, 9])
def test_texts_give_way_before_names_and_numbers(capsys: pytest.CaptureFixture[str], columns: int) -> None:
    lines = shown(capsys, LONG, columns)
    assert len(LONG) <= 40
    (line,) = [one for one in lines if LONG in one]
    assert line.count(MONEY) == columns
    assert max(len(one) for one in lines) <= 160


def test_a_name_gives_way_before_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, LONG, 11)
    assert [one.count(MONEY) for one in lines if MONEY in one] == [11]
    assert LONG in "".join(one[2:].split(" ")[0] for one in lines)
    assert max(len(one) for one in lines) <= 160


def test_what_fits_no_line_is_told_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, LONG * 3, 20)
    told = [tuple(re.split(r"\s{2,}", line.strip())) for line in lines if line.strip()]
    assert told == [("segment", LONG * 3), *((f"order again within {n} days", MONEY) for n in range(20))]
