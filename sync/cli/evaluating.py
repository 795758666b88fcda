"""The command that judges segments: evaluate."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.output import Format, FormatOption, emit_json, say, table
from sync.cli.running import config_of
from sync.errors import UserError

if TYPE_CHECKING:
    from rules.models.worth.splits import Split
    from rules.models.worth.spread import Estimate
    from sync.run.worth import Evaluation, Worth

_SHOWN, _TOLD = 5, 10
"""Segments in a line, and findings of one kind."""
MOST_DAYS = 36_500


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(evaluate)


def evaluate(
    context: typer.Context,
    days: Annotated[
        int, typer.Option(min=1, max=MOST_DAYS, help="compare with how it was so many days ago")
    ] = 30,
    smallest: Annotated[int, typer.Option(min=1, help="segments with fewer people are too small")] = 100,
    weight: Annotated[
        list[str] | None,
        typer.Option(help="of a criterion of attractiveness, such as size=0.3; 0 leaves it out; repeatable"),
    ] = None,
    nps: Annotated[str | None, typer.Option(help="the fact with answers from 0 to 10")] = None,
    csat: Annotated[str | None, typer.Option(help="the fact with answers from 1 to 5")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """What each segment is worth, which are too many or too few, what moved. Asks nobody, changes nothing.

    Exit codes: 0 judged, with or without warnings; 1 nothing to judge yet, or a criterion or fact that is
    none; 2 wrong usage.
    """
    from sync.run.evaluating import Asked, evaluated
    from sync.run.workspace import Workspace

    scales = {name: fact for name, fact in (("nps", nps), ("csat", csat)) if fact is not None}
    asked = Asked(compare_days=days, smallest=smallest, weights=_weights(weight or []), scales=scales)
    with Workspace.open(config_of(context)) as workspace:
        found = evaluated(workspace, asked)
    if output is Format.JSON:
        emit_json(found.document())
    else:
        _show(found)


def _weights(given: list[str]) -> dict[str, float]:
    found = {}
    for one in given:
        name, _, number = one.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise UserError(f"--weight {one}: write it as NAME=NUMBER, such as size=0.3") from None
    return found


def _show(found: Evaluation) -> None:
    say(
        f"{len(found.worth)} segments of {found.people:,} people, {found.segments_a_person:.1f} a person,"
        f" as of {found.as_of:%Y-%m-%d %H:%M} UTC"
    )
    table(
        f"Worth (revenue, buyers: orders of the last {found.revenue_days} days, refunds not taken off;"
        f" entered, left: {found.compare_days})",
        *_worth(found),
    )
    for line in _shorter(found):
        say(line)
    say("30/90/365 d: orders followed by another within so many days (Kaplan-Meier)")
    _satisfaction(found)
    _returns(found)
    _ranking(found)
    _drift(found)
    _shares(found)
    _centres(found)
    for split in found.splits:
        if split.proposed:
            _split(split, found.currency)
    for name, how in found.unmeasured.items():
        say(f"not measured: {name}: {how}")
    _notices(found)


def _split(split: Split, currency: str) -> None:
    table(
        f"Parts of {split.segment}, by what was known of {split.people:,} people on {split.until}, and what"
        f" they did in the {split.days} days after",
        ["part", "people", *(one.words for one in split.responses), "what sets it apart"],
        (
            [
                place + 1,
                part.people,
                *(one.value(place, currency) for one in split.responses),
                part.name,
            ]
            for place, part in enumerate(split.parts)
        ),
    )
    for place, part in enumerate(split.parts):
        if part.rule:
            say(f"a rule for part {place + 1}, which hits it by {part.fidelity:.0%}: {split.rule(part)}")


def _notices(found: Evaluation) -> None:
    """Of each kind the first ones: two hundred segments can be twins in thousands of ways."""
    seen = Counter[tuple[str, str]]()
    for notice in found.warnings:
        kind = str(notice.severity), notice.code
        seen[kind] += 1
        if seen[kind] <= _TOLD:
            say(f"{kind[0]} {kind[1]}: {notice.message}")
    for (severity, code), count in seen.items():
        if count > _TOLD:
            say(f"{severity} {code}: {count - _TOLD:,} more; --format json has all")


def _some(segments: Sequence[str]) -> str:
    more = f" and {len(segments) - _SHOWN:,} more" if len(segments) > _SHOWN else ""
    return f"{', '.join(segments[:_SHOWN])}{more}"


def _worth(found: Evaluation) -> tuple[list[str], list[list[object]]]:
    """Heads and rows; a measure that no segment has is left out, for why is said below."""
    optional: list[tuple[str, Callable[[Worth], str | None]]] = [
        ("margin", lambda one: None if one.margin_share is None else f"{one.margin_share:.0%}"),
        ("CLV each", lambda one: None if one.clv is None else f"{one.clv.mean / 100:,.2f}"),
        ("engaged", lambda one: None if one.engagement is None else f"{one.engagement.mean:,.2f}"),
        ("ROI", lambda one: None if one.roi.value is None else f"{one.roi.value:+.0%}"),
    ]
    there = [(head, of) for head, of in optional if any(of(one) is not None for one in found.worth)]
    heads = ["segment", "people", "", "entered", "left", "new", "revenue", f"{found.currency} each", "buy"]
    rows: list[list[object]] = [
        [
            one.segment,
            one.size,
            f"{one.share:.0%}",
            one.growth.entered if one.growth else None,
            one.growth.left if one.growth else None,
            one.growth.new if one.growth else None,
            f"{one.revenue_share:.0%}",
            f"{one.revenue_per_person / 100:,.2f}",
            f"{one.buyers.value:.0%}" if one.buyers else None,
            "/".join("–" if share is None else f"{share:.0%}" for share in one.retention.values()),
            *(of(one) for _, of in there),
            f"{one.reach:.0%}",
            one.badge,
        ]
        for one in found.worth
    ]
    return [*heads, "30/90/365 d", *(head for head, _ in there), "reach", "data"], rows


def _shorter(found: Evaluation) -> Iterator[str]:
    """Which segments are not compared with so many days ago, but with later, or not at all, and why."""
    edge = found.as_of - dt.timedelta(days=found.compare_days)
    reasons: dict[str, list[str]] = {}
    for one in found.worth:
        if one.growth is None:
            reasons.setdefault(f"are not known: {one.growth_note}", []).append(one.segment)
        elif one.growth.since > edge:
            why = one.growth_note or "it was not computed before"
            since = f"count from {one.growth.since:%Y-%m-%d %H:%M}: {why}"
            reasons.setdefault(since, []).append(one.segment)
    for reason, segments in reasons.items():
        yield f"entered, left and new of {_some(segments)} {reason}"


def _satisfaction(found: Evaluation) -> None:
    rows = [
        [
            one.segment,
            each.scale,
            each.answers,
            f"{each.response_rate:.0%}",
            "hidden" if each.score is None else f"{each.score:.0f}",
            ", ".join(f"{name} {s.low:.0%} to {s.high:.0%}" for name, s in each.shares.items()),
        ]
        for one in found.worth
        for each in one.satisfaction
    ]
    if rows:
        table("Satisfaction", ["segment", "scale", "answers", "of all", "score", "95 % interval"], rows)


def _returns(found: Evaluation) -> None:
    """ROI as it is, and with the largest spenders capped; with the intervals of both."""
    rows = [
        [
            one.segment,
            f"{each.bought:,} of {each.treated:,}",
            f"{each.held_bought:,} of {each.held:,}",
            *(
                text
                for welch, bootstrap in (
                    (each.welch, each.bootstrap),
                    (each.capped_welch, each.capped_bootstrap),
                )
                for text in (f"{welch.value:+.0%}", _ends(welch), _ends(bootstrap))
            ),
        ]
        for one in found.worth
        if (each := one.roi.found) is not None
    ]
    if rows:
        table(
            "ROI beside the holdout: as it is, and with the top 0.5 % of people capped (95 % intervals)",
            [
                "segment",
                "bought",
                "bought, held out",
                "ROI",
                "Welch",
                "bootstrap",
                "capped",
                "Welch",
                "bootstrap",
            ],
            rows,
        )
    few = [one.segment for one in found.worth if one.roi.found is not None and one.roi.found.among_spenders]
    if few:
        say(f"capped among spenders alone, for fewer than 0.5 % bought: {', '.join(few)}")


def _ends(of: Estimate) -> str:
    return f"{of.low:+.0%} to {of.high:+.0%}"


def _ranking(found: Evaluation) -> None:
    if found.ranking:
        table(
            "Attractiveness",
            ["rank", "segment", "score", "ranks as weights move", "first in"],
            (
                [one.rank, one.segment, one.score, f"{one.best} to {one.worst}", f"{one.first:.0%}"]
                for one in found.ranking
            ),
        )
        say("Weights: " + ", ".join(f"{name} {weight:.2f}" for name, weight in found.weights.items()))
    else:
        say("Attractiveness: no segment is ranked")
    out: dict[str, list[str]] = {}
    for one in found.worth:
        if one.knocked_out:
            out.setdefault("; ".join(one.knocked_out), []).append(one.segment)
    for reason, segments in out.items():
        say(f"not ranked: {_some(segments)}: {reason}")


def _drift(found: Evaluation) -> None:
    table(
        f"Drift in {found.compare_days} days",
        ["of", "what", "PSI", "limit", "then", "now", ""],
        (
            [
                one.segment or "everybody",
                one.feature,
                f"{one.found.value:.3f}",
                f"{one.found.limit:.3f}",
                one.found.n,
                one.found.m,
                "too small" if one.found.too_small else "drift" if one.found.alarm else "",
            ]
            for one in found.drift
            if one.segment is None or one.found.alarm
        ),
    )


def _shares(found: Evaluation) -> None:
    moved = [(name, one) for name, one in found.shares.items() if one.alarm]
    if moved:
        table(
            f"Shares that moved in {found.compare_days} days",
            ["of", "most", "then", "now", "Cramér's V", "p"],
            (
                [name, part, f"{then:.1%}", f"{now:.1%}", f"{one.v:.2f}", f"{one.p:.2g}"]
                for name, one in moved
                for part, then, now in [one.most]
            ),
        )
    few = sum(one.too_small for one in found.shares.values())
    same = len(found.shares) - len(moved) - few
    if found.shares:
        say(f"shares of people: {len(moved)} moved, {same} did not, {few} have too few people to tell")


def _centres(found: Evaluation) -> None:
    moved = [one for one in found.centres if one.alarm]
    if moved:
        table(
            "Clusters that moved since they were found",
            ["clustering", "cluster", "people", "by", "sd"],
            ([one.clustering, one.name, one.people, one.feature, f"{one.shift:+.2f}"] for one in moved),
        )
