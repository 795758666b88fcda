"""What a segment looks like by the rules as they are now. Evaluates and stores nothing."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from rules.language import render
from sync.assign import assign
from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.run.rulebook import known_rules
from sync.run.workspace import Workspace
from sync.whereabouts import Whereabouts

_CONSENT = "CASE WHEN suppressed THEN 'opted out' WHEN consented_email THEN 'opted in' ELSE 'unknown' END"
MOST_COUNTRIES, MOST_OVERLAPS, SAMPLE = 10, 8, 10


def preview(workspace: Workspace, segment: str) -> dict[str, Any]:
    """Size, change since the last run, countries, consent, reach by connection, overlaps, sample.

    `kept`: how many are in although `when` is not true of them, as they stay on.
    """
    vocabulary, rules = known_rules(workspace)
    if segment not in rules.segments:
        raise UserError(f"there is no segment {segment}{did_you_mean(segment, rules.segments)}")
    lake = workspace.store.lake
    evaluation = assign(
        workspace.store,
        rules,
        vocabulary=vocabulary,
        as_of=workspace.clock.utc_now(),
        settings=workspace.settings.rules,
    )
    members = evaluation.members[segment]
    before = workspace.store.segments.latest().get(segment)
    database = lake.connect()
    try:
        database.register("members", pa.table({"person": np.asarray(members.to_array()).astype(np.int32)}))
        theirs = f"(SELECT * FROM {lake.relation('people')} WHERE person IN (SELECT person FROM members))"
        found = Whereabouts(database, contacts=lake.relation("contacts"), links=lake.relation("links"))
        reach = [
            {"name": name, "people": len(members & found.reachable(name))} for name in workspace.destinations
        ]
        country = "country" if "country" in lake.columns("people") else "CAST(NULL AS VARCHAR)"
        return {
            "segment": segment,
            "name": rules.segments[segment].name,
            "rule": render(rules.segments[segment].when),
            "size": len(members),
            "kept": len(evaluation.kept.get(segment, ())),
            "people": evaluation.people,
            "share": len(members) / evaluation.people if evaluation.people else 0.0,
            "last_run": _since(before.members, members) if before is not None else None,
            "countries": _counts(database, f"coalesce({country}, 'unknown')", theirs, MOST_COUNTRIES),
            "consent": _counts(
                database,
                _CONSENT,
                theirs,
                3,
            ),
            "reach": reach,
            "overlaps": _overlaps(segment, members, dict(evaluation.members)),
            "sample": [
                {"person": person, "country": where}
                for person, where in database.sql(
                    f"SELECT person, {country} FROM {theirs} ORDER BY md5(person::VARCHAR) LIMIT {SAMPLE}"
                ).fetchall()
            ],
        }
    finally:
        database.close()


def _since(before: BitMap, now: BitMap) -> dict[str, int]:
    return {"enter": len(now - before), "leave": len(before - now)}


def _counts(database: duckdb.DuckDBPyConnection, what: str, relation: str, most: int) -> list[dict[str, Any]]:
    rows = database.sql(
        f"SELECT {what} AS name, count(*) AS people FROM {relation}"
        f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}"
    ).fetchall()
    return [{"name": name, "people": people} for name, people in rows]


def _overlaps(segment: str, members: BitMap, everyone: dict[str, BitMap]) -> list[dict[str, Any]]:
    shared = [
        {
            "segment": name,
            "people": both,
            "of_this": both / len(members),
            "of_that": both / len(other),
        }
        for name, other in everyone.items()
        if name != segment and (both := members.intersection_cardinality(other))
    ]
    return sorted(shared, key=lambda one: (-int(str(one["people"])), str(one["segment"])))[:MOST_OVERLAPS]
