"""What runs measured, on the page: every chart with its numbers beside it, nothing of few people."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import pytest
from lxml import html

from sync.profiles.charts import Dot, course
from sync.profiles.over_time import over_time, tellable
from sync.profiles.page import page
from sync.store.kpis import Kpi, Point
from tests.sync.profiles.test_page import NOW, made


def point(run: int, size: int = 100, **values: float | None) -> Point:
    kpis = [Kpi("size", size, size), Kpi("roi", None, why="no_campaigns")]
    kpis += [Kpi(name, value, 50) for name, value in values.items()]
    return Point(run, NOW + dt.timedelta(days=run - 10), {one.name: one for one in kpis})


THREE = [point(run, nps=nps, revenue=100_000.0 * run) for run, nps in ((1, 10.0), (2, None), (3, -5.0))]


def test_each_measure_has_a_chart_with_its_words_and_a_row_for_each_run() -> None:
    text = page([made("big", 100), made("small", 12)], made_at=NOW, measured={"big": THREE, "small": THREE})
    tree = html.document_fromstring(text)
    charts = {
        one.get("aria-labelledby"): one for one in tree.xpath("//svg[contains(@aria-labelledby, '-nps')]")
    }
    assert list(charts) == ["s0-nps-title s0-nps-about"], "nothing but its size is told of the small one"
    (nps,) = charts.values()
    assert nps.xpath("title")[0].text == "NPS over time"
    assert nps.xpath("desc")[0].text == ("10.0 on 2026-02-21, -5.0 on 2026-02-23; lowest -5.0, highest 10.0.")
    assert len(nps.xpath("circle")) == 2, "where nothing was measured there is no mark"
    (table,) = tree.xpath("//table[caption='As runs measured it']")
    rows = [[cell.text_content() for cell in row.xpath("th|td")] for row in table.xpath("tbody/tr")]
    assert rows == [
        ["2026-02-21", "100", "1,000.00", "10.0"],
        ["2026-02-22", "100", "2,000.00", "–"],
        ["2026-02-23", "100", "3,000.00", "-5.0"],
    ]
    assert "Not measured by the latest run: ROI: no campaign" in tree.text_content()
    assert len(set(tree.xpath("//@id"))) == len(tree.xpath("//@id"))
    assert "://" not in text
    lines = "Lines run from the lowest to the highest"
    assert lines in text
    assert lines not in page([made("big", 100)], made_at=NOW, measured={"big": THREE[:1]})  # none is drawn


def test_nothing_is_told_of_few_people() -> None:
    few = Kpi("clv_mean", 1_000.0, 29)
    mixed = replace(THREE[0], values={**THREE[0].values, "clv_mean": few, "entered": Kpi("entered", 3, 7)})
    points = [point(1, size=29, nps=1.0), point(2, size=971, nps=1.0), point(3, size=1_000, nps=1.0), mixed]
    told = tellable(points, everybody=1_000)
    assert [one.run for one in told] == [3, 1]
    assert told[1].value("clv_mean") is None
    assert (told[1].value("nps"), told[1].value("entered")) == (10.0, 3)
    assert list(over_time(points[:2], everybody=1_000, id_="x", currency="EUR")) == []


def test_a_line_runs_from_the_lowest_to_the_highest_end_of_an_interval() -> None:
    dots = [Dot(0, 5.0, 0.0, 10.0), Dot(5, 2.0), Dot(20, 8.0)]
    drawn = course(dots, said=str, ends=("a", "b"), id_="x", title="t", about="a")
    marks = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    (first, x0), (second, x1), (third, _) = [(y, x) for x, y in marks]
    assert (x1 - x0) * 4 == marks[2][0] - x0, "time is drawn to scale"
    assert (first - third) / (second - third) == pytest.approx((8.0 - 5.0) / (8.0 - 2.0))
    flat = course([Dot(0, 3.0), Dot(1, 3.0)], said=str, ends=("a", "b"), id_="x", title="t", about="a")
    assert "nan" not in flat
