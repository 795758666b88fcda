"""Klaviyo's refusals as JSON:API errors."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

Json = dict[str, object]


class Problem(Exception):
    """One or several errors of one answer. `pointer`: place in the body, `parameter`: in the query."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        *,
        pointer: str | None = None,
        parameter: str | None = None,
        meta: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, code)
        self.status = status
        self.headers = dict(headers or {})
        self.errors = [_error(status, code, title, detail, pointer, parameter, meta or {})]

    def also(self, other: Problem) -> Problem:
        """The same answer with one more error."""
        self.errors.extend(other.errors)
        return self


def _error(
    status: int,
    code: str,
    title: str,
    detail: str,
    pointer: str | None,
    parameter: str | None,
    meta: Mapping[str, object],
) -> Json:
    source = {"parameter": parameter} if parameter else {"pointer": pointer or "/data"}
    return {
        "id": str(uuid.uuid4()),
        "status": status,
        "code": code,
        "title": title,
        "detail": detail,
        "source": source,
        "links": {},
        "meta": dict(meta),
    }


def invalid(detail: str, *, pointer: str | None = None, parameter: str | None = None) -> Problem:
    """400 for something in the body or the query."""
    return Problem(400, "invalid", "Invalid input.", detail, pointer=pointer, parameter=parameter)


def not_found(what: str, id: str) -> Problem:
    """404 in Klaviyo's own form."""
    detail = f"A {what} with id {id} does not exist."
    return Problem(404, "not_found", "Not found.", detail, pointer="/data/id")


def throttled(wait_s: float, *, headers: Mapping[str, str]) -> Problem:
    """429 as quoted in a public report."""
    seconds = "second" if wait_s == 1 else "seconds"
    detail = f"Request was throttled. Expected available in {wait_s:g} {seconds}."
    return Problem(429, "throttled", "Request was throttled.", detail, headers=headers)
