"""What a fitted model found, in sentences for people who send campaigns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rules.vocabulary import MONEY_SCALE
from sync.models.beside import judged

NEVER_FADING = 1e9


def words(model: str, document: Mapping[str, Any], *, currency: str) -> list[str]:
    """Parameters, if there are any, then the naive guess beside the model."""
    parameters = document["parameters"]
    told = [] if parameters is None else _WORDS[model](parameters, currency)
    return [*told, *judged(document["baseline"])]


def made_of(data: Mapping[str, Any]) -> str:
    """Which data a fit saw; nothing where there were none."""
    if not data["from"]:
        return "nothing"
    what = next(name for name in ("orders", "deliveries", "leads") if name in data)
    return f"{data[what]:,} {what} of {data['people']:,} people from {data['from']} to {data['to']}"


def _rfm(parameters: Mapping[str, Any], currency: str) -> list[str]:
    sizes = parameters["sizes"]
    money = [None if edge is None else edge / MONEY_SCALE for edge in parameters["money"]]
    return [
        f"recency, days since the last order: {_steps(parameters['recency'], range(5, 0, -1))}",
        f"  people by score 1 to 5: {_people(sizes['recency'])}",
        f"frequency, orders: {_steps(parameters['frequency'], range(1, 6))}",
        f"  people by score 1 to 5: {_people(sizes['frequency'])}",
        f"money, {currency} in all: {_steps(money, range(1, 6), digits=2)}",
        f"  people by score 1 to 5: {_people(sizes['money'])}",
    ]


def _steps(edges: Sequence[float | None], scores: Sequence[int], *, digits: int = 0) -> str:
    """`score 5 up to 15, 4 up to 32 … 1 beyond`; a score that nobody can have is left out."""
    told, below = [], None
    for edge, score in zip(edges, scores, strict=False):
        if edge is not None and edge != below:
            told.append(f"{score} up to {edge:,.{digits}f}")
        below = edge
    return f"score {', '.join([*told, f'{scores[-1]} beyond'])}"


def _people(sizes: Sequence[int]) -> str:
    return ", ".join(f"{size:,}" for size in sizes)


def _lifecycle(parameters: Mapping[str, Any], _: str) -> list[str]:
    at_risk, lapsed = (parameters[name] for name in ("at_risk", "lapsed"))
    told = []
    if parameters.get("fixed"):
        told = [
            f"by this store's gaps the limits would be {at_risk} and {lapsed} days; the fixed ones tell"
            " better who orders again, so they are used unless force = true"
        ]
        at_risk, lapsed = parameters["fixed"]
    return [
        *told,
        f"At risk after {at_risk} days without an order, Lapsed after {lapsed};"
        " New for 30 days after the first order",
        "who ordered on four days or more is judged by the own gaps, where these are shorter",
    ]


def _clv(parameters: Mapping[str, Any], currency: str) -> list[str]:
    from rules.models.clv import (
        MOST_CORRELATION,  # loads SciPy, which whoever only imports this would wait for
    )

    purchases, value = parameters["purchases"], parameters["value"]
    mean = value["p"] * value["v"] / (value["q"] - 1) / MONEY_SCALE
    left_out = f", {value['excluded']:,} of whom for nothing or less" if value["excluded"] else ""
    return [
        f"an order of somebody unknown is expected to be worth {mean:,.2f} {currency};"
        f" {value['fitted'] + value['excluded']:,} people bought again{left_out}",
        f"how often people buy and whether they still do: BG/NBD r {purchases['r']:.4f}, alpha"
        f" {purchases['alpha']:.4f} weeks, a {purchases['a']:.4f}, b {purchases['b']:.4f}",
        f"for how much: Gamma-Gamma p {value['p']:.3f}, q {value['q']:.3f},"
        f" v {value['v'] / MONEY_SCALE:.3f} {currency}",
        f"how often somebody buys and for how much go together by {value['correlation']:.2f} (of 1; up to"
        f" {MOST_CORRELATION:g} either way the model holds)",
        "values are expected of many people alike: no interval is given for a single one",
    ]


def _engagement(parameters: Mapping[str, Any], _: str) -> list[str]:
    days = parameters["half_life_days"]
    fades = "points never fade" if days >= NEVER_FADING else f"points halve every {days:g} days"
    points = ", ".join(f"{kind} {worth:g}" for kind, worth in sorted(parameters["points"].items()))
    marks = parameters["marks"]
    return [
        f"{fades}, and so do deliveries; points: {points}",
        f"{parameters['scored']:,} people are scored; usual are {parameters['usual']:.3f} points a delivery",
        f"points a delivery: score 25 up to {marks[24]:.3f}, 50 up to {marks[49]:.3f},"
        f" 75 up to {marks[74]:.3f}, 90 up to {marks[89]:.3f}",
    ]


def _lead(parameters: Mapping[str, Any], _: str) -> list[str]:
    by = "learned from earlier leads" if parameters["learned"] else "set by hand"
    told = [f"points {by}; values that are not named have none"]
    for feature, points in parameters["points"].items():
        best = sorted(points.items(), key=lambda one: (-one[1], one[0]))
        told.append(
            f"  {feature}: " + ", ".join(f"{value or 'unknown'} {worth:+}" for value, worth in best[:8])
        )
    groups = (
        f"  {' and '.join(group['features'])} together: {group['most']} at most"
        for group in parameters.get("groups", ())
    )
    return [*told, *groups, *_grades(parameters)]


def _grades(parameters: Mapping[str, Any]) -> list[str]:
    """The matrix of fit and engagement; versions from before there was one have none."""
    if "grades" not in parameters:
        return []
    high, low = parameters["fit_at_least"]
    keen, warm = parameters["engaged_at_least"]
    count = parameters["grades"]
    begins = {"A": f"fit from {high} on", "B": f"fit from {low} on", "C": f"fit below {low}"}
    return [
        f"lead_grade, people by fit and engagement (1: from {keen} on, 2: from {warm} on, 3: below, -: not"
        " scored)",
        *(
            f"  {letter} ({words}): " + ", ".join(f"{letter}{n} {count.get(letter + n, 0):,}" for n in "123-")
            for letter, words in begins.items()
        ),
    ]


def _churn(parameters: Mapping[str, Any], _: str) -> list[str]:
    weighed = sorted(
        zip(parameters["names"], parameters["weights"], strict=True), key=lambda one: -abs(one[1])
    )
    told = ", ".join(f"{name} {'more' if weight > 0 else 'less'}" for name, weight in weighed[:3])
    boosted = parameters.get("boosted")
    by = f"{len(boosted['trees']['trees'])} boosted trees" if boosted else "logistic regression"
    return [
        f"the risk of no order within {parameters['days']} days, from 0 to 1, by {by}",
        f"what makes it higher, the strongest first{' by logistic regression' if boosted else ''}: {told}",
        "a high risk does not say that a letter helps: only a test with a holdout does",
    ]


def _offers(parameters: Mapping[str, Any], _: str) -> list[str]:
    items, pairs = len(parameters["items"]), sum(len(row) for row in parameters["alike"])
    return [
        f"{items:,} items of at least {parameters['least_buyers']} buyers, {pairs:,} pairs of them",
        "what somebody has is not offered again; who has none of these items gets no offer",
        *_chances(parameters.get("bands")),
    ]


def _chances(bands: Mapping[str, Any] | None) -> list[str]:
    if bands is None:
        return []
    chances = ", ".join(f"{each:.1%}" for each in bands["chances"])
    return [
        "of somebody's ten best offers it is the one that is worth most: chance times margin, less the cost",
        f"  chance that an offer is taken, by tenths of its score: {chances}",
    ]


def _send_time(parameters: Mapping[str, Any], _: str) -> list[str]:
    best, groups = parameters["hour"], parameters["group_hours"]
    told = [
        f"for everybody the best hour is {_clock(best)} of a person's own day: of what is sent around then"
        f" {parameters['store'][best]:.1%} is clicked, of all {parameters['rate']:.1%}"
    ]
    if parameters["home"] is not None:
        told.append(f"no fact tells people's time zones: everybody's day is that of {parameters['home']}")
    if groups:
        hours = ", ".join(f"{name} {_clock(hour)}" for name, hour in sorted(groups.items())[:8])
        more = "" if len(groups) <= 8 else f" and {len(groups) - 8:,} more"
        told.append(f"by {parameters['group']}: {hours}{more}")
    if parameters["by"] == "person":
        told.append(
            "each person has an hour of their own: clicks at neighbouring hours count in part, and"
            f" {parameters['prior_sends']:g} deliveries more, clicked as is usual, are added to everybody's"
        )
    return told


def _clock(hour: int) -> str:
    return f"{hour}:00 to {(hour + 1) % 24}:00"


def _channel(parameters: Mapping[str, Any], _: str) -> list[str]:
    usual = zip(parameters["preferred"].items(), parameters["usual"], strict=True)
    return [
        *(
            f"{name} is preferred by {people:,} people; usual are {rate:.3f} points a delivery"
            for (name, people), rate in usual
        ),
        f"{parameters['no_data']:,} people were sent nothing lately, or only open (no data),"
        f" {parameters['not_scorable']:,} must not be written to (not scorable)",
        f"a click is 1 point, a reply 2; points halve every {parameters['half_life_days']:g} days, and so do"
        " deliveries",
    ]


_WORDS = {
    "rfm": _rfm,
    "lifecycle": _lifecycle,
    "clv": _clv,
    "engagement": _engagement,
    "lead": _lead,
    "churn": _churn,
    "offers": _offers,
    "send_time": _send_time,
    "channel": _channel,
}
