"""How the simulated org words what it says: replies, refusals, records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.salesforce.simulated.schema import Field
from connectors.simulation.platform import Reply

JSON_TYPE = "application/json;charset=UTF-8"


class Problem(Exception):
    """A call that is refused as a whole."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


def not_found() -> Problem:
    """A record or address that is not there."""
    return Problem(404, "NOT_FOUND", "The requested resource does not exist")


def refusal(problem: Problem, headers: Mapping[str, str | None]) -> Reply:
    """Top-level errors are a list of one."""
    content = [{"message": problem.message, "errorCode": problem.code}]
    return Reply(problem.status, json.dumps(content).encode(), {"Content-Type": JSON_TYPE, **headers})


def moment(seconds: float | None) -> str | None:
    """Whole seconds, always .000, and an offset without a colon."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def shown(value: Any, field: Field | None) -> Any:
    """A stored value as JSON shows it."""
    return moment(value) if field is not None and field.type == "datetime" else value


def attributes(object: str, id: str, version: str) -> dict[str, str]:
    """In every record of every answer."""
    return {"type": object, "url": f"/services/data/v{version}/sobjects/{object}/{id}"}
