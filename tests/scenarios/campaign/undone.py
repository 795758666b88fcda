"""Two faults inside a successful answer: some items refused one by one, and nothing written at all."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from connectors.simulation import Reply, Request
from tests.scenarios.campaign.accounts import Accounts
from tests.scenarios.campaign.company import PREFIX
from tests.scenarios.campaign.watch import Picture

Mend = Callable[[Reply], Reply]


def without_some(
    name: str, accounts: Accounts, request: Request, choice: random.Random
) -> tuple[Request, Mend] | None:
    """The request without some of its items, and what adds their errors to the answer.

    None where the platform has no errors for single items in this call.
    """
    try:
        body = json.loads(request.body)
    except ValueError:
        return None
    if name == "newsletter" and len(body.get("members_to_add") or ()) > 1:
        refused = body["members_to_add"][:: choice.randrange(2, 5)]
        body["members_to_add"] = [one for one in body["members_to_add"] if one not in refused]

        def told(content: Any) -> None:
            content["errors"].append({"email_addresses": refused, "error": "Try again later."})
            content["error_count"] += len(refused)

        return _changed(request, body), _mended(told)
    if name == "hub" and len(body.get("inputs") or ()) > 1:
        inputs = body["inputs"][:: choice.randrange(2, 5)]
        body["inputs"] = [one for one in body["inputs"] if one not in inputs]

        def errors(content: Any) -> None:
            content["numErrors"] = len(inputs)
            content["errors"] = [
                {
                    "status": "error",
                    "category": "OBJECT_NOT_FOUND",
                    "message": "Try again later.",
                    "context": {"objectWriteTraceId": [one["objectWriteTraceId"]]},
                }
                for one in inputs
            ][::-1]

        return _changed(request, body), _mended(errors, status=207)
    if name == "crm" and len(body.get("records") or ()) > 1:
        for record in body["records"][:: choice.randrange(2, 5)]:
            key = record.get("ContactId") or record.get("LeadId") or record.get("id")
            accounts.crm.org.locks[str(key)] = 1
        return request, lambda reply: reply
    return None


def _changed(request: Request, body: Any) -> Request:
    return replace(request, body=json.dumps(body).encode())


def _mended(tell: Callable[[Any], None], *, status: int | None = None) -> Mend:
    def mend(reply: Reply) -> Reply:
        if reply.status >= 300:
            return reply
        content = json.loads(reply.body)
        tell(content)
        return replace(reply, status=status or reply.status, body=json.dumps(content).encode())

    return mend


def undo(
    name: str, accounts: Accounts, before: Picture, after: Picture, *, undone: set[tuple[str, int]]
) -> bool:
    """Take back what a call has changed, though its answer says that it is done. False: not here.

    Only adds to audiences: whoever was not taken out although we were told so cannot be told from somebody
    whom others put in again. And nobody twice (`undone`: audience and human): then they are given up.
    """
    gained = {
        title: now - before.audiences.get(title, frozenset())
        for title, now in after.audiences.items()
        if title.startswith(PREFIX) and title in before.audiences
    }
    lost = any(was - after.audiences.get(title, frozenset()) for title, was in before.audiences.items())
    added = {(title, number) for title, numbers in gained.items() for number in numbers}
    if lost or not added or added & undone:
        return False
    undone |= added
    for title, number in added:
        accounts.move_member(name, title, accounts.company.humans[number], into=False)
    return True
