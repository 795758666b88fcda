"""Writing objects in batches: create, update, upsert, archive."""

from __future__ import annotations

from collections.abc import Callable

from connectors.hubspot.simulated.call import Call
from connectors.hubspot.simulated.object_routes import Answer, batch_answer
from connectors.hubspot.simulated.problem import Json, Problem, invalid
from connectors.hubspot.simulated.records import Record

Outcome = Json | Problem | None  # an entry of `results`, a refusal, or neither (nothing written, silently)


def _inputs(call: Call) -> list[Json]:
    inputs = call.body.get("inputs")
    if not isinstance(inputs, list):
        raise Problem(400, "Invalid input JSON: some required fields were not set: [inputs]")
    if len(inputs) > 100:
        raise Problem(400, "The maximum number of inputs in a batch is 100")
    keys = [str(one.get("id")).lower() for one in inputs if one.get("id")]
    if len(set(keys)) != len(keys):
        raise Problem(400, "Duplicate IDs found in batch input")
    return [dict(one) for one in inputs]


def _batch(call: Call, inputs: list[Json], write: Callable[[Json], Outcome], *, status: int) -> Answer:
    """All or nothing, unless every failing input carries a trace id: then only the others are written."""
    account = call.account
    if account.habits.silent:
        return batch_answer(call, [], [], status=status)
    results: list[Json] = []
    errors: list[Json] = []
    refused: list[tuple[Json, Problem]] = []
    for one in inputs:
        problem = _fault(call, one)
        if problem is not None:
            refused.append((one, problem))
    if refused and not all(one.get("objectWriteTraceId") for one, _ in refused):
        raise refused[0][1]
    failing = {id(one) for one, _ in refused}
    for one, problem in refused:
        errors.append(_error(one, problem))
    for one in inputs:
        if id(one) in failing:
            continue
        try:
            result = write(one)
        except Problem as problem:
            if not one.get("objectWriteTraceId"):
                raise
            errors.append(_error(one, problem))
            continue
        if isinstance(result, dict):
            if one.get("objectWriteTraceId"):
                result["objectWriteTraceId"] = one["objectWriteTraceId"]
            results.append(result)
    account.random.shuffle(results)
    return batch_answer(call, results, errors, status=status)


def _error(one: Json, problem: Problem) -> Json:
    return {
        "status": "error",
        "category": problem.category,
        "message": problem.message,
        "context": {"objectWriteTraceId": [one["objectWriteTraceId"]]},
    }


def _fault(call: Call, one: Json) -> Problem | None:
    """Why this input cannot be written, if so."""
    if "_record_missing" in one:
        return Problem(404, "Could not find the object", "OBJECT_NOT_FOUND")
    faults = list(call.account.schema.faults(one["_type"], one.get("properties") or {}))
    return invalid(faults) if faults else None


def update(call: Call, type_: str) -> Answer:
    account = call.account
    kind = account.type_of(type_)
    inputs = _inputs(call)
    found: dict[str, Record] = {}
    for one in inputs:
        if one.get("idProperty") in ("email", "hs_object_id"):
            raise Problem(400, "Unable to perform update/upsert by non-unique 0-1 property")
        one["_type"] = kind
        id_ = str(one.get("id"))
        record = account.records.find(kind, id_)
        if record is not None:
            found[id_] = record
        elif "@" not in id_:
            one["_record_missing"] = True

    def write(one: Json) -> Outcome:
        record = found.get(str(one["id"]))
        if record is None:
            return None  # an address where an id belongs: 200, and nothing is written
        changed = account.records.update(record, one.get("properties") or {})
        always = [record.modified_name]
        if kind != "contacts":
            always += [record.created_name, "hs_object_id"]
        return record.shown({**changed, **{name: record.all()[name] for name in always}})

    return _batch(call, inputs, write, status=200)


def create(call: Call, type_: str) -> Answer:
    account = call.account
    kind = account.type_of(type_)
    inputs = _inputs(call)
    for one in inputs:
        one["_type"] = kind

    def write(one: Json) -> Outcome:
        record = account.records.create(kind, one.get("properties") or {})
        return record.shown(record.all())

    account.random.shuffle(inputs)  # ids are not given in the order of the inputs
    return _batch(call, inputs, write, status=201)


def upsert(call: Call, type_: str) -> Answer:
    account = call.account
    kind = account.type_of(type_)
    inputs = _inputs(call)
    for one in inputs:
        if one.get("idProperty") != "email":
            raise Problem(400, "Unable to perform update/upsert by non-unique 0-1 property")
        one["_type"] = kind

    def write(one: Json) -> Outcome:
        properties = one.get("properties") or {}
        record = account.records.by_address(str(one["id"]))
        if record is None:
            record = account.records.create(kind, {"email": str(one["id"]), **properties})
            return {**record.shown(record.all()), "new": True}
        changed = account.records.update(record, properties)
        return {
            **record.shown({**changed, record.modified_name: record.all()[record.modified_name]}),
            "new": False,
        }

    return _batch(call, inputs, write, status=200)


def archive(call: Call, type_: str) -> Answer:
    account = call.account
    kind = account.type_of(type_)
    for one in _inputs(call):
        record = account.records.find(kind, str(one.get("id")))
        if record is not None:
            account.records.archive(record)
    return 204, None


def archive_one(call: Call, type_: str, id_: str) -> Answer:
    call.account.records.archive(call.account.records.required(call.account.type_of(type_), id_))
    return 204, None


def update_one(call: Call, type_: str, id_: str) -> Answer:
    account = call.account
    kind = account.type_of(type_)
    record = account.records.required(kind, id_)
    faults = list(account.schema.faults(kind, call.body.get("properties") or {}))
    if faults:
        raise invalid(faults)
    changed = account.records.update(record, call.body.get("properties") or {})
    return 200, record.shown({**changed, record.modified_name: record.all()[record.modified_name]})
