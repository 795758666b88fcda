"""Profiles as one page to read, print and pass on: no script, nothing fetched, every chart also as a table.

Every text from outside goes through `escape`: names of segments and levels are typed by strangers.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from rules.models.traits import Trait
from sync.profiles.charts import bars, differences, steps
from sync.profiles.columns import Part
from sync.profiles.markup import date, day, figure, instant, table
from sync.profiles.over_time import over_time
from sync.profiles.persona import amount, sentence, share, words
from sync.profiles.profile import Measured, Profile, Shared
from sync.store.kpis import Point

GENERATOR = '<meta name="generator" content="segsync report">'
"""By this a page is known as one of ours."""
MOST_TRAITS, MOST_LEVELS, MOST_BARS = 12, 8, 30
"""So many bars stand on a sheet of paper with what is above them."""
_STYLE = """
@page { size: A4; margin: 16mm }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 54rem; background: #fff; color: #1F2328;
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: break-word }
h1 { font-size: 1.7rem } h2 { font-size: 1.3rem; margin-top: 2.5rem; border-top: 2px solid #57606A;
  padding-top: .8rem } h3 { font-size: 1rem; margin-bottom: .3rem }
.quiet { color: #57606A } .box { overflow-x: auto }
a { color: #0550AE } a:focus { outline: 2px solid #0550AE; outline-offset: 2px }
svg { max-width: 100%; height: auto; display: block } svg text { font-size: 13px; fill: #1F2328 }
table { border-collapse: collapse; width: 100%; margin: .3rem 0 1rem }
caption { text-align: left; color: #57606A; padding: .2rem 0 }
th, td { padding: .2rem .6rem .2rem 0; text-align: left; border-bottom: 1px solid #D0D7DE;
  vertical-align: top } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
td.n, time { white-space: nowrap } th[scope=row] { overflow-wrap: anywhere }
@media screen and (max-width: 40rem) { svg.compared { min-width: 34rem }
  th[scope=row] { min-width: 6.5rem } }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; -webkit-print-color-adjust: exact;
  print-color-adjust: exact } h2, h3, caption { break-after: avoid } figure, svg, tr { break-inside: avoid }
  a { color: inherit; text-decoration: none } .box { overflow: visible }
  thead { break-after: avoid }
  table { font-size: 8.5pt } th, td { padding-right: .4rem } }
figure { margin: .5rem 0 1rem } figcaption { color: #57606A }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(
    profiles: Sequence[Profile],
    *,
    made_at: dt.datetime,
    measured: Mapping[str, Sequence[Point]] | None = None,
    currency: str = "",
) -> str:
    """The whole file. `profiles`: in the order of the page, all of one installation. `measured`: segment →
    what runs measured of it, oldest first, money in `currency`."""
    points = measured or {}
    everybody = max((one.everybody for one in profiles), default=0)
    called = _called(profiles)
    title = "Segments: who they are"
    parts = [
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{GENERATOR}',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<header><h1>{title}</h1>",
        f'<p class="quiet">{len(profiles):,} segments of {everybody:,} people, made {instant(made_at)}.'
        " No single person is told of, and nothing of fewer than 30 people. Differences describe; they give"
        " no cause.</p></header>\n<main>",
        *_overview(profiles, called),
        *(
            line
            for place, one in enumerate(profiles)
            for line in _section(one, called[place], f"s{place}", points.get(one.segment, ()), currency)
        ),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _called(profiles: Sequence[Profile]) -> list[str]:
    """What each is called on the page: its name, with its id where several have the same name."""
    often = Counter(one.name for one in profiles)
    return [f"{one.name} ({one.segment})" if often[one.name] > 1 else one.name for one in profiles]


def _overview(profiles: Sequence[Profile], called: Sequence[str]) -> Iterator[str]:
    by_size = sorted(enumerate(profiles), key=lambda one: (-one[1].size, one[0]))
    rows = [(called[place], one.share, share(one.share)) for place, one in by_size[:MOST_BARS]]
    yield '<section aria-labelledby="all"><h2 id="all">All segments</h2>'
    yield figure(
        bars(rows, id_="sizes", title="Share of everybody in each segment", about=_listed(rows)),
        "Share of everybody; a person may be in several segments."
        + (f" The {MOST_BARS} largest; the table has all." if len(by_size) > MOST_BARS else ""),
    )
    yield table(
        "The same as numbers",
        ["segment", "people", "share"],
        (
            [f'<a href="#s{place}">{escape(called[place])}</a>', f"{one.size:,}", share(one.share)]
            for place, one in by_size
        ),
    )
    yield "</section>"


def _section(made: Profile, called: str, id_: str, points: Sequence[Point], currency: str) -> Iterator[str]:
    yield f'<section aria-labelledby="{id_}"><h2 id="{id_}">{escape(called)}</h2>'
    yield f"<p>{escape(sentence(made))}</p>"
    yield f'<p class="quiet">{escape(made.segment)}, as of {instant(made.as_of)}</p>'
    yield from _trend(made, id_)
    if made.hidden is None:
        yield from over_time(points, everybody=made.everybody, id_=id_, currency=currency)
        yield from _apart(made, id_)
        for part in Part:
            yield from _part(made, part)
    yield "</section>"


def _trend(made: Profile, id_: str) -> Iterator[str]:
    if not made.trend:
        return
    points = [(one.at.timestamp(), one.size) for one in made.trend]
    points.append((max(made.as_of.timestamp(), points[-1][0]), made.size))
    first = made.trend[0]
    yield "<h3>Trend</h3>"
    if len(made.trend) == 1:
        yield f"<p>{first.size:,} people since {day(first.at)}: no other size is known yet.</p>"
        return
    about = f"From {first.size:,} people on {day(first.at)} to {made.size:,} on {day(made.as_of)}."
    yield figure(steps(points, id_=f"{id_}-trend", title="People over time", about=about), about)
    rows = [
        [date(one.at), f"{one.size:,}", "the rule was edited" if one.edited else ""]
        for one in made.trend[-MOST_TRAITS:]
    ]
    yield table("The latest changes", ["since", "people", "what happened"], rows, numbers=(1,))


def _apart(made: Profile, id_: str) -> Iterator[str]:
    yield "<h3>What sets them apart</h3>"
    if not made.traits:
        yield "<p>Nothing that is large enough and not chance.</p>"
        return
    told = made.traits[:MOST_TRAITS]
    rows = [(_name(one, made), _signed(one), _size(one)) for one in told]
    about = "; ".join(words(one, made.called) for one in told)
    caption = (
        "Left: less than everybody, right: more. A share that doubles is drawn as one standard deviation."
    )
    drawn = differences(rows, id_=f"{id_}-apart", title="Differences from everybody", about=about)
    yield figure(drawn, caption)
    yield table(
        "The same as numbers: shares, or medians",
        ["what", "difference", "them", "everybody", "people"],
        ([escape(_name(one, made)), _size(one), *_pair(one), f"{one.support:,}"] for one in told),
    )
    if len(made.traits) > MOST_TRAITS:
        yield f"<p>{len(made.traits) - MOST_TRAITS} weaker ones are not shown.</p>"


def _part(made: Profile, part: Part) -> Iterator[str]:
    numbers, levels = made.numbers_of(part), made.levels_of(part)
    if not numbers and not levels:
        return
    yield f"<h3>{escape(part.value.capitalize())}</h3>"
    if numbers:
        heads = ["what", "people", "median", "mean", "everybody's median", "everybody's mean", "total"]
        kept = len(heads) if any(one.total is not None for one in numbers) else len(heads) - 1
        yield table("Numbers", heads[:kept], [_measured(one)[:kept] for one in numbers])
        if spans := made.spans(part):
            yield f'<p class="quiet">{escape(spans)}</p>'
    if levels:
        yield table(
            "Shares", ["what", "people", "share", "of everybody"], (_shared(one) for one in _most(levels))
        )


def _measured(one: Measured) -> list[str]:
    unit = one.number.unit
    name = f"{one.number.words}, {unit}" if unit and unit not in one.number.words else one.number.words
    total = "" if one.total is None else amount(one.total)
    if one.share is not None:
        total += f" ({share(one.share)} of everybody's)"
    means = amount(one.median), amount(one.mean), amount(one.everybody_median), amount(one.everybody_mean)
    return [escape(name), f"{one.people:,}", *means, total]


def _shared(one: Shared) -> list[str]:
    return [
        escape(f"{one.category.words} {one.level}"),
        f"{one.people:,}",
        share(one.share),
        share(one.everybody),
    ]


def _most(levels: Sequence[Shared]) -> Iterator[Shared]:
    """The most frequent levels of each category."""
    seen: dict[str, int] = {}
    for one in levels:
        seen[one.category.name] = seen.get(one.category.name, 0) + 1
        if seen[one.category.name] <= MOST_LEVELS:
            yield one


def _name(one: Trait, made: Profile) -> str:
    name = made.called.get(one.feature, one.feature)
    return name if one.level is None else f"{name} {one.level}"


def _signed(one: Trait) -> float:
    return one.size if one.level is None else one.strength


def _size(one: Trait) -> str:
    return f"{one.size:+.1f} sd" if one.level is None else f"×{one.size:.1f}"


def _pair(one: Trait) -> list[str]:
    told = amount if one.level is None else share
    return [told(one.inside), told(one.everybody)]


def _listed(rows: Sequence[tuple[str, float, str]]) -> str:
    return "; ".join(f"{label} {text}" for label, _, text in rows)
