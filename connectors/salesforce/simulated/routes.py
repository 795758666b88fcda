"""The addresses of the simulated REST API, below /services/data/vNN.N/, and what each does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from connectors.salesforce.simulated.answers import JSON_TYPE, Problem, attributes, not_found, shown
from connectors.salesforce.simulated.rules import RowError, UnknownField
from connectors.salesforce.simulated.schema import MULTIPICKLIST_LENGTH, Field
from connectors.simulation.platform import Reply

if TYPE_CHECKING:
    from connectors.salesforce.simulator import SalesforceSimulator

MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request. `path` is below the version, without slashes at its ends."""

    home: SalesforceSimulator
    version: str
    query: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body; raises Problem."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Problem(400, "JSON_PARSER_ERROR", "Unexpected character") from None

    def object(self, name: str) -> str:
        """The object's own spelling of its name."""
        found = self.home.org.schema.get(name.lower())
        if found is None:
            raise not_found()
        return found.name


def answered(status: int, content: Any = None, **headers: str) -> Reply:
    """JSON, or nothing."""
    body = b"" if content is None else json.dumps(content, indent=2).encode()
    return Reply(status, body, {"Content-Type": JSON_TYPE, **headers})


def more(call: Call, id: str, start: str) -> Reply:
    return answered(200, call.home.queries.more(id, int(start)))


def query(call: Call, deleted: bool) -> Reply:
    text = call.query.get("q")
    if text is None:
        raise Problem(400, "MALFORMED_QUERY", "no query string was provided")
    return answered(200, call.home.queries.first(text, version=call.version, deleted=deleted))


def describe(call: Call, name: str) -> Reply:
    return answered(200, call.home.org.schema[call.object(name).lower()].describe(call.version))


def record(call: Call, name: str, id: str) -> Reply:
    object = call.object(name)
    found = call.home.org.live(object, id)
    if found is None:
        raise not_found()
    fields = call.home.org.schema[object.lower()].fields.values()
    values = {f.name: shown(found[f.name], f) for f in fields if f.visible}
    return answered(200, {"attributes": attributes(object, found["Id"], call.version), **values})


def create(call: Call, name: str) -> Reply:
    object = call.object(name)
    id = _single(lambda: call.home.org.insert(object, call.json()))
    place = attributes(object, id, call.version)["url"]
    return answered(201, {"id": id, "success": True, "errors": []}, Location=place)


def change(call: Call, name: str, id: str) -> Reply:
    object = call.object(name)
    if call.home.org.live(object, id) is None:
        raise not_found()
    _single(lambda: call.home.org.update(object, id, call.json()))
    return Reply(204, b"", {"Content-Type": None})


def delete(call: Call, name: str, id: str) -> Reply:
    object = call.object(name)
    if call.home.org.live(object, id) is None:
        raise not_found()
    _single(lambda: call.home.org.delete(object, id))
    return Reply(204, b"", {"Content-Type": None})


def _single(write: Callable[[], str]) -> str:
    try:
        return write()
    except RowError as error:
        raise Problem(400, error.code, error.message) from None
    except UnknownField as error:
        raise Problem(400, "INVALID_FIELD", str(error)) from None


def collections(call: Call, method: str) -> Reply:
    org = call.home.org
    if method == "DELETE":
        ids = call.query.get("ids", "").split(",")
        _within(len(ids))
        return answered(200, [_row(partial(_delete, call, id)) for id in ids])
    records = call.json().get("records") or []
    _within(len(records))
    if org.trigger_limit is not None and len(records) > org.trigger_limit:
        message = "System.LimitException: Apex CPU time limit exceeded"
        error = RowError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message)
        return answered(200, [error.shown() for _ in records])
    if any(org.poison & {str(value) for value in one.values()} for one in records):
        raise Problem(400, "UNKNOWN_EXCEPTION", "An unexpected error occurred.")
    results = []
    for one in records:
        object = call.object(str((one.get("attributes") or {}).get("type")))
        if method == "POST":
            results.append(_row(partial(org.insert, object, one)))
        else:
            results.append(_row(partial(org.update, object, one.get("id"), one)))
    return answered(200, results)


def _delete(call: Call, id: str) -> str:
    return call.home.org.delete(_home(call, id), id)


def _home(call: Call, id: str) -> str:
    object = call.home.org.object_of(id)
    if object is None:
        raise RowError("MALFORMED_ID", f"bad id {id}")
    return object


