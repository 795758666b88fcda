"""Reading objects: lists, search, batch read, associations, one object; erasing and merging."""

from __future__ import annotations

from connectors.hubspot.simulated import index
from connectors.hubspot.simulated.call import Call
from connectors.hubspot.simulated.problem import Json, Problem, not_found
from connectors.hubspot.simulated.records import Record, iso

Answer = tuple[int, Json | None]
DEFAULTS = {
    "contacts": ("email", "firstname", "lastname"),
    "companies": ("name", "domain"),
    "deals": ("dealname", "amount", "closedate", "dealstage", "pipeline"),
}


def shown(call: Call, record: Record, asked: list[str]) -> Json:
    """The object with the properties asked for, null where it has no value; unknown ones are ignored."""
    known, held = call.account.schema.of(record.type), record.all()
    always = (record.created_name, record.modified_name, "hs_object_id")
    names = [*(asked or DEFAULTS.get(record.type, ())), *always]
    return record.shown({name: held.get(name) for name in names if name in known})


def list_page(call: Call, type_: str) -> Answer:
    account = call.account
    kind = account.type_of(type_)
    limit, after = int(call.query.get("limit") or 10), call.query.get("after")
    if not 1 <= limit <= 100:
        raise Problem(400, "limit must be between 1 and 100")
    if after is not None and not after.isdigit():
        raise Problem(400, "after is not a cursor of this list")
    records, archived = account.records, call.flag("archived")
    # one more than the page holds, to know whether another follows
    some = records.listed(kind, archived=archived, after=after, limit=limit + 1)
    answer: Json = {"results": [shown(call, record, call.properties()) for record in some[:limit]]}
    if account.habits.repeat_pages and after is not None:
        again = records.listed(kind, archived=archived, after=after, limit=limit, before=True)
        if len(again) == limit:
            answer["results"] = [shown(call, record, call.properties()) for record in (*again, *some[:limit])]
    if len(some) > limit:
        last = some[limit].id
        link = f"{call.address}/crm/v3/objects/{kind}?limit={limit}&after={last}"
        answer["paging"] = {"next": {"after": last, "link": link}}
    return 200, answer


def search(call: Call, type_: str) -> Answer:
    account = call.account
    kind = account.type_of(type_)
    definitions = account.schema.of(kind)
    # Ids compare as text, as has been seen; so nobody comes to rely on anything else.
    numbers = {n for n, d in definitions.items() if d["type"] in ("number", "date", "datetime")} - {
        "hs_object_id"
    }
    ids = account.records.index.matching(kind, call.body, numbers=numbers)
    live = [id_ for id_ in ids if account.records.find(kind, id_) is not None]
    start, end = index.bounds(live, call.body)
    asked = [str(name) for name in call.body.get("properties") or []]
    results = [shown(call, account.records.required(kind, id_), asked) for id_ in live[start:end]]
    answer: Json = {"total": len(ids), "results": results}
    if end < len(live):
        answer["paging"] = {"next": {"after": str(end)}}
    return 200, answer


def batch_read(call: Call, type_: str) -> Answer:
    account = call.account
    kind = account.type_of(type_)
    inputs = call.body.get("inputs") or []
    if len(inputs) > 100:
        raise Problem(400, "at most 100 inputs are allowed")
    asked = [str(name) for name in call.body.get("properties") or []]
    by_address = call.body.get("idProperty") == "email"
    found: dict[str, Record] = {}
    missing: list[str] = []
    for one in inputs:
        id_ = str(one.get("id"))
        record = account.records.by_address(id_) if by_address else account.records.find(kind, id_)
        if record is None:
            missing.append(id_)
        else:
            found[record.id] = record
    results = [shown(call, record, asked) for record in found.values()]
    account.random.shuffle(results)
    return batch_answer(call, results, missing_errors(missing) if missing else [])


def missing_errors(ids: list[str]) -> list[Json]:
    message = "Could not get some objects, they may be deleted or not exist. Check that ids are valid."
    return [{"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": ids}}]


def batch_answer(call: Call, results: list[Json], errors: list[Json], *, status: int = 200) -> Answer:
    """Results and errors of a batch; with errors it is a 207, or by habit not."""
    now = iso(call.account.records.now())
    answer: Json = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if errors:
        answer.update(numErrors=len(errors), errors=errors)
        status = status if call.account.habits.errors_in_200 else 207
    return status, answer


def associations(call: Call, from_: str, to: str) -> Answer:
    account = call.account
    source, target = account.type_of(from_), account.type_of(to)
    inputs = call.body.get("inputs") or []
    if len(inputs) > 100:
        raise Problem(400, "at most 100 inputs are allowed")
    size = account.habits.associations_page
    results: list[Json] = []
    errors: list[Json] = []
    for one in inputs:
        id_, start = str(one.get("id")), int(one.get("after") or 0)
        linked = list(account.records.linked(source, id_, target))
        if not linked:
            if account.habits.report_unassociated:
                message = f"No {target} is associated with {source} {id_}."
                context = {"fromObjectId": [id_]}
                errors.append(
                    {
                        "status": "error",
                        "category": "OBJECT_NOT_FOUND",
                        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                        "message": message,
                        "context": context,
                    }
                )
            continue
        result: Json = {
            "from": {"id": id_},
            "to": [
                {"toObjectId": number, "associationTypes": [_association_type(label)]}
                for number, label in linked[start : start + size]
            ],
        }
        if start + size < len(linked):
            result["paging"] = {"next": {"after": str(start + size)}}
        results.append(result)
    account.random.shuffle(results)
    return batch_answer(call, results, errors)


def _association_type(label: str) -> Json:
    return {"category": "HUBSPOT_DEFINED", "typeId": 1 if label else 279, "label": label or None}


def one_object(call: Call, type_: str, id_: str) -> Answer:
    account = call.account
    kind = account.type_of(type_)
    by_address = call.query.get("idProperty") == "email"
    record = account.records.by_address(id_) if by_address else account.records.find(kind, id_)
    if record is None:
        raise not_found()
    return 200, shown(call, record, call.properties())


def erase(call: Call) -> Answer:
    """By record id, or by address; an unknown address goes onto the blocklist for good."""
    records = call.account.records
    id_ = str(call.body.get("objectId") or "")
    if call.body.get("idProperty") == "email":
        known = records.addresses.get(id_.lower())
        if known is None:
            records.blocked.add(id_.lower())
            return 204, None
        id_ = known
    record = records.live("contacts").get(id_)
    if record is None:
        raise not_found()
    records.erase(record)
    return 204, None


def merge(call: Call) -> Answer:
    records = call.account.records
    primary = records.required("contacts", str(call.body.get("primaryObjectId")))
    other = records.required("contacts", str(call.body.get("objectIdToMerge")))
    return 200, shown(call, records.merge(primary, other), [])
