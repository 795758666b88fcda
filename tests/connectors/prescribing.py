"""Answers that a test puts in the place of the simulator's own: prescribed, refused, or turned round."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from connectors.errors import ConnectorError
from connectors.simulation import Reply, Request, Simulation


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer as the fact sheet documents it, and what the connector must make of it."""

    reply: Reply
    reaction: type[ConnectorError]


def told(status: int, content: object, reaction: type[ConnectorError], **headers: str) -> Refusal:
    """A refusal with a JSON body; header names with _ for -."""
    named: dict[str, str | None] = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refusal(Reply(status, json.dumps(content).encode(), named), reaction)


def bare(status: int, body: bytes, reaction: type[ConnectorError]) -> Refusal:
    """A refusal that is not in the platform's own form, as what stands before it sends them."""
    kind = "text/html" if body else None
    return Refusal(Reply(status, body, {"Content-Type": kind}), reaction)


@contextmanager
def intercepted(simulation: Simulation, decide: Callable[[Request], Reply | None]) -> Iterator[None]:
    """While the block runs, `decide` answers; None leaves a request to the simulator."""
    undo = intercept(simulation, decide)
    try:
        yield
    finally:
        undo()


def intercept(simulation: Simulation, decide: Callable[[Request], Reply | None]) -> Callable[[], None]:
    """From now on `decide` answers; None leaves a request to the simulator. Returns what ends it."""
    answer_of = simulation.answer

    def answer(request: Request) -> Reply:
        chosen = decide(request)
        return answer_of(request) if chosen is None else chosen

    def undo() -> None:
        simulation.answer = answer_of  # type: ignore[method-assign]

    simulation.answer = answer  # type: ignore[method-assign]
    return undo


def turn_round(simulation: Simulation, keys: Collection[str]) -> None:
    """From now on the lists under these keys of JSON answers come in the opposite order."""
    answer_of = simulation.answer

    def answer(request: Request) -> Reply:
        plain = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        reply = answer_of(replace(request, headers=plain))
        try:
            content = json.loads(reply.body)
        except ValueError:
            return reply
        return replace(reply, body=json.dumps(_turned(content, keys)).encode())

    simulation.answer = answer  # type: ignore[method-assign]


def _turned(content: object, keys: Collection[str]) -> object:
    if isinstance(content, list):
        return [_turned(one, keys) for one in content]
    if not isinstance(content, dict):
        return content
    found = {}
    for name, value in content.items():
        inner = _turned(value, keys)
        found[name] = inner[::-1] if name in keys and isinstance(inner, list) else inner
    return found
