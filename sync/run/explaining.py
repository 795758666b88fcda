"""Why one person is in a segment or not: clauses, values, where the values came from, since when.

Shown to whoever asked for this very person on the command line; nothing of it is logged.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from rules import ir
from rules.engine.ahead import Ahead
from rules.engine.explain import Explanation
from rules.engine.explain import explain as explain_node
from rules.engine.periods import Clock
from rules.engine.person import Context
from rules.engine.ranks import KnownRanks
from rules.engine.reading import read_person
from rules.engine.walk import Rank, nodes
from rules.language import render
from rules.ruleset import RuleSet
from sync.assign import assign
from sync.config.problems import did_you_mean
from sync.engines import tables
from sync.errors import UserError
from sync.fields import FieldSpec
from sync.identify.explain import LinkedContact, explain_links
from sync.identify.keys import email_key
from sync.identify.people import provenance
from sync.quarantine import Standing, standing
from sync.run.entering import Entry, entry
from sync.run.outlook import Outlook, outlook
from sync.run.rulebook import known_rules, rules_of_matching
from sync.run.workspace import Workspace
from sync.standing import entered, entered_by_rule
from sync.store.optouts import StoredOptOut


@dataclass(frozen=True, slots=True)
class SegmentAnswer:
    """One segment for one person. `since`: the instant of the run that saw the person enter."""

    segment: str
    name: str
    place: str
    version: str
    member: bool
    member_at_last_run: bool | None
    since: dt.datetime | None
    tree: Explanation
    outlook: Outlook
    entry: Entry | None  # looked for where one segment is asked about


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """A change of this person that a platform did not take, and what becomes of it."""

    connection: str
    segment: str  # "*": the owned field
    code: str
    reason: str
    state: Standing
    tries: int
    first_at: dt.datetime
    last_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything about one person that decides on segments."""

    person: int
    as_of: dt.datetime
    segments: tuple[SegmentAnswer, ...]
    sources: Mapping[str, tuple[str, str, dt.datetime | None]]  # fact → connection.column, contact, when
    contacts: tuple[LinkedContact, ...]
    refused: tuple[RefusedChange, ...] = ()  # what platforms did not take
    opt_outs: tuple[StoredOptOut, ...] = ()  # what was written to platforms because of others

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"person {self.person}, as of {self.as_of:%Y-%m-%d %H:%M} UTC"
        for contact in self.contacts:
            keys = ", ".join(
                f"{key.kind} {key.masked}{' (former)' if key.former else ''}" for key in contact.keys
            )
            yield f"  contact {contact.external_id} on {contact.connection}: {keys or 'no key'}"
        for no in self.refused:
            state = no.state.value.replace("_", " ")
            yield (
                f"  refused on {no.connection} ({no.segment}): {no.reason}; {state},"
                f" tries: {no.tries}, the last {no.last_at:%Y-%m-%d %H:%M} UTC"
            )
        for told in self.opt_outs:
            yield (
                f"  opt-out on {told.connection}: {told.state}, {told.at:%Y-%m-%d %H:%M} UTC,"
                f" because of {told.source}"
            )
        for one in self.segments:
            since = f" since {one.since:%Y-%m-%d %H:%M}" if one.since else ""
            yield ""
            yield f"{one.segment}: {'in' if one.member else 'not in'}{since}"
            yield f"  rule {one.version} at {one.place}"
            if one.entry is not None:
                yield from (f"  {line}" for line in one.entry.lines())
            yield from (f"  {line}" for line in one.tree.lines())
            yield from (f"  {line}" for line in one.outlook.lines())
        used = sorted({name for one in self.segments for name in _facts(one.tree)} & set(self.sources))
        if used:
            yield ""
            yield "Where the facts came from"
            for name in used:
                source, contact_id, when = self.sources[name]
                changed = f", changed {when:%Y-%m-%d %H:%M}" if when else ""
                yield f"  {name}: {source}, contact {contact_id}{changed}"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "person": self.person,
            "as_of": self.as_of.isoformat(),
            "contacts": [
                {"connection": c.connection, "external_id": c.external_id, "keys": [k.masked for k in c.keys]}
                for c in self.contacts
            ],
            "refused": [
                {**asdict(no), "first_at": no.first_at.isoformat(), "last_at": no.last_at.isoformat()}
                for no in self.refused
            ],
            "opt_outs": [
                {
                    "connection": told.connection,
                    "state": told.state.value,
                    "at": told.at.isoformat(),
                    "source": told.source,
                    "reason": told.reason,
                }
                for told in self.opt_outs
            ],
            "segments": [
                {
                    "segment": one.segment,
                    "name": one.name,
                    "place": one.place,
                    "version": one.version,
                    "member": one.member,
                    "member_at_last_run": one.member_at_last_run,
                    "since": one.since.isoformat() if one.since else None,
                    "entered": one.entry.document() if one.entry else None,
                    "tree": _tree(one.tree),
                    "outlook": one.outlook.document(),
                }
                for one in self.segments
            ],
            "sources": {
                name: {"source": source, "contact": contact, "changed_at": when.isoformat() if when else None}
                for name, (source, contact, when) in self.sources.items()
            },
        }


