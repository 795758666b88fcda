"""Pairs of people who may be one human: told, never linked. For `segsync duplicates`."""

from __future__ import annotations

from typing import Any

from sync.identify.alike import suggest_alike
from sync.identify.phones import suggest_duplicates
from sync.run.workspace import Workspace


def suggestions(workspace: Workspace) -> list[dict[str, Any]]:
    """person, other_person (numbers), reason, and likeness (0 to 1, None if names were not compared); by
    number. Whoever shares a telephone number, and whose names, birthdays and places are nearly the same."""
    _, fields = workspace.vocabulary()
    by_name = {field.name: field for field in fields}
    lake = workspace.store.lake
    database = lake.connect()
    found: dict[tuple[int, int], dict[str, Any]] = {}
    try:
        if "phone" in by_name:
            shared = suggest_duplicates(
                database,
                contacts=lake.relation("contacts"),
                links=lake.relation("links"),
                phone=by_name["phone"],
                country=by_name.get("country"),
            )
            for row in shared.to_pylist():
                found[row["person"], row["other_person"]] = {"reasons": [row["reason"]], "likeness": None}
        alike = suggest_alike(database, lake.relation("people"), there=lake.columns("people"))
        for row in alike.to_pylist():
            pair = found.setdefault((row["person"], row["other_person"]), {"reasons": []})
            pair["reasons"].append(row["reason"])
            pair["likeness"] = round(row["likeness"], 3)
    finally:
        database.close()
    return [
        {
            "person": person,
            "other_person": other,
            "reason": "; ".join(pair["reasons"]),
            "likeness": pair["likeness"],
        }
        for (person, other), pair in sorted(found.items())
    ]
