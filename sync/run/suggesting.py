"""Pairs of people who may be one human: told, never linked. For `segsync duplicates`."""

from __future__ import annotations

from typing import Any

from sync.identify.phones import suggest_duplicates
from sync.run.workspace import Workspace


def suggestions(workspace: Workspace) -> list[dict[str, Any]]:
    """person, other_person (numbers) and the reason, by number; empty if no phone number is mapped."""
    _, fields = workspace.vocabulary()
    by_name = {field.name: field for field in fields}
    if "phone" not in by_name:
        return []
    lake = workspace.store.lake
    database = lake.connect()
    try:
        found = suggest_duplicates(
            database,
            contacts=lake.relation("contacts"),
            links=lake.relation("links"),
            phone=by_name["phone"],
            country=by_name.get("country"),
        )
    finally:
        database.close()
    return [
        {"person": row["person"], "other_person": row["other_person"], "reason": row["reason"]}
        for row in found.to_pylist()
    ]
