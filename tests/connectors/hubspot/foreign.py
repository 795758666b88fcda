"""What a foreign client does with the simulator, over HTTP and nothing else."""

from __future__ import annotations

from typing import Any

from tests.connectors.hubspot.conftest import Portal

CONTACTS = "/crm/objects/2026-09/contacts"
LISTS = "/crm/lists/2026-09"


def make(portal: Portal, *addresses: str) -> dict[str, str]:
    """New contacts: address → id."""
    inputs = [{"properties": {"email": address}} for address in addresses]
    answer = portal.call("POST", f"{CONTACTS}/batch/create", {"inputs": inputs})
    assert answer.status_code == 201
    return {o["properties"]["email"]: o["id"] for o in answer.json()["results"]}


def get(portal: Portal, id_: str, *names: str) -> dict[str, Any]:
    """One contact by id, with these properties."""
    found: dict[str, Any] = portal.call("GET", f"{CONTACTS}/{id_}", properties=",".join(names)).json()
    return found
