"""People whom a platform always refuses, and with them the whole call that names them."""

from __future__ import annotations

import json
import math

from connectors.hubspot.simulated.problem import Problem
from connectors.mailchimp.simulated.audience import subscriber_hash
from connectors.simulation import Reply, Request
from tests.scenarios.campaign.accounts import Accounts


def refusal(name: str) -> Reply:
    """The platform's own way to refuse a call without saying because of whom."""
    match name:
        case "hub":
            return Reply(400, json.dumps(Problem(400, "a validation rule was not met").body()).encode())
        case "crm":
            rows = [{"message": "An unexpected error occurred.", "errorCode": "UNKNOWN_EXCEPTION"}]
            return Reply(400, json.dumps(rows).encode())
        case "shop-mail":
            error = {"id": "x", "status": 400, "code": "invalid", "title": "Invalid input.", "detail": "No."}
            body = {"errors": [{**error, "source": {"pointer": "/data"}}]}
            return Reply(400, json.dumps(body).encode(), {"Content-Type": "application/vnd.api+json"})
        case _:
            content = {"type": "x", "title": "Invalid Resource", "status": 400, "detail": "This cannot be."}
            return Reply(400, json.dumps(content).encode())


def halving(request: Request) -> int:
    """Calls it may take to find one person among those of this call."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return 1
    for key in ("inputs", "records", "data"):
        people = body.get(key)
        if isinstance(people, dict):  # an import
            people = people["attributes"]["profiles"]["data"]
        if people:
            return 2 * math.ceil(math.log2(len(people))) + 1
    keys = ("members_to_add", "members_to_remove", "recordIdsToAdd", "recordIdsToRemove")
    count = sum(len(body.get(key) or ()) for key in keys)
    return 2 * math.ceil(math.log2(max(1, count))) + 1


def names(name: str, accounts: Accounts, request: Request, number: int) -> bool:
    """Whether the call is about this human, among others."""
    body = request.body.decode("utf-8", "replace")
    match name:
        case "hub":
            return f'"{accounts.hub_ids[number]}"' in body
        case "crm":
            return accounts.crm_ids[number] in body
        case "shop-mail":
            return f'"{accounts.klaviyo_ids[number]}"' in body
        case _:
            address = accounts.company.humans[number].address(name)
            return f'"{address}"' in body or subscriber_hash(address) in request.path
