"""The report in a real browser: what it fetches, whether it fits a phone, what a screen reader is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.profiles.page import page
from tests.browser import Tab, browser
from tests.sync.profiles.test_page import EVIL, NOW, made

LONG, CAPITALS, CHINESE = "x" * 200, "HOME COUNTRIES " * 9, "德语国家的客户" * 9


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    told = [
        made("big", 100),
        made("small", 12),
        made(EVIL, 90, level=EVIL),
        *(made(one, 400, level=one) for one in (LONG, CAPITALS, CHINESE)),
    ]
    to = tmp_path_factory.mktemp("report") / "report.html"
    to.write_text(page(told, made_at=NOW), encoding="utf-8")
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
