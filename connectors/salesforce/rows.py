"""Rows out, row results back: what each refusal means, and which rows are sent again in smaller parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connectors.pacing import Clock
from connectors.salesforce.client import Json

MOST_ROWS = 200
AFTER_LOCK = (50, 1)
"""Rows that others had locked are sent again in chunks of these sizes."""
LOCK_WAIT_S = 2.0
LOCKED = ("UNABLE_TO_LOCK_ROW",)
TRIGGERED = ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER")
"""A trigger or flow failed; many of them only cannot bear so many rows at once."""
ALREADY = ("DUPLICATE_VALUE",)
GONE = ("NOT_FOUND", "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID")
CONVERTED = "CANNOT_UPDATE_CONVERTED_LEAD"
FORBIDDEN_FIELD = ("INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_FIELD")
REASONS: Mapping[str, str] = {
    CONVERTED: "the lead has been converted, and its contact cannot be seen",
    "UNABLE_TO_LOCK_ROW": "others keep writing to the record or its account; tried again with the next run",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "the field takes only values from its list;"
    " switch off “restrict picklist to the values defined in the value set”",
    "STRING_TOO_LONG": "the person is in more segments than the field can hold",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "a validation rule of the org refuses the record",
    "DUPLICATES_DETECTED": "a duplicate rule of the org refuses the record",
    "REQUIRED_FIELD_MISSING": "the record lacks a field that the org requires",
    "INVALID_EMAIL_ADDRESS": "the record holds an e-mail address that Salesforce does not take",
    "INSUFFICIENT_ACCESS_OR_READONLY": "our user may not edit this record",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "a trigger of the org fails on this record",
    "CANNOT_EXECUTE_FLOW_TRIGGER": "a flow of the org fails on this record",
}
"""Sentences of our own: those of an org can repeat what stands in the record."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one row. `code` None: it was taken."""

    code: str | None = None
    field: str | None = None  # of the row's first error

    @property
    def reason(self) -> str:
        """A sentence without personal values."""
        if self.code in GONE:
            return "the record is not in Salesforce any more"
        return REASONS.get(str(self.code), f"Salesforce refused the record: {self.code}")


def result(row: Json) -> Result:
    """One row of a collections answer."""
    if row.get("success") is True:
        return Result()
    errors = row.get("errors") or [{}]
    fields = errors[0].get("fields") or [None]
    return Result(str(errors[0].get("statusCode") or "UNKNOWN"), fields[0])


def send_all(rows: Sequence[Json], send: Callable[[list[Json]], list[Json]], *, clock: Clock) -> list[Result]:
    """Send rows in as few calls as possible; those that failed only for company or size again, smaller."""
    results: list[Result] = [Result("UNKNOWN")] * len(rows)
    _send(rows, range(len(rows)), MOST_ROWS, send, results)
    for size in AFTER_LOCK:
        locked = [n for n, found in enumerate(results) if found.code in LOCKED]
        if locked:
            clock.sleep(LOCK_WAIT_S)
            _send(rows, locked, size, send, results)
    size = MOST_ROWS
    while size > 1:
        failed = [n for n, found in enumerate(results) if found.code in TRIGGERED]
        if not failed:
            break
        size = max(1, min(size, len(failed)) // 2)
        _send(rows, failed, size, send, results)
    return results


def _send(
    rows: Sequence[Json],
    numbers: Sequence[int],
    size: int,
    send: Callable[[list[Json]], list[Json]],
    results: list[Result],
) -> None:
    for start in range(0, len(numbers), size):
        some = numbers[start : start + size]
        for number, row in zip(some, send([rows[n] for n in some]), strict=True):
            results[number] = result(row)