def _within(count: int) -> None:
    if count > MOST_ROWS:
        message = f"record count of {count} exceeds the limit of {MOST_ROWS}"  # words unverified
        raise Problem(400, "EXCEEDED_MAX_SIZE_REQUEST", message)


def _row(write: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"id": write(), "success": True, "errors": []}
    except RowError as error:
        return error.shown()
    except UnknownField as error:
        raise Problem(400, "INVALID_FIELD", str(error)) from None


def limits(call: Call) -> Reply:
    used, most = call.home.used, call.home.daily_calls
    return answered(200, {"DailyApiRequests": {"Max": most, "Remaining": max(0, most - used)}})


def custom_field(call: Call) -> Reply:
    """Needs the right to customise; the new field is hidden from everybody until it is granted."""
    if not call.home.may_customise:
        raise Problem(403, "INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id")
    given = call.json()
    object, _, name = str(given.get("FullName")).partition(".")
    schema = call.home.org.schema[call.object(object).lower()]
    metadata = given.get("Metadata") or {}
    if name.lower() in schema.fields:
        raise Problem(400, "DUPLICATE_DEVELOPER_NAME", f"There is already a field named {name} on {object}.")
    values = (metadata.get("valueSet") or {}).get("valueSetDefinition", {}).get("value") or []
    if metadata.get("type") != "MultiselectPicklist" or not values or not metadata.get("visibleLines"):
        raise Problem(400, "FIELD_INTEGRITY_EXCEPTION", "valueSet, visibleLines: required for this type")
    schema.add(
        Field(
            name,
            "multipicklist",
            str(metadata.get("label")),
            MULTIPICKLIST_LENGTH,
            values=[str(v["fullName"]) for v in values],
            restricted=bool(metadata["valueSet"].get("restricted")),
            visible=False,
            editable=False,
        )
    )
    for one in call.home.org.tables[schema.name].values():
        one[name] = None
    return answered(
        201, {"id": f"00N{len(schema.fields):012d}AAA", "success": True, "errors": [], "warnings": []}
    )


def job_create(call: Call) -> Reply:
    return answered(200, call.home.jobs.create(call.json()))


def job_upload(call: Call, id: str) -> Reply:
    call.home.jobs.upload(id, call.body)
    return Reply(201, b"", {"Content-Type": None})


def job_move(call: Call, id: str) -> Reply:
    return answered(200, call.home.jobs.move(id, str(call.json().get("state"))))


def job_look(call: Call, id: str) -> Reply:
    return answered(200, call.home.jobs.look(id))


def job_results(call: Call, id: str, kind: str) -> Reply:
    return Reply(200, call.home.jobs.results(id, kind).encode(), {"Content-Type": "text/csv"})


ROUTES: tuple[tuple[str, str, Callable[..., Reply]], ...] = (
    ("GET", "query", partial(query, deleted=False)),
    ("GET", "queryAll", partial(query, deleted=True)),
    ("GET", r"(?:query|queryAll)/(\w+)-(\d+)", more),
    ("GET", r"sobjects/(\w+)/describe", describe),
    ("GET", r"sobjects/(\w+)/(\w+)", record),
    ("POST", r"sobjects/(\w+)", create),
    ("PATCH", r"sobjects/(\w+)/(\w+)", change),
    ("DELETE", r"sobjects/(\w+)/(\w+)", delete),
    *(
        (verb, "composite/sobjects", partial(collections, method=verb))
        for verb in ("POST", "PATCH", "DELETE")
    ),
    ("GET", "limits", limits),
    ("POST", "tooling/sobjects/CustomField", custom_field),
    ("POST", "jobs/ingest", job_create),
    ("PUT", r"jobs/ingest/(\w+)/batches", job_upload),
    ("PATCH", r"jobs/ingest/(\w+)", job_move),
    ("GET", r"jobs/ingest/(\w+)", job_look),
    ("GET", r"jobs/ingest/(\w+)/(successfulResults|failedResults|unprocessed[rR]ecords)", job_results),
)


def route(call: Call, method: str, path: str) -> Reply:
    """Find the address and answer; raises Problem."""
    other = False
    for verb, pattern, handler in ROUTES:
        found = re.fullmatch(pattern, path)
        if found and verb == method:
            try:
                return handler(call, *found.groups())
            except RowError as error:
                raise Problem(400, error.code, error.message) from None
        other = other or found is not None
    if other:
        message = f"HTTP Method '{method}' not allowed."
        raise Problem(405, "METHOD_NOT_ALLOWED", message)
    raise not_found()
