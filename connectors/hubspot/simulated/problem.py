"""A refusal, in the shape of HubSpot's error bodies."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


class Problem(Exception):
    """Raised by a handler; becomes the answer."""

    def __init__(
        self,
        status: int,
        message: str,
        category: str | None = "VALIDATION_ERROR",
        *,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.category = category
        self.more = dict(more or {})
        self.headers = dict(headers or {})

    def body(self, correlation: str | None = None) -> Json:
        content: Json = {"status": "error", "message": self.message}
        content.update(self.more)
        content["correlationId"] = correlation or str(uuid.uuid4())
        if self.category is not None:
            content["category"] = self.category
        return content


def invalid(results: Sequence[Mapping[str, Any]]) -> Problem:
    """One or more values a property does not take: a JSON list inside the text."""
    shown = json.dumps([{"isValid": False, **result} for result in results])
    return Problem(400, f"Property values were not valid: {shown}")


def not_found(what: str = "resource not found") -> Problem:
    return Problem(404, what, "OBJECT_NOT_FOUND")
