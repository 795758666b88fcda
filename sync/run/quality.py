"""The report of data quality over what the last run left, for `segsync quality`. Asks no platform.

It changes no data; only its own scores are kept, by run, so that the next report can tell what moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import pyarrow as pa
from pyroaring import BitMap

from rules.ruleset import RuleSet
from sync.assign import read_rules
from sync.identify.sql import text_literal
from sync.quality.filled import fill_rates
from sync.quality.finding import FINDINGS
from sync.quality.mailable import waterfall
from sync.quality.report import Issue, QualityReport, SourceQuality, blocked
from sync.quality.rules import RULES, Feature, Severity
from sync.quality.said import LIVING
from sync.quality.scores import scores
from sync.quality.trust import needs, resting, trust
from sync.run.findings import Looked
from sync.run.workspace import Workspace

REPORTS = "quality:reports"
"""Note of the scores of earlier reports, the latest of each run, oldest first."""
MOST_REPORTS = 50
_MOST_HINTS = 3


def report(look: Looked) -> QualityReport:
    """All of it; its scores are kept for the next one."""
    workspace, said = look.workspace, look.said
    lake = workspace.store.lake
    found = look.found()
    people = lake.rows("people")
    rules, notices = _rules(workspace)
    needed = needs(rules, look.fields)
    latest = workspace.store.segments.latest()
    earlier, before = _before(workspace, look.run)
    faulty = _faulty(look)
    steps = waterfall(said)
    made = QualityReport(
        run=look.run,
        as_of=look.as_of,
        people=people,
        contacts=_one(look, f"SELECT count(*) FROM {look.contacts} WHERE {LIVING}"),
        steps=steps,
        scores=scores(look.checked, faulty, before=before.get("dimensions")),
        issues=_issues(look, found, faulty, people=people, needed=needed, rules=rules),
        blocked=blocked(found, people),
        sources=_sources(look),
        filled=fill_rates(said, lake.relation("people"), there=lake.columns("people"), fields=look.fields),
        trust=trust({name: BitMap(one.members) for name, one in latest.items()}, needed, found),
        kept_out={rule: len(contacts) for rule, contacts in look.kept.by_rule.items()},
        compared_with=earlier,
        mailable_before=before.get("mailable"),
        notices=notices,
    )
    _keep(workspace, made)
    return made


def _rules(workspace: Workspace) -> tuple[RuleSet, tuple[str, ...]]:
    """The rules in force, for what they rest on; none of them while the files have errors."""
    vocabulary, _ = workspace.vocabulary()
    if not workspace.settings.rules_dir.exists():
        return RuleSet(), ()
    loaded = read_rules(workspace.settings.rules_dir, vocabulary)
    if loaded.ruleset is None:
        return RuleSet(), ("the rule files have errors, so no segment is judged; `segsync check` lists them",)
    return loaded.ruleset, ()


def _faulty(look: Looked) -> dict[str, int]:
    """Rule → contacts it found."""
    query = f"SELECT rule, count(DISTINCT contact) FROM {FINDINGS} GROUP BY rule"
    return {str(rule): int(count) for rule, count in look.said.database.sql(query).fetchall()}


def _issues(
    look: Looked,
    found: Mapping[tuple[str, str], BitMap],
    faulty: Mapping[str, int],
    *,
    people: int,
    needed: Mapping[str, frozenset[str]],
    rules: RuleSet,
) -> tuple[Issue, ...]:
    hints: dict[str, Counter[str]] = {}
    counted = look.said.database.sql(
        f"""SELECT rule, hint, count(*) FROM {FINDINGS} WHERE hint IS NOT NULL
        GROUP BY ALL ORDER BY 1, 3 DESC, 2"""
    ).fetchall()
    for rule, hint, count in counted:
        hints.setdefault(rule, Counter())[hint] = count
    sent = {name for name, segment in rules.segments.items() if segment.to}
    issues = []
    for name, contacts in faulty.items():
        theirs = {field: some for (rule, field), some in found.items() if rule == name}
        everybody = BitMap.union(BitMap(), *theirs.values())
        on = set().union(*(resting(needed, field) for field in theirs))
        if Feature.MAILING in RULES[name].blocks:
            on |= sent
        issues.append(
            Issue(
                rule=RULES[name],
                contacts=contacts,
                checked=look.checked[name],
                people=len(everybody),
                share=len(everybody) / people if people else 0.0,
                segments=tuple(one for one in needed if one in on),
                hints=dict(hints.get(name, Counter()).most_common(_MOST_HINTS)),
            )
        )
    order = list(RULES)
    return tuple(sorted(issues, key=lambda one: (-one.people, -one.contacts, order.index(one.rule.id))))


def _sources(look: Looked) -> tuple[SourceQuality, ...]:
    rejected: Counter[str] = Counter()
    for (connection, _), count in look.workspace.store.inbox.rejected_counts().items():
        rejected[connection] += count
    out = pa.table({"contact": pa.array(list(look.kept.contacts), pa.int32())})
    look.said.database.register("quality_out", out)
    found = look.said.database.sql(
        f"""WITH judged AS (
            SELECT connection, contact, {_has(Severity.ERROR)} AS error, {_has(Severity.WARNING)} AS warning,
                contact IN (SELECT contact FROM quality_out) AS kept_out
            FROM {look.contacts} LEFT JOIN {FINDINGS} USING (contact) WHERE {LIVING}
            GROUP BY connection, contact
        ), most AS (
            SELECT connection, rule FROM {FINDINGS} JOIN {look.contacts} AS contacts USING (contact)
            GROUP BY connection, rule
            QUALIFY row_number() OVER (
                PARTITION BY connection ORDER BY count(DISTINCT contact) DESC, rule) = 1
        )
        SELECT connection, count(*), count(*) FILTER (error), count(*) FILTER (warning),
            count(*) FILTER (kept_out), any_value(rule)
        FROM judged LEFT JOIN most USING (connection) GROUP BY connection ORDER BY connection"""
    ).fetchall()
    return tuple(
        SourceQuality(name, contacts, errors, warnings, rejected[name], kept, worst)
        for name, contacts, errors, warnings, kept, worst in found
    )


def _has(severity: Severity) -> str:
    ids = ", ".join(text_literal(rule.id) for rule in RULES.values() if rule.severity is severity)
    return f"bool_or(coalesce(rule IN ({ids}), false))"


def _one(look: Looked, query: str) -> int:
    return int(look.said.database.sql(query).fetchall()[0][0])


# ── what earlier reports said ────────────────────────────────────────────────────────────────────────────


def _before(workspace: Workspace, run: int | None) -> tuple[int | None, dict[str, Any]]:
    """(run, scores) of the latest report of an earlier run; nothing if there is none."""
    for one in reversed(_reports(workspace)):
        if run is None or one["run"] < run:
            return one["run"], one
    return None, {}


def _keep(workspace: Workspace, made: QualityReport) -> None:
    if made.run is None:
        return
    kept = [one for one in _reports(workspace) if one["run"] != made.run]
    fresh = {
        "run": made.run,
        "mailable": made.mailable,
        "score": made.overall,
        "dimensions": {one.dimension.value: one.score for one in made.scores if one.score is not None},
    }
    in_order = sorted([*kept, fresh], key=lambda one: cast("int", one["run"]))
    if in_order != _reports(workspace):
        workspace.store.notes.set(REPORTS, in_order[-MOST_REPORTS:])


def _reports(workspace: Workspace) -> list[dict[str, Any]]:
    noted = workspace.store.notes.get(REPORTS)
    return list(noted) if isinstance(noted, list) else []
