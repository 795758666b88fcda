"""The report in a real browser: what it fetches, whether it fits a phone, what a screen reader is told."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.profiles.page import page
from sync.store.kpis import Kpi, Point
from tests.browser import Tab, browser
from tests.sync.profiles.test_page import EVIL, NOW, made

A4_PX = 673
"""What margins of 16 mm leave of the width of the paper."""
LONG, CAPITALS, CHINESE = "x" * 200, "HOME COUNTRIES " * 9, "德语国家的客户" * 9


def measured(runs: int) -> list[Point]:
    """Every measure that is charted, with intervals, over so many days; the money is that of a large shop."""
    points = []
    for run in range(runs):
        money, part = 123_456_789_012.0 + run * 10_000_000, 0.4 + run / 100
        values = [
            Kpi("size", 90 + run, 90 + run),
            Kpi("entered", run, run),
            Kpi("left", 1_000, 1_000),
            Kpi("revenue", money, 90),
            *(Kpi(f"retention_{days}", part, 90) for days in (30, 90, 365)),
            Kpi("clv_mean", 12_345_678.0, 90, low=1_234_567.0, high=23_456_789.0),
            Kpi("clv_total", money, 90),
            Kpi("engagement", 55.5 + run, 90, low=50.0, high=70.0),
            Kpi("nps", -100.0 + run, 60),
            Kpi("csat", part, 60, low=part - 0.1, high=part + 0.1),
            Kpi("roi", None, why="no_campaigns")
            if run < 2
            else Kpi("roi", -1.5 + run, 60, low=-9.0, high=99.0),
        ]
        points.append(Point(run + 1, NOW + dt.timedelta(days=run), {one.name: one for one in values}))
    return points


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    told = [
        made("big", 100),
        made("small", 12),
        made(EVIL, 90, level=EVIL),
        *(made(one, 400, level=one) for one in (LONG, CAPITALS, CHINESE)),
    ]
    to = tmp_path_factory.mktemp("report") / "report.html"
    to.write_text(page(told, made_at=NOW, measured={"big": measured(12)}, currency="EUR"), encoding="utf-8")
    return to


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.mark.parametrize("width", [1280, 390])
def test_it_shows_without_an_error_and_asks_for_nothing_but_itself(tab: Tab, file: Path, width: int) -> None:
    tab.open(file, width=width)
    assert tab.value("document.querySelectorAll('h2').length") == 7
    assert [one["request"]["url"] for one in tab.told("Network.requestWillBeSent")] == [file.as_uri()]
    assert not tab.told("Runtime.exceptionThrown")
    assert not tab.told("Runtime.consoleAPICalled")
    assert not [one["entry"] for one in tab.told("Log.entryAdded") if one["entry"]["level"] == "error"]


def test_on_a_phone_nothing_is_wider_than_the_screen_and_charts_can_be_read(tab: Tab, file: Path) -> None:
    """Tables and charts that need more room move within a box of their own."""
    tab.open(file, width=390)
    assert tab.value("document.documentElement.scrollWidth") == 390
    assert tab.value("innerWidth") == 390  # had the page not fitted, it would have been shown smaller
    smallest = """Math.min(...[...document.querySelectorAll('svg text')].map(
        one => 13 * one.ownerSVGElement.getBoundingClientRect().width
            / one.ownerSVGElement.viewBox.baseVal.width))"""
    assert tab.value(smallest) >= 9


def test_every_chart_and_every_table_has_a_name_for_who_cannot_see_it(tab: Tab, file: Path) -> None:
    tab.open(file, width=1280)
    tree = tab.ask("Accessibility.getFullAXTree")["nodes"]
    for role, elements in (("image", "svg"), ("table", "table")):
        named = [one["name"]["value"] for one in tree if one.get("role", {}).get("value") == role]
        assert len(named) == tab.value(f"document.querySelectorAll('{elements}').length") > 0
        assert all(named), role


def test_no_text_of_a_chart_is_cut_off_or_lies_on_another(tab: Tab, file: Path) -> None:
    tab.open(file, width=1280)
    outside = """[...document.querySelectorAll('svg text')].filter(one => {
        const box = one.getBBox(), view = one.ownerSVGElement.viewBox.baseVal
        return box.x < 0 || box.y < 0 || box.x + box.width > view.width || box.y + box.height > view.height
    }).map(one => one.textContent)"""
    assert tab.value(outside) == []
    overlapping = """[...document.querySelectorAll('svg')].flatMap(svg => {
        const all = [...svg.querySelectorAll('text')].map(one => [one.textContent, one.getBBox()])
        return all.flatMap(([said, a], place) => all.slice(place + 1).filter(([, b]) =>
            a.x < b.x + b.width && b.x < a.x + a.width && a.y + 3 < b.y + b.height && b.y + 3 < a.y + a.height
        ).map(([other]) => [said, other]))
    })"""
    assert tab.value(overlapping) == []


def test_on_a_phone_a_course_over_time_shows_its_latest_value_without_being_moved(
    tab: Tab, file: Path
) -> None:
    tab.open(file, width=390)
    cut = """[...document.querySelectorAll('svg.time')].map(one =>
        [one.parentElement.scrollWidth - one.parentElement.clientWidth, one.textContent.slice(0, 30)])"""
    found = tab.value(cut)
    assert len(found) >= 10
    assert [words for beyond, words in found if beyond > 0] == []


def test_on_a_phone_the_heads_of_rows_are_not_broken_into_letters(tab: Tab, file: Path) -> None:
    tab.open(file, width=390)
    heads = """[...document.querySelectorAll('th[scope=row]')].map(one => {
        const width = one.getBoundingClientRect().width, word = document.createRange(), text = one.firstChild
        word.setStart(text, 0); word.setEnd(text, Math.max(text.textContent.search(/[^a-z]|$/), 1))
        return [text.textContent.slice(0, 30), word.getClientRects().length, width]
    })"""
    plain = [one for one in tab.value(heads) if one[0] == "spend, EUR"]
    assert len(plain) == 5
    assert [one for one in plain if one[1] > 1 or one[2] < 90] == []


@pytest.mark.parametrize("width", [1280, 390])
def test_a_date_is_never_broken(tab: Tab, file: Path, width: int) -> None:
    tab.open(file, width=width)
    lines = "[...document.querySelectorAll('td time, th time')].map(one => one.getClientRects().length)"
    found = tab.value(lines)
    assert len(found) >= 12
    assert set(found) == {1}


def test_on_paper_nothing_is_wider_than_the_page(tab: Tab, file: Path) -> None:
    """Paper has no box to move in: what is too wide would be cut, or all would be printed smaller."""
    tab.open(file, width=A4_PX)
    tab.ask("Emulation.setEmulatedMedia", media="print")
    beside = A4_PX - tab.value(
        "document.documentElement.clientWidth"
    )  # paper has no scroll bar, the window has
    tab.open(file, width=A4_PX + beside)
    try:
        assert tab.value("document.documentElement.clientWidth") == A4_PX
        beyond = """[...document.querySelectorAll('table, svg, p, h2')].filter(one =>
            one.getBoundingClientRect().right > document.documentElement.clientWidth + 1
        ).map(one => one.textContent.slice(0, 60))"""
        assert tab.value(beyond) == []
        smallest = """Math.min(...[...document.querySelectorAll('td')].map(
            one => parseFloat(getComputedStyle(one).fontSize)))"""
        assert tab.value(smallest) >= 10
    finally:
        tab.ask("Emulation.setEmulatedMedia", media="")
    printed = tab.ask("Page.printToPDF", preferCSSPageSize=True)["data"]
    assert base64.b64decode(printed).startswith(b"%PDF")
