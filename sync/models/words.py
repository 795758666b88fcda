"""What a fitted model found, in sentences for people who send campaigns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rules.vocabulary import MONEY_SCALE


def words(model: str, document: Mapping[str, Any], *, currency: str) -> list[str]:
    """Parameters, then the naive guess beside the model. Nothing of a model that was refused."""
    parameters = document["parameters"]
    if parameters is None:
        return []
    return _WORDS[model](parameters, document["baseline"], currency)


def _rfm(parameters: Mapping[str, Any], _: Mapping[str, Any], currency: str) -> list[str]:
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


def _lifecycle(parameters: Mapping[str, Any], _: Mapping[str, Any], __: str) -> list[str]:
    return [
        f"At risk after {parameters['at_risk']} days without an order, Lapsed after {parameters['lapsed']};"
        " New for 30 days after the first order",
        "who ordered on four days or more is judged by the own gaps, where these are shorter",
    ]


_WORDS = {"rfm": _rfm, "lifecycle": _lifecycle}
