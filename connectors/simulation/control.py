"""The control address of a simulation, for clients in other processes; served only when asked for.

GET  /__control__/counts              the counts of Traffic
POST /__control__/reset               start counting anew
POST /__control__/faults   {…}        replace all faults; the shape of a faults file; {} clears
POST /__control__/register {"pid": 4711}
POST /__control__/kills    {"kills": [{"point": "applied", "nth": 3, "writes": true}]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from connectors.simulation.faults import FaultsFileError
from connectors.simulation.kills import Kill, Point
from connectors.simulation.platform import Reply, Request, Simulation

CONTROL = "/__control__/"


def control(simulation: Simulation, request: Request) -> Reply:
    """Answer one control request."""
    command = f"{request.method} {request.path.removeprefix(CONTROL)}"
    try:
        given = json.loads(request.body) if request.body else {}
        if not isinstance(given, dict):
            raise ValueError("a JSON object is expected")
        answer = _run(simulation, command, given)
    except (ValueError, KeyError, TypeError, FaultsFileError) as error:
        return _reply(400, {"error": str(error)})
    return _reply(404, {"error": "no such command"}) if answer is None else _reply(200, answer)


def _run(simulation: Simulation, command: str, given: Mapping[str, object]) -> Mapping[str, object] | None:
    match command:
        case "GET counts":
            return {**simulation.traffic.counts(), "kills": simulation.kills.done}
        case "POST reset":
            simulation.traffic.reset()
        case "POST faults":
            simulation.faults.load(given)
        case "POST register":
            simulation.kills.register(int(str(given["pid"])))
        case "POST kills":
            simulation.kills.arm(*_kills(given))
        case _:
            return None
    return {}


def _kills(given: Mapping[str, object]) -> list[Kill]:
    entries = given["kills"]
    if not isinstance(entries, list):
        raise ValueError("kills is a list")
    return [
        Kill(Point(entry["point"]), int(entry.get("nth", 1)), bool(entry.get("writes", True)))
        for entry in entries
    ]


def _reply(status: int, content: Mapping[str, object]) -> Reply:
    return Reply(status, json.dumps(content).encode())
