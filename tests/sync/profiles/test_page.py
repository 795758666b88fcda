"""The report as a page: well formed, for everybody to read, with nothing fetched and nothing let in."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from lxml import etree, html

from rules.models.traits import Moments
from sync.profiles.charts import differences, steps
from sync.profiles.columns import Category, Number, Part
from sync.profiles.figures import Counts, Level, Measure
from sync.profiles.page import page
from sync.profiles.profile import Measured, Profile, Size, profile

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
EVIL = '</title><script>alert("1")</script><img src=x>&"'


def made(segment: str, size: int, *, level: str = "DE") -> Profile:
    spend = Number("spend", "spend", Part.VALUE, "spend", "EUR")
    days = [Size(NOW - dt.timedelta(days=days), size + days, edited=days == 3) for days in (9, 3, 1)]
    return profile(
        segment,
        f"Name of {segment}",
        as_of=NOW,
        size=size,
        trend=days,
        inside=Counts(size, {"spend": Measure(Moments(size, 20.0, 25.0), 18.0)}, (min(size, 60),)),
        everybody=Counts(1000, {"spend": Measure(Moments(1000, 50.0, 900.0), 45.0)}, (200,)),
        numbers=[spend],
        levels=[Level(Category("country", "country", Part.WHO, ""), level, 200)],
    )


@pytest.fixture(scope="module")
def text() -> str:
    return page([made("big", 100), made("small", 12), made(EVIL, 90, level=EVIL)], made_at=NOW)


@pytest.fixture(scope="module")
def tree(text: str) -> html.HtmlElement:
    return html.document_fromstring(text)


def test_it_is_well_formed_and_every_mark_stands_once(text: str) -> None:
    as_xml = re.sub(r"<meta ([^>]*)>", r"<meta \1/>", text).replace("<!DOCTYPE html>", "")
    root = etree.fromstring(as_xml.encode())  # every element is closed where it must be
    ids = Counter(root.xpath("//@id"))
    assert set(ids.values()) == {1}
    named = " ".join(root.xpath("//@aria-labelledby")).split()
    named += [link.removeprefix("#") for link in root.xpath("//a/@href")]
    assert named
    assert set(named) <= set(ids)


def test_nothing_is_fetched_and_no_script_runs(text: str, tree: html.HtmlElement) -> None:
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert not tree.xpath("//script | //link | //img | //iframe | //@src | //@onload | //@onclick")
    assert all(link.startswith("#") for link in tree.xpath("//@href"))
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'")


def test_what_strangers_typed_is_text_and_nothing_else(tree: html.HtmlElement) -> None:
    assert tree.xpath("//title")[0].text == "Segments: who they are"
    headings = [one.text_content() for one in tree.xpath("//h2")]
    assert headings == ["All segments", "Name of big", "Name of small", f"Name of {EVIL}"]
    assert any(f"country {EVIL}" in cell.text_content() for cell in tree.xpath("//th"))


def test_it_can_be_read_without_seeing_it(tree: html.HtmlElement) -> None:
    assert tree.get("lang") == "en"
    levels = [int(one.tag[1]) for one in tree.iter("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    charts = tree.xpath("//svg")
    assert len(charts) == 1 + 3 + 2  # sizes, a trend each, and what sets those apart who are told of
    for chart in charts:
        assert chart.get("role") == "img"
        assert chart.find("title").text
        assert chart.find("desc").text
        assert chart.xpath("./ancestor::figure/following-sibling::div[1]//table")
    for table in tree.xpath("//table"):
        assert table.find("caption").text
        assert all(head.get("scope") in {"col", "row"} for head in table.iter("th"))


def test_of_a_small_segment_the_page_tells_the_size_alone(tree: html.HtmlElement) -> None:
    (section,) = tree.xpath("//section[h2='Name of small']")
    assert "12 people" in section.text_content()
    assert "fewer than 30 people" in section.text_content()
    assert [one.text for one in section.xpath(".//h3")] == ["Trend"]


def test_segments_of_one_name_are_told_apart_by_their_ids() -> None:
    twins = [replace(made(segment, 100), name="German") for segment in ("dach", "language/de")]
    tree = html.document_fromstring(page([*twins, made("other", 50)], made_at=NOW))
    told = ["German (dach)", "German (language/de)", "Name of other"]
    assert [one.text_content() for one in tree.xpath("//h2")][1:] == told
    assert [one.text_content() for one in tree.xpath("//section[1]//tbody//a")] == told
    assert tree.xpath("//svg")[0].xpath("./text[@text-anchor='end']/text()") == told


def test_a_size_that_is_the_only_one_known_is_no_chart() -> None:
    one = replace(made("new", 100), trend=(Size(NOW, 100),))
    (section,) = html.document_fromstring(page([one], made_at=NOW)).xpath("//section[h2='Name of new']")
    assert "100 people since 2026-03-02: no other size is known yet." in section.text_content()
    assert not section.xpath(".//svg[contains(@aria-labelledby, 'trend')]")


def test_of_many_segments_the_largest_are_drawn_and_all_stand_in_the_table() -> None:
    """Bars of two hundred would be cut through at the end of a sheet of paper."""
    many = [made(f"s{size}", size) for size in range(100, 131)]
    tree = html.document_fromstring(page(many, made_at=NOW))
    (chart,) = tree.xpath("//section[@aria-labelledby='all']//svg")
    drawn = [one.text for one in chart.iter("text")][::2]
    assert drawn == [f"Name of s{size}" for size in range(130, 100, -1)]
    assert len(tree.xpath("//section[@aria-labelledby='all']//tbody/tr")) == 31
    assert "The 30 largest; the table has all." in tree.xpath("//figcaption")[0].text
    few = html.document_fromstring(page(many[1:], made_at=NOW))
    assert "largest" not in few.xpath("//figcaption")[0].text


def test_totals_stand_where_there_are_totals(tree: html.HtmlElement) -> None:
    heads = [table.xpath("./thead//th[last()]")[0].text for table in tree.xpath("//table[caption='Numbers']")]
    assert heads == ["total", "total"]  # of what they are worth
    age = Number("age", "age", Part.WHO, "age", "years")
    aged = replace(made("old", 100), numbers=(Measured(age, 100, 40.0, 41.0, 42.0, 43.0, 0.1),))
    (table,) = html.document_fromstring(page([aged], made_at=NOW)).xpath("//table[caption='Numbers']")
    assert table.xpath("./thead//th[last()]")[0].text == "everybody's mean"
    assert [len(row) for row in table.iter("tr")] == [6, 6]


def test_charts_are_drawn_to_scale() -> None:
    drawn = differences([("a", 2.0, "+2"), ("b", -1.0, "-1")], id_="x", title="t", about="d")
    svg = etree.fromstring(drawn.encode())
    middle = float(re.match(r"M(\d+)", svg.find("path").get("d"))[1])
    more, less = svg.findall("rect")
    assert float(more.get("x")) == middle
    assert float(less.get("x")) + float(less.get("width")) == middle
    assert float(more.get("width")) == 2 * float(less.get("width"))
    line = etree.fromstring(steps([(0, 50), (10, 100), (40, 100)], id_="y", title="t", about="d").encode())
    start_x, start_y, turn_x, turn_y, end_x, _ = map(
        float, re.findall(r"[\d.]+", line.findall("path")[1].get("d"))
    )
    assert (turn_x - start_x) / (end_x - start_x) == pytest.approx(10 / 40, abs=1e-3)
    base = float(re.match(r"M\d+ (\d+)", line.findall("path")[0].get("d"))[1])
    assert (base - start_y) / (base - turn_y) == pytest.approx(50 / 100)