def explain(workspace: Workspace, who: str, segment: str | None) -> Answer:
    """`who`: a person's number or an e-mail address. UserError if there is no such person or segment."""
    vocabulary, rules = known_rules(workspace)
    if segment is not None and segment not in rules.segments:
        raise UserError(f"there is no segment {segment}{did_you_mean(segment, rules.segments)}")
    wanted = [segment] if segment is not None else list(rules.segments)
    lake = workspace.store.lake
    database = lake.connect()
    try:
        person = _person(database, lake.relation("links"), who)
        as_of = workspace.clock.utc_now()
        ruled = tables(workspace.store, vocabulary)
        conditions = {name: one.when for name, one in rules.segments.items()}
        facts = read_person(database, ruled, person=person, conditions=conditions.values())
        if facts is None:
            raise UserError(f"there is no person {person}")
        ranks = _ranks(workspace, rules, as_of)
        segments = workspace.store.segments
        context = Context(
            Clock(as_of, vocabulary.zone),
            ranks,
            entered=lambda name: entered_by_rule(workspace.store, rules.segments[name], person),
            since=lambda segment: segments.since(segment, person, before=as_of),
        )
        answers, ahead = [], Ahead(facts, context, conditions)
        for name in wanted:
            tree = explain_node(conditions[name], facts, context, render=render, conditions=conditions)
            coming = outlook(conditions[name], ahead, conditions, render=render)
            came = entry(workspace, vocabulary, rules, name, person) if segment is not None else None
            answers.append(_answer(workspace, rules, name, person, tree, coming, came))
        _, fields = workspace.vocabulary()
        return Answer(
            person=person,
            as_of=as_of,
            segments=tuple(answers),
            sources=_sources(workspace, database, person, fields),
            contacts=tuple(
                explain_links(
                    database, person, links=lake.relation("links"), rules=rules_of_matching(workspace, fields)
                )
            ),
            refused=tuple(_refused(workspace, person)),
            opt_outs=tuple(workspace.store.opt_outs.log(person=person)),
        )
    finally:
        database.close()


def _person(database: duckdb.DuckDBPyConnection, links: str, who: str) -> int:
    if who.isdecimal():
        return int(who)
    key = email_key(who)
    if key is None:
        raise UserError("PERSON is a number or an e-mail address; this is neither")
    rows = database.execute(
        f"SELECT DISTINCT person FROM {links} WHERE list_contains(keys, ?) ORDER BY person",
        [f"email:{key}"],
    ).fetchall()
    if not rows:
        raise UserError("nobody has this e-mail address")
    if len(rows) > 1:
        numbers = ", ".join(str(row[0]) for row in rows[:5])
        raise UserError(f"this address links nobody, several people have it: {numbers}; name one by number")
    return int(rows[0][0])


def _refused(workspace: Workspace, person: int) -> Iterator[RefusedChange]:
    rows = {row.id: row for row in workspace.store.ledger.audiences()}
    for one in workspace.store.ledger.refusals():
        if one.person == person:
            row, state = rows[one.audience_id], standing(one, at=workspace.clock.utc_now())
            where = row.connection, row.segment
            yield RefusedChange(*where, one.code, one.reason, state, one.tries, one.first_at, one.last_at)


def _ranks(workspace: Workspace, rules: RuleSet, as_of: dt.datetime) -> KnownRanks:
    """Ranks need everybody; without one the other people are not looked at."""
    conditions = [segment.when for segment in rules.segments.values()]
    if not any(isinstance(node, Rank) for node in nodes(conditions)):
        return KnownRanks({})
    vocabulary, _ = workspace.vocabulary()
    evaluation = assign(
        workspace.store, rules, vocabulary=vocabulary, as_of=as_of, settings=workspace.settings.rules
    )
    return KnownRanks(evaluation.thresholds)


def _answer(
    workspace: Workspace,
    rules: RuleSet,
    name: str,
    person: int,
    tree: Explanation,
    coming: Outlook,
    came: Entry | None,
) -> SegmentAnswer:
    segment = rules.segments[name]
    since = entered(workspace.store, name, person)
    ran = workspace.store.segments.history(name, limit=1)
    place = segment.place
    return SegmentAnswer(
        segment=name,
        name=segment.name,
        place=f"{place.file}:{place.line}:{place.column}",
        version=segment.version,
        member=tree.result,
        member_at_last_run=since is not None if ran else None,
        since=since,
        tree=tree,
        outlook=coming,
        entry=came,
    )


def _sources(
    workspace: Workspace, database: duckdb.DuckDBPyConnection, person: int, fields: tuple[FieldSpec, ...]
) -> dict[str, tuple[str, str, dt.datetime | None]]:
    lake = workspace.store.lake
    found = provenance(
        database, person, contacts=lake.relation("contacts"), links=lake.relation("links"), fields=fields
    )
    return {
        row["field"]: (f"{row['connection']}.{row['column']}", row["external_id"], row["changed_at"])
        for row in found.to_pylist()
    }


def _facts(tree: Explanation) -> Iterator[str]:
    yield from (node.name for node in nodes([tree.node]) if isinstance(node, ir.Fact))
    for child in tree.children:
        yield from _facts(child)


def _tree(tree: Explanation) -> dict[str, Any]:
    return {
        "text": tree.text,
        "result": tree.result,
        "values": {one.text: one.value for one in tree.observed},
        "counted": {
            one.text: {**asdict(one.counted), "at": one.counted.at.isoformat()}
            for one in tree.observed
            if one.counted is not None
        },
        "parts": [_tree(child) for child in tree.children],
    }
